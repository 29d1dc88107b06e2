//! Moves the log into the file beside the writer, which would else do it
//! between two commits while its clients wait.

use std::cell::Cell;
use std::fs::File;
use std::mem::ManuallyDrop;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rusqlite::Connection;

use super::pin::Pin;
use super::{database, failure};

/// Pages of the log (64 MiB) at which it is moved. A page that many commits
/// changed is moved once: the longer the log, the fewer pages are written twice.
const LOG_PAGES_GOAL: u32 = 16 * 1024;
/// What is moved while the writer waits: some milliseconds.
const LAST_PAGES_MAX: u32 = 1024;
/// Rounds beside the writer after which it has to wait for the rest.
const ROUNDS_MAX: u32 = 8;
/// How often, a millisecond apart, short reads are waited for in the end.
const READERS_POLLS_MAX: i32 = 50;
/// How long the writer pauses between two transactions once the log is twice as
/// long as it should be, so that moving gains on it; in proportion before.
const PAUSE_MAX: Duration = Duration::from_millis(4);
/// How long moving rests after a reader of an old state, or an error, held it up.
const REST: Duration = Duration::from_millis(250);

/// How often a quiet book's newest state is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What the checkpointer has to do next.
enum Task {
    Look,
    Empty,
    Stop,
}

/// What the writer and its checkpointer tell each other.
#[derive(Default)]
pub(super) struct Log {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// How long the log was after the last commit.
    pages: u32,
    writing: bool,
    /// The checkpointer wants the log to stay as it is for a moment.
    turn_wanted: bool,
    /// It is worth waiting for the checkpointer.
    moving: bool,
    stopping: bool,
}

thread_local! {
    /// Pages of the log after the last commit of this thread's connection.
    static PAGES: Cell<u32> = const { Cell::new(0) };
}

impl Log {
    /// Has the length of the log told after every commit of the writer's
    /// connection, in the place of SQLite's own checkpoints.
    pub(super) fn watch(connection: &Connection) {
        connection.wal_hook(Some(|_, pages| {
            PAGES.set(pages.unsigned_abs());
            Ok(())
        }));
    }

    /// Waits until a transaction may begin: the writer's part.
    pub(super) fn begin_writing(&self) {
        let mut state = self.lock();
        let pause = pause(&state);
        if !pause.is_zero() {
            let resting = self
                .changed
                .wait_timeout_while(state, pause, |state| state.moving);
            state = resting.unwrap_or_else(PoisonError::into_inner).0;
        }
        let waiting = self.changed.wait_while(state, |state| state.turn_wanted);
        waiting.unwrap_or_else(PoisonError::into_inner).writing = true;
    }

    /// Says that the transaction has ended.
    pub(super) fn end_writing(&self) {
        let pages = PAGES.get();
        let mut state = self.lock();
        state.writing = false;
        state.pages = pages;
        if state.turn_wanted || (pages >= LOG_PAGES_GOAL && !state.moving) {
            self.changed.notify_all();
        }
    }

    /// Waits until there is something to do.
    fn wait(&self) -> Task {
        let is_quiet = |state: &mut State| state.pages < LOG_PAGES_GOAL && !state.stopping;
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
        state.moving = true;
        Task::Empty
    }

    /// Does `work` while nothing is written.
    fn undisturbed<T>(&self, work: impl FnOnce() -> T) -> T {
        let mut state = self.lock();
        state.turn_wanted = true;
        drop(self.changed.wait_while(state, |state| state.writing));
        let done = work();
        self.lock().turn_wanted = false;
        self.changed.notify_all();
        done
    }

    /// Ends the moving, and rests where it was held up.
    fn end_moving(&self, is_done: bool) {
        let mut state = self.lock();
        state.moving = false;
        if is_done {
            // The next commit begins the log anew.
            state.pages = 0;
        }
        self.changed.notify_all();
        if !is_done {
            let resting = self
                .changed
                .wait_timeout_while(state, REST, |state| !state.stopping);
            drop(resting);
        }
    }

    fn stop(&self) {
        self.lock().stopping = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn pause(state: &State) -> Duration {
    let beyond = state
        .pages
        .saturating_sub(LOG_PAGES_GOAL)
        .min(8 * LOG_PAGES_GOAL);
    if state.moving {
        PAUSE_MAX * beyond / LOG_PAGES_GOAL
    } else {
        Duration::ZERO
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
        connection
            .busy_handler(Some(wait_for_readers))
            .map_err(|error| error.to_string())?;
        let thread = thread::Builder::new().name("checkpointer".to_owned());
        let thread = thread.spawn({
            let log = Arc::clone(&log);
            move || {
                loop {
                    match log.wait() {
                        Task::Look => pin.look(),
                        Task::Empty => {
                            pin.release();
                            let emptied = empty(&connection, &file, &log);
                            log.end_moving(emptied.unwrap_or_else(|error| {
                                failure::log(&error, "a checkpoint failed");
                                false
                            }));
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

fn wait_for_readers(polls: i32) -> bool {
    thread::sleep(Duration::from_millis(1));
    polls < READERS_POLLS_MAX
}

/// Moves the whole log, most of it beside the writer, and has the next commit
/// begin it anew. Says whether it got there.
fn empty(connection: &Connection, file: &File, log: &Log) -> Result<bool, rusqlite::Error> {
    for _ in 0..ROUNDS_MAX {
        let [_, pages, moved] = checkpoint(connection, "PASSIVE")?;
        if moved < pages {
            // The rest is held by a reader of an old state.
            return Ok(false);
        }
        // SQLite syncs the file itself, but only while it moves the last page.
        if let Err(error) = file.sync_data() {
            log::error!(error = error.to_string().as_str(); "the file could not be synced");
            return Ok(false);
        }
        if log.lock().pages.saturating_sub(pages) <= LAST_PAGES_MAX {
            break;
        }
    }
    let [is_held, ..] = log.undisturbed(|| checkpoint(connection, "RESTART"))?;
    Ok(is_held == 0)
}

/// Whether somebody was in the way, the pages of the log, and how many of them
/// are in the file now (SQLite's documentation of `wal_checkpoint`).
fn checkpoint(connection: &Connection, mode: &str) -> Result<[u32; 3], rusqlite::Error> {
    connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| {
        Ok([row.get(0)?, row.get(1)?, row.get(2)?])
    })
}
