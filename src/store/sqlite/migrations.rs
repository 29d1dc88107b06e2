//! Brings an older file to today's schema, step by step, after a copy of it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, TransactionBehavior};

use super::checksum;
use super::file::{SCHEMA_VERSION, ServerLock};
use crate::contact::{Alias, Msisdn};
use crate::files;
use crate::store::OpenError;

/// The step with index `n` leads from schema `n` to schema `n + 1`.
const STEPS: [&str; SCHEMA_VERSION as usize] = [
    include_str!("migrations/0001.sql"),
    include_str!("migrations/0002.sql"),
    include_str!("migrations/0003.sql"),
    include_str!("migrations/0004.sql"),
    include_str!("migrations/0005.sql"),
    include_str!("migrations/0006.sql"),
    include_str!("migrations/0007.sql"),
    include_str!("migrations/0008.sql"),
];

const NAMES: &str = "SELECT alias, msisdn FROM contacts";
const OPTOUTS: &str = "SELECT msisdn FROM optouts";

/// Runs the steps that `connection`'s file lacks, each in a transaction of its
/// own, after the whole file was copied to `PATH.schema-N`.
pub(super) fn run(
    connection: &Connection,
    path: &Path,
    lock: Option<&ServerLock>,
) -> Result<(), OpenError> {
    if version(connection, path)? >= SCHEMA_VERSION {
        return Ok(());
    }
    // An older server that runs would go on writing in the older way.
    let taken = match lock {
        Some(_) => None,
        None => Some(ServerLock::take(path)?),
    };
    let found = version(connection, path)?;
    if found < SCHEMA_VERSION {
        let copy = copy(connection, path, found)?;
        log::info!(copy:% = copy.display(), from = found, to = SCHEMA_VERSION; "migrating");
    }
    for step in found..SCHEMA_VERSION {
        take_step(connection, step).map_err(|error| OpenError::storage(path, error))?;
    }
    drop(taken);
    tell_of_older_rules(connection).map_err(|error| OpenError::storage(path, error))
}

/// Counts what older rules stored and today's would refuse: it is served as it stands.
fn tell_of_older_rules(connection: &Connection) -> Result<(), rusqlite::Error> {
    let (mut aliases, mut numbers) = (0_u64, 0_u64);
    let mut statement = connection.prepare(NAMES)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        aliases += u64::from(Alias::from_stored(row.get(0)?).check_new().is_err());
        numbers += u64::from(Msisdn::from_stored(row.get(1)?).check_new().is_err());
    }
    let mut statement = connection.prepare(OPTOUTS)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        numbers += u64::from(Msisdn::from_stored(row.get(0)?).check_new().is_err());
    }
    if aliases + numbers > 0 {
        log::warn!(aliases, numbers; "today's rules would refuse some of what is stored: it is served as it stands");
    }
    Ok(())
}

fn take_step(connection: &Connection, step: u32) -> Result<(), rusqlite::Error> {
    let transaction =
        rusqlite::Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    checksum::add_function(connection)?;
    transaction.execute_batch(STEPS[step as usize])?;
    transaction.pragma_update(None, "user_version", step + 1)?;
    transaction.commit()
}

/// A book of schema `version` in memory, without contacts.
pub(super) fn in_memory(version: u32) -> Result<Connection, rusqlite::Error> {
    let connection = Connection::open_in_memory()?;
    for step in 0..version {
        take_step(&connection, step)?;
    }
    Ok(connection)
}

