//! Moves the log into the file beside the writer, which would else do it
//! between two commits while its clients wait.

use std::cell::Cell;
use std::fs::File;
use std::mem::{self, ManuallyDrop};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rusqlite::{Connection, ffi};

use super::pin::Pin;
use super::{database, failure};

/// Pages of the log (64 MiB) at which it is moved. A page that many commits
/// changed is moved once: the longer the log, the fewer pages are written twice.
const LOG_PAGES_GOAL: u32 = 16 * 1024;
/// What is moved while the writer waits: some milliseconds.
const LAST_PAGES_MAX: u32 = 1024;
/// Rounds beside the writer after which it has to wait for the rest.
const ROUNDS_MAX: u32 = 8;
/// How often, a millisecond apart, readers are waited for in the end, while the
/// writer waits, too; and how often once the log is so many times too long.
const READERS_POLLS_MAX: i32 = 10;
const READERS_POLLS_LONG_MAX: i32 = 1000;
const TOO_LONG: u32 = 8;
/// How long the writer pauses between two transactions once the log is twice as
/// long as it should be, so that moving gains on it; in proportion to what is too
/// much, up to so many times that.
const PAUSE: Duration = Duration::from_millis(4);
const PAUSES_MAX: u32 = 8;
/// How long moving rests after readers held it up, or a failure.
const REST_AFTER_READERS: Duration = Duration::from_millis(250);
const REST_AFTER_FAILURE: Duration = Duration::from_secs(10);
/// How often a quiet book's newest state is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What the checkpointer has to do next.
enum Task {
    Look,
    Empty,
    Stop,
}

/// What came of emptying the log.
#[derive(Clone, Copy, PartialEq)]
enum Emptied {
    /// The next commit begins it anew.
    Done,
    /// A reader of an old state, or another process, was in the way.
    HeldUp,
    Failed,
}

/// What the writer and its checkpointer tell each other.
pub(super) struct Log {
    /// Pages at which it is moved.
    goal: u32,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// How long the log was after the last commit.
    pages: u32,
    /// Whether the writer wrote since the last look.
    written: bool,
    writing: bool,
    /// The disk is full: what was moved already makes room.
    room_wanted: bool,
    /// The checkpointer wants the log to stay as it is for a moment.
    turn_wanted: bool,
    /// It is worth waiting for the checkpointer.
    moving: bool,
    stopping: bool,
}

thread_local! {
    /// Pages of the log after the last commit of this thread's connection, until
    /// they are told.
    static PAGES: Cell<Option<u32>> = const { Cell::new(None) };
}

impl Default for Log {
    fn default() -> Self {
        Self::moved_at(LOG_PAGES_GOAL)
    }
}

impl Log {
    fn moved_at(goal: u32) -> Self {
        Self {
            goal,
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Has the length of the log told after every commit of the writer's
    /// connection, in the place of SQLite's own checkpoints.
    pub(super) fn watch(connection: &Connection) {
        connection.wal_hook(Some(|_, pages| {
            PAGES.set(Some(pages.unsigned_abs()));
            Ok(())
        }));
    }

    /// Waits until a transaction may begin, which ends with what is returned.
    pub(super) fn write(&self) -> Writing<'_> {
        let mut state = self.lock();
        let pause = self.pause(&state);
        if !pause.is_zero() {
            let resting = self
                .changed
                .wait_timeout_while(state, pause, |state| state.moving);
            state = resting.unwrap_or_else(PoisonError::into_inner).0;
        }
        let waiting = self.changed.wait_while(state, |state| state.turn_wanted);
        waiting.unwrap_or_else(PoisonError::into_inner).writing = true;
        Writing(self)
    }

    /// Has the log moved although it is not long: the disk is full.
    pub(super) fn make_room(&self) {
        self.lock().room_wanted = true;
        self.changed.notify_all();
    }

    /// Waits until there is something to do.
    fn wait(&self) -> Task {
        let is_quiet =
            |state: &mut State| state.pages < self.goal && !state.room_wanted && !state.stopping;
        let waiting = self
            .changed
            .wait_timeout_while(self.lock(), LOOK_EVERY, is_quiet);
        let (mut state, waited) = waiting.unwrap_or_else(PoisonError::into_inner);
        if state.stopping {
            return Task::Stop;
        }
        if waited.timed_out() {
            return Task::Look;
        }
        state.room_wanted = false;
        state.moving = true;
        Task::Empty
    }

    fn take_written(&self) -> bool {
        mem::take(&mut self.lock().written)
    }

    /// Keeps the log as it is until what is returned is dropped.
    fn hold_still(&self) -> Still<'_> {
        let mut state = self.lock();
        state.turn_wanted = true;
        drop(self.changed.wait_while(state, |state| state.writing));
        Still(self)
    }

    /// Ends the moving, and rests where there was no way through.
    fn end_moving(&self, emptied: Emptied) {
        let mut state = self.lock();
        state.moving = false;
        self.changed.notify_all();
        let rest = match emptied {
            Emptied::Done => {
                state.pages = 0;
                return;
            }
            Emptied::HeldUp => REST_AFTER_READERS,
            Emptied::Failed => REST_AFTER_FAILURE,
        };
        let resting = self
            .changed
            .wait_timeout_while(state, rest, |state| !state.stopping);
        drop(resting);
    }

    fn pause(&self, state: &State) -> Duration {
        if !state.moving {
            return Duration::ZERO;
        }
        let beyond = state.pages.saturating_sub(self.goal);
        PAUSE * beyond.min(PAUSES_MAX * self.goal) / self.goal
    }

