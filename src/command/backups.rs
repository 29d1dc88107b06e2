//! Backups that a server makes by itself: one every so often.

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use super::CommandError;
use crate::moment::Moment;
use crate::store::{Shelf, ShelfError, Store};

/// How long the next try waits behind one that failed.
const RETRY_AFTER: Duration = Duration::from_secs(10 * 60);

/// How long it waits for one that was asked for.
const BUSY_POLL: Duration = Duration::from_secs(1);

/// Ends the backups when it is dropped; one that is under way is left as it is, and has
/// no name yet.
pub(super) struct Backups(#[allow(dead_code, reason = "held, never read")] Sender<()>);

impl Backups {
    /// Begins: at once where there is none, or the last is old enough. `POST /backups`
    /// counts as well.
    ///
    /// # Errors
    /// `Io` where there is no thread.
    pub(super) fn start(
        shelf: Arc<Shelf>,
        store: Arc<Store>,
        every: Duration,
    ) -> Result<Self, CommandError> {
        let (stop, stopped) = mpsc::channel();
        let run = move || {
            let mut wait = until_due(&shelf, every);
            while stopped.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
                // One may have been asked for meanwhile.
                wait = until_due(&shelf, every);
                if wait.is_zero() {
                    wait = add(&shelf, &store, every);
                }
            }
        };
        let named = thread::Builder::new().name("backups".to_owned());
        named.spawn(run)?;
        Ok(Self(stop))
    }
}

/// Makes one; how long it is until the next.
fn add(shelf: &Shelf, store: &Store, every: Duration) -> Duration {
    match shelf.add(store) {
        Ok(_) => every,
        // One that was asked for is being made.
        Err(ShelfError::Busy) => BUSY_POLL,
        Err(error) => {
            log::error!(error:% = error; "a backup was not made");
            RETRY_AFTER.min(every)
        }
    }
}

fn until_due(shelf: &Shelf, every: Duration) -> Duration {
    let age_ms = shelf
        .last_on()
        .map(|last| Moment::now().millis() - last.millis());
    let age = age_ms.and_then(|age_ms| u64::try_from(age_ms).ok());
    age.map_or(Duration::ZERO, |age_ms| {
        every.saturating_sub(Duration::from_millis(age_ms))
    })
}
