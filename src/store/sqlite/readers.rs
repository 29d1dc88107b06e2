//! The ways of reading: a point lookup on the caller's own thread, a list on one
//! of a few blocking threads, both from read-only connections of the pool.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::{Connection, TransactionBehavior, ffi};

use super::database::prepared;
use super::failure::{self, Damage};
use super::figures::FIGURES_MAX;
use super::pool::{Pool, Reader};
use crate::error::Error;
use crate::permits::SharedPermits;
use crate::token::KeyId;

/// Lists that are read at once, beside them those that look at every contact, and
/// requests that are resolved: none of them keeps another kind waiting.
const LISTS_MAX: usize = 2;
const SCANS_MAX: usize = 2;
const RESOLVES_MAX: usize = 1;
/// What takes seconds leaves something to other keys.
const SCANS_OF_KEY_MAX: usize = 1;
/// Exports that are written at once, to be sent when they are whole.
pub(super) const EXPORTS_MAX: usize = 4;
pub(super) const EXPORTS_OF_KEY_MAX: usize = 2;
/// Imports over HTTP that are under way at once; a dry run has a connection.
pub(super) const IMPORTS_MAX: usize = 16;
pub(super) const IMPORTS_OF_KEY_MAX: usize = 4;
/// The server's own, one after the other.
const BACKUPS_MAX: usize = 1;
const CHECKS_MAX: usize = 1;
/// How long a list waits for its permit, and how long it may then take.
const LIST_WAIT_MAX: Duration = Duration::from_secs(2);
const LIST_TIME_MAX: Duration = Duration::from_secs(10);
/// Steps of SQLite's machine between two looks at the clock.
const STEPS_BETWEEN_LOOKS: i32 = 10_000;

/// The read-only connections. None of them ever waits for the writer.
#[derive(Clone)]
pub(super) struct Readers(Arc<Shared>);

struct Shared {
    pool: Pool,
    lists: SharedPermits,
    scans: SharedPermits,
    resolves: SharedPermits,
    list_time_max: Duration,
    damage: Damage,
}

impl Readers {
    /// Opens connections for `workers` threads that do point lookups, and for all
    /// that takes longer, as they are needed.
    pub(super) fn of(path: &Path, workers: usize) -> Self {
        Self::with_time(path, workers, LIST_TIME_MAX)
    }

    fn with_time(path: &Path, workers: usize, list_time_max: Duration) -> Self {
        let longer_max = LISTS_MAX
            + SCANS_MAX
            + RESOLVES_MAX
            + EXPORTS_MAX
            + IMPORTS_MAX
            + BACKUPS_MAX
            + CHECKS_MAX
            + FIGURES_MAX;
        let permits = |at_once_max, share| {
            SharedPermits::new(at_once_max, share, LIST_WAIT_MAX, Error::ListsBusy)
        };
        Self(Arc::new(Shared {
            pool: Pool::of(path, workers, longer_max),
            lists: permits(LISTS_MAX, LISTS_MAX),
            scans: permits(SCANS_MAX, SCANS_OF_KEY_MAX),
            resolves: permits(RESOLVES_MAX, RESOLVES_MAX),
            list_time_max,
            damage: Damage::default(),
        }))
    }

