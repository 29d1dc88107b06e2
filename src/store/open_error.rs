//! Why an address book cannot be opened.

use std::io;
use std::path::{Path, PathBuf};

use crate::files::ClosedToUs;

/// Why a file cannot be opened as an address book.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The operating system says no.
    #[error("cannot open {path}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// It belongs to somebody else.
    #[error("{0}")]
    ClosedToUs(ClosedToUs),
    /// The file is something else.
    #[error("{0} is not a database")]
    NotADatabase(PathBuf),
    /// A SQLite database of another program.
    #[error("{0} is a database, but not an address book")]
    Foreign(PathBuf),
    /// Written by a newer version of this program.
    #[error("{path} has schema {found}, newer than {known}, the newest this version knows")]
    Newer {
        /// The file.
        path: PathBuf,
        /// The file's schema.
        found: u32,
        /// The newest that this program knows.
        known: u32,
    },
    /// The file's schema is not the one that its version has.
    #[error("{path} is an address book with a schema that was altered: {object}")]
    Altered {
        /// The file.
        path: PathBuf,
        /// Type and name of the first object that differs.
        object: String,
    },
    /// Another server holds the lock.
    #[error("{0} is already being served by another process")]
    Served(PathBuf),
    /// Another server has the file under another name.
    #[error("{0} is already being served under another name, which has a -wal of its own")]
    ServedElsewhere(PathBuf),
    /// The file and the WAL beside it are not of one book, or not of one time.
    #[error(
        "{wal} does not belong to {path}: put the file back that it was made beside, or move it away to go on without what it holds"
    )]
    Mixed {
        /// The file.
        path: PathBuf,
        /// Its WAL.
        wal: PathBuf,
    },
    /// The file was replaced while it was opened.
    #[error("{0} was replaced while it was opened")]
    Replaced(PathBuf),
    /// The SQLite library has a known fault.
    #[error("SQLite {0} can corrupt a database, at least 3.51.3 is needed")]
    LibraryTooOld(&'static str),
    /// PostgreSQL may lose what it has acknowledged.
    #[error(
        "{path} has {setting}=off and may lose what was acknowledged: set it on, or allow it by --allow-unsynced"
    )]
    Unsynced {
        /// The book.
        path: PathBuf,
        /// The setting that is off.
        setting: &'static str,
    },
    /// The storage fails.
    #[error("cannot use {path}: {reason}")]
    Storage {
        /// The file.
        path: PathBuf,
        /// SQLite's reason.
        reason: String,
    },
}

impl OpenError {
    pub(crate) fn storage(path: &Path, reason: impl ToString) -> Self {
        // SQLite says no more than that it cannot.
        match ClosedToUs::of_book(path) {
            Some(closed) => Self::ClosedToUs(closed),
            None => Self::Storage {
                path: path.to_owned(),
                reason: reason.to_string(),
            },
        }
    }

    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        let denied = source.kind() == io::ErrorKind::PermissionDenied;
        match denied.then(|| ClosedToUs::of_book(path)).flatten() {
            Some(closed) => Self::ClosedToUs(closed),
            None => Self::Io {
                path: path.to_owned(),
                source,
            },
        }
    }
}
