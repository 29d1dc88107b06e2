//! An address book's file as the operating system sees it: its directories, its
//! locks, its names, and what its first bytes say. Opens no database.

use std::fs::{self, File, Metadata};
use std::io;
use std::mem::ManuallyDrop;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
#[cfg(not(test))]
use std::process;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::files;
use crate::moment::Moment;
use crate::store::OpenError;

/// Milliseconds after which a file system's clock has ticked for sure.
const TICK_MS: i64 = 50;
/// How often a server tries to lock its file, and how long it waits between two.
const LOOKS_MAX: u32 = 20;
const LOOK_POLL: Duration = Duration::from_millis(10);
/// Bytes that a file is tried to grow by.
const PROBE_BYTES: usize = 64 * 1024;
/// The exit code of a server whose file was taken away.
#[cfg(not(test))]
const EXIT_FILE_LOST: i32 = 4;

/// "abk1" in ASCII; the same number stands in `schema.sql`.
pub(super) const APPLICATION_ID: u32 = 0x6162_6b31;
/// The schema that this program writes; the same number stands in `schema.sql`.
pub(super) const SCHEMA_VERSION: u32 = 8;

/// The file, opened beside SQLite. Closing any descriptor of it would take SQLite's
/// own locks off (fcntl_locking(2), "record locks are released when any is closed"),
/// so this one is never closed: nothing else here opens the file.
pub(super) struct KeptFile(ManuallyDrop<File>);

/// Which file it is, whatever its names are.
pub(super) type Identity = (u64, u64);

impl KeptFile {
    /// Opens a file that is there, and that is ours by its first 100 bytes:
    /// <https://sqlite.org/fileformat2.html#the_database_header>.
    ///
    /// # Errors
    /// `Io`, `NotADatabase`, `Foreign`, `Newer`.
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        let failed = |error| OpenError::io(path, error);
        // A pipe would be waited for, and a directory is no better.
        if !fs::metadata(path).map_err(failed)?.is_file() {
            return Err(OpenError::NotADatabase(path.to_owned()));
        }
        // For writing, too, where that is allowed: a file of a lower layer (overlayfs)
        // becomes another one when it is first opened so.
        let file = File::options().read(true).write(true).open(path);
        let file = file.or_else(|_| File::open(path)).map_err(failed)?;
        let kept = Self(ManuallyDrop::new(file));
        let mut header = [0; 100];
        kept.0
            .read_exact_at(&mut header, 0)
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
        check_identity(path, number(68), number(60))?;
        Ok(kept)
    }

    /// Brings to the disk what was written to it, by whomever.
    pub(super) fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    /// Which file it is.
    pub(super) fn identity(&self) -> io::Result<Identity> {
        self.0.metadata().map(|metadata| identity(&metadata))
    }

    /// Locks the file itself, under whatever name others know it, for as long as
    /// the process lives (flock(2), which knows nothing of SQLite's locks).
    fn lock(&self, path: &Path) -> Result<(), OpenError> {
        let mut looks = LOOKS_MAX;
        loop {
            match self.0.try_lock() {
                // A command that looks whether it is served.
                Err(fs::TryLockError::WouldBlock) if looks > 0 => {
                    looks -= 1;
                    thread::sleep(LOOK_POLL);
                }
                locked => return locked.map_err(|error| elsewhere(path, error)),
            }
        }
    }

    /// Whether no server has it under another name than `path`: its `-wal` would be
    /// another one.
    ///
    /// Answers whether it is served at all.
    ///
    /// # Errors
    /// `ServedElsewhere`, `Io`.
    pub(super) fn check_not_served_elsewhere(&self, path: &Path) -> Result<bool, OpenError> {
        match self.0.try_lock_shared() {
            Ok(()) => {
                let unlocked = self.0.unlock();
                unlocked.map_err(|error| OpenError::io(path, error))?;
                Ok(false)
            }
            Err(error) => match NameLock::take(path) {
                // Its server has this very name.
                Err(OpenError::Served(_)) => Ok(true),
                Err(error) => Err(error),
                Ok(_) => Err(elsewhere(path, error)),
            },
        }
    }
}

fn elsewhere(path: &Path, error: fs::TryLockError) -> OpenError {
    match error {
        fs::TryLockError::WouldBlock => OpenError::ServedElsewhere(path.to_owned()),
        fs::TryLockError::Error(error) => OpenError::io(path, error),
    }
}

fn identity(metadata: &Metadata) -> Identity {
    (metadata.dev(), metadata.ino())
}

