//! One address book's file: made, recognised, opened and written by one
//! connection. Knows no table but the schema as a whole.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use uuid::Uuid;

use super::failure::{self, Failure, classify, classify_commit};
use super::file::{self, KeptFile, ServerLock};
use super::room::Room;
use super::transaction::Transaction;
use super::wal_mark::{self, Beside};
use super::{migrations, schema, wal_scan};
use crate::error::Error;
use crate::files::{self, ClosedToUs};
use crate::store::OpenError;
use crate::store::ids::IDS;

pub(super) const SCHEMA: &str = include_str!("../../../schema.sql");
/// Older libraries can corrupt a WAL that is reset while it is read (fixed in 3.51.3).
const SQLITE_VERSION_MIN: i32 = 3_051_003;
/// Statements that a connection keeps prepared.
const STATEMENTS_MAX: usize = 64;

/// What stays of the WAL's file on the disk once it begins anew.
const WAL_BYTES_KEPT: i64 = 128 * 1024 * 1024;

/// How long a transaction waits for one of another process, in steps of
/// [`LOCK_POLL`]. Short steps, so that a busy server cannot starve a revocation
/// from the command line.
const LOCK_POLLS_MAX: i32 = 10_000;
const LOCK_POLL: Duration = Duration::from_millis(1);

const GREATEST_IDS: [&str; 2] = ["SELECT max(id) FROM contacts", "SELECT max(id) FROM groups"];

/// How old a draft is that nobody works on any more: each is there for a moment.
const DRAFT_AGE: Duration = Duration::from_secs(60 * 60);

/// How connections are opened that read.
pub(super) const READER_FLAGS: OpenFlags =
    OpenFlags::SQLITE_OPEN_READ_ONLY.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);

/// An open address book: its file and one connection that may write.
pub struct Database {
    pub(super) connection: Connection,
    pub(super) file: KeptFile,
    pub(super) path: PathBuf,
    pub(super) room: Room,
    /// The next transaction begins a WAL, which has to have a mark of its own.
    pub(super) begins_wal: bool,
    /// WALs that were found with lost commits.
    pub(super) broken_wals: u64,
}

impl Database {
    /// Opens the address book at the located `path`, made first where there is
    /// none (0600). A new file appears whole or not at all. An older one is
    /// copied and then brought to today's schema, which needs the server's lock:
    /// `lock` where the caller holds it.
    ///
    /// # Errors
    /// Every [`OpenError`]; `Served` only where an older file is being served. A
    /// foreign or newer file stays untouched.
    pub fn open_or_create(path: &Path, lock: Option<&ServerLock>) -> Result<Self, OpenError> {
        if rusqlite::version_number() < SQLITE_VERSION_MIN {
            return Err(OpenError::LibraryTooOld(rusqlite::version()));
        }
        if lock.is_some() {
            files::sweep_beside(path, &[".new-", ".temporary-"], DRAFT_AGE);
        }
        if !file::exists(path)? {
            create(path)?;
        }
        let file = KeptFile::open(path)?;
        let is_served = match lock {
            Some(lock) => {
                // SQLite would open it to read, and only a write would fail.
                if let Some(closed) = ClosedToUs::of_book(path) {
                    return Err(OpenError::ClosedToUs(closed));
                }
                lock.hold(&file, path)?;
                false
            }
            None => file.check_not_served_elsewhere(path)?,
        };
        // A server's WAL and file are moving; it has looked at them.
        let beside = match is_served {
            true => Beside::Nothing,
            false => wal_mark::of_file_alone(path),
        };
        let broken_wals = match &beside {
            Beside::Nothing => 0,
            Beside::Wal(_) => keep_broken_wal(path)?,
        };
        let connection = open(path).map_err(|error| OpenError::storage(path, error))?;
        let recognised = recognise(&connection, path);
        // Of a mixture, not even the schema need be readable.
        if let Ok(_) | Err(OpenError::Storage { .. }) = recognised {
            wal_mark::check(&connection, path, &beside)?;
        }
        let version = recognised?;
        schema::check(&connection, path, version)?;
        configure_writer(&connection).map_err(|error| OpenError::storage(path, error))?;
        if broken_wals > 0 {
            // What is left of it goes into the file, so that it is told of once.
            connection
                .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
                .map_err(|error| OpenError::storage(path, error))?;
        }
        migrations::run(&connection, path, lock)?;
        go_on_behind_stored_ids(&connection).map_err(|error| OpenError::storage(path, error))?;
        Ok(Self {
            connection,
            file,
            path: path.to_owned(),
            room: Room::default(),
            begins_wal: !is_served && wal_mark::wal_is_empty(path),
            broken_wals,
        })
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether `path` names one of the files of this address book.
    pub fn is_made_of(&self, path: &Path) -> bool {
        let Ok(path) = fs::canonicalize(path) else {
            return false;
        };
        let beside = ["", "-wal", "-shm", ".lock"].map(|end| files::beside(&self.path, end));
        beside.contains(&path)
    }

    /// Reads with one statement, waiting for nobody.
    ///
    /// # Errors
    /// `StorageUnreadable`, `Damaged`.
    pub(super) fn read<T>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, rusqlite::Error>,
    ) -> Result<T, Error> {
        query(&self.connection).map_err(|error| failure::unreadable(&error, "a read failed"))
    }

