//! Which of the queued jobs the next transaction takes: small ones together, a large
//! one alone. Between two large ones the small ones go first, and the large ones of
//! one key take turns with those of another.

use std::collections::VecDeque;
use std::mem;
use std::sync::mpsc::Receiver;

use super::writer::{BATCH_ROWS_MAX, Job, Message};
use crate::token::KeyId;

/// Large jobs that are taken out of the queue to wait; the others stay in it.
const LARGE_WAITING_MAX: usize = 64;

/// The jobs of the next transaction, and the large ones behind it.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) jobs: Vec<Box<dyn Job>>,
    large: VecDeque<Box<dyn Job>>,
    /// Whose large job was the last.
    last_key: Option<KeyId>,
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
        if job.rows() > BATCH_ROWS_MAX {
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
        let mut rows: usize = self.jobs.iter().map(|job| job.rows()).sum();
        while rows < BATCH_ROWS_MAX && self.large.len() < LARGE_WAITING_MAX && !*stopping {
            match queue.try_recv() {
                Ok(Message::Job(job)) if job.rows() > BATCH_ROWS_MAX => self.large.push_back(job),
                Ok(Message::Job(job)) if job.take() => {
                    rows += job.rows();
                    self.jobs.push(job);
                }
                Ok(Message::Job(_)) => {}
                Ok(Message::Stop) => *stopping = true,
                Err(_) => return,
            }
        }
    }

    /// The first of another key than the last one's, if there is one.
    fn take_large(&mut self) {
        loop {
            let mut waiting = self.large.iter();
            let other = waiting.position(|job| Some(job.grant().key()) != self.last_key);
            let Some(job) = self.large.remove(other.unwrap_or(0)) else {
                return;
            };
            if job.take() {
                self.last_key = Some(job.grant().key());
                self.jobs.push(job);
                return;
            }
        }
    }
}
