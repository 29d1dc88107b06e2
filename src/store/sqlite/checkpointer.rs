//! Checkpoints the WAL beside the writer, which would otherwise do it
//! between two commits while its clients wait.

use std::cell::Cell;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use prometheus_client::metrics::histogram::Histogram;
use rusqlite::{Connection, ffi};

use super::failure::EndsProcess;
use super::file::{KeptFile, Names};
use super::pin::Pin;
use super::{database, failure};

/// Pages of the WAL (64 MiB) at which it is checkpointed. A page that many commits
/// changed is copied once: the longer the WAL, the fewer pages are written twice.
const WAL_PAGES_GOAL: u32 = 16 * 1024;
/// Pages that may be left for the end, while the writer waits: some milliseconds.
const LAST_PAGES_MAX: u32 = 1024;
/// Rounds beside the writer after which it has to wait for the rest.
const ROUNDS_MAX: u32 = 8;
/// How often, a millisecond apart, readers are waited for in the end, while the
/// writer waits, too; and how often once the WAL is so many times too long.
const READERS_POLLS_MAX: i32 = 10;
const READERS_POLLS_LONG_MAX: i32 = 1000;
const TOO_LONG: u32 = 8;
/// How long the writer pauses between two transactions once the WAL is twice as
/// long as it should be, so that the checkpoint gains on it; in proportion to what is too
/// much, up to so many times that.
const PAUSE: Duration = Duration::from_millis(4);
const PAUSES_MAX: u32 = 8;
/// How long nothing is checkpointed after readers held it up, or a failure.
const REST_AFTER_READERS: Duration = Duration::from_millis(250);
const REST_AFTER_FAILURE: Duration = Duration::from_secs(10);
/// How long nothing is written until the whole WAL is brought into the file, so that
/// the file alone is the book.
const QUIET_AFTER: Duration = Duration::from_secs(5);
/// How often a quiet book's newest state is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What the checkpointer has to do next.
enum Task {
    Look,
    /// The WAL is long: the next commit is to begin it anew.
    Checkpoint,
    /// The book is quiet: its WAL is to be empty.
    Empty,
    Stop,
}

/// What came of checkpointing the whole WAL.
#[derive(Clone, Copy, PartialEq)]
enum Checkpointed {
    /// The next commit begins it anew.
    Done,
    /// A reader of an old state, or another process, was in the way.
    HeldUp,
    Failed,
}

/// What the writer and its checkpointer tell each other.
pub(super) struct Wal {
    /// Pages at which it is checkpointed.
    goal: u32,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// How long the WAL was after the last commit.
    pages: u32,
    /// Whether the writer wrote since the last look.
    written: bool,
    /// The next transaction begins a WAL, which is to have a mark of its own.
    mark_wanted: bool,
    /// When anybody wrote what the WAL may still hold.
    written_at: Option<Instant>,
    writing: bool,
    /// The disk is full: a WAL that begins anew makes room.
    room_wanted: bool,
    /// The checkpointer wants the WAL to stay as it is for a moment.
    pause_wanted: bool,
    /// It is worth waiting for the checkpointer.
    checkpointing: bool,
    stopping: bool,
}

thread_local! {
    /// Pages of the WAL after the last commit of this thread's connection, until
    /// they are told.
    static PAGES: Cell<Option<u32>> = const { Cell::new(None) };
}

impl Default for Wal {
    fn default() -> Self {
        Self::checkpointed_at(WAL_PAGES_GOAL)
    }
}

impl Wal {
    fn checkpointed_at(goal: u32) -> Self {
        Self {
            goal,
            state: Mutex::new(State {
                // What an earlier run left.
                written_at: Some(Instant::now()),
                ..State::default()
            }),
            changed: Condvar::new(),
        }
    }

