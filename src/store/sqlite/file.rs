//! An address book's file as the operating system sees it: its directories, its
//! lock, and what its first bytes say. Opens no database.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::files;
use crate::store::OpenError;

/// "abk1" in ASCII; the same number stands in `schema.sql`.
pub(super) const APPLICATION_ID: u32 = 0x6162_6b31;
/// The schema that this program writes; the same number stands in `schema.sql`.
pub(super) const SCHEMA_VERSION: u32 = 6;

/// Keeps a second server away from a file, by a lock on a file beside it.
/// (Closing a descriptor of the database itself would drop SQLite's own locks.)
pub struct ServerLock(#[allow(dead_code, reason = "held, never read")] File);

impl ServerLock {
    /// Takes the lock of the located `path`; the operating system frees it when the
    /// process ends, however it ends. A foreign file gets no lock beside it.
    ///
    /// # Errors
    /// Every [`OpenError`] but `LibraryTooOld` and `Storage`.
    pub fn take(path: &Path) -> Result<Self, OpenError> {
        if exists(path)? {
            recognise_header(path)?;
        }
        let lock_path = files::beside(path, ".lock");
        let file =
            files::open_lock(&lock_path).map_err(|error| OpenError::io(&lock_path, error))?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(fs::TryLockError::WouldBlock) => Err(OpenError::Served(path.to_owned())),
            Err(fs::TryLockError::Error(error)) => Err(OpenError::io(&lock_path, error)),
        }
    }
}

/// Recognises the file by its first 100 bytes, before SQLite opens it:
/// <https://sqlite.org/fileformat2.html#the_database_header>.
pub(super) fn recognise_header(path: &Path) -> Result<(), OpenError> {
    // A pipe would be waited for, and a directory is no better.
    if !path.is_file() {
        return Err(OpenError::NotADatabase(path.to_owned()));
    }
    let mut header = [0; 100];
    File::open(path)
        .and_then(|mut file| file.read_exact(&mut header))
        .map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => OpenError::NotADatabase(path.to_owned()),
            _ => OpenError::io(path, error),
        })?;
    if !header.starts_with(b"SQLite format 3\0") {
        return Err(OpenError::NotADatabase(path.to_owned()));
    }
    let number = |at: usize| {
        let bytes = header[at..at + 4].try_into().expect("four bytes");
        u32::from_be_bytes(bytes)
    };
    check_identity(path, number(68), number(60))
}

pub(super) fn check_identity(
    path: &Path,
    application_id: u32,
    version: u32,
) -> Result<(), OpenError> {
    if application_id != APPLICATION_ID {
        return Err(OpenError::Foreign(path.to_owned()));
    }
    if version > SCHEMA_VERSION {
        return Err(OpenError::Newer {
            path: path.to_owned(),
            found: version,
            known: SCHEMA_VERSION,
        });
    }
    Ok(())
}

pub(super) fn exists(path: &Path) -> Result<bool, OpenError> {
    path.try_exists()
        .map_err(|error| OpenError::io(path, error))
}

/// Where the file really is, so that every name of it has the one lock; its
/// directory is made where there is none.
///
/// # Errors
/// `Io`, `Storage` for a path that SQLite could not name.
pub fn locate(path: &Path) -> Result<PathBuf, OpenError> {
    if path.to_str().is_none() {
        return Err(OpenError::storage(path, "the path is not UTF-8"));
    }
    let failed = |error| OpenError::io(path, error);
    files::create_directory_of(path).map_err(failed)?;
    if exists(path)? {
        return path.canonicalize().map_err(failed);
    }
    let directory = files::directory_of(path).canonicalize().map_err(failed)?;
    let name = path.file_name().unwrap_or_default();
    Ok(directory.join(name))
}
