//! Files of contacts: what an engine gives for an export, and a dry run of an import.

use std::fs::File;
use std::io::{self, Write};

use super::{Store, postgres, sqlite};
use crate::bulk::{BulkMode, ItemOutcome};
use crate::contact::NewContact;
use crate::error::Error;
use crate::key::Grant;
use crate::permits::Permit;
use crate::transfer::{ContactsFile, ExportError};

/// An import that stores nothing, but says what would come of it. Nobody waits
/// for it, and what is stored meanwhile it may see or not.
#[expect(
    clippy::large_enum_variant,
    reason = "there is one, which stays where it is"
)]
pub enum DryRun {
    /// Of the engine of one file.
    Sqlite(sqlite::DryRun),
    /// Of the engine of PostgreSQL.
    Postgres(postgres::DryRun),
}

impl Store {
    /// Takes one of the permits to keep the file of an export until it is sent, or
    /// none where there is none at once.
    ///
    /// # Errors
    /// `ListsBusy`.
    pub fn spool_permit(&self, grant: Grant) -> Result<Permit, Error> {
        match self {
            Self::Sqlite(engine) => engine.spool_permit(grant),
            Self::Postgres(engine) => engine.spool_permit(grant),
        }
    }

    /// Takes one of the few permits to write an export, waiting a little.
    ///
    /// # Errors
    /// `ListsBusy`.
    pub async fn export_permit(&self, grant: Grant) -> Result<Permit, Error> {
        match self {
            Self::Sqlite(engine) => engine.export_permit(grant).await,
            Self::Postgres(engine) => engine.export_permit(grant).await,
        }
    }

    /// Makes a file for an export that has no name: whatever ends its reader, the
    /// room that it takes is free again.
    ///
    /// # Errors
    /// The operating system's.
    pub fn temporary_file(&self) -> io::Result<File> {
        match self {
            Self::Sqlite(engine) => engine.temporary_file(),
            Self::Postgres(engine) => engine.temporary_file(),
        }
    }

    /// Writes all contacts of one state to `file`; gives back what that wrote to.
    ///
    /// # Errors
    /// Those of every read, and what `file` meets.
    pub async fn export<W: Write + Send + 'static>(
        &self,
        grant: Grant,
        file: ContactsFile<W, impl FnMut(u64) -> bool + Send + 'static>,
    ) -> Result<W, ExportError> {
        match self {
            Self::Sqlite(engine) => engine.export(grant, file).await,
            Self::Postgres(engine) => engine.export(grant, file).await,
        }
    }

    /// Takes one of the few permits to import, or none where there is none at once.
    ///
    /// # Errors
    /// `ImportsBusy`.
    pub fn import_permit(&self, grant: Grant) -> Result<Permit, Error> {
        match self {
            Self::Sqlite(engine) => engine.import_permit(grant),
            Self::Postgres(engine) => engine.import_permit(grant),
        }
    }

    /// Begins a dry run.
    ///
    /// # Errors
    /// `StorageFailed`, `StorageFull`; those of every read.
    pub async fn dry_run(&self, grant: Grant) -> Result<DryRun, Error> {
        match self {
            Self::Sqlite(engine) => engine.dry_run(grant).await.map(DryRun::Sqlite),
            Self::Postgres(engine) => engine.dry_run(grant).await.map(DryRun::Postgres),
        }
    }
}

impl DryRun {
    /// Does to the dry run what storing the batch would do to the address book;
    /// what came of each contact, in order.
    ///
    /// # Errors
    /// Those of every read; `StorageFailed`, `StorageFull`.
    pub async fn import(
        self,
        mode: BulkMode,
        contacts: Vec<NewContact>,
    ) -> Result<(Self, Vec<ItemOutcome>), Error> {
        match self {
            Self::Sqlite(dry_run) => {
                let (dry_run, outcomes) = dry_run.import(mode, contacts).await?;
                Ok((Self::Sqlite(dry_run), outcomes))
            }
            Self::Postgres(dry_run) => {
                let (dry_run, outcomes) = dry_run.import(mode, contacts).await?;
                Ok((Self::Postgres(dry_run), outcomes))
            }
        }
    }

    /// The same on this very thread, which may block.
    ///
    /// # Errors
    /// Those of [`DryRun::import`].
    pub fn import_blocking(
        &self,
        mode: BulkMode,
        contacts: Vec<NewContact>,
    ) -> Result<Vec<ItemOutcome>, Error> {
        match self {
            Self::Sqlite(dry_run) => dry_run.import_blocking(mode, contacts),
            Self::Postgres(dry_run) => dry_run.import_blocking(mode, contacts),
        }
    }
}
