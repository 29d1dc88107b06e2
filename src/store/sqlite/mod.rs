//! The engine of one SQLite file. One file is one address book: [`Database`] opens
//! it, [`Engine`] serves it.
//!
//! Every write of a server is a job of its one writer thread, answered after the
//! commit has reached the disk (`synchronous=FULL`). Reads come from read-only
//! connections of a pool.

mod audit;
mod backup;
mod batch;
mod bulk;
mod bulk_delete;
mod check;
mod checkpointer;
mod checksum;
mod conditions;
mod contacts;
mod database;
mod export;
mod failure;
mod figures;
mod file;
mod groups;
mod idempotency;
mod import;
mod job;
mod key_changes;
mod keys;
mod list;
mod memberships;
mod migrations;
mod moving;
mod optouts;
mod pin;
mod pool;
mod readers;
mod resolve;
mod room;
mod schema;
mod sessions;
mod sweep;
mod transaction;
mod wal_mark;
mod wal_scan;
mod whole_check;
mod writer;

pub(super) use backup::contacts_of as backup_contacts;
pub use backup::restore;
pub(super) use database::Database;
pub use file::ServerLock;
pub(super) use file::locate;
pub(super) use import::DryRun;
pub(super) use moving::{MoveSource, MoveTarget};
pub(super) use readers::Snapshot;
pub use rusqlite::version as sqlite_version;

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::{FoundDamage, Measures, OpenError, Readiness};
use crate::error::Error;
use crate::files;
use crate::permits::{Permits, SharedPermits};
use export::{EXPORT_WAIT_MAX, SPOOLS_MAX, SPOOLS_OF_KEY_MAX};
use figures::FIGURES_MAX;
use readers::{EXPORTS_MAX, EXPORTS_OF_KEY_MAX, IMPORTS_MAX, IMPORTS_OF_KEY_MAX, Readers};
use transaction::Counter;
use whole_check::WholeCheck;
use writer::Writer;

/// A file that is being served: one writer thread and read-only connections.
pub struct Engine {
    readers: Readers,
    writer: Writer,
    path: PathBuf,
    exports: SharedPermits,
    imports: SharedPermits,
    spools: SharedPermits,
    figures: Permits,
    measures: Measures,
    check: WholeCheck,
    broken_wals: u64,
}

impl Engine {
    pub(crate) fn start(database: Database, workers: usize) -> Result<Self, OpenError> {
        let path = database.path().to_owned();
        let broken_wals = database.broken_wals;
        let readers = Readers::of(&path, workers);
        let measures = Measures::default();
        let writer = Writer::start(database, readers.damage().clone(), measures.clone())?;
        Ok(Self {
            readers,
            writer,
            path,
            broken_wals,
            measures,
            check: WholeCheck::default(),
            figures: Permits::new(FIGURES_MAX, Duration::ZERO, Error::ListsBusy),
            exports: SharedPermits::new(
                EXPORTS_MAX,
                EXPORTS_OF_KEY_MAX,
                EXPORT_WAIT_MAX,
                Error::ListsBusy,
            ),
            spools: SharedPermits::new(
                SPOOLS_MAX,
                SPOOLS_OF_KEY_MAX,
                Duration::ZERO,
                Error::ListsBusy,
            ),
            imports: SharedPermits::new(
                IMPORTS_MAX,
                IMPORTS_OF_KEY_MAX,
                Duration::ZERO,
                Error::ImportsBusy,
            ),
        })
    }

    /// How many WALs this process found of which commits were lost.
    pub(crate) fn damage(&self) -> FoundDamage {
        FoundDamage {
            broken_wals: self.broken_wals,
            damaged_rows: failure::damaged_rows(),
        }
    }

    pub(crate) fn measures(&self) -> &Measures {
        &self.measures
    }

    pub(crate) async fn readiness(&self) -> Readiness {
        let read = self.readers.read(|connection| {
            Ok((
                Counter::Contacts.read(connection)?,
                room::is_short(connection, &self.path),
            ))
        });
        Readiness {
            has_room: !read.as_ref().is_ok_and(|(_, is_short)| *is_short),
            reads: read.map(drop),
            writes: self.writer.probe().await,
            is_damaged: self.readers.damage().is_found(),
            integrity: self.check.found(),
            standby: None,
        }
    }

    /// Looks through the whole book beside everything else, once `after` is over.
    pub(crate) fn begin_check(&self, after: Duration) -> Result<(), Error> {
        self.check.begin(self.readers.clone(), after)
    }

    pub(crate) fn snapshot(&self) -> Result<Snapshot, Error> {
        self.readers.begin()
    }

    /// Writes what is queued, checkpoints the whole WAL and closes the file.
    pub(crate) fn stop(&self) {
        self.check.stop();
        self.writer.stop();
    }

    pub(crate) fn temporary_file(&self) -> io::Result<File> {
        files::create_nameless(&self.path)
    }
}
