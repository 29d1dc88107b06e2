//! Looks through the whole book beside its server, in parts: none of them holds a state
//! of the book for long, which would keep the WAL from being reset, and between two of
//! them others have their turn.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ffi};

use super::readers::Readers;
use super::{check, failure};
use crate::error::Error;
use crate::store::{CheckReport, Integrity};

/// How long one state of the book is held: as long as by a list.
const PART_TIME_MAX: Duration = Duration::from_secs(10);
/// Steps of SQLite's machine between two looks at the clock.
const STEPS_BETWEEN_LOOKS: i32 = 10_000;

/// A check that is to come, is under way, or is over.
pub(super) struct WholeCheck {
    shared: Arc<Shared>,
    thread: Mutex<Option<(Sender<()>, JoinHandle<()>)>>,
}

struct Shared {
    found: Mutex<Integrity>,
    stopping: AtomicBool,
}

impl Default for WholeCheck {
    fn default() -> Self {
        let shared = Shared {
            found: Mutex::new(Integrity::Unknown),
            stopping: AtomicBool::new(false),
        };
        Self {
            shared: Arc::new(shared),
            thread: Mutex::new(None),
        }
    }
}

impl WholeCheck {
    /// Begins once `after` is over.
    pub(super) fn begin(&self, readers: Readers, after: Duration) -> Result<(), Error> {
        let shared = Arc::clone(&self.shared);
        let (stop, stopped) = mpsc::channel();
        let run = move || {
            if stopped.recv_timeout(after) == Err(RecvTimeoutError::Timeout) {
                shared.run(&readers);
            }
        };
        let thread = thread::Builder::new().name("check".to_owned()).spawn(run);
        let thread = thread.map_err(|_| Error::Internal)?;
        *self.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some((stop, thread));
        Ok(())
    }

    /// What it found.
    pub(super) fn found(&self) -> Integrity {
        self.shared.found()
    }

    /// Ends it, wherever it is.
    pub(super) fn stop(&self) {
        self.shared.stopping.store(true, Ordering::Relaxed);
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((stop, thread)) = thread.take() {
            drop(stop);
            if thread.join().is_err() {
                log::error!("the thread that checks panicked");
            }
        }
    }
}

impl Shared {
    fn found(&self) -> Integrity {
        *self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, found: Integrity) {
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = found;
    }

    fn run(self: &Arc<Self>, readers: &Readers) {
        self.note(Integrity::Running);
        let begun = Instant::now();
        let checked = readers.connection().and_then(|connection| {
            let checked = self.check(&connection);
            // Others use the connection after this.
            if let Err(error) = connection.progress_handler(0, None::<fn() -> bool>) {
                failure::log(&error, "a time limit could not be taken off");
            }
            checked.map_err(|error| readers.unreadable(&error))
        });
        let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.note(match checked {
            Ok(Some((report, skipped))) => {
                for damage in &report.damage {
                    log::error!(damage = damage.as_str(); "the address book is damaged");
                }
                let contacts = report.contacts;
                match (report.damage.len(), skipped) {
                    (0, 0) => {
                        log::info!(contacts, took_ms; "the whole address book was checked and is well");
                        Integrity::Whole
                    }
                    (0, parts) => {
                        log::warn!(contacts, took_ms, parts; "parts were too large to be checked beside the server: use addressbook check");
                        Integrity::Unknown
                    }
                    (findings, _) => Integrity::Damaged(findings),
                }
            }
            // The server stops, or what failed was told.
            Ok(None) | Err(_) => Integrity::Unknown,
        });
    }

    /// What was found, and how many parts took too long; nothing where the server stops.
    fn check(
        self: &Arc<Self>,
        connection: &Connection,
    ) -> Result<Option<(CheckReport, usize)>, rusqlite::Error> {
        let mut report = CheckReport::default();
        let mut skipped = 0;
        for part in check::parts() {
            let mut part = part;
            loop {
                let begun = Instant::now();
                let shared = Arc::clone(self);
                let ends = move || {
                    shared.stopping.load(Ordering::Relaxed) || begun.elapsed() > PART_TIME_MAX
                };
                connection.progress_handler(STEPS_BETWEEN_LOOKS, Some(ends))?;
                let looked = part.look(connection, &mut report);
                if self.stopping.load(Ordering::Relaxed) {
                    return Ok(None);
                }
                match looked {
                    Ok(Some(rest)) => part = rest,
                    Ok(None) => break,
                    Err(error) if failure::code(&error) == ffi::SQLITE_INTERRUPT => {
                        skipped += 1;
                        break;
                    }
                    Err(error) => return Err(error),
                }
                // As long as it took, for others.
                thread::sleep(begun.elapsed());
            }
        }
        Ok(Some((report, skipped)))
    }
}
