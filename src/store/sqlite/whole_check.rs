//! Looks through the whole book beside its server, in parts: none of them holds a state
//! of the book for long, which would keep the WAL from being reset, and between two of
//! them others have their turn.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
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
/// Steps of SQLite's machine, or pages that it looks through, between two looks at the
/// clock: a page may have to come from the disk.
const STEPS_BETWEEN_LOOKS: i32 = 100;

/// A check that is to come, is under way, or is over.
pub(super) struct WholeCheck {
    shared: Arc<Shared>,
    thread: Mutex<Option<(Sender<()>, JoinHandle<()>)>>,
}

struct Shared {
    found: Mutex<Integrity>,
    stopping: AtomicBool,
}

/// Says that nobody knows, however a check ends that came to no end.
struct Unfinished<'s>(&'s Shared);

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if self.0.found() == Integrity::Running {
            self.0.note(Integrity::Unknown);
        }
    }
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
                shared.run(&readers, &stopped);
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

    fn run(self: &Arc<Self>, readers: &Readers, stopped: &Receiver<()>) {
        self.note(Integrity::Running);
        let _unfinished = Unfinished(self);
        let begun = Instant::now();
        let mut report = CheckReport::default();
        let checked = readers.connection().and_then(|connection| {
            let checked = self.check(&connection, &mut report, stopped);
            // Others use the connection after this.
            if let Err(error) = connection.progress_handler(0, None::<fn() -> bool>) {
                failure::log(&error, "a time limit could not be taken off");
            }
            checked.map_err(|error| readers.unreadable(&error))
        });
        let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let contacts = report.contacts;
        match (report.damage.len(), checked) {
            (0, Ok(Some(0))) => {
                log::info!(contacts, took_ms; "the whole address book was checked and is well");
                self.note(Integrity::Whole);
            }
            (0, Ok(Some(parts))) => {
                log::warn!(contacts, took_ms, parts; "parts take too long to be checked beside the server: use addressbook check");
            }
            // The server stops, or what failed was told.
            (0, Ok(None) | Err(_)) => {}
            // It holds, whatever ended the walk.
            (findings, _) => self.note(Integrity::Damaged(findings)),
        }
    }

    /// Looks at all parts, telling what is found; how many took too long, nothing where
    /// the server stops.
    fn check(
        self: &Arc<Self>,
        connection: &Connection,
        report: &mut CheckReport,
        stopped: &Receiver<()>,
    ) -> Result<Option<usize>, rusqlite::Error> {
        let mut skipped = 0;
        for first in check::parts() {
            let mut next = Some(first);
            while let Some(part) = next {
                let begun = Instant::now();
                let shared = Arc::clone(self);
                let ends = move || {
                    shared.stopping.load(Ordering::Relaxed) || begun.elapsed() > PART_TIME_MAX
                };
                connection.progress_handler(STEPS_BETWEEN_LOOKS, Some(ends))?;
                let told = report.damage.len();
                let looked = part.look(connection, report);
                tell(&report.damage[told..]);
                next = match looked {
                    Ok(next) => next,
                    Err(error) if failure::code(&error) == ffi::SQLITE_INTERRUPT => {
                        skipped += 1;
                        part.behind()
                    }
                    Err(error) => return Err(error),
                };
                // As long as it took, for others.
                let rest = begun.elapsed();
                if stopped.recv_timeout(rest) != Err(RecvTimeoutError::Timeout) {
                    return Ok(None);
                }
            }
        }
        let told = report.damage.len();
        report.tell_rest();
        tell(&report.damage[told..]);
        Ok(Some(skipped))
    }
}

fn tell(damage: &[String]) {
    for damage in damage {
        log::error!(damage = damage.as_str(); "the address book is damaged");
    }
}
