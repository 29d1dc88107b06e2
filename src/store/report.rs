//! What is told of a whole book: what a check found, how ready it is, and why a backup was
//! not made or put back.

use std::path::PathBuf;

use super::OpenError;
use crate::error::Error;

/// What a check of a whole book found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// Contacts that were looked at.
    pub contacts: u64,
    /// What is wrong, a line for each; of contacts the first are named.
    pub damage: Vec<String>,
    /// Contacts that are not what was stored, or not in normal form.
    pub(super) faulty_contacts: usize,
    /// Aliases that today's rules would refuse; they are served as they stand.
    pub older_aliases: u64,
    /// Numbers of contacts and opt-outs that today's rules would refuse.
    pub older_numbers: u64,
}

/// How ready an address book is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// Whether it can be read.
    pub reads: Result<(), Error>,
    /// Whether a write would be committed and synced.
    pub writes: Result<(), Error>,
    /// Whether there is room for more.
    pub has_room: bool,
    /// Whether anybody met damage: then nothing is written.
    pub is_damaged: bool,
    /// What a look through the whole book found, if there was one.
    pub integrity: Integrity,
    /// Whether somebody else's disk has what is committed; none of an engine that
    /// knows no standbys.
    pub standby: Option<Standby>,
}

/// Whether a commit waits for a standby.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standby {
    /// It does, and there is one.
    Synchronous,
    /// It would, and there is none: it waits until one comes.
    Missing,
    /// It does not: what is committed is on one disk.
    NotWanted,
}

/// What a look through a whole book found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Integrity {
    /// Nobody has looked, or not at all of it.
    Unknown,
    /// Somebody looks.
    Running,
    /// Nothing is wrong.
    Whole,
    /// So many things are wrong.
    Damaged(usize),
}

/// Why a backup was not made or put back.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// A file is no address book, cannot be used, or is being served.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The copy is not whole.
    #[error("{0} is damaged: {1}")]
    Damaged(PathBuf, String),
    /// A part of the book may stand in a file beside it.
    #[error("{0} has a -wal beside it, so it is no backup: make one by `addressbook backup`")]
    HasWal(PathBuf),
    /// The book is on PostgreSQL.
    #[error(
        "a book on PostgreSQL is kept by its own tools: pg_basebackup, pg_dump, an archive of its WAL"
    )]
    OfPostgres,
}