/// Keeps a second server away from a file: by its name, through a lock on a file
/// beside it, and once it is open, by the file itself.
pub struct ServerLock(#[allow(dead_code, reason = "held, never read")] NameLock);

impl ServerLock {
    /// Takes the lock of the located `path`; the operating system frees it when the
    /// process ends, however it ends. A foreign file gets no lock beside it.
    ///
    /// # Errors
    /// Every [`OpenError`] but `LibraryTooOld` and `Storage`.
    pub fn take(path: &Path) -> Result<Self, OpenError> {
        if exists(path)? {
            KeptFile::open(path)?;
        }
        NameLock::take(path).map(Self)
    }

    /// Takes the lock of the file itself, too.
    ///
    /// # Errors
    /// `ServedElsewhere`, `Io`.
    pub(super) fn hold(&self, file: &KeptFile, path: &Path) -> Result<(), OpenError> {
        file.lock(path)
    }
}

/// Keeps servers away from a file that is being replaced, be it whole or not.
pub(super) struct RestoreLock(#[allow(dead_code, reason = "held, never read")] NameLock);

impl RestoreLock {
    /// Takes the lock of the located `path`, and of the file itself where it can be read.
    ///
    /// # Errors
    /// `Served`, `ServedElsewhere`, `Foreign`, `Io`.
    pub(super) fn take(path: &Path) -> Result<Self, OpenError> {
        let lock = NameLock::take(path)?;
        if exists(path)? {
            match KeptFile::open(path) {
                Ok(file) => file.lock(path)?,
                Err(error @ OpenError::Foreign(_)) => return Err(error),
                // What is damaged is why a backup is put back.
                Err(_) => {}
            }
        }
        Ok(Self(lock))
    }
}

/// The lock of one name of a file.
struct NameLock(#[allow(dead_code, reason = "held, never read")] File);

impl NameLock {
    fn take(path: &Path) -> Result<Self, OpenError> {
        let lock_path = files::beside(path, ".lock");
        let failed = |error| OpenError::io(&lock_path, error);
        let file = files::open_lock(&lock_path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(fs::TryLockError::WouldBlock) => Err(OpenError::Served(path.to_owned())),
            Err(fs::TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}

/// A directory as it was when all names in it were looked at.
type Looked = (Identity, i64, i64);

/// Looks at the names for one thread, at all of them only where their directory was
/// changed since: a name is removed, renamed or replaced by a change of its directory.
pub(super) struct NameWatch {
    names: Arc<Names>,
    looked: Option<Looked>,
}

impl NameWatch {
    pub(super) fn of(names: Arc<Names>) -> Self {
        Self {
            names,
            looked: None,
        }
    }

    /// As [`Names::end_where_lost`].
    pub(super) fn end_where_lost(&mut self) {
        let found = fs::metadata(files::directory_of(self.names.file())).ok();
        let found = found.map(|found| (identity(&found), found.mtime(), found.mtime_nsec()));
        if found.is_none() || found != self.looked {
            self.names.end_where_lost();
            // The clock of a file system ticks: what changed a moment ago may change
            // once more within the same tick.
            self.looked = found.filter(|(_, seconds, nanos)| {
                let millis = seconds.saturating_mul(1000) + nanos / 1_000_000;
                (TICK_MS..).contains(&(Moment::now().millis() - millis))
            });
        }
    }
}

/// The names of a book that is open, and the files that they have to name: what is
/// written to others, nobody will find.
pub(super) struct Names {
    names: [(PathBuf, Identity); 3],
    /// Bytes of the index, which is mapped into memory: to read what was cut off ends
    /// the process without a word.
    index_bytes: u64,
}

impl Names {
    /// Takes the names of a book whose WAL is open.
    ///
    /// # Errors
    /// `Io`; `Replaced` where the file is another one already.
    pub(super) fn of(path: &Path, file: &KeptFile) -> Result<Self, OpenError> {
        let failed = |error| OpenError::io(path, error);
        let mut names = ["", "-wal", "-shm"].map(|end| (files::beside(path, end), (0, 0)));
        for (name, found) in &mut names {
            *found = identity(&fs::metadata(&name).map_err(failed)?);
        }
        if names[0].1 != file.identity().map_err(failed)? {
            return Err(OpenError::Replaced(path.to_owned()));
        }
        let index_bytes = fs::metadata(&names[2].0).map_err(failed)?.len();
        Ok(Self { names, index_bytes })
    }

    /// The name of the file itself.
    pub(super) fn file(&self) -> &Path {
        &self.names[0].0
    }

    /// The first name that names another file, or nothing, any more.
    pub(super) fn lost(&self) -> Option<&Path> {
        let lost = self.names.iter().zip([0, 0, self.index_bytes]);
        let mut lost = lost.filter(|((name, expected), bytes_min)| {
            !fs::metadata(name)
                .is_ok_and(|found| identity(&found) == *expected && found.len() >= *bytes_min)
        });
        lost.next().map(|((name, _), _)| name.as_path())
    }

    /// Whether a file beside the book, as large as the largest of it, finds no room:
    /// SQLite tells a full disk from one that fails, but not a quota (`EDQUOT`) or a
    /// limit on the size of a file (`EFBIG`).
    pub(super) fn have_no_room(&self) -> bool {
        let lengths = self.names.iter();
        let lengths = lengths.filter_map(|(name, _)| Some(fs::metadata(name).ok()?.len()));
        let length = lengths.max().unwrap_or_default();
        let written = files::create_nameless(self.file())
            .and_then(|file| file.write_all_at(&[0; PROBE_BYTES], length));
        written.is_err_and(|error| {
            matches!(
                error.kind(),
                io::ErrorKind::StorageFull
                    | io::ErrorKind::QuotaExceeded
                    | io::ErrorKind::FileTooLarge
            )
        })
    }

    /// Ends the process where a name is lost, before anything more is acknowledged.
    pub(super) fn end_where_lost(&self) {
        if let Some(name) = self.lost() {
            log::error!(file:% = name.display(); "removed, renamed, replaced or cut off while it was served: ending, what was not acknowledged may be in the file that was lost");
            // The process of a unit test is no server's.
            #[cfg(not(test))]
            process::exit(EXIT_FILE_LOST);
        }
    }
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
pub(crate) fn locate(path: &Path) -> Result<PathBuf, OpenError> {
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