    /// Looks one row up on this very thread: a hop to another costs more.
    pub(super) fn read<T>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, rusqlite::Error>,
    ) -> Result<T, Error> {
        query(&*self.0.pool.lease()?).map_err(|error| self.unreadable(&error))
    }

    /// Begins several point lookups on this very thread.
    pub(super) fn begin(&self) -> Result<Snapshot, Error> {
        let connection = self.0.pool.lease()?;
        let began = prepared(&connection, "BEGIN");
        // Made first: whatever began is ended when this is dropped.
        let snapshot = Snapshot {
            connection,
            readers: self.clone(),
        };
        began.map_err(|error| self.unreadable(&error))?;
        Ok(snapshot)
    }

    /// Reads a list for a key in one read transaction, on a thread that may block,
    /// within [`LIST_TIME_MAX`].
    pub(super) async fn list<T: Send + 'static>(
        &self,
        key: KeyId,
        query: impl FnOnce(&Connection) -> Result<T, rusqlite::Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.under(&self.0.lists, key, query).await
    }

    /// The same for a list that looks at every contact, with permits of its own.
    pub(super) async fn scan<T: Send + 'static>(
        &self,
        key: KeyId,
        query: impl FnOnce(&Connection) -> Result<T, rusqlite::Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.under(&self.0.scans, key, query).await
    }

    /// The same for resolving, which has permits of its own.
    pub(super) async fn resolve<T: Send + 'static>(
        &self,
        key: KeyId,
        query: impl FnOnce(&Connection) -> Result<T, rusqlite::Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.under(&self.0.resolves, key, query).await
    }

    async fn under<T: Send + 'static>(
        &self,
        permits: &SharedPermits,
        key: KeyId,
        query: impl FnOnce(&Connection) -> Result<T, rusqlite::Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (readers, time_max) = (self.clone(), self.0.list_time_max);
        let reading = permits.run(key, move || {
            let connection = readers.connection()?;
            let listed = within_time(&connection, time_max, query);
            listed.map_err(|error| match failure::code(&error) {
                ffi::SQLITE_INTERRUPT => Error::ListTooSlow,
                _ => readers.unreadable(&error),
            })
        });
        reading.await
    }

    /// What readers and the writer know of the file.
    pub(super) fn damage(&self) -> &Damage {
        &self.0.damage
    }

    pub(super) fn unreadable(&self, error: &rusqlite::Error) -> Error {
        self.0
            .damage
            .note(failure::unreadable(error, "a read failed"))
    }

    /// A connection for what reads for long, on a thread that may block.
    pub(super) fn connection(&self) -> Result<Reader, Error> {
        self.0.pool.connection()
    }
}

/// One state of the address book, read on the thread that holds it: what is read
/// together belongs together. Short-lived: the WAL cannot be reset past it.
pub struct Snapshot {
    connection: Reader,
    readers: Readers,
}

impl Snapshot {
    pub(super) fn read<T>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, rusqlite::Error>,
    ) -> Result<T, Error> {
        query(&self.connection).map_err(|error| self.readers.unreadable(&error))
    }

    /// Gives the state up, for what takes longer.
    pub(super) fn into_readers(self) -> Readers {
        self.readers.clone()
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
    time_max: Duration,
    query: impl FnOnce(&Connection) -> Result<T, rusqlite::Error>,
) -> Result<T, rusqlite::Error> {
    let begun = Instant::now();
    let too_long = move || begun.elapsed() > time_max;
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

    fn key(character: char) -> KeyId {
        KeyId::parse(&character.to_string().repeat(12)).expect("an id")
    }

    #[tokio::test]
    async fn a_list_that_does_not_end_is_ended_and_its_connection_reads_on() {
        let directory = tempfile::tempdir().expect("made");
        let path = directory.path().join("book.db");
        let _database = Database::open_or_create(&path, None).expect("opened");
        let readers = Readers::with_time(&path, 1, Duration::from_millis(200));
        let endless =
            |connection: &Connection| connection.query_row(ENDLESS, [], |row| row.get::<_, i64>(0));
        let (one, other) = tokio::join!(
            readers.list(key('a'), endless),
            readers.list(key('b'), endless)
        );
        assert_eq!(
            (one, other),
            (Err(Error::ListTooSlow), Err(Error::ListTooSlow))
        );
        let both = [readers.connection(), readers.connection()];
        for connection in both.map(|taken| taken.expect("one of the pool")) {
            let counted = connection.query_row(LONG, [], |row| row.get(0));
            assert_eq!(counted, Ok(100_000_i64), "its time limit is taken off");
        }
    }

    #[tokio::test]
    async fn scans_keep_no_list_waiting() {
        let directory = tempfile::tempdir().expect("made");
        let path = directory.path().join("book.db");
        let _database = Database::open_or_create(&path, None).expect("opened");
        let readers = Readers::with_time(&path, 1, Duration::from_secs(2));
        let endless =
            |connection: &Connection| connection.query_row(ENDLESS, [], |row| row.get::<_, i64>(0));
        let short =
            |connection: &Connection| connection.query_row("SELECT 1", [], |row| row.get(0));
        let scans = async {
            tokio::join!(
                readers.scan(key('a'), endless),
                readers.scan(key('b'), endless)
            )
        };
        tokio::select! {
            _ = scans => panic!("the list waited for a scan"),
            listed = readers.list(key('a'), short) => assert_eq!(listed, Ok(1_i64)),
        }
    }
}
