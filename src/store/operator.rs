//! What the command line asks of an address book, whether a server runs on it or
//! not. Each operation is one transaction, and waits for other processes.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use super::transfer::DryRun;
use super::{CheckReport, OpenError, RestoreError, ServerLock, is_url, postgres, sqlite};
use crate::bulk::{BulkMode, ItemOutcome};
use crate::contact::NewContact;
use crate::error::Error;
use crate::key::{ApiKey, KeyChange, KeyTerms};
use crate::token::{KeyId, NewSecret};
use crate::transfer::{ContactsFile, ExportError};

/// An open address book. Every read may fail with `StorageUnreadable`; every
/// change with `Busy`, `StorageFailed`, `StorageFull`, `OutcomeUnknown` or `Internal`.
#[expect(
    clippy::large_enum_variant,
    reason = "there is one, which stays where it is"
)]
pub enum Operator {
    /// Of the engine of one file.
    Sqlite(sqlite::Database),
    /// Of the engine of PostgreSQL.
    Postgres(postgres::Database),
}

/// Declares operations of an engine: each is one match over the engines.
macro_rules! operations {
    ($(
        $(#[$doc:meta])*
        fn $operation:ident(&self $(, $argument:ident: $type:ty)* $(,)?) -> $answer:ty;
    )+) => {
        impl Operator {
            $(
                $(#[$doc])*
                pub fn $operation(&self $(, $argument: $type)*) -> $answer {
                    match self {
                        Self::Sqlite(database) => database.$operation($($argument),*),
                        Self::Postgres(database) => database.$operation($($argument),*),
                    }
                }
            )+
        }
    };
    ($(
        $(#[$doc:meta])*
        fn $operation:ident(&mut self $(, $argument:ident: $type:ty)* $(,)?) -> $answer:ty;
    )+) => {
        impl Operator {
            $(
                $(#[$doc])*
                pub fn $operation(&mut self $(, $argument: $type)*) -> $answer {
                    match self {
                        Self::Sqlite(database) => database.$operation($($argument),*),
                        Self::Postgres(database) => database.$operation($($argument),*),
                    }
                }
            )+
        }
    };
}

impl Operator {
    /// Opens the address book at the located `path`, a file or the URL of a PostgreSQL
    /// database, made first where there is none (0600). A new file appears whole or not at all. An older one is
    /// copied and then brought to today's schema, which needs the server's lock:
    /// `lock` where the caller holds it.
    ///
    /// # Errors
    /// Every [`OpenError`]; `Served` only where an older file is being served. A
    /// foreign or newer file stays untouched.
    pub fn open_or_create(path: &Path, lock: Option<&ServerLock>) -> Result<Self, OpenError> {
        if is_url(path) {
            return postgres::Database::open_or_create(path).map(Self::Postgres);
        }
        sqlite::Database::open_or_create(path, lock).map(Self::Sqlite)
    }

    /// Opens the address book at the located `path`, where there is one; an older one is
    /// brought to today's schema, as by `open_or_create`.
    ///
    /// # Errors
    /// The same.
    pub fn open_existing(path: &Path) -> Result<Option<Self>, OpenError> {
        if is_url(path) {
            let opened = postgres::Database::open_existing(path)?;
            return Ok(opened.map(Self::Postgres));
        }
        let opened = sqlite::Database::open_or_create(path, None);
        opened.map(|database| Some(Self::Sqlite(database)))
    }

    /// Whether what is committed is on a disk.
    ///
    /// # Errors
    /// `Unsynced` for settings of PostgreSQL that may lose it; `Storage`.
    pub fn check_durability(&self) -> Result<(), OpenError> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(database) => database.check_durability(),
        }
    }

    /// Writes the whole address book, in one state, to a new file at `path`, checked and
    /// on the disk; ends under any load.
    ///
    /// # Errors
    /// `Open` for what the operating system or the storage says; `Damaged`.
    pub fn backup(&self, path: &Path) -> Result<u64, RestoreError> {
        match self {
            Self::Sqlite(database) => database.backup(path),
            Self::Postgres(_) => Err(RestoreError::OfPostgres),
        }
    }

    /// Looks through the whole address book, all of it in one state; none where
    /// that is for the database's own tools.
    ///
    /// # Errors
    /// Those of every read.
    pub fn check(&self) -> Result<Option<CheckReport>, Error> {
        match self {
            Self::Sqlite(database) => database.check().map(Some),
            Self::Postgres(_) => Ok(None),
        }
    }

    /// Begins a dry run of an import.
    ///
    /// # Errors
    /// `StorageFailed`, `StorageFull`.
    pub fn dry_run(&self) -> Result<DryRun, Error> {
        match self {
            Self::Sqlite(database) => database.dry_run().map(DryRun::Sqlite),
            Self::Postgres(database) => database.dry_run().map(DryRun::Postgres),
        }
    }
}

impl Operator {
    /// Writes all contacts of one state to `file`; gives back what that wrote to.
    ///
    /// # Errors
    /// Those of every read, and what `file` meets.
    pub fn export<W: Write>(
        &self,
        file: ContactsFile<W, impl FnMut(u64) -> bool>,
    ) -> Result<W, ExportError> {
        match self {
            Self::Sqlite(database) => database.export(file),
            Self::Postgres(database) => database.export(file),
        }
    }
}

operations! {
    /// Where the address book is; files of its operator stand beside it.
    fn path(&self) -> &Path;

    /// Whether `path` names one of the files of this address book.
    fn is_made_of(&self, path: &Path) -> bool;

    /// Makes a file beside the address book that has no name.
    ///
    /// # Errors
    /// The operating system's.
    fn temporary_file(&self) -> io::Result<File>;

    /// How many contacts there are.
    ///
    /// # Errors
    /// Those of every read.
    fn contact_count(&self) -> Result<u64, Error>;

    /// Whether there is no key at all, not even a revoked one.
    ///
    /// # Errors
    /// Those of every read.
    fn has_no_key(&self) -> Result<bool, Error>;

    /// Every key, the oldest first.
    ///
    /// # Errors
    /// Those of every read.
    fn keys(&self) -> Result<Vec<ApiKey>, Error>;

    /// One key.
    ///
    /// # Errors
    /// `KeyNotFound`; those of every read.
    fn key(&self, id: KeyId) -> Result<ApiKey, Error>;

}

operations! {
    /// Stores a key.
    ///
    /// # Errors
    /// Those of every change.
    fn create_key(&mut self, secret: &NewSecret, terms: &KeyTerms) -> Result<ApiKey, Error>;

    /// Stores a key, but only while there is none at all; whether it did.
    ///
    /// # Errors
    /// Those of every change.
    fn create_first_key(&mut self, secret: &NewSecret, terms: &KeyTerms) -> Result<bool, Error>;

    /// Changes a key.
    ///
    /// # Errors
    /// `KeyNotFound`, `KeyRevoked`; those of every change.
    fn update_key(&mut self, id: KeyId, change: KeyChange) -> Result<ApiKey, Error>;

    /// Gives a key a successor.
    ///
    /// # Errors
    /// `KeyNotFound`, `KeyNotActive`, `KeyRotated`; those of every change.
    fn rotate_key(
        &mut self,
        id: KeyId,
        secret: &NewSecret,
        overlap: Duration,
    ) -> Result<ApiKey, Error>;

    /// Takes a rotation back whose token reached nobody: the old key is as it
    /// was, its successor revoked.
    ///
    /// # Errors
    /// Those of every change.
    fn undo_rotation(&mut self, old: &ApiKey, successor: KeyId) -> Result<(), Error>;

    /// Revokes a key; `force` for the last one that manages keys.
    ///
    /// # Errors
    /// `KeyNotFound`, `LastManagingKey`; those of every change.
    fn revoke_key(&mut self, id: KeyId, force: bool) -> Result<(), Error>;

    /// Stores a batch in one transaction; what came of each contact, in order.
    ///
    /// # Errors
    /// Those of every change; but for `OutcomeUnknown`, nothing was stored.
    fn import(&mut self, mode: BulkMode, contacts: Vec<NewContact>) -> Result<Vec<ItemOutcome>, Error>;

}
