//! The one thread that writes: takes what is queued, one transaction, one
//! commit, then answers all. It turns the syncs of many clients into one.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::time::timeout;

use super::batch::Batch;
use super::checkpointer::{Checkpointer, Wal, end_on_failed_sync};
use super::database::{self, prepared};
use super::failure::{self, Damage, EndsProcess, Failure, classify, classify_commit};
use super::file::{NameWatch, Names};
use super::job::{Job, Load, Message, Queued, Task};
use super::room::{self, Room};
use super::sweep::Sweeper;
use super::transaction::Transaction;
use super::{Database, keys, list, sessions, wal_mark};
use crate::error::Error;
use crate::key::{Grant, Standing};
use crate::moment::Moment;
use crate::store::{Measures, OpenError};
use crate::token::KeyId;

/// Jobs that wait for the writer; the next one gets `Busy` at once.
const QUEUE_JOBS_MAX: usize = 1024;
/// How long a job may wait to be taken; then its waiter withdraws it.
const QUEUE_WAIT_MAX: Duration = Duration::from_secs(2);
/// How long the outcome of a taken job is waited for.
const OUTCOME_WAIT_MAX: Duration = Duration::from_secs(10);
/// How long a transaction waits for one of another process, in short steps.
const LOCK_WAIT_MAX: Duration = Duration::from_secs(10);
/// The same once the server stops, and for the last checkpoint.
const STOPPING_WAIT_MAX: Duration = Duration::from_millis(500);
const LOCK_POLL: Duration = Duration::from_millis(1);
/// How long the writer waits, where room is short, until the WAL can be emptied.
const EMPTYING_WAIT: Duration = Duration::from_millis(500);
const EMPTYING_POLL: Duration = Duration::from_millis(10);

/// The way to the writer thread.
pub(super) struct Writer {
    queue: SyncSender<Message>,
    shared: Arc<Shared>,
    sweep_wanted: Arc<AtomicBool>,
    threads: Mutex<Option<(JoinHandle<()>, Checkpointer)>>,
}

/// What the writer's thread shares with whoever queues jobs.
struct Shared {
    stopping: AtomicBool,
    measures: Measures,
}

impl Writer {
    pub(super) fn start(
        database: Database,
        damage: Damage,
        measures: Measures,
    ) -> Result<Self, OpenError> {
        let path = database.path().to_owned();
        let (queue, jobs) = sync_channel(QUEUE_JOBS_MAX);
        let Database {
            connection, file, ..
        } = database;
        // The waiting is done here, where it can end when the server stops.
        connection
            .busy_handler(None)
            .map_err(|error| OpenError::storage(&path, error))?;
        list::add_functions(&connection).map_err(|error| OpenError::storage(&path, error))?;
        Wal::watch(&connection);
        let beside =
            database::open_writer(&path).map_err(|error| OpenError::storage(&path, error))?;
        let wal = Arc::new(Wal::default());
        if wal_mark::wal_is_empty(&path) {
            wal.want_mark();
        }
        let shared = Arc::new(Shared {
            stopping: AtomicBool::new(false),
            measures,
        });
        let names = Arc::new(Names::of(&path, &file)?);
        let checkpointer = Checkpointer::start(
            &path,
            beside,
            file,
            Arc::clone(&names),
            Arc::clone(&wal),
            shared.measures.checkpoint_seconds.clone(),
        )
        .map_err(|error| OpenError::storage(&path, error))?;
        // An earlier run may have left something.
        let sweep_wanted = Arc::new(AtomicBool::new(true));
        let thread = thread::Builder::new()
            .name("writer".to_owned())
            .spawn({
                let shared = Arc::clone(&shared);
                let sweeper = Sweeper::new(Arc::clone(&sweep_wanted), damage.clone());
                move || run(&connection, &names, &damage, &jobs, &wal, sweeper, &shared)
            })
            .map_err(|error| OpenError::storage(&path, error))?;
        Ok(Self {
            queue,
            shared,
            sweep_wanted,
            threads: Mutex::new(Some((thread, checkpointer))),
        })
    }

