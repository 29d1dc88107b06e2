//! The ways of reading: a point on the caller's own thread, a list on one of a
//! few blocking threads, both from read-only connections.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, TransactionBehavior, ffi};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::database::{self, prepared};
use super::{failure, list};
use crate::error::Error;

/// Lists that are read at once, and requests resolved beside them: neither keeps
/// the other waiting.
const LISTS_MAX: usize = 2;
const RESOLVES_MAX: usize = 1;
/// How long a list waits for its turn, and how long it may then take.
const LIST_WAIT_MAX: Duration = Duration::from_secs(2);
const LIST_TIME_MAX: Duration = Duration::from_secs(10);
/// Steps of SQLite's machine between two looks at the clock.
const STEPS_BETWEEN_LOOKS: i32 = 10_000;

/// The read-only connections. None of them ever waits for the writer.
#[derive(Clone)]
pub(super) struct Readers {
    idle: Arc<Idle>,
    lists: Arc<Semaphore>,
    resolves: Arc<Semaphore>,
}

impl Readers {
    /// Opens connections for `inline_max` threads that read points, and for lists,
    /// as they are needed.
    pub(super) fn of(path: &Path, inline_max: usize) -> Self {
        Self {
            idle: Arc::new(Idle {
                path: path.to_owned(),
                of_threads: (0..inline_max.max(1)).map(|_| Mutex::default()).collect(),
                of_lists: Mutex::default(),
            }),
            lists: Arc::new(Semaphore::new(LISTS_MAX)),
            resolves: Arc::new(Semaphore::new(RESOLVES_MAX)),
        }
    }

    /// Reads one point on this very thread: a hop to another costs more.
    pub(super) fn read<T>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, rusqlite::Error>,
    ) -> Result<T, Error> {
        let connection = Idle::take(&self.idle, Some(THREAD.with(|number| *number)))?;
        query(&connection).map_err(|error| unreadable(&error))
    }

    /// Begins to read several points on this very thread.
    pub(super) fn begin(&self) -> Result<Snapshot, Error> {
        let connection = Idle::take(&self.idle, Some(THREAD.with(|number| *number)))?;
        let began = prepared(&connection, "BEGIN");
        // Made first: whatever began is ended when this is dropped.
        let snapshot = Snapshot { connection };
        began.map_err(|error| unreadable(&error))?;
        Ok(snapshot)
    }

    /// Reads a list in one read transaction, on a thread that may block, within
    /// [`LIST_TIME_MAX`].
    pub(super) async fn list<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, rusqlite::Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.in_turn(&self.lists, query).await
    }

    /// The same for resolving, which has turns of its own.
    pub(super) async fn resolve<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, rusqlite::Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.in_turn(&self.resolves, query).await
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        turns: &Arc<Semaphore>,
        query: impl FnOnce(&Connection) -> Result<T, rusqlite::Error> + Send + 'static,
    ) -> Result<T, Error> {
        let turn = timeout(LIST_WAIT_MAX, Arc::clone(turns).acquire_owned())
            .await
            .map_err(|_| Error::ListsBusy)?
            .map_err(|_| Error::Internal)?;
        let readers = self.clone();
        let reading = spawn_blocking(move || {
            let _turn = turn;
            let connection = readers.connection()?;
            let listed = within_time(&connection, query);
            listed.map_err(|error| match failure::code(&error) {
                ffi::SQLITE_INTERRUPT => Error::ListTooSlow,
                _ => unreadable(&error),
            })
        });
        reading.await.map_err(|_| Error::Internal)?
    }

    /// A connection for what reads for long, on a thread that may block.
    pub(super) fn connection(&self) -> Result<Reader, Error> {
        Idle::take(&self.idle, None)
    }
}

thread_local! {
    /// Tells the threads that read points apart.
    static THREAD: usize = THREADS.fetch_add(1, Ordering::Relaxed);
}

static THREADS: AtomicUsize = AtomicUsize::new(0);

/// The connections that nobody uses. A thread gets its own back: what SQLite
/// keeps for it in memory is near, and no two threads free what is the other's.
struct Idle {
    path: PathBuf,
    of_threads: Vec<Mutex<Vec<Connection>>>,
    of_lists: Mutex<Vec<Connection>>,
}

