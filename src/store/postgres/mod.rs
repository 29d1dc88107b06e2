//! The engine of one schema of a PostgreSQL database. Any number of servers serve one
//! book: what has to be one of a kind is decided by the database.
//!
//! Point lookups go over a connection of the worker that asks, pipelined. Writes are
//! handed to a few threads; creates of many clients share a transaction.

mod audit;
mod bulk;
mod bulk_delete;
mod conditions;
mod connection;
mod contacts;
mod creation;
mod credentials;
mod database;
mod export;
mod failure;
mod figures;
mod groups;
mod idempotency;
mod import;
mod key_changes;
mod keys;
mod lanes;
mod list;
mod location;
mod locks;
mod memberships;
mod migrations;
mod moving;
mod optouts;
mod place;
mod readers;
mod readiness;
mod resolve;
mod sessions;
mod sweep;
mod threads;
mod transaction;
mod trust;
mod writer;

pub(super) use database::Database;
pub(super) use import::DryRun;
pub use location::{is_url, without_secrets};
pub(super) use moving::{MoveSource, MoveTarget};
pub(super) use readers::Snapshot;

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::{FoundDamage, Measures, OpenError};
use crate::error::Error;
use crate::files;
use crate::permits::{Permits, SharedPermits};
use export::{EXPORT_WAIT_MAX, EXPORTS_MAX, EXPORTS_OF_KEY_MAX, SPOOLS_MAX, SPOOLS_OF_KEY_MAX};
use figures::FIGURES_MAX;
use import::{IMPORTS_MAX, IMPORTS_OF_KEY_MAX};
use lanes::Lanes;
use location::Location;
use readers::Readers;
use threads::Threads;
use writer::Writer;

/// A book that is being served.
pub struct Engine {
    location: Location,
    threads: Arc<Threads>,
    readers: Readers,
    writer: Writer,
    lanes: Lanes,
    exports: SharedPermits,
    imports: SharedPermits,
    spools: SharedPermits,
    figures: Permits,
    measures: Measures,
}

impl Engine {
    pub(crate) fn start(database: Database) -> Result<Self, OpenError> {
        let location = database.location.clone();
        drop(database);
        let threads = Threads::start(&location);
        let threads = threads.map_err(|error| location.storage_error(error))?;
        let threads = Arc::new(threads);
        let measures = Measures::default();
        let lanes = Lanes::start(&threads, &measures);
        sweep::begin(&threads);
        Ok(Self {
            readers: Readers::new(location.clone(), Arc::clone(&threads)),
            writer: Writer::new(Arc::clone(&threads), measures.clone()),
            lanes: lanes.map_err(|error| location.storage_error(error))?,
            location,
            threads,
            measures,
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

    /// None that this could find: PostgreSQL has checksums of its own.
    pub(crate) fn damage(&self) -> FoundDamage {
        FoundDamage {
            broken_wals: 0,
            damaged_rows: 0,
        }
    }

    pub(crate) fn measures(&self) -> &Measures {
        &self.measures
    }

    pub(crate) fn snapshot(&self) -> Result<Snapshot, Error> {
        Ok(Snapshot {
            readers: self.readers.clone(),
        })
    }

    /// Has done what is under way, and closes its connections.
    pub(crate) fn stop(&self) {
        self.lanes.stop();
        self.threads.stop();
    }

    pub(crate) fn temporary_file(&self) -> io::Result<File> {
        temporary_file()
    }
}

/// Where files without a name are made: there is no directory of the book.
const TEMPORARY: &str = "/tmp/addressbook";

fn temporary_file() -> io::Result<File> {
    files::create_nameless(Path::new(TEMPORARY))
}
