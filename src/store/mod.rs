//! The store: the only rooms that know SQL.
//!
//! # The contract
//! - One file is one address book. [`Database`] opens it, [`Store`] serves it.
//! - Every write of a server is a job of its one writer thread. Its answer is
//!   given after the commit has reached the disk (`synchronous=FULL`).
//! - Every write acts under a [`Grant`], whose key is read again inside the
//!   transaction: what a key was not allowed to do at that moment is not stored.
//! - An error that says "nothing was stored" is true after a crash, too;
//!   [`Error::OutcomeUnknown`] is the one that does not know.
//! - Reads come from read-only connections and never wait for the writer.
//! - The database decides uniqueness; nothing looks before it inserts.

mod contacts;
mod database;
mod failure;
mod keys;
mod writer;

use std::path::Path;
use std::time::Duration;

use r2d2::Pool;
use r2d2_sqlite::SqliteConnectionManager;
use rusqlite::{Connection, OpenFlags};

pub use database::{Database, OpenError, ServerLock};

use crate::contact::{Contact, NewContact};
use crate::error::Error;
use crate::key::{Credential, Grant};
use crate::token::KeyId;
use writer::Writer;

/// How long a read waits for a connection of the pool.
const READER_WAIT_MAX: Duration = Duration::from_secs(2);

/// An address book that is being served: one writer thread and a pool of
/// read-only connections.
pub struct Store {
    readers: Pool<SqliteConnectionManager>,
    writer: Writer,
}

impl Store {
    /// Serves `database` with `readers_max` connections for reading: one for
    /// each thread that reads.
    ///
    /// # Errors
    /// [`OpenError::Storage`] where a connection or the thread cannot be made.
    pub fn start(database: Database, readers_max: u32) -> Result<Self, OpenError> {
        let readers = open_readers(database.path(), readers_max)
            .map_err(|error| OpenError::storage(database.path(), error))?;
        let writer = Writer::start(database)?;
        Ok(Self { readers, writer })
    }

    /// Reads what decides over a request of the key `id`.
    ///
    /// # Errors
    /// `StorageUnreadable`.
    pub fn credential(&self, id: KeyId) -> Result<Option<Credential>, Error> {
        self.read(|connection| keys::credential(connection, id))
    }

    /// Stores a new contact under a new id.
    ///
    /// # Errors
    /// `AliasTaken`; `KeyInvalid` or `NotPermitted` where the key changed
    /// meanwhile; the errors of every write: `Busy`, `Stopping`,
    /// `StorageFailed`, `StorageFull`, `OutcomeUnknown`, `Internal`.
    pub async fn create_contact(
        &self,
        grant: Grant,
        contact: NewContact,
    ) -> Result<Contact, Error> {
        self.writer
            .submit(grant, move |transaction| {
                contacts::insert(transaction, contact)
            })
            .await
    }

    /// Writes what is queued, moves the log into the file and closes it. Writes
    /// that come later get `Stopping`.
    pub fn stop(&self) {
        self.writer.stop();
    }

    fn read<T>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, rusqlite::Error>,
    ) -> Result<T, Error> {
        let connection = self.readers.get().map_err(|_| {
            log::error!("no connection for reading within {READER_WAIT_MAX:?}");
            Error::StorageUnreadable
        })?;
        query(&connection).map_err(|error| {
            failure::log(&error, "a read failed");
            Error::StorageUnreadable
        })
    }
}

fn open_readers(path: &Path, readers_max: u32) -> Result<Pool<SqliteConnectionManager>, String> {
    let manager = SqliteConnectionManager::file(path)
        .with_flags(OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .with_init(|connection| database::configure(connection));
    Pool::builder()
        .max_size(readers_max)
        .test_on_check_out(false)
        .connection_timeout(READER_WAIT_MAX)
        .build(manager)
        .map_err(|error| error.to_string())
}