impl Idle {
    /// A connection of a thread, or one for a list.
    fn take(idle: &Arc<Self>, thread: Option<usize>) -> Result<Reader, Error> {
        let found = idle.shelf(thread).pop();
        let connection = found.map_or_else(|| idle.open(), Ok);
        Ok(Reader {
            connection: Some(connection.map_err(|error| unreadable(&error))?),
            idle: Arc::clone(idle),
            thread,
        })
    }

    fn open(&self) -> Result<Connection, rusqlite::Error> {
        let connection = database::open_reader(&self.path)?;
        list::add_functions(&connection)?;
        Ok(connection)
    }

    fn shelf(&self, thread: Option<usize>) -> MutexGuard<'_, Vec<Connection>> {
        let shelf = thread.map_or(&self.of_lists, |number| {
            &self.of_threads[number % self.of_threads.len()]
        });
        shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection while it is used; there are as many as are used at once.
pub(super) struct Reader {
    connection: Option<Connection>,
    idle: Arc<Idle>,
    thread: Option<usize>,
}

impl Deref for Reader {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection
            .as_ref()
            .expect("it is given back when this is dropped")
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // One that could not end its transaction is of no use to the next.
        let usable = self.connection.take().filter(Connection::is_autocommit);
        self.idle.shelf(self.thread).extend(usable);
    }
}

/// One state of the address book, read on the thread that holds it: what is read
/// together belongs together. Short-lived: the log cannot be emptied past it.
pub struct Snapshot {
    connection: Reader,
}

impl Snapshot {
    pub(super) fn read<T>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, rusqlite::Error>,
    ) -> Result<T, Error> {
        query(&self.connection).map_err(|error| unreadable(&error))
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        if let Err(error) = prepared(&self.connection, "COMMIT") {
            failure::log(&error, "a read could not be ended");
        }
    }
}

fn within_time<T>(
    connection: &Connection,
    query: impl FnOnce(&Connection) -> Result<T, rusqlite::Error>,
) -> Result<T, rusqlite::Error> {
    let begun = Instant::now();
    let too_long = move || begun.elapsed() > LIST_TIME_MAX;
    connection.progress_handler(STEPS_BETWEEN_LOOKS, Some(too_long))?;
    let _limit = TimeLimit(connection);
    let transaction =
        rusqlite::Transaction::new_unchecked(connection, TransactionBehavior::Deferred)?;
    query(&transaction)
}

/// Takes the limit off a connection before others use it, whatever happened.
struct TimeLimit<'c>(&'c Connection);

impl Drop for TimeLimit<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.0.progress_handler(0, None::<fn() -> bool>) {
            failure::log(&error, "a time limit could not be taken off");
        }
    }
}

fn unreadable(error: &rusqlite::Error) -> Error {
    failure::log(error, "a read failed");
    Error::StorageUnreadable
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::Database;

    /// Counts for ever.
    const ENDLESS: &str =
        "WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number)
        SELECT max(n) FROM number";

    /// Counts longer than from one look at the clock to the next.
    const LONG: &str = "WITH RECURSIVE number(n) AS
            (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 100000)
        SELECT max(n) FROM number";

    #[tokio::test]
    async fn a_list_that_does_not_end_is_ended_and_its_connection_reads_on() {
        let directory = tempfile::tempdir().expect("made");
        let path = directory.path().join("book.db");
        let _database = Database::open_or_create(&path, None).expect("opened");
        let readers = Readers::of(&path, 1);
        let endless =
            |connection: &Connection| connection.query_row(ENDLESS, [], |row| row.get::<_, i64>(0));
        let (one, other) = tokio::join!(readers.list(endless), readers.list(endless));
        assert_eq!(
            (one, other),
            (Err(Error::ListTooSlow), Err(Error::ListTooSlow))
        );
        let held: Vec<_> = readers.idle.shelf(None).drain(..).collect();
        assert_eq!(held.len(), LISTS_MAX);
        for connection in held {
            let counted = connection.query_row(LONG, [], |row| row.get(0));
            assert_eq!(counted, Ok(100_000_i64), "its time limit is taken off");
        }
    }
}
