//! A backup: the whole book in a file of its own, made beside any load, and put back.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};
use uuid::Uuid;

use super::database::{open_reader, recognise};
use super::file::{self, KeptFile, RestoreLock};
use super::transaction::Counter;
use super::{Database, Engine};
use super::{check, schema, sessions, wal_mark};
use crate::error::Error;
use crate::files;
use crate::moment::Moment;
use crate::store::{CheckReport, OpenError, RestoreError};

const WRITE: &str = "VACUUM INTO ?1";
impl Engine {
    pub(crate) fn backup(&self, path: &Path) -> Result<u64, RestoreError> {
        let connection = self.readers.connection();
        let connection = connection.map_err(|error| OpenError::storage(&self.path, error))?;
        write(&connection, path)
    }
}

impl Database {
    /// Writes the whole book, in one state, to a new file at `path` (0600), checks it
    /// and brings it to the disk. A read that waits for nobody, so that it ends under any
    /// load; the WAL grows meanwhile.
    pub(crate) fn backup(&self, path: &Path) -> Result<u64, RestoreError> {
        write(&self.connection, path)
    }

    pub(crate) fn check(&self) -> Result<CheckReport, Error> {
        self.read(check::check)
    }
}

fn write(connection: &Connection, path: &Path) -> Result<u64, RestoreError> {
    files::create_private(path).map_err(|error| OpenError::io(path, error))?;
    let written = connection.execute(WRITE, [path.to_string_lossy()]);
    let written = written.map_err(|error| OpenError::storage(path, error).into());
    let made = written.and_then(|_| finish(path, path));
    if made.is_err() {
        // What failed is told; a part of a backup is none.
        let _ = fs::remove_file(path);
    }
    made
}

/// Checks a copy of a book that nobody else knows, gives it marks of its own, takes the
/// sessions out of it, and brings it to the disk. What is wrong with it is wrong with `of`.
fn finish(path: &Path, of: &Path) -> Result<u64, RestoreError> {
    let failed = |error: rusqlite::Error| OpenError::storage(of, error);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let copy = Connection::open_with_flags(path, flags).map_err(failed)?;
    let version = recognise(&copy, of)?;
    schema::check(&copy, of, version)?;
    copy.pragma_update(None, "journal_mode", "DELETE")
        .map_err(failed)?;
    let report = check::check(&copy).map_err(failed)?;
    if let Some(damage) = report.damage.into_iter().next() {
        return Err(RestoreError::Damaged(of.to_owned(), damage));
    }
    if version == file::SCHEMA_VERSION {
        copy.execute(wal_mark::NEW_MARKS, []).map_err(failed)?;
        // One that was ended since would go on in it. What is deleted is overwritten, too:
        // a backup may lie where the book does not.
        copy.pragma_update(None, "secure_delete", "ON")
            .map_err(failed)?;
        copy.execute(sessions::FORGET_ALL, []).map_err(failed)?;
    }
    copy.close().map_err(|(_, error)| failed(error))?;
    File::open(path)
        .and_then(|copy| copy.sync_all())
        .map_err(|error| OpenError::io(path, error))?;
    Ok(report.contacts)
}

/// How many contacts a backup says it has; none where it cannot be read.
pub(in crate::store) fn contacts_of(path: &Path) -> Option<u64> {
    let connection = open_reader(path).ok()?;
    Counter::Contacts.read(&connection).ok()
}

/// Puts the backup at `from` in the place of the book at the located `path`, which no
/// server may have. What is there is put aside under a dated name, its `-wal` with it;
/// that name is returned. Whatever fails, the old book is where it was.
///
/// # Errors
/// `Open` where the backup is no address book, is newer, or the book is served;
/// `Damaged`, `HasWal`.
pub fn restore(from: &Path, path: &Path) -> Result<Option<PathBuf>, RestoreError> {
    let _lock = RestoreLock::take(path)?;
    KeptFile::open(from)?;
    if !wal_mark::wal_is_empty(from) {
        return Err(RestoreError::HasWal(from.to_owned()));
    }
    let draft = files::beside(path, &format!(".new-{}", Uuid::now_v7().simple()));
    let restored = copy(from, &draft).and_then(|()| put_in_place(&draft, path));
    if restored.is_err() {
        // It may have its name already; what failed is what is told.
        let _ = fs::remove_file(&draft);
    }
    restored
}

fn copy(from: &Path, draft: &Path) -> Result<(), RestoreError> {
    let mut file = files::create_private(draft).map_err(|error| OpenError::io(draft, error))?;
    let mut source = File::open(from).map_err(|error| OpenError::io(from, error))?;
    std::io::copy(&mut source, &mut file).map_err(|error| OpenError::io(draft, error))?;
    drop(file);
    finish(draft, from).map(drop)
}

/// The old `-wal` never meets the new file: should the system end in between, their marks
/// do not agree, and a start says so and touches neither.
fn put_in_place(draft: &Path, path: &Path) -> Result<Option<PathBuf>, RestoreError> {
    let failed = |error| OpenError::io(path, error);
    let aside = match file::exists(path)? {
        true => Some(put_aside(path)?),
        false => None,
    };
    fs::rename(draft, path).map_err(failed)?;
    for end in ["-wal", "-shm"] {
        match fs::remove_file(files::beside(path, end)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(failed(error).into());
            }
            _ => {}
        }
    }
    files::sync_directory_of(path).map_err(failed)?;
    Ok(aside)
}

/// Gives the book and its `-wal` a second, dated name.
fn put_aside(path: &Path) -> Result<PathBuf, OpenError> {
    let failed = |error| OpenError::io(path, error);
    let now = Moment::now().to_string().replace([':', '.'], "-");
    let aside = files::beside(path, &format!(".before-{now}"));
    fs::hard_link(path, &aside).map_err(failed)?;
    let wal = files::beside(path, "-wal");
    if file::exists(&wal)? {
        fs::hard_link(&wal, files::beside(&aside, "-wal")).map_err(failed)?;
    }
    files::sync_directory_of(path).map_err(failed)?;
    Ok(aside)
}
