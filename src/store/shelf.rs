//! The directory with the backups that a server makes: each under a name that tells when
//! it was made, the latest of them kept.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use super::sqlite::backup_contacts;
use super::{RestoreError, Store};
use crate::files;
use crate::moment::Moment;

/// What stands around the time in a name.
const NAME_BEGINS: &str = "addressbook-";
const NAME_ENDS: &str = "Z.db";
/// Tells that a server makes its backups here.
const LOCK: &str = "addressbook.lock";
/// How often a second is looked for that no backup has in its name yet.
const SECOND_POLL: Duration = Duration::from_millis(50);

/// A directory with backups.
pub struct Shelf {
    directory: PathBuf,
    keep: usize,
    /// Its own as long as this is open.
    _lock: File,
    making: Mutex<()>,
    listing: Mutex<()>,
    /// When the last one was made: asked for by those who must not wait for a disk.
    last_on: Mutex<Option<Moment>>,
}

/// One backup.
#[derive(Clone, Debug)]
pub struct Backup {
    /// The name of its file in the directory.
    pub name: String,
    /// Bytes of the file.
    pub size_bytes: u64,
    /// When it was begun, to the second.
    pub created_on: Moment,
    /// Contacts in it; none where the file cannot be read.
    pub contacts: Option<u64>,
}

