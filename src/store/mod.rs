//! The store: the only rooms that know SQL. Behind it stands the engine of one
//! SQLite file.

mod sqlite;

pub use sqlite::{
    ContactKey, Database, ExportError, ImportTurn, Listed, OpenError, Rehearsal, ServerLock,
    Snapshot, Spool, Store, locate,
};
