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
const READERS_POLLS_MAX: i32 = 10;
/// How long the writer pauses between two transactions once the log is twice as
/// long as it should be, so that moving gains on it; in proportion to what is too
/// much, up to so many times that.
const PAUSE: Duration = Duration::from_millis(4);
const PAUSES_MAX: u32 = 8;
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
            PAGES.set(pages.unsigned_abs());
            Ok(())
        }));
    }

    /// Waits until a transaction may begin: the writer's part.
    pub(super) fn begin_writing(&self) {
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
    }

    /// Says that the transaction has ended.
    pub(super) fn end_writing(&self) {
        let pages = PAGES.get();
        let mut state = self.lock();
        state.writing = false;
        state.pages = pages;
        if state.turn_wanted || (pages >= self.goal && !state.moving) {
            self.changed.notify_all();
        }
    }

    /// Waits until there is something to do.
    fn wait(&self) -> Task {
        let is_quiet = |state: &mut State| state.pages < self.goal && !state.stopping;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Database;

    const PAGE_BYTES: u64 = 4096;
    const GOAL: u32 = 64;

    struct Book {
        database: Database,
        log: Arc<Log>,
        checkpointer: Checkpointer,
        _directory: tempfile::TempDir,
    }

    fn book() -> Book {
        let directory = tempfile::tempdir().expect("made");
        let path = directory.path().join("book.db");
        let database = Database::open_or_create(&path, None).expect("opened");
        Log::watch(&database.connection);
        let log = Arc::new(Log::moved_at(GOAL));
        let beside = database::open_writer(&path).expect("opened");
        let checkpointer = Checkpointer::start(&path, beside, Arc::clone(&log)).expect("started");
        Book {
            database,
            log,
            checkpointer,
            _directory: directory,
        }
    }

    impl Book {
        /// Writes about as many pages as the log is to have, again and again.
        fn write(&self, times: u32) {
            for _ in 0..times {
                self.log.begin_writing();
                self.database.fill_pages(GOAL).expect("written");
                self.log.end_writing();
            }
        }

        fn log_pages(&self) -> u64 {
            let mut log = self.database.path().as_os_str().to_owned();
            log.push("-wal");
            std::fs::metadata(log).expect("a log").len() / PAGE_BYTES
        }
    }

    impl Database {
        fn fill_pages(&self, pages: u32) -> Result<(), rusqlite::Error> {
            let page = "INSERT INTO audit (created_on, action) VALUES (0, hex(zeroblob(2000)))";
            let transaction = self.connection.unchecked_transaction()?;
            for _ in 0..pages {
                transaction.execute(page, [])?;
            }
            transaction.commit()
        }
    }

    #[test]
    fn the_log_begins_anew_beside_a_writer_that_never_rests() {
        let book = book();
        book.write(100);
        let written = 100 * u64::from(GOAL);
        assert!(book.log_pages() < written / 4, "{}", book.log_pages());
        book.checkpointer.stop();
    }

    #[test]
    fn a_reader_of_an_old_state_keeps_the_log_but_nobody_waiting() {
        let book = book();
        book.write(1);
        let reader = database::open_reader(book.database.path()).expect("opened");
        reader
            .execute_batch("BEGIN; SELECT count(*) FROM audit")
            .expect("read");
        book.write(20);
        assert!(book.log_pages() > 15 * u64::from(GOAL));
        drop(reader);
        let begun = std::time::Instant::now();
        while book.log.lock().pages != 0 {
            assert!(
                begun.elapsed() < Duration::from_secs(30),
                "it is moved at last"
            );
            thread::yield_now();
        }
        let before = book.log_pages();
        book.write(1);
        assert_eq!(book.log_pages(), before, "the log begins anew");
        book.checkpointer.stop();
    }
}
