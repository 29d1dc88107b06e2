//! The store: the only rooms that know SQL.
//!
//! # The contract
//! - One file is one address book. [`Database`] opens it, [`Store`] serves it.
//! - Every write of a server is a job of its one writer thread. Its answer is
//!   given after the commit has reached the disk (`synchronous=FULL`).
//! - Every write acts under a [`Grant`](crate::key::Grant), whose key is read again inside the
//!   transaction: what a key was not allowed to do at that moment is not stored.
//! - An error that says "nothing was stored" is true after a crash, too;
//!   [`OutcomeUnknown`](crate::error::Error::OutcomeUnknown) is the one that does not know.
//! - Reads come from read-only connections and never wait for the writer.
//! - The database decides uniqueness; nothing looks before it inserts.

mod audit;
mod bulk;
mod checkpointer;
mod contacts;
mod database;
mod export;
mod failure;
mod file;
mod groups;
mod idempotency;
mod import;
mod key_changes;
mod keys;
mod list;
mod memberships;
mod migrations;
mod optouts;
mod pin;
mod readers;
mod resolve;
mod sweep;
mod transaction;
mod writer;

pub use contacts::ContactKey;
pub use database::Database;
pub use export::{ExportError, Spool};
pub use file::{OpenError, ServerLock, locate};
pub use import::{DryRun, ImportPermit};
pub use list::Listed;
pub use readers::Snapshot;

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::error::Error;
use export::EXPORTS_MAX;
use import::IMPORTS_MAX;
use readers::Readers;
use writer::Writer;

/// An address book that is being served: one writer thread and read-only
/// connections.
///
/// Every read may fail with `StorageUnreadable`, a list also with `ListsBusy` or
/// `ListTooSlow`. Every write may fail with `KeyInvalid` or `NotPermitted`, where
/// the key changed since it was checked, and with `Busy`, `Stopping`,
/// `StorageFailed`, `StorageFull`, `OutcomeUnknown` or `Internal`.
pub struct Store {
    readers: Readers,
    writer: Writer,
    path: PathBuf,
    exports: Arc<Semaphore>,
    imports: Arc<Semaphore>,
}

impl Store {
    /// Serves `database` to `readers_max` threads that read points.
    ///
    /// # Errors
    /// [`OpenError::Storage`] where a connection or the thread cannot be made.
    pub fn start(database: Database, readers_max: usize) -> Result<Self, OpenError> {
        let path = database.path().to_owned();
        let readers = Readers::of(&path, readers_max);
        let writer = Writer::start(database)?;
        Ok(Self {
            readers,
            writer,
            path,
            exports: Arc::new(Semaphore::new(EXPORTS_MAX)),
            imports: Arc::new(Semaphore::new(IMPORTS_MAX)),
        })
    }

    /// Begins to read points, all of one state; for a moment on one thread.
    ///
    /// # Errors
    /// Those of every read.
    pub fn snapshot(&self) -> Result<Snapshot, Error> {
        self.readers.begin()
    }

    /// Writes what is queued, moves the log into the file and closes it. Writes
    /// that come later get `Stopping`.
    pub fn stop(&self) {
        self.writer.stop();
    }
}