    fn stop(&self) {
        self.lock().stopping = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A transaction that is being written; its end is told when this is dropped.
pub(super) struct Writing<'l>(&'l Log);

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        let Self(log) = *self;
        let mut state = log.lock();
        state.writing = false;
        // Nothing is told where nothing was written.
        if let Some(pages) = PAGES.take() {
            state.pages = pages;
            state.written = true;
        }
        if state.turn_wanted || (state.pages >= log.goal && !state.moving) {
            log.changed.notify_all();
        }
    }
}

/// While this is kept, nothing is written.
struct Still<'l>(&'l Log);

impl Drop for Still<'_> {
    fn drop(&mut self) {
        let Self(log) = *self;
        log.lock().turn_wanted = false;
        log.changed.notify_all();
    }
}

/// The thread that moves the log.
pub(super) struct Checkpointer {
    log: Arc<Log>,
    thread: JoinHandle<()>,
}

impl Checkpointer {
    /// Moves `log` on a connection of its own.
    pub(super) fn start(
        path: &Path,
        connection: Connection,
        log: Arc<Log>,
    ) -> Result<Self, String> {
        // Never closed: that would take SQLite's locks off the file
        // (fcntl_locking(2), "Record locks are released when any is closed").
        let file = File::open(path).map_err(|error| error.to_string())?;
        let file = ManuallyDrop::new(file);
        let reader = database::open_reader(path).map_err(|error| error.to_string())?;
        let mut pin = Pin::on(reader);
        let thread = thread::Builder::new().name("checkpointer".to_owned());
        let thread = thread.spawn({
            let log = Arc::clone(&log);
            move || {
                loop {
                    match log.wait() {
                        Task::Look => {
                            let somebody_wrote = pin.look();
                            if somebody_wrote && !log.take_written() {
                                move_what_others_wrote(&connection);
                            }
                        }
                        Task::Empty => {
                            pin.release();
                            log.end_moving(empty(&connection, &file, &log));
                        }
                        Task::Stop => break,
                    }
                }
            }
        });
        let thread = thread.map_err(|error| error.to_string())?;
        Ok(Self { log, thread })
    }

    /// Ends the thread once it has moved what it is moving.
    pub(super) fn stop(self) {
        self.log.stop();
        if self.thread.join().is_err() {
            log::error!("the checkpointer thread panicked");
        }
    }
}

/// Moves what other processes wrote while the writer rests: they see to the log,
/// too, but only up to the state that was held when they wrote.
fn move_what_others_wrote(connection: &Connection) {
    if let Err(error) = checkpoint(connection, "PASSIVE") {
        failure::log(&error, "a checkpoint failed");
        end_on_failed_sync(&error);
    }
}

fn empty(connection: &Connection, file: &File, log: &Log) -> Emptied {
    let emptied = catch_unwind(AssertUnwindSafe(|| try_to_empty(connection, file, log)));
    match emptied {
        Ok(Ok(emptied)) => emptied,
        Ok(Err(error)) => {
            failure::log(&error, "a checkpoint failed");
            end_on_failed_sync(&error);
            Emptied::Failed
        }
        Err(_) => {
            log::error!("the checkpointer panicked");
            Emptied::Failed
        }
    }
}

/// Moves the whole log, most of it beside the writer, and has the next commit
/// begin it anew.
fn try_to_empty(
    connection: &Connection,
    file: &File,
    log: &Log,
) -> Result<Emptied, rusqlite::Error> {
    for _ in 0..ROUNDS_MAX {
        let [is_held, pages, moved] = checkpoint(connection, "PASSIVE")?;
        if is_held != 0 || pages - moved > i64::from(LAST_PAGES_MAX) {
            return Ok(Emptied::HeldUp);
        }
        // SQLite syncs the file itself, but only while it moves the last page.
        if let Err(error) = file.sync_data() {
            log::error!(error = error.to_string().as_str(); "the file could not be synced");
            end_process();
        }
        if i64::from(log.lock().pages) - moved <= i64::from(LAST_PAGES_MAX) {
            break;
        }
    }
    let still = log.hold_still();
    let is_too_long = log.lock().pages > TOO_LONG * log.goal;
    connection.busy_handler(Some(if is_too_long {
        |polls| wait_for_readers(polls, READERS_POLLS_LONG_MAX)
    } else {
        |polls| wait_for_readers(polls, READERS_POLLS_MAX)
    }))?;
    let [is_held, ..] = checkpoint(connection, "RESTART")?;
    drop(still);
    Ok(if is_held == 0 {
        Emptied::Done
    } else {
        Emptied::HeldUp
    })
}

/// Ends the process where a sync of the file failed. What the system could not
/// write it has forgotten, and the next sync would succeed without it; the log
/// still has it, and the next start moves the whole log again.
pub(super) fn end_on_failed_sync(error: &rusqlite::Error) {
    if failure::code(error) == ffi::SQLITE_IOERR_FSYNC {
        end_process();
    }
}

fn end_process() -> ! {
    log::error!("ending, so that the next start moves the whole log again");
    process::abort();
}

fn wait_for_readers(polls: i32, polls_max: i32) -> bool {
    thread::sleep(Duration::from_millis(1));
    polls < polls_max
}

/// Whether somebody was in the way, the pages of the log, and how many of them
/// are in the file now; -1 where another process moves it at this moment
/// (SQLite's documentation of `wal_checkpoint`).
fn checkpoint(connection: &Connection, mode: &str) -> Result<[i64; 3], rusqlite::Error> {
    connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| {
        Ok([row.get(0)?, row.get(1)?, row.get(2)?])
    })
}

#[cfg(test)]
mod tests;
