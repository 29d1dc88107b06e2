//! The store: the only rooms that know SQL. This page is its contract, in words of
//! the address book; an engine fulfils it.
//!
//! # The contract
//! - One engine serves one address book. [`Store`] is what a server asks of it,
//!   [`Operator`] what the command line asks.
//! - An answer to a write is given after its commit has reached the disk.
//! - Every write acts under a [`Grant`](crate::key::Grant), whose key, and session where one stands in for it,
//!   are read again inside the transaction: what a key was not allowed to do at that moment is not stored.
//! - An error that says "nothing was stored" is true after a crash, too;
//!   [`Error::OutcomeUnknown`] is the one that does not know.
//! - Reads never wait for writes.
//! - The database decides uniqueness; nothing looks before it inserts.
//! - The order of ids is the order of commits: a promise of an engine with one
//!   writer alone. A walk by cursor over `created_on` rests on it. With several writers
//!   such a walk never skips what was committed before it began.

mod ids;
mod many;
mod measures;
mod moving;
mod open_error;
mod operations;
mod operator;
mod patterns;
mod postgres;
mod remembered;
mod report;
mod shelf;
mod sqlite;
mod transfer;

use std::path::{Path, PathBuf};
use std::time::Duration;

pub use measures::{Figures, Measures};
pub use moving::{MoveError, MoveStep, Moved, TableSum, move_book};
pub use open_error::OpenError;
pub use operator::Operator;
pub use postgres::{is_url, without_secrets};
pub use report::{CheckReport, Integrity, Readiness, RestoreError, Standby};
pub use shelf::{Backup, Shelf, ShelfError};
pub use sqlite::{ServerLock, restore, sqlite_version};
pub use transfer::DryRun;

use crate::error::Error;

/// Where the address book really is, so that every name of a file has the one lock; the
/// file's directory is made where there is none. A URL is what it is.
///
/// # Errors
/// `Io`, `Storage` for a path that SQLite could not name.
pub fn locate(path: &Path) -> Result<PathBuf, OpenError> {
    match is_url(path) {
        true => Ok(path.to_owned()),
        false => sqlite::locate(path),
    }
}

/// An address book that is being served, by one of the engines.
///
/// Every read may fail with `StorageUnreadable`, a list also with `ListsBusy` or
/// `ListTooSlow`. Every write may fail with `KeyInvalid`, `SessionEnded` or
/// `NotPermitted`, where key or session changed since the check, and with `Busy`, `Stopping`,
/// `StorageFailed`, `StorageFull`, `OutcomeUnknown` or `Internal`.
#[expect(
    clippy::large_enum_variant,
    reason = "there is one, which stays where it is"
)]
pub enum Store {
    /// The engine of one file.
    Sqlite(sqlite::Engine),
    /// The engine of one schema of a PostgreSQL database.
    Postgres(postgres::Engine),
}

/// One state of the address book, read on the thread that holds it: what is read
/// together belongs together. Short-lived.
pub enum Snapshot {
    /// Of the engine of one file.
    Sqlite(sqlite::Snapshot),
    /// Of the engine of PostgreSQL, where each statement has a state of its own: the
    /// key's row is read first.
    Postgres(postgres::Snapshot),
}

impl Store {
    /// Serves the book of `operator` to `workers` threads that do point lookups.
    ///
    /// # Errors
    /// [`OpenError::Storage`] where a connection or a thread cannot be made.
    pub fn start(operator: Operator, workers: usize) -> Result<Self, OpenError> {
        match operator {
            Operator::Sqlite(database) => {
                Ok(Self::Sqlite(sqlite::Engine::start(database, workers)?))
            }
            Operator::Postgres(database) => Ok(Self::Postgres(postgres::Engine::start(database)?)),
        }
    }

    /// Writes what is queued and leaves the book whole on the disk. Writes that
    /// come later get `Stopping`.
    pub fn stop(&self) {
        match self {
            Self::Sqlite(engine) => engine.stop(),
            Self::Postgres(engine) => engine.stop(),
        }
    }

    /// As [`Operator::backup`]; for a thread that may block.
    ///
    /// # Errors
    /// The same.
    pub fn backup(&self, path: &Path) -> Result<u64, RestoreError> {
        match self {
            Self::Sqlite(engine) => engine.backup(path),
            Self::Postgres(_) => Err(RestoreError::OfPostgres),
        }
    }

    /// Looks through the whole book beside everything else, once `after` is over; what
    /// comes of it is told by [`Store::readiness`] and the log.
    ///
    /// # Errors
    /// `Internal` where there is no thread for it.
    pub fn begin_check(&self, after: Duration) -> Result<(), Error> {
        match self {
            Self::Sqlite(engine) => engine.begin_check(after),
            // Its checksums of pages are looked at whenever one is read.
            Self::Postgres(_) => Ok(()),
        }
    }

    /// What its writer does, measured as it does it.
    pub fn measures(&self) -> &Measures {
        match self {
            Self::Sqlite(engine) => engine.measures(),
            Self::Postgres(engine) => engine.measures(),
        }
    }

    /// What the engine is called.
    pub fn engine(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "sqlite",
            Self::Postgres(_) => "postgres",
        }
    }

    /// The damage that was found since the process began.
    pub fn damage(&self) -> FoundDamage {
        match self {
            Self::Sqlite(engine) => engine.damage(),
            Self::Postgres(engine) => engine.damage(),
        }
    }

    /// Begins point lookups, all of one state; for a moment on one thread.
    ///
    /// # Errors
    /// Those of every read.
    pub fn snapshot(&self) -> Result<Snapshot, Error> {
        match self {
            Self::Sqlite(engine) => engine.snapshot().map(Snapshot::Sqlite),
            Self::Postgres(engine) => engine.snapshot().map(Snapshot::Postgres),
        }
    }
}

/// Damage that was found since the process began.
#[derive(Clone, Copy, Debug)]
pub struct FoundDamage {
    /// WALs of which commits were lost.
    pub broken_wals: u64,
    /// Rows that were read, as often as they were, and are not what was stored.
    pub damaged_rows: u64,
}
