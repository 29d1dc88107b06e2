//! The store: the only rooms that know SQL. Behind it stands the engine of one
//! SQLite file.

mod sqlite;

pub use sqlite::{
    ContactKey, Database, DryRun, ExportError, ImportPermit, Listed, OpenError, ServerLock,
    Snapshot, Spool, Store, locate,
};