    /// Queues `work` and waits for its commit. Once taken it is never
    /// cancelled, even where nobody waits for it any more.
    pub(super) async fn submit<T, W>(&self, grant: Grant, work: W) -> Result<T, Error>
    where
        T: Send + 'static,
        W: FnOnce(&Transaction<'_>) -> Result<T, Failure> + Send + 'static,
    {
        self.submit_rows(grant, 1, work).await
    }

    /// The same for work that is done however little room there is: what takes
    /// something out of the book, and what keeps somebody out of it.
    pub(super) async fn submit_always<T, W>(&self, grant: Grant, work: W) -> Result<T, Error>
    where
        T: Send + 'static,
        W: FnOnce(&Transaction<'_>) -> Result<T, Failure> + Send + 'static,
    {
        self.submit_rows_always(grant, 1, work).await
    }

    /// Has a transaction committed as every write is, that changes nothing.
    pub(super) async fn probe(&self) -> Result<(), Error> {
        let load = Load {
            rows: 1,
            grows: false,
        };
        let work = |transaction: &Transaction<'_>| Ok(wal_mark::write_again(transaction)?);
        self.submit_load(None, load, work).await
    }

    /// The same for work that writes many rows.
    pub(super) async fn submit_rows<T, W>(
        &self,
        grant: Grant,
        rows: usize,
        work: W,
    ) -> Result<T, Error>
    where
        T: Send + 'static,
        W: FnOnce(&Transaction<'_>) -> Result<T, Failure> + Send + 'static,
    {
        let load = Load { rows, grows: true };
        self.submit_load(Some(grant), load, work).await
    }

    /// The same for work that writes many rows, and is done however little room there is.
    pub(super) async fn submit_rows_always<T, W>(
        &self,
        grant: Grant,
        rows: usize,
        work: W,
    ) -> Result<T, Error>
    where
        T: Send + 'static,
        W: FnOnce(&Transaction<'_>) -> Result<T, Failure> + Send + 'static,
    {
        let load = Load { rows, grows: false };
        self.submit_load(Some(grant), load, work).await
    }

    async fn submit_load<T, W>(&self, grant: Option<Grant>, load: Load, work: W) -> Result<T, Error>
    where
        T: Send + 'static,
        W: FnOnce(&Transaction<'_>) -> Result<T, Failure> + Send + 'static,
    {
        let (job, mut waiter) = Task::new(
            grant,
            load,
            work,
            Queued::count(&self.shared.measures.queue_jobs),
        );
        self.queue
            .try_send(Message::Job(Box::new(job)))
            .map_err(|refused| match refused {
                TrySendError::Full(_) => Error::Busy,
                TrySendError::Disconnected(_) => Error::Stopping,
            })?;
        if let Ok(answered) = timeout(QUEUE_WAIT_MAX, &mut waiter.outcome).await {
            return answered.unwrap_or(Err(Error::Stopping));
        }
        if waiter.withdraw() {
            return Err(Error::Busy);
        }
        match timeout(OUTCOME_WAIT_MAX, waiter.outcome).await {
            Ok(Ok(answered)) => answered,
            Ok(Err(_)) | Err(_) => Err(Error::OutcomeUnknown),
        }
    }

    /// Where a job says that it left something to be swept.
    pub(super) fn sweep_wanted(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.sweep_wanted)
    }

    /// Has everything written that is queued, then the WAL checkpointed.
    pub(super) fn stop(&self) {
        self.shared.stopping.store(true, Ordering::Relaxed);
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((writer, checkpointer)) = threads.take() {
            // First, so that it is not in the way of the last checkpoint.
            checkpointer.stop();
            // A closed queue means that the thread has ended already.
            let _ = self.queue.send(Message::Stop);
            if writer.join().is_err() {
                log::error!("the writer thread panicked");
            }
        }
    }
}

fn run(
    connection: &Connection,
    names: &Arc<Names>,
    damage: &Damage,
    queue: &Receiver<Message>,
    wal: &Wal,
    mut sweeper: Sweeper,
    shared: &Shared,
) {
    let mut batch = Batch::default();
    let mut stopping = false;
    let mut room = Room::default();
    let mut watch = NameWatch::of(Arc::clone(names));
    let _ends_process = EndsProcess;
    while !stopping || batch.waits() {
        if batch.waits() {
            // Also beside large jobs that never end.
            sweeper.sweep_some(connection, wal);
        } else {
            match sweeper.receive(connection, wal, queue) {
                Ok(Message::Job(job)) => batch.add(job),
                Ok(Message::Stop) | Err(_) => break,
            }
        }
        let writing = wal.write();
        let is_short = is_short_of_room(connection, &mut room, names.file(), wal);
        let demands = Demands {
            mark_wanted: wal.mark_wanted(),
            is_short,
        };
        // A panic in one job's work must not end the writing for everyone.
        let written = catch_unwind(AssertUnwindSafe(|| {
            if damage.is_found() {
                batch.fill(queue, &mut stopping);
                return Err(Error::Damaged);
            }
            let began = begin(connection, &shared.stopping);
            batch.fill(queue, &mut stopping);
            write(
                connection,
                began,
                &demands,
                &mut batch.jobs,
                &shared.measures,
            )?;
            if demands.mark_wanted {
                wal.note_mark();
            }
            Ok(())
        }));
        let batch_error = written.unwrap_or_else(|_| {
            log::error!("a job of the writer panicked");
            Err(Error::Internal)
        });
        if !connection.is_autocommit()
            && let Err(error) = connection.execute_batch("ROLLBACK")
        {
            failure::log(&error, "a rollback failed");
        }
        drop(writing);
        watch.end_where_lost();
        let mut batch_error = batch_error.err();
        if batch_error == Some(Error::StorageFailed) && names.have_no_room() {
            batch_error = Some(Error::StorageFull);
        }
        let batch_error = batch_error.map(|error| damage.note(error));
        if batch_error == Some(Error::StorageFull) {
            wal.make_room();
        }
        for job in batch.jobs.drain(..) {
            job.answer(batch_error.as_ref());
        }
    }
    checkpoint(connection);
}

/// Whether there is no room for more, not even once the WAL is in the file.
fn is_short_of_room(connection: &Connection, room: &mut Room, path: &Path, wal: &Wal) -> bool {
    if !room.is_short(connection, path) {
        return false;
    }
    let begun = Instant::now();
    // A reader of an old state is in the way for a moment, and the pin for longer.
    while room::is_worth_emptying(path) && begun.elapsed() < EMPTYING_WAIT {
        match empty_wal(connection) {
            Ok(true) => wal.want_mark(),
            Ok(false) => thread::sleep(EMPTYING_POLL),
            Err(error) => {
                failure::log(&error, "a checkpoint failed");
                end_on_failed_sync(&error);
                break;
            }
        }
    }
    room.is_short(connection, path)
}

/// What file and disk ask of the next transaction.
struct Demands {
    /// It begins a WAL.
    mark_wanted: bool,
    /// There is no room for more.
    is_short: bool,
}

/// Begins a transaction, waiting for one of another process.
fn begin(connection: &Connection, stop_wanted: &AtomicBool) -> Result<(), rusqlite::Error> {
    let begun = Instant::now();
    loop {
        let began = prepared(connection, "BEGIN IMMEDIATE");
        let busy = matches!(&began, Err(error) if classify(error) == Error::Busy);
        let wait_max = if stop_wanted.load(Ordering::Relaxed) {
            STOPPING_WAIT_MAX
        } else {
            LOCK_WAIT_MAX
        };
        if !busy || begun.elapsed() > wait_max {
            return began;
        }
        thread::sleep(LOCK_POLL);
    }
}

/// Has all of the WAL go into the file, and the WAL be empty; whether nobody was in
/// the way.
fn empty_wal(connection: &Connection) -> Result<bool, rusqlite::Error> {
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| {
        Ok(!row.get::<_, bool>(0)?)
    })
}

/// Checkpoints the WAL, so that the file alone is the whole address book.
fn checkpoint(connection: &Connection) {
    let begun = Instant::now();
    loop {
        match empty_wal(connection) {
            Ok(true) => return,
            Ok(false) if begun.elapsed() < STOPPING_WAIT_MAX => thread::sleep(LOCK_POLL),
            Ok(false) => {
                log::warn!(
                    "the file is still being read: contacts stay in the -wal file, which must not be separated from it"
                );
                return;
            }
            Err(error) => {
                failure::log(&error, "the last checkpoint failed");
                return end_on_failed_sync(&error);
            }
        }
    }
}

/// Writes the jobs in the transaction that `began`. An error holds for all of them.
fn write(
    connection: &Connection,
    began: Result<(), rusqlite::Error>,
    demands: &Demands,
    jobs: &mut [Box<dyn Job>],
    measures: &Measures,
) -> Result<(), Error> {
    began.map_err(|error| {
        failure::log(&error, "a transaction could not begin");
        classify(&error)
    })?;
    let transaction = Transaction::on(connection);
    let performed = perform(&transaction, demands, jobs);
    let performed = performed.and_then(|()| match demands.mark_wanted {
        true => wal_mark::renew(&transaction),
        false => Ok(()),
    });
    performed.map_err(|error| {
        failure::log(&error, "a transaction failed");
        classify(&error)
    })?;
    let begun = Instant::now();
    prepared(connection, "COMMIT").map_err(|error| {
        failure::log(&error, "a commit failed");
        classify_commit(&error)
    })?;
    measures
        .commit_seconds
        .observe(begun.elapsed().as_secs_f64());
    let rows: usize = jobs.iter().map(|job| job.load().rows).sum();
    measures.batch_rows.observe(rows as f64);
    Ok(())
}

/// Performs each job whose grant still holds, reading each distinct key once, and again
/// once a key was changed; a session each time, as a job before may have ended it.
fn perform(
    transaction: &Transaction<'_>,
    demands: &Demands,
    batch: &mut [Box<dyn Job>],
) -> Result<(), rusqlite::Error> {
    let now = Moment::now();
    let mut standings: Vec<(KeyId, Option<Standing>)> = Vec::new();
    for job in batch {
        let granted = job.grant().map(|grant| (grant, grant.session()));
        let confirmed = match granted {
            None => Ok(()),
            Some((grant, Some(session))) => sessions::confirm(transaction, (grant, session), now)?,
            Some((grant, None)) => {
                let key = grant.key();
                let known = standings.iter().position(|(id, _)| *id == key);
                let at = match known {
                    Some(at) => at,
                    None => {
                        standings.push((key, keys::standing(transaction, key)?));
                        standings.len() - 1
                    }
                };
                grant.confirm(standings[at].1.as_ref(), now)
            }
        };
        match confirmed {
            Ok(()) if demands.is_short && job.load().grows => job.refuse(Error::StorageFull),
            Ok(()) => job.perform(transaction)?,
            Err(error) => job.refuse(error),
        }
        if transaction.take_key_change() {
            standings.clear();
        }
    }
    transaction.write_counters()
}

#[cfg(test)]
mod tests;