/// Why a backup was not made, or not listed.
#[derive(Debug, thiserror::Error)]
pub enum ShelfError {
    /// One at a time.
    #[error("another one is being made or listed")]
    Busy,
    /// Two servers would take each other's backups for their own, and away.
    #[error("another server makes its backups in {0}: give each a directory of its own")]
    OfAnother(PathBuf),
    /// The copy was not made.
    #[error(transparent)]
    Copy(#[from] RestoreError),
    /// The directory or a file in it.
    #[error("{path}: {source}")]
    File {
        /// Which one.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
}

impl ShelfError {
    fn file(path: &Path, source: io::Error) -> Self {
        Self::File {
            path: path.to_owned(),
            source,
        }
    }
}

impl Shelf {
    /// The shelf in `directory`, made where there is none, that keeps so many.
    ///
    /// # Errors
    /// `File` where there is no directory and none can be made; `OfAnother` where another
    /// server has it.
    pub fn open(directory: &Path, keep: usize) -> Result<Self, ShelfError> {
        files::create_directory_of(&directory.join("any"))
            .map_err(|source| ShelfError::file(directory, source))?;
        let lock = directory.join(LOCK);
        let failed = |source| ShelfError::file(&lock, source);
        let opened = files::open_lock(&lock).map_err(failed)?;
        match opened.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => {
                return Err(ShelfError::OfAnother(directory.to_owned()));
            }
            Err(fs::TryLockError::Error(source)) => return Err(failed(source)),
        }
        let shelf = Self {
            directory: directory.to_owned(),
            keep,
            _lock: opened,
            making: Mutex::new(()),
            listing: Mutex::new(()),
            last_on: Mutex::new(None),
        };
        let backups = shelf.backups();
        let backups = backups.map_err(|source| ShelfError::file(directory, source))?;
        // One of a clock that was ahead says nothing.
        let last = backups.last().map(|(last, _)| *last);
        shelf.note_last(last.filter(|last| *last <= Moment::now()));
        Ok(shelf)
    }

    /// Where it is.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Makes a backup of what `store` serves and removes those beyond what is kept; for a
    /// thread that may block.
    ///
    /// # Errors
    /// `Busy` while one is being made.
    pub fn add(&self, store: &Store) -> Result<Backup, ShelfError> {
        let _making = try_lock(&self.making)?;
        let begun = Instant::now();
        let (name, created_on) = self.new_name();
        let file = self.directory.join(&name);
        let failed = |source| ShelfError::file(&file, source);
        let draft = files::temporary_beside(&file);
        let contacts = store.backup(&draft)?;
        fs::rename(&draft, &file)
            .and_then(|()| files::sync_directory_of(&file))
            .map_err(failed)?;
        let size_bytes = fs::metadata(&file).map_err(failed)?.len();
        let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        log::info!(file:% = file.display(), bytes = size_bytes, took_ms; "backed up");
        self.note_last(Some(created_on));
        if let Err(error) = self.sweep() {
            log::warn!(error:% = error; "older backups could not be removed");
        }
        Ok(Backup {
            name,
            size_bytes,
            created_on,
            contacts: Some(contacts),
        })
    }

    /// A page of the backups, the newest first, and how many there are; for a thread that
    /// may block.
    ///
    /// # Errors
    /// `File` where the directory cannot be read; `Busy` while another list is made.
    pub fn page(&self, offset: u64, limit: u32) -> Result<(Vec<Backup>, u64), ShelfError> {
        let _listing = try_lock(&self.listing)?;
        let backups = self.backups();
        let backups = backups.map_err(|source| ShelfError::file(&self.directory, source))?;
        let skipped = usize::try_from(offset).unwrap_or(usize::MAX);
        let newest_first = backups.iter().rev().skip(skipped).take(limit as usize);
        let page = newest_first.filter_map(|(created_on, file)| {
            Some(Backup {
                name: file.file_name()?.to_str()?.to_owned(),
                size_bytes: fs::metadata(file).ok()?.len(),
                created_on: *created_on,
                contacts: backup_contacts(file),
            })
        });
        Ok((page.collect(), backups.len() as u64))
    }

    /// When the last one was made; none where there was none at the start, or only those
    /// of a clock that was ahead.
    pub fn last_on(&self) -> Option<Moment> {
        *self.last_on.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_last(&self, last: Option<Moment>) {
        *self.last_on.lock().unwrap_or_else(PoisonError::into_inner) = last;
    }

    /// A second that no backup has in its name yet.
    fn new_name(&self) -> (String, Moment) {
        loop {
            let now = Moment::now();
            let name = name_of(now);
            if let (Some(second), false) = (taken_on(&name), self.directory.join(&name).exists()) {
                return (name, second);
            }
            thread::sleep(SECOND_POLL);
        }
    }

    /// Removes what is beyond those that are kept, and parts of backups that were never
    /// finished. Nothing else that stands there is touched.
    fn sweep(&self) -> io::Result<()> {
        let backups = self.backups()?;
        let old = backups.len().saturating_sub(self.keep);
        let mut swept = Ok(());
        for (_, file) in &backups[..old] {
            match fs::remove_file(file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => swept = Err(error),
                _ => {}
            }
        }
        for entry in fs::read_dir(&self.directory)?.flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let finished = name.split(".temporary-").next().unwrap_or_default();
            if finished.len() < name.len() && taken_on(finished).is_some() {
                swept = swept.and(fs::remove_file(entry.path()));
            }
        }
        swept
    }

    /// All backups, the oldest first; before them those of a clock that was ahead, so that
    /// they never take the place of what was just made.
    fn backups(&self) -> io::Result<Vec<(Moment, PathBuf)>> {
        let mut backups = Vec::new();
        for entry in fs::read_dir(&self.directory)?.flatten() {
            // What only has such a name, as a directory or a pipe, is none.
            let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
            if let (true, Some(taken_on)) = (is_file, entry.file_name().to_str().and_then(taken_on))
            {
                backups.push((taken_on, entry.path()));
            }
        }
        let now = Moment::now();
        backups.sort_by_key(|(taken_on, _)| (*taken_on <= now, *taken_on));
        Ok(backups)
    }
}

fn try_lock(lock: &Mutex<()>) -> Result<MutexGuard<'_, ()>, ShelfError> {
    match lock.try_lock() {
        Ok(locked) => Ok(locked),
        Err(TryLockError::Poisoned(locked)) => Ok(locked.into_inner()),
        Err(TryLockError::WouldBlock) => Err(ShelfError::Busy),
    }
}

/// The name of a backup: its second, without what a file system may not have in a name.
fn name_of(moment: Moment) -> String {
    let text = moment.to_string();
    let second = text.get(..19).unwrap_or(&text).replace(':', "-");
    format!("{NAME_BEGINS}{second}{NAME_ENDS}")
}

/// Reads what [`name_of`] writes.
fn taken_on(name: &str) -> Option<Moment> {
    let second = name.strip_prefix(NAME_BEGINS)?.strip_suffix(NAME_ENDS)?;
    let (date, time) = second.split_once('T')?;
    Moment::parse(&format!("{date}T{}Z", time.replace('-', ":")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_its_second() {
        let moment = Moment::from_millis(1_762_805_712_070);
        assert_eq!(name_of(moment), "addressbook-2025-11-10T20-15-12Z.db");
        let read = taken_on(&name_of(moment)).expect("a name");
        assert_eq!(read, Moment::from_millis(1_762_805_712_000));
        for other in [
            "addressbook.db",
            "addressbook-2025-11-10.db",
            "addressbook-2025-11-10T20-15-12Z.db.temporary-1",
            "x-2025-11-10T20-15-12Z.db",
        ] {
            assert_eq!(taken_on(other), None, "{other}");
        }
    }
}
