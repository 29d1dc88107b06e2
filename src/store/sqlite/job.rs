//! A queued write: taken by the writer or withdrawn by its waiter, never both.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::oneshot;

use super::failure::Failure;
use super::transaction::Transaction;
use crate::error::Error;
use crate::key::Grant;

/// The stages of a job. Exactly one of writer and waiter moves it on from `QUEUED`.
const QUEUED: u8 = 0;
const TAKEN: u8 = 1;
const WITHDRAWN: u8 = 2;

/// What the writer receives.
pub(super) enum Message {
    Job(Box<dyn Job>),
    Stop,
}

/// What a job asks of the writer.
#[derive(Clone, Copy)]
pub(super) struct Load {
    /// About how many rows it writes.
    pub(super) rows: usize,
    /// Whether it adds to the book; the rest is done however little room there is.
    pub(super) grows: bool,
}

/// One queued write, whatever its result is.
pub(super) trait Job: Send {
    /// Takes the job from its waiter, or says that it was withdrawn.
    fn take(&self) -> bool;
    /// Whose right it is done by; the server's own needs none.
    fn grant(&self) -> Option<&Grant>;
    /// What it asks of the writer.
    fn load(&self) -> Load;
    /// Does the work and keeps its result; an error is the storage's and ends
    /// the transaction.
    fn perform(&mut self, transaction: &Transaction<'_>) -> Result<(), rusqlite::Error>;
    fn refuse(&mut self, error: Error);
    /// Answers the waiter: the result kept, or the error that hit the whole batch.
    fn answer(self: Box<Self>, batch_error: Option<&Error>);
}

/// Work with the waiter that it is done for.
pub(super) struct Task<T, W> {
    grant: Option<Grant>,
    load: Load,
    stage: Arc<AtomicU8>,
    work: Option<W>,
    outcome: Result<T, Error>,
    answer: oneshot::Sender<Result<T, Error>>,
    _queued: Queued,
}

/// Counts as a job while it is kept.
pub(super) struct Queued(Gauge);

impl Queued {
    pub(super) fn count(jobs: &Gauge) -> Self {
        jobs.inc();
        Self(jobs.clone())
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// The waiter's end of a job: it may withdraw it, until the writer has taken it.
pub(super) struct Waiter<T> {
    stage: Arc<AtomicU8>,
    pub(super) outcome: oneshot::Receiver<Result<T, Error>>,
}

impl<T> Waiter<T> {
    /// Withdraws the job, unless it was taken; whether it did.
    pub(super) fn withdraw(&self) -> bool {
        advance(&self.stage, WITHDRAWN)
    }
}

impl<T, W> Task<T, W> {
    /// A job in the name of `grant`, or of the server itself.
    pub(super) fn new(
        grant: Option<Grant>,
        load: Load,
        work: W,
        queued: Queued,
    ) -> (Self, Waiter<T>) {
        let (answer, outcome) = oneshot::channel();
        let stage = Arc::new(AtomicU8::new(QUEUED));
        let task = Self {
            grant,
            load,
            stage: Arc::clone(&stage),
            work: Some(work),
            outcome: Err(Error::Internal),
            answer,
            _queued: queued,
        };
        (task, Waiter { stage, outcome })
    }
}

impl<T, W> Job for Task<T, W>
where
    T: Send,
    W: FnOnce(&Transaction<'_>) -> Result<T, Failure> + Send,
{
    fn take(&self) -> bool {
        advance(&self.stage, TAKEN)
    }

    fn grant(&self) -> Option<&Grant> {
        self.grant.as_ref()
    }

    fn load(&self) -> Load {
        self.load
    }

    fn perform(&mut self, transaction: &Transaction<'_>) -> Result<(), rusqlite::Error> {
        let work = self.work.take().expect("a job is performed once");
        self.outcome = match work(transaction) {
            Ok(result) => Ok(result),
            Err(Failure::Refused(error)) => Err(error),
            Err(Failure::Storage(error)) => return Err(error),
        };
        Ok(())
    }

    fn refuse(&mut self, error: Error) {
        self.outcome = Err(error);
    }

    fn answer(self: Box<Self>, batch_error: Option<&Error>) {
        let answer = match batch_error {
            None => self.outcome,
            Some(error) => Err(error.clone()),
        };
        // Nobody may be waiting any more; the write stands all the same.
        let _ = self.answer.send(answer);
    }
}

fn advance(stage: &AtomicU8, next: u8) -> bool {
    stage
        .compare_exchange(QUEUED, next, Ordering::AcqRel, Ordering::Acquire)
        .is_ok()
}