    /// Notes the length of the WAL after every commit of the writer's
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
                .wait_timeout_while(state, pause, |state| state.checkpointing);
            state = resting.unwrap_or_else(PoisonError::into_inner).0;
        }
        let waiting = self.changed.wait_while(state, |state| state.pause_wanted);
        waiting.unwrap_or_else(PoisonError::into_inner).writing = true;
        Writing(self)
    }

    /// Asks for a checkpoint although the WAL is not long: the disk is full.
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
            let quiet_since = state.written_at.filter(|at| at.elapsed() >= QUIET_AFTER);
            if quiet_since.is_none() {
                return Task::Look;
            }
            state.written_at = None;
            state.checkpointing = true;
            return Task::Empty;
        }
        state.room_wanted = false;
        state.checkpointing = true;
        Task::Checkpoint
    }

    fn take_written(&self) -> bool {
        mem::take(&mut self.lock().written)
    }

    /// Whether the next transaction begins a WAL.
    pub(super) fn mark_wanted(&self) -> bool {
        self.lock().mark_wanted
    }

    /// Has the next transaction give the WAL a mark.
    pub(super) fn want_mark(&self) {
        self.lock().mark_wanted = true;
    }

    /// Notes that a WAL has its mark, which it must not get twice: until a checkpoint, its
    /// file has the one from before. So the WAL counts as a new one that only grows.
    pub(super) fn note_mark(&self) {
        let mut state = self.lock();
        state.mark_wanted = false;
        state.pages = 0;
    }

    /// Notes that another process wrote.
    fn note_others(&self) {
        self.lock().written_at = Some(Instant::now());
    }

    /// Keeps the log as it is until what is returned is dropped.
    fn hold_still(&self) -> Still<'_> {
        let mut state = self.lock();
        state.pause_wanted = true;
        drop(self.changed.wait_while(state, |state| state.writing));
        Still(self)
    }

    /// Ends a checkpoint, and rests where readers or a failure were in the way.
    fn end_checkpoint(&self, checkpointed: Checkpointed) {
        let mut state = self.lock();
        state.checkpointing = false;
        self.changed.notify_all();
        let rest = match checkpointed {
            Checkpointed::Done => {
                state.pages = 0;
                return;
            }
            Checkpointed::HeldUp => REST_AFTER_READERS,
            Checkpointed::Failed => REST_AFTER_FAILURE,
        };
        state.written_at.get_or_insert_with(Instant::now);
        let resting = self
            .changed
            .wait_timeout_while(state, rest, |state| !state.stopping);
        drop(resting);
    }

    fn pause(&self, state: &State) -> Duration {
        if !state.checkpointing {
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
pub(super) struct Writing<'w>(&'w Wal);

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        let Self(wal) = *self;
        let mut state = wal.lock();
        state.writing = false;
        // Nothing is told where nothing was written.
        if let Some(pages) = PAGES.take() {
            // Another process checkpointed all of it, so that it began anew without a mark.
            state.mark_wanted |= pages < state.pages;
            state.pages = pages;
            state.written = true;
            state.written_at = Some(Instant::now());
        }
        if state.pause_wanted || (state.pages >= wal.goal && !state.checkpointing) {
            wal.changed.notify_all();
        }
    }
}

/// While this is kept, nothing is written.
struct Still<'w>(&'w Wal);

impl Drop for Still<'_> {
    fn drop(&mut self) {
        let Self(wal) = *self;
        wal.lock().pause_wanted = false;
        wal.changed.notify_all();
    }
}

/// The thread that checkpoints the WAL.
pub(super) struct Checkpointer {
    wal: Arc<Wal>,
    thread: JoinHandle<()>,
}

impl Checkpointer {
    /// Checkpoints `wal` on a connection of its own.
    pub(super) fn start(
        path: &Path,
        connection: Connection,
        file: KeptFile,
        names: Arc<Names>,
        wal: Arc<Wal>,
        seconds: Histogram,
    ) -> Result<Self, String> {
        let reader = database::open_reader(path).map_err(|error| error.to_string())?;
        let mut pin = Pin::on(reader);
        let thread = thread::Builder::new().name("checkpointer".to_owned());
        let thread = thread.spawn({
            let wal = Arc::clone(&wal);
            move || {
                let _ends_process = EndsProcess;
                loop {
                    match wal.wait() {
                        Task::Look => {
                            names.end_where_lost();
                            let somebody_wrote = pin.look();
                            if somebody_wrote && !wal.take_written() {
                                wal.note_others();
                                checkpoint_what_others_wrote(&connection);
                            }
                        }
                        task @ (Task::Checkpoint | Task::Empty) => {
                            pin.release();
                            let begun = Instant::now();
                            let last = match task {
                                Task::Empty => "TRUNCATE",
                                _ => "RESTART",
                            };
                            let done = checkpoint_beside_writer(&connection, &file, &wal, last);
                            if done == Checkpointed::Done {
                                seconds.observe(begun.elapsed().as_secs_f64());
                            }
                            wal.end_checkpoint(done);
                        }
                        Task::Stop => break,
                    }
                }
            }
        });
        let thread = thread.map_err(|error| error.to_string())?;
        Ok(Self { wal, thread })
    }

