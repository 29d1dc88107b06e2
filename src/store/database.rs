//! One address book's file: made, recognised, opened and written by one
//! connection. Knows no table but the schema as a whole.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};
use uuid::Uuid;

use super::failure::{self, classify, classify_commit};
use crate::error::Error;

const SCHEMA: &str = include_str!("../../schema.sql");
/// "abk1" in ASCII; the same number stands in `schema.sql`.
const APPLICATION_ID: u32 = 0x6162_6b31;
/// The schema that this program writes; the same number stands in `schema.sql`.
const SCHEMA_VERSION: u32 = 1;
/// Older libraries can corrupt a log that is reset while it is read (fixed in 3.51.3).
const SQLITE_VERSION_MIN: i32 = 3_051_003;
/// Directories and files are their owner's alone.
const DIRECTORY_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// How long a transaction waits for one of another process, in steps of
/// [`LOCK_POLL`]. Short steps, so that a busy server cannot starve a revocation
/// from the command line.
const LOCK_POLLS_MAX: i32 = 10_000;
const LOCK_POLL: Duration = Duration::from_millis(1);

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
    /// Another server holds the lock.
    #[error("{0} is already being served by another process")]
    Served(PathBuf),
    /// The SQLite library has a known fault.
    #[error("SQLite {0} can corrupt a database, at least 3.51.3 is needed")]
    LibraryTooOld(&'static str),
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
    pub(super) fn storage(path: &Path, reason: impl ToString) -> Self {
        Self::Storage {
            path: path.to_owned(),
            reason: reason.to_string(),
        }
    }

    fn io(path: &Path, source: io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            source,
        }
    }
}

/// An open address book: its file and one connection that may write.
pub struct Database {
    pub(super) connection: Connection,
    path: PathBuf,
}

impl Database {
    /// Opens the address book at `path`, made first where there is none, with
    /// its directories (0700, files 0600). A new file appears whole or not at all.
    ///
    /// # Errors
    /// Every [`OpenError`] but `Served`. A foreign or newer file stays untouched.
    pub fn open_or_create(path: &Path) -> Result<Self, OpenError> {
        if rusqlite::version_number() < SQLITE_VERSION_MIN {
            return Err(OpenError::LibraryTooOld(rusqlite::version()));
        }
        make_directory_of(path)?;
        if !exists(path)? {
            create(path)?;
        }
        recognise_header(path)?;
        let connection = open(path).map_err(|error| OpenError::storage(path, error))?;
        recognise(&connection, path)?;
        configure_writer(&connection).map_err(|error| OpenError::storage(path, error))?;
        Ok(Self {
            connection,
            path: path.to_owned(),
        })
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Does `work` in one transaction, synced to the disk before this returns.
    /// Waits for other processes for about ten seconds.
    ///
    /// # Errors
    /// What `work` returns, `Busy`, `StorageFailed`, `StorageFull` or
    /// `OutcomeUnknown`; but for the last, nothing was stored.
    pub(super) fn transaction<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, rusqlite::Error>,
    ) -> Result<T, Error> {
        let failed = |error: rusqlite::Error| {
            failure::log(&error, "a transaction failed");
            classify(&error)
        };
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(failed)?;
        let done = work(&transaction).map_err(failed)?;
        transaction.commit().map_err(|error| {
            failure::log(&error, "a commit failed");
            classify_commit(&error)
        })?;
        Ok(done)
    }
}

/// Keeps a second server away from a file, by a lock on a file beside it.
/// (Closing a descriptor of the database itself would drop SQLite's own locks.)
pub struct ServerLock(#[allow(dead_code, reason = "held, never read")] File);

impl ServerLock {
    /// Takes the lock of `path`; the operating system frees it when the
    /// process ends, however it ends. A foreign file gets no lock beside it.
    ///
    /// # Errors
    /// Every [`OpenError`] but `LibraryTooOld` and `Storage`.
    pub fn take(path: &Path) -> Result<Self, OpenError> {
        make_directory_of(path)?;
        if exists(path)? {
            recognise_header(path)?;
        }
        let lock_path = beside(path, ".lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(FILE_MODE)
            .open(&lock_path)
            .map_err(|error| OpenError::io(&lock_path, error))?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(fs::TryLockError::WouldBlock) => Err(OpenError::Served(path.to_owned())),
            Err(fs::TryLockError::Error(error)) => Err(OpenError::io(&lock_path, error)),
        }
    }
}

/// What every connection needs, reading or writing.
pub(super) fn configure(connection: &Connection) -> Result<(), rusqlite::Error> {
    connection.busy_handler(Some(wait_for_lock))?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "mmap_size", 0)
}

fn configure_writer(connection: &Connection) -> Result<(), rusqlite::Error> {
    configure(connection)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // On macOS a plain fsync leaves the data in the drive's cache; nothing elsewhere.
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    Ok(())
}

fn wait_for_lock(polls: i32) -> bool {
    thread::sleep(LOCK_POLL);
    polls < LOCK_POLLS_MAX
}

