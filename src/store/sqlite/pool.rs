//! The pool of connections that read, and the leases in it: a worker keeps the
//! connection that it took first. A check-out for each read would cost a tenth to
//! a third of the rate; a lease costs nothing.

use std::ops::Deref;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use r2d2::{HandleError, ManageConnection, PooledConnection};
use r2d2_sqlite::SqliteConnectionManager;
use rusqlite::Connection;
use scheduled_thread_pool::ScheduledThreadPool;

use super::{database, failure, list};
use crate::error::Error;

/// How long a connection is waited for; permits see to it that there is one.
const CONNECTION_WAIT_MAX: Duration = Duration::from_secs(2);
/// Threads that open connections for the pool.
const HELPER_THREADS: usize = 1;

/// A connection of the pool; in a box, as it is handed on with every read.
type Lent = Box<PooledConnection<Manager>>;

/// Read-only connections: a lease for each worker, the rest for what takes longer.
#[derive(Clone)]
pub(super) struct Pool(Arc<Leases>);

struct Leases {
    pool: r2d2::Pool<Manager>,
    /// The leased connection of each worker, while it does not use it.
    idle: Vec<Mutex<Option<Lent>>>,
}

impl Pool {
    /// A pool for `workers` threads with a lease each, and for `others_max`
    /// connections beside them. Opens none yet.
    pub(super) fn of(path: &Path, workers: usize, others_max: usize) -> Self {
        let workers = workers.max(1);
        let connections_max = u32::try_from(workers + others_max).unwrap_or(u32::MAX);
        let threads = ScheduledThreadPool::builder()
            .num_threads(HELPER_THREADS)
            .thread_name_pattern("pool")
            .build();
        let pool = r2d2::Pool::builder()
            .max_size(connections_max)
            .min_idle(Some(0))
            .test_on_check_out(false)
            .max_lifetime(None)
            .idle_timeout(None)
            .connection_timeout(CONNECTION_WAIT_MAX)
            .thread_pool(Arc::new(threads))
            .error_handler(Box::new(LoggedFailures))
            .build_unchecked(Manager::of(path));
        Self(Arc::new(Leases {
            pool,
            idle: (0..workers).map(|_| Mutex::default()).collect(),
        }))
    }

    /// The lease of this thread; another connection where it is in use.
    pub(super) fn lease(&self) -> Result<Reader, Error> {
        let worker = WORKER.with(|number| *number) % self.0.idle.len();
        let leased = self.0.lock(worker).take();
        let connection = leased.map_or_else(|| self.check_out(), Ok)?;
        Ok(Reader {
            connection: Some(connection),
            lease: Some((Arc::clone(&self.0), worker)),
        })
    }

    /// A connection for what reads for long, on a thread that may block.
    pub(super) fn connection(&self) -> Result<Reader, Error> {
        Ok(Reader {
            connection: Some(self.check_out()?),
            lease: None,
        })
    }

    fn check_out(&self) -> Result<Lent, Error> {
        self.0.pool.get().map(Box::new).map_err(|_| {
            log::error!("the pool has no connection to read with");
            Error::StorageUnreadable
        })
    }
}

impl Leases {
    fn lock(&self, worker: usize) -> MutexGuard<'_, Option<Lent>> {
        let idle = self.idle[worker].lock();
        idle.unwrap_or_else(PoisonError::into_inner)
    }
}

thread_local! {
    /// Tells the threads that have a lease apart.
    static WORKER: usize = WORKERS.fetch_add(1, Ordering::Relaxed);
}

static WORKERS: AtomicUsize = AtomicUsize::new(0);

/// A connection while it is used.
pub(super) struct Reader {
    connection: Option<Lent>,
    /// Whose lease it is, if it is one.
    lease: Option<(Arc<Leases>, usize)>,
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
        let usable = self.connection.take().filter(|one| one.is_autocommit());
        if let (Some(connection), Some((leases, worker))) = (usable, &self.lease) {
            // A second one of the same worker goes back to the pool.
            leases.lock(*worker).get_or_insert(connection);
        }
    }
}

/// Opens the pool's connections, read-only and with our settings.
struct Manager(SqliteConnectionManager);

impl Manager {
    fn of(path: &Path) -> Self {
        let manager = SqliteConnectionManager::file(path).with_flags(database::READER_FLAGS);
        Self(manager.with_init(|connection| {
            database::configure(connection)?;
            list::add_functions(connection)
        }))
    }
}

impl ManageConnection for Manager {
    type Connection = Connection;
    type Error = rusqlite::Error;

    fn connect(&self) -> Result<Connection, rusqlite::Error> {
        self.0.connect()
    }

    fn is_valid(&self, connection: &mut Connection) -> Result<(), rusqlite::Error> {
        self.0.is_valid(connection)
    }

    /// One that could not end its transaction is of no use to the next.
    fn has_broken(&self, connection: &mut Connection) -> bool {
        !connection.is_autocommit()
    }
}

/// The pool's own handler would log SQLite's text, which may hold a path.
#[derive(Debug)]
struct LoggedFailures;

impl HandleError<rusqlite::Error> for LoggedFailures {
    fn handle_error(&self, error: rusqlite::Error) {
        failure::log(&error, "a connection to read with could not be opened");
    }
}
