//! The ways of reading: a point on the caller's own thread, a list on one of a
//! few blocking threads, both from read-only connections.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use r2d2::{Pool, PooledConnection};
use r2d2_sqlite::SqliteConnectionManager;
use rusqlite::{Connection, OpenFlags, TransactionBehavior, ffi};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::{database, failure, list};
use crate::error::Error;

/// How long a read waits for a connection of the pool.
const CONNECTION_WAIT_MAX: Duration = Duration::from_secs(2);
/// Lists that are read at once, and requests resolved beside them: neither keeps
/// the other waiting.
const LISTS_MAX: u32 = 2;
const RESOLVES_MAX: u32 = 1;
/// How long a list waits for its turn, and how long it may then take.
const LIST_WAIT_MAX: Duration = Duration::from_secs(2);
const LIST_TIME_MAX: Duration = Duration::from_secs(10);
/// Steps of SQLite's machine between two looks at the clock.
const STEPS_BETWEEN_LOOKS: i32 = 10_000;

/// A pool of read-only connections. None of them ever waits for the writer.
#[derive(Clone)]
pub(super) struct Readers {
    pool: Pool<SqliteConnectionManager>,
    lists: Arc<Semaphore>,
    resolves: Arc<Semaphore>,
}

impl Readers {
    /// Opens the pool for `inline_max` threads that read points, and for lists.
    pub(super) fn open(path: &Path, inline_max: u32) -> Result<Self, String> {
        let manager = SqliteConnectionManager::file(path)
            .with_flags(OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)
            .with_init(|connection| {
                database::configure(connection)?;
                list::add_functions(connection)
            });
        let pool = Pool::builder()
            .max_size(inline_max.saturating_add(LISTS_MAX + RESOLVES_MAX))
            .test_on_check_out(false)
            .connection_timeout(CONNECTION_WAIT_MAX)
            .build(manager)
            .map_err(|error| error.to_string())?;
        Ok(Self {
            pool,
            lists: Arc::new(Semaphore::new(LISTS_MAX as usize)),
            resolves: Arc::new(Semaphore::new(RESOLVES_MAX as usize)),
        })
    }

    /// Reads a point on this very thread: a hop to another costs more.
    pub(super) fn read<T>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, rusqlite::Error>,
    ) -> Result<T, Error> {
        query(&*self.connection()?).map_err(|error| unreadable(&error))
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

    #[cfg(test)]
    pub(super) fn hold(&self) -> Option<PooledConnection<SqliteConnectionManager>> {
        self.pool.try_get()
    }

    fn connection(&self) -> Result<PooledConnection<SqliteConnectionManager>, Error> {
        self.pool.get().map_err(|_| {
            log::error!("no connection for reading within {CONNECTION_WAIT_MAX:?}");
            Error::StorageUnreadable
        })
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
    use crate::store::Database;

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
        let readers = Readers::open(&path, 0).expect("opened");
        let endless =
            |connection: &Connection| connection.query_row(ENDLESS, [], |row| row.get::<_, i64>(0));
        let (one, other) = tokio::join!(readers.list(endless), readers.list(endless));
        assert_eq!(
            (one, other),
            (Err(Error::ListTooSlow), Err(Error::ListTooSlow))
        );
        let held: Vec<_> = (0..LISTS_MAX + RESOLVES_MAX)
            .map_while(|_| readers.hold())
            .collect();
        assert_eq!(held.len(), (LISTS_MAX + RESOLVES_MAX) as usize);
        for connection in held {
            let counted = connection.query_row(LONG, [], |row| row.get(0));
            assert_eq!(counted, Ok(100_000_i64), "its time limit is taken off");
        }
    }
}
