//! Which of the queued jobs the next transaction takes: small ones together, a large
//! one alone. Between two large ones the small ones go first, and the large ones of
//! one key take turns with those of another.

use std::collections::VecDeque;
use std::mem;
use std::sync::mpsc::Receiver;

use super::job::{Job, Message};
use crate::key::Grant;
use crate::token::KeyId;

/// Rows after which a transaction takes no more jobs.
pub(super) const BATCH_ROWS_MAX: usize = 512;
/// Large jobs that are taken out of the queue to wait; the others stay in it.
const LARGE_WAITING_MAX: usize = 64;

/// The jobs of the next transaction, and the large ones behind it.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) jobs: Vec<Box<dyn Job>>,
    large: VecDeque<Box<dyn Job>>,
    /// Whose large jobs were taken, the last one's key at the end.
    served: Vec<Option<KeyId>>,
    /// Small ones went first: a large one is not kept waiting again.
    large_is_next: bool,
}

impl Batch {
    /// Whether there are jobs besides those in the queue.
    pub(super) fn waits(&self) -> bool {
        !self.large.is_empty()
    }

    /// Takes in a job from the queue.
    pub(super) fn add(&mut self, job: Box<dyn Job>) {
        if job.load().rows > BATCH_ROWS_MAX {
            self.large.push_back(job);
        } else {
            self.jobs.push(job);
        }
    }

    /// Takes what the next transaction is to have; what was withdrawn is dropped.
    pub(super) fn fill(&mut self, queue: &Receiver<Message>, stopping: &mut bool) {
        self.jobs.retain(|job| job.take());
        if !mem::take(&mut self.large_is_next) {
            self.take_small(queue, stopping);
        }
        if self.jobs.is_empty() {
            self.take_large();
        } else {
            self.large_is_next = self.waits();
        }
    }

    fn take_small(&mut self, queue: &Receiver<Message>, stopping: &mut bool) {
        let mut rows: usize = self.jobs.iter().map(|job| job.load().rows).sum();
        while rows < BATCH_ROWS_MAX && self.large.len() < LARGE_WAITING_MAX && !*stopping {
            match queue.try_recv() {
                Ok(Message::Job(job)) if job.load().rows > BATCH_ROWS_MAX => {
                    self.large.push_back(job)
                }
                Ok(Message::Job(job)) if job.take() => {
                    rows += job.load().rows;
                    self.jobs.push(job);
                }
                Ok(Message::Job(_)) => {}
                Ok(Message::Stop) => *stopping = true,
                Err(_) => return,
            }
        }
    }

    /// The first of the key that waits for the longest since it was served.
    fn take_large(&mut self) {
        let served_at = |job: &dyn Job| {
            let key = job.grant().map(Grant::key);
            let served = self.served.iter().position(|served| *served == key);
            served.map_or(0, |at| at + 1)
        };
        let waiting = self.large.iter().enumerate();
        let next = waiting.min_by_key(|(at, job)| (served_at(job.as_ref()), *at));
        let next = next.map(|(at, _)| at);
        let Some(job) = next.and_then(|at| self.large.remove(at)) else {
            self.served.clear();
            return;
        };
        let key = job.grant().map(Grant::key);
        self.served.retain(|served| *served != key);
        self.served.push(key);
        if job.take() {
            self.jobs.push(job);
        }
    }
}