/// Copies the file whole, WAL included, to the disk, under another name until it
/// is complete. A copy that is there was made by an earlier start whose steps
/// did not finish: it is made anew.
fn copy(connection: &Connection, path: &Path, version: u32) -> Result<PathBuf, OpenError> {
    let target = files::beside(path, &format!(".schema-{version}"));
    let draft = files::beside(&target, ".new");
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(OpenError::io(&draft, error));
        }
        _ => {}
    }
    files::create_private(&draft).map_err(|error| OpenError::io(&draft, error))?;
    connection
        .execute("VACUUM INTO ?1", [draft.to_string_lossy()])
        .map_err(|error| OpenError::storage(&draft, error))?;
    File::open(&draft)
        .and_then(|copy| copy.sync_all())
        .and_then(|()| fs::rename(&draft, &target))
        .map_err(|error| OpenError::io(&target, error))?;
    files::sync_directory_of(path).map_err(|error| OpenError::io(path, error))?;
    Ok(target)
}

fn version(connection: &Connection, path: &Path) -> Result<u32, OpenError> {
    connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(|error| OpenError::storage(path, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every object of a schema with its text, comments and white space aside,
    /// and every counter.
    fn described(connection: &Connection) -> Vec<String> {
        let query = "SELECT type || ' ' || name || ' ' || coalesce(sql, '') FROM sqlite_schema
            UNION ALL SELECT name || ' ' || value FROM counters";
        let mut statement = connection.prepare(query).expect("prepared");
        let rows = statement.query_map([], |row| row.get(0)).expect("queried");
        let mut described: Vec<String> = rows
            .map(|row| {
                let text: String = row.expect("a text");
                let lines = text
                    .lines()
                    .map(|line| line.split("--").next().unwrap_or(""));
                lines.flat_map(str::split_whitespace).collect()
            })
            .collect();
        described.sort();
        described
    }

    #[test]
    fn schema_sql_is_the_sum_of_the_steps() {
        let whole = Connection::open_in_memory().expect("opened");
        let schema = include_str!("../../../schema.sql");
        whole.execute_batch(schema).expect("a schema");
        let stepped = in_memory(SCHEMA_VERSION).expect("the steps");
        assert_eq!(described(&stepped), described(&whole));
        let path = Path::new("memory");
        assert_eq!(version(&whole, path).expect("read"), SCHEMA_VERSION);
        assert_eq!(version(&stepped, path).expect("read"), SCHEMA_VERSION);
    }

    #[test]
    fn contacts_have_checksums_from_schema_7_on() {
        let book = in_memory(6).expect("the steps");
        let filled = "INSERT INTO contacts (id, alias, msisdn, meta, updated_on)
            VALUES (zeroblob(16), 'a', '15550000000', '{}', -1)";
        book.execute_batch(filled).expect("filled");
        take_step(&book, 6).expect("the step");
        let stored = "SELECT checksum FROM contacts";
        let stored: i64 = book
            .query_row(stored, [], |row| row.get(0))
            .expect("queried");
        assert_eq!(stored, checksum::of(&[0; 16], "a", "15550000000", "{}", -1));
    }

    #[test]
    fn responses_that_are_remembered_count_from_schema_6_on() {
        let book = in_memory(5).expect("the steps");
        let filled = "INSERT INTO api_keys (id, name, hash, tag, permissions, created_on)
            VALUES ('aaaaaaaaaaaa', 'a', '', x'00000000', '', 0), ('bbbbbbbbbbbb', 'b', '', x'00000000', '', 0);
            INSERT INTO idempotency (key_id, name, fingerprint, created_on, status, body)
            VALUES ('aaaaaaaaaaaa', 'one', zeroblob(32), 0, 200, zeroblob(1000)),
                ('aaaaaaaaaaaa', 'three', zeroblob(32), 0, 200, zeroblob(10))";
        book.execute_batch(filled).expect("filled");
        take_step(&book, 5).expect("the step");
        let counted = "SELECT id || responses_bytes FROM api_keys ORDER BY id";
        let mut counted = book.prepare(counted).expect("prepared");
        let counted = counted.query_map([], |row| row.get(0)).expect("queried");
        let counted: Vec<String> = counted.map(|row| row.expect("a text")).collect();
        assert_eq!(counted, ["aaaaaaaaaaaa1346", "bbbbbbbbbbbb0"]);
    }
}