    /// Does `work` in one transaction, synced to the disk before this returns.
    /// Waits for other processes for about ten seconds.
    ///
    /// # Errors
    /// What `work` returns, `Busy`, `StorageFailed`, `StorageFull` or
    /// `OutcomeUnknown`; but for the last, nothing was stored.
    pub(super) fn transaction<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Failure>,
    ) -> Result<T, Error> {
        let failed = |error: rusqlite::Error| {
            failure::log(&error, "a transaction failed");
            classify(&error)
        };
        let guard = rusqlite::Transaction::new_unchecked(
            &self.connection,
            rusqlite::TransactionBehavior::Immediate,
        )
        .map_err(failed)?;
        let transaction = Transaction::on(&guard);
        let done = work(&transaction)
            .and_then(|done| {
                if self.begins_wal {
                    wal_mark::renew(&transaction)?;
                }
                transaction.write_counters()?;
                Ok(done)
            })
            .map_err(|failure| match failure {
                Failure::Refused(error) => error,
                Failure::Storage(error) => failed(error),
            });
        let done = done?;
        guard.commit().map_err(|error| {
            failure::log(&error, "a commit failed");
            classify_commit(&error)
        })?;
        self.begins_wal = false;
        Ok(done)
    }
}

/// What every connection needs, reading or writing.
pub(super) fn configure(connection: &Connection) -> Result<(), rusqlite::Error> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    connection.busy_handler(Some(wait_for_lock))?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    // We have no triggers and no views: those of a file that is a gift stay unused.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "mmap_size", 0)
}

/// Opens a connection that reads a file that is known to be ours.
pub(super) fn open_reader(path: &Path) -> Result<Connection, rusqlite::Error> {
    let connection = Connection::open_with_flags(path, READER_FLAGS)?;
    configure(&connection)?;
    Ok(connection)
}

/// Opens one more connection that may write, of a file that is known to be ours.
pub(super) fn open_writer(path: &Path) -> Result<Connection, rusqlite::Error> {
    let connection = open(path)?;
    configure_writer(&connection)?;
    Ok(connection)
}

fn configure_writer(connection: &Connection) -> Result<(), rusqlite::Error> {
    configure(connection)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "journal_size_limit", WAL_BYTES_KEPT)?;
    // On macOS a plain fsync leaves the data in the drive's cache; nothing elsewhere.
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    Ok(())
}

/// Keeps a WAL aside of which commits are lost, and says so; how many there were.
fn keep_broken_wal(path: &Path) -> Result<u64, OpenError> {
    let kept = wal_scan::keep_broken(path).map_err(|error| OpenError::io(path, error))?;
    Ok(kept.map_or(0, |kept| {
        log::error!(kept:% = kept.display(); "the -wal was damaged after it was written: acknowledged writes behind the damage are lost, all of it is kept aside");
        1
    }))
}

/// Has new ids be greater than every one that is stored, whatever the clock says.
fn go_on_behind_stored_ids(connection: &Connection) -> Result<(), rusqlite::Error> {
    for greatest in GREATEST_IDS {
        let stored: Option<[u8; 16]> = connection.query_row(greatest, [], |row| row.get(0))?;
        if let Some(stored) = stored {
            IDS.go_on_behind(Uuid::from_bytes(stored));
        }
    }
    Ok(())
}

/// Runs a statement without parameters that the connection keeps.
pub(super) fn prepared(connection: &Connection, statement: &str) -> Result<(), rusqlite::Error> {
    connection.prepare_cached(statement)?.execute([])?;
    Ok(())
}

fn wait_for_lock(polls: i32) -> bool {
    thread::sleep(LOCK_POLL);
    polls < LOCK_POLLS_MAX
}

pub(super) fn open(path: &Path) -> Result<Connection, rusqlite::Error> {
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
    let draft = files::beside(path, &format!(".new-{}", Uuid::now_v7().simple()));
    let made = make(&draft, path);
    let removed = fs::remove_file(&draft);
    made?;
    removed.map_err(|error| OpenError::io(&draft, error))?;
    files::sync_directory_of(path).map_err(|error| OpenError::io(path, error))
}

fn make(draft: &Path, path: &Path) -> Result<(), OpenError> {
    files::create_private(draft).map_err(|error| OpenError::io(path, error))?;
    let connection = open(draft).map_err(|error| OpenError::storage(path, error))?;
    let schema = format!("BEGIN; {SCHEMA} {}; COMMIT;", wal_mark::NEW_MARKS);
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

/// Recognises it once more through SQLite, which also reads the WAL; its version.
pub(super) fn recognise(connection: &Connection, path: &Path) -> Result<u32, OpenError> {
    let number = |pragma| {
        connection
            .pragma_query_value(None, pragma, |row| row.get(0))
            .map_err(|error| OpenError::storage(path, error))
    };
    let version = number("user_version")?;
    file::check_identity(path, number("application_id")?, version)?;
    Ok(version)
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
        for set in [
            "DEFAULT_MEMSTATUS=0",
            "OMIT_DECLTYPE",
            "OMIT_DEPRECATED",
            "OMIT_LOAD_EXTENSION",
            "OMIT_SHARED_CACHE",
        ] {
            assert!(options.contains(&set.to_owned()), "{set}: {options:?}");
        }
        for unset in [
            "ENABLE_COLUMN_METADATA",
            "ENABLE_DBSTAT_VTAB",
            "ENABLE_FTS3",
            "ENABLE_FTS5",
            "ENABLE_MEMORY_MANAGEMENT",
            "ENABLE_RTREE",
            "ENABLE_STAT4",
            "SOUNDEX",
        ] {
            let found = options.iter().any(|option| option.starts_with(unset));
            assert!(!found, "{unset}: {options:?}");
        }
    }

    #[test]
    fn every_connection_has_its_settings_and_the_writer_syncs_every_commit() {
        let directory = tempfile::tempdir().expect("made");
        let database =
            Database::open_or_create(&directory.path().join("a.db"), None).expect("opened");
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
            format!("Integer({})", file::APPLICATION_ID)
        );
        assert_eq!(
            setting("user_version"),
            format!("Integer({})", file::SCHEMA_VERSION)
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