fn open(path: &Path) -> Result<Connection, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_handler(Some(wait_for_lock))?;
    // Until the file is known to be ours, closing it must not write to it.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(connection)
}

/// Makes a new address book under a name of its own and links it to `path`, so
/// that no crash leaves a half-made one, and no second process overwrites it.
fn create(path: &Path) -> Result<(), OpenError> {
    let draft = beside(path, &format!(".new-{}", Uuid::now_v7().simple()));
    let made = make(&draft, path);
    let removed = fs::remove_file(&draft);
    made?;
    removed.map_err(|error| OpenError::io(&draft, error))?;
    sync_directory_of(path)
}

fn make(draft: &Path, path: &Path) -> Result<(), OpenError> {
    OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(FILE_MODE)
        .open(draft)
        .map_err(|error| OpenError::io(path, error))?;
    let connection = open(draft).map_err(|error| OpenError::storage(path, error))?;
    let schema = format!("BEGIN; {SCHEMA} COMMIT;");
    connection
        .execute_batch(&schema)
        .and_then(|()| configure_writer(&connection))
        .and_then(|()| connection.close().map_err(|(_, error)| error))
        .map_err(|error| OpenError::storage(path, error))?;
    match fs::hard_link(draft, path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(OpenError::io(path, error))
        }
        _ => Ok(()),
    }
}

/// Recognises the file by its first 100 bytes, before SQLite opens it:
/// <https://sqlite.org/fileformat2.html#the_database_header>.
fn recognise_header(path: &Path) -> Result<(), OpenError> {
    let mut header = [0; 100];
    File::open(path)
        .and_then(|mut file| file.read_exact(&mut header))
        .map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::IsADirectory => {
                OpenError::NotADatabase(path.to_owned())
            }
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

/// Recognises it once more through SQLite, which also reads the log.
fn recognise(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let number = |pragma| {
        connection
            .pragma_query_value(None, pragma, |row| row.get(0))
            .map_err(|error| OpenError::storage(path, error))
    };
    check_identity(path, number("application_id")?, number("user_version")?)
}

fn check_identity(path: &Path, application_id: u32, version: u32) -> Result<(), OpenError> {
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

fn exists(path: &Path) -> Result<bool, OpenError> {
    path.try_exists()
        .map_err(|error| OpenError::io(path, error))
}

fn make_directory_of(path: &Path) -> Result<(), OpenError> {
    let directory = directory_of(path);
    DirBuilder::new()
        .recursive(true)
        .mode(DIRECTORY_MODE)
        .create(directory)
        .map_err(|error| OpenError::io(directory, error))
}

fn sync_directory_of(path: &Path) -> Result<(), OpenError> {
    let directory = directory_of(path);
    File::open(directory)
        .and_then(|opened| opened.sync_all())
        .map_err(|error| OpenError::io(directory, error))
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(connection: &Connection, query: &str) -> Vec<String> {
        let mut statement = connection.prepare(query).expect("prepared");
        let rows = statement.query_map([], |row| row.get(0)).expect("queried");
        rows.collect::<Result<_, _>>().expect("texts")
    }

    #[test]
    fn sqlite_is_built_with_our_flags() {
        let connection = Connection::open_in_memory().expect("opened");
        let options = texts(&connection, "PRAGMA compile_options");
        assert!(
            options.contains(&"DEFAULT_MEMSTATUS=0".to_owned()),
            "{options:?}"
        );
        assert!(
            !options.contains(&"ENABLE_MEMORY_MANAGEMENT".to_owned()),
            "{options:?}"
        );
    }

    #[test]
    fn every_connection_has_its_settings_and_the_writer_syncs_every_commit() {
        let directory = tempfile::tempdir().expect("made");
        let database = Database::open_or_create(&directory.path().join("a.db")).expect("opened");
        let setting = |name| {
            let value: rusqlite::types::Value = database
                .connection
                .pragma_query_value(None, name, |row| row.get(0))
                .expect("read");
            format!("{value:?}")
        };
        assert_eq!(setting("journal_mode"), "Text(\"wal\")");
        assert_eq!(setting("synchronous"), "Integer(2)", "2 is FULL");
        assert_eq!(setting("trusted_schema"), "Integer(0)");
        assert_eq!(setting("foreign_keys"), "Integer(1)");
        assert_eq!(setting("temp_store"), "Integer(2)", "2 is MEMORY");
        assert_eq!(
            setting("application_id"),
            format!("Integer({APPLICATION_ID})")
        );
        assert_eq!(
            setting("user_version"),
            format!("Integer({SCHEMA_VERSION})")
        );
    }

    #[test]
    fn no_table_has_two_unique_constraints() {
        let connection = Connection::open_in_memory().expect("opened");
        connection.execute_batch(SCHEMA).expect("a schema");
        for table in texts(
            &connection,
            "SELECT name FROM sqlite_schema WHERE type = 'table'",
        ) {
            let unique =
                format!("SELECT name FROM pragma_index_list('{table}') WHERE origin = 'u'");
            assert!(texts(&connection, &unique).len() < 2, "{table}");
        }
    }
}
