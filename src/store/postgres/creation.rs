//! A contact on its way through a lane, and what waits there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::sync::{mpsc, oneshot};

use super::writer::Waits;
use crate::contact::FullContact;
use crate::error::Error;
use crate::key::Grant;
use crate::token::KeyId;

/// Creates that one transaction takes.
const BATCH_ROWS_MAX: usize = 512;
/// The stages of a creation.
const QUEUED: u8 = 0;
const TAKEN: u8 = 1;
const WITHDRAWN: u8 = 2;

/// How far a creation is: exactly one of lane and waiter moves it on.
#[derive(Clone)]
pub(super) struct Stage(Arc<AtomicU8>);

impl Stage {
    /// Whether nobody had taken it: then nobody will.
    pub(super) fn withdraw(&self) -> bool {
        self.advance(WITHDRAWN)
    }

    fn advance(&self, next: u8) -> bool {
        self.0
            .compare_exchange(QUEUED, next, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }
}

/// A contact that is to be created, and who waits for it.
pub(super) struct Creation {
    pub(super) grant: Grant,
    pub(super) contact: FullContact,
    stage: Stage,
    /// A commit may have stored it of which nobody heard.
    pub(super) may_be_stored: bool,
    answer: oneshot::Sender<Result<FullContact, Error>>,
    _waits: Waits,
}

type Answer = oneshot::Receiver<Result<FullContact, Error>>;

impl Creation {
    pub(super) fn new(grant: Grant, contact: FullContact, waits: Waits) -> (Self, Stage, Answer) {
        let (answer, outcome) = oneshot::channel();
        let stage = Stage(Arc::new(AtomicU8::new(QUEUED)));
        let creation = Self {
            grant,
            contact,
            stage: stage.clone(),
            may_be_stored: false,
            answer,
            _waits: waits,
        };
        (creation, stage, outcome)
    }

    pub(super) fn alias(&self) -> &str {
        self.contact.contact.alias.as_str()
    }

    /// Whether it is the lane's now; else whoever waited for it has withdrawn it.
    fn is_taken(&self) -> bool {
        self.stage.advance(TAKEN)
    }

    pub(super) fn tell(self, answer: Result<FullContact, Error>) {
        // Nobody may be waiting any more; what is stored stands all the same.
        let _ = self.answer.send(answer);
    }

    pub(super) fn tell_stored(self) {
        let _ = self.answer.send(Ok(self.contact));
    }
}

/// What waits for a lane.
pub(super) struct Queue {
    coming: mpsc::UnboundedReceiver<Creation>,
    /// The first one, which did not go with the batch before.
    left: Option<Creation>,
}

impl Queue {
    pub(super) fn new(coming: mpsc::UnboundedReceiver<Creation>) -> Self {
        Self { coming, left: None }
    }

    /// Waits for the next batch.
    pub(super) async fn next_batch(&mut self) -> Vec<Creation> {
        let mut batch = Vec::from_iter(self.left.take());
        if batch.is_empty() {
            self.coming.recv_many(&mut batch, BATCH_ROWS_MAX).await;
        }
        while batch.len() < BATCH_ROWS_MAX
            && let Ok(creation) = self.coming.try_recv()
        {
            batch.push(creation);
        }
        batch.retain(Creation::is_taken);
        batch
    }

    /// Adds to a batch those who came meanwhile, as long as they come under its keys.
    pub(super) fn add_to(&mut self, batch: &mut Vec<Creation>, keys: &[KeyId]) {
        while batch.len() < BATCH_ROWS_MAX
            && let Ok(creation) = self.coming.try_recv()
        {
            if !keys.contains(&creation.grant.key()) {
                self.left = Some(creation);
                return;
            }
            if creation.is_taken() {
                batch.push(creation);
            }
        }
    }

    /// Whether nothing comes any more.
    pub(super) fn is_over(&self) -> bool {
        self.left.is_none() && self.coming.is_closed() && self.coming.is_empty()
    }
}