    /// Ends the thread once a running checkpoint is done.
    pub(super) fn stop(self) {
        self.wal.stop();
        if self.thread.join().is_err() {
            log::error!("the checkpointer thread panicked");
        }
    }
}

/// Checkpoints what other processes wrote while the writer rests: they checkpoint,
/// too, but only up to the state that was held when they wrote.
fn checkpoint_what_others_wrote(connection: &Connection) {
    if let Err(error) = checkpoint(connection, "PASSIVE") {
        failure::log(&error, "a checkpoint failed");
        end_on_failed_sync(&error);
    }
}

fn checkpoint_beside_writer(
    connection: &Connection,
    file: &KeptFile,
    wal: &Wal,
    last: &str,
) -> Checkpointed {
    let checkpointed = catch_unwind(AssertUnwindSafe(|| {
        try_checkpoint(connection, file, wal, last)
    }));
    match checkpointed {
        Ok(Ok(checkpointed)) => checkpointed,
        Ok(Err(error)) => {
            failure::log(&error, "a checkpoint failed");
            end_on_failed_sync(&error);
            Checkpointed::Failed
        }
        Err(_) => {
            log::error!("the checkpointer panicked");
            Checkpointed::Failed
        }
    }
}

/// Checkpoints the whole WAL, most of it beside the writer, and has the next
/// commit begin it anew; the `last` checkpoint may also cut it off.
fn try_checkpoint(
    connection: &Connection,
    file: &KeptFile,
    wal: &Wal,
    last: &str,
) -> Result<Checkpointed, rusqlite::Error> {
    for _ in 0..ROUNDS_MAX {
        let [is_held, pages, checkpointed] = checkpoint(connection, "PASSIVE")?;
        if is_held != 0 || pages - checkpointed > i64::from(LAST_PAGES_MAX) {
            return Ok(Checkpointed::HeldUp);
        }
        // SQLite syncs the file itself, but only while it moves the last page.
        if let Err(error) = file.sync_data() {
            log::error!(error = error.to_string().as_str(); "the file could not be synced");
            end_process();
        }
        if i64::from(wal.lock().pages) - checkpointed <= i64::from(LAST_PAGES_MAX) {
            break;
        }
    }
    let still = wal.hold_still();
    let is_too_long = wal.lock().pages > TOO_LONG * wal.goal;
    connection.busy_handler(Some(if is_too_long {
        |polls| wait_for_readers(polls, READERS_POLLS_LONG_MAX)
    } else {
        |polls| wait_for_readers(polls, READERS_POLLS_MAX)
    }))?;
    let [is_held, ..] = checkpoint(connection, last)?;
    if is_held == 0 {
        wal.want_mark();
    }
    drop(still);
    Ok(if is_held == 0 {
        Checkpointed::Done
    } else {
        Checkpointed::HeldUp
    })
}

/// Ends the process where a sync of the file failed. What the system could not
/// write it has forgotten, and the next sync would succeed without it; the WAL
/// still has it, and the next start checkpoints all of it again.
pub(super) fn end_on_failed_sync(error: &rusqlite::Error) {
    if failure::code(error) == ffi::SQLITE_IOERR_FSYNC {
        end_process();
    }
}

fn end_process() -> ! {
    log::error!("ending, so that the next start checkpoints the whole WAL again");
    process::abort();
}

fn wait_for_readers(polls: i32, polls_max: i32) -> bool {
    thread::sleep(Duration::from_millis(1));
    polls < polls_max
}

/// Whether somebody was in the way, the pages of the WAL, and how many of them
/// are in the file now; -1 where another process checkpoints at this moment
/// (SQLite's documentation of `wal_checkpoint`).
fn checkpoint(connection: &Connection, mode: &str) -> Result<[i64; 3], rusqlite::Error> {
    connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| {
        Ok([row.get(0)?, row.get(1)?, row.get(2)?])
    })
}

#[cfg(test)]
mod tests;
