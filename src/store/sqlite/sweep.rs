//! Sweeps away what deleted groups left behind, a little at a time: in one piece,
//! a million memberships would keep every other write waiting for seconds.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvError, RecvTimeoutError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::checkpointer::Wal;
use super::failure::{self, Damage, classify};
use crate::error::Error;

const SOME_DELETED: &str = "SELECT id FROM groups WHERE deleted_on IS NOT NULL LIMIT 1";
const SWEEP: &str = "DELETE FROM memberships WHERE group_id = ?1 AND contact_id IN
    (SELECT contact_id FROM memberships WHERE group_id = ?1 ORDER BY contact_id LIMIT ?2)";
const COUNT: &str = "UPDATE groups SET members = members - ?2 WHERE id = ?1";
const FORGET: &str = "DELETE FROM groups WHERE id = ?1";

/// Memberships that one transaction sweeps: other writes are served between two.
const SWEPT_AT_ONCE_MAX: usize = 1000;
/// How long nothing is swept after the storage failed, or another process wrote.
const PAUSE: Duration = Duration::from_secs(10);

/// Sweeps on the writer's thread while it waits for work.
pub(super) struct Sweeper {
    /// Whether there may be something to sweep; set where a group is deleted.
    wanted: Arc<AtomicBool>,
    damage: Damage,
    paused_until: Option<Instant>,
}

impl Sweeper {
    /// Sweeps whenever `wanted` is set, but not in a file that is damaged.
    pub(super) fn new(wanted: Arc<AtomicBool>, damage: Damage) -> Self {
        Self {
            wanted,
            damage,
            paused_until: None,
        }
    }

    /// Waits for the next message of a queue. Takes a step before each, so that
    /// it comes to its end under any load, and goes on while there is none.
    ///
    /// # Errors
    /// The queue is closed and empty.
    pub(super) fn receive<M>(
        &mut self,
        connection: &Connection,
        wal: &Wal,
        queue: &Receiver<M>,
    ) -> Result<M, RecvError> {
        while let Some(wait) = self.sweep_some(connection, wal) {
            match queue.recv_timeout(wait) {
                Ok(message) => return Ok(message),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(RecvError),
            }
        }
        queue.recv()
    }

    /// Takes a step, where there may be something to sweep and it is not paused; how
    /// long to wait for the next one.
    pub(super) fn sweep_some(&mut self, connection: &Connection, wal: &Wal) -> Option<Duration> {
        let wanted = self.wanted.load(Ordering::Relaxed) && !self.damage.is_found();
        wanted.then(|| {
            self.pause_left()
                .unwrap_or_else(|| self.step(connection, wal))
        })
    }

    fn pause_left(&self) -> Option<Duration> {
        let until = self.paused_until?;
        let left = until.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    /// Takes a step; returns how long there is nothing more to do.
    fn step(&mut self, connection: &Connection, wal: &Wal) -> Duration {
        self.paused_until = None;
        let writing = wal.write();
        // A panic must not end the writing for everyone.
        let swept = catch_unwind(AssertUnwindSafe(|| sweep(connection)));
        drop(writing);
        let swept = swept.unwrap_or_else(|_| {
            log::error!("the sweep panicked");
            Err(rusqlite::Error::InvalidQuery)
        });
        match swept {
            Ok(more) => self.wanted.store(more, Ordering::Relaxed),
            Err(error) => {
                if self.damage.note(classify(&error)) != Error::Busy {
                    failure::log(&error, "what a deleted group left behind is not swept");
                }
                self.paused_until = Some(Instant::now() + PAUSE);
                return PAUSE;
            }
        }
        Duration::ZERO
    }
}

/// Sweeps some memberships of one deleted group in a transaction of their own,
/// and forgets the group with the last; returns whether there may be more.
fn sweep(connection: &Connection) -> Result<bool, rusqlite::Error> {
    let deleted: Option<[u8; 16]> = connection
        .prepare_cached(SOME_DELETED)?
        .query_row([], |row| row.get(0))
        .optional()?;
    let Some(group) = deleted else {
        return Ok(false);
    };
    let transaction =
        rusqlite::Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    let swept = transaction
        .prepare_cached(SWEEP)?
        .execute(params![group, SWEPT_AT_ONCE_MAX])?;
    transaction
        .prepare_cached(COUNT)?
        .execute(params![group, swept])?;
    if swept < SWEPT_AT_ONCE_MAX {
        transaction.prepare_cached(FORGET)?.execute([group])?;
    }
    transaction.commit()?;
    Ok(true)
}
