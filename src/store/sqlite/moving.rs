//! A book of one file moved to another place, or filled from one.

use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, Value as Kept, ValueRef};
use rusqlite::{Connection, Row, ToSql, params, params_from_iter};

use super::database::{configure, open, recognise};
use super::file::{self, KeptFile, SCHEMA_VERSION, ServerLock};
use super::transaction::{Counter, Transaction};
use super::wal_mark::{self, Beside};
use super::{Database, checksum, failure, schema, wal_scan};
use crate::error::Error;
use crate::files;
use crate::store::OpenError;
use crate::store::moving::{EachRow, MoveError, Source, Table, Target, Value};
use crate::store::remembered::ROW_BYTES;

/// Pages that a target keeps in memory, as KiB below zero: beyond it they go to the WAL.
const TARGET_CACHE: i64 = -64 * 1024;
const BEGIN_READING: &str = "PRAGMA query_only = ON; BEGIN; SELECT count(*) FROM counters";
const BEGIN: &str = "BEGIN IMMEDIATE";
const COMMIT: &str = "COMMIT";
const COUNT_MEMBERS: &str = "UPDATE groups SET members =
    (SELECT count(*) FROM memberships WHERE group_id = groups.id)";
const COUNT_RESPONSES: &str = "UPDATE api_keys SET responses_bytes =
    (SELECT ifnull(sum(?1 + 2 * length(name) + length(body)), 0) FROM idempotency
        WHERE key_id = api_keys.id)";

/// Where the rows of a table are, those alone that are moved.
fn place(table: Table) -> &'static str {
    match table {
        Table::Groups => "groups WHERE deleted_on IS NULL",
        // One whose contact is missing has no alias, and is told of.
        Table::Memberships => {
            "(SELECT group_id, contact_id, alias FROM memberships
                LEFT JOIN contacts ON contacts.id = contact_id
                WHERE group_id NOT IN (SELECT id FROM groups WHERE deleted_on IS NOT NULL))"
        }
        Table::KeyUses => {
            "(SELECT id AS key_id, last_used_on FROM api_keys WHERE last_used_on IS NOT NULL)"
        }
        Table::Contacts | Table::Optouts | Table::ApiKeys | Table::Idempotency | Table::Audit => {
            table.name()
        }
    }
}

/// The statement that writes a row.
fn insertion(table: Table) -> String {
    let (name, columns) = (table.name(), table.column_names());
    match table {
        Table::Contacts => {
            format!("INSERT INTO contacts ({columns}, checksum) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")
        }
        Table::Memberships => {
            "INSERT INTO memberships (group_id, contact_id) VALUES (?1, ?2)".to_owned()
        }
        Table::KeyUses => "UPDATE api_keys SET last_used_on = ?2 WHERE id = ?1".to_owned(),
        Table::Optouts | Table::Groups | Table::ApiKeys | Table::Idempotency | Table::Audit => {
            let values = vec!["?"; table.columns().len()].join(", ");
            format!("INSERT INTO {name} ({columns}) VALUES ({values})")
        }
    }
}

/// A book that is read, in one state, and left as it is.
pub(in crate::store) struct MoveSource {
    connection: Connection,
    _file: KeptFile,
}

impl MoveSource {
    /// Opens the book at the located `path`, whether it is served or not.
    ///
    /// # Errors
    /// `Open`, `Older`, `BrokenWal`.
    pub(in crate::store) fn open(path: &Path) -> Result<Self, MoveError> {
        let file = KeptFile::open(path)?;
        let is_served = file.check_not_served_elsewhere(path)?;
        let failed = |error: rusqlite::Error| OpenError::storage(path, error);
        let beside = match is_served {
            true => Beside::Nothing,
            false => wal_mark::of_file_alone(path),
        };
        if let Beside::Wal(_) = beside
            && wal_scan::is_broken(path).map_err(|error| OpenError::io(path, error))?
        {
            return Err(MoveError::BrokenWal(path.to_owned()));
        }
        let had_wal = file::exists(&files::beside(path, "-wal"))?;
        let connection = open(path).map_err(failed)?;
        let recognised = recognise(&connection, path);
        if let Ok(_) | Err(OpenError::Storage { .. }) = recognised {
            wal_mark::check(&connection, path, &beside)?;
        }
        let found = recognised?;
        schema::check(&connection, path, found)?;
        if found < SCHEMA_VERSION {
            return Err(MoveError::Older {
                path: path.to_owned(),
                found,
                known: SCHEMA_VERSION,
            });
        }
        configure(&connection).map_err(failed)?;
        if !had_wal {
            // Those that reading makes go again.
            connection
                .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)
                .map_err(failed)?;
        }
        connection.execute_batch(BEGIN_READING).map_err(failed)?;
        Ok(Self {
            connection,
            _file: file,
        })
    }
}

impl Source for MoveSource {
    fn count(&self, table: Table) -> Result<u64, MoveError> {
        count(&self.connection, table)
    }

    fn each(&self, table: Table, each: EachRow<'_>) -> Result<(), MoveError> {
        read(&self.connection, table, each)
    }
}

fn count(connection: &Connection, table: Table) -> Result<u64, MoveError> {
    let query = format!("SELECT count(*) FROM {}", place(table));
    let counted = connection.query_row(&query, [], |row| row.get(0));
    counted.map_err(|error| MoveError::of_table(table.name(), error))
}

fn read(connection: &Connection, table: Table, each: EachRow<'_>) -> Result<(), MoveError> {
    let failed = |error: rusqlite::Error| MoveError::of_table(table.name(), error);
    let checksum = if table == Table::Contacts {
        ", checksum"
    } else {
        ""
    };
    let (columns, key) = (table.column_names(), table.key_names());
    let query = format!(
        "SELECT {columns}{checksum} FROM {} ORDER BY {key}",
        place(table)
    );
    let mut statement = connection.prepare(&query).map_err(failed)?;
    let mut rows = statement.query([]).map_err(failed)?;
    let mut before: Option<Vec<Value>> = None;
    loop {
        let row = rows.next().map_err(|error| match &before {
            None => failed(error),
            Some(before) => table.error(before, format_args!("behind it, {error}")),
        })?;
        let Some(row) = row else {
            return Ok(());
        };
        let values: Result<Vec<Value>, _> = (0..table.columns().len())
            .map(|column| row.get_ref(column).map(Value::from))
            .collect();
        let values = values.map_err(failed)?;
        if table == Table::Contacts && !is_what_was_stored(row, &values) {
            return Err(table.error(&values, "it is damaged, it is not what was stored"));
        }
        each(&values)?;
        before = Some(values);
    }
}

/// Whether a contact is what its checksum says; what is wrong with its values is told
/// elsewhere.
fn is_what_was_stored(row: &Row<'_>, values: &[Value]) -> bool {
    let checksum: Result<i64, _> = row.get(values.len());
    checksum.is_ok_and(|checksum| {
        checksum == checksum::NONE || checksum_of(values).is_none_or(|of| of == checksum)
    })
}

/// The checksum of a contact, where its values are those of one.
fn checksum_of(values: &[Value]) -> Option<i64> {
    let [
        Value::Bytes(id),
        Value::Text(alias),
        Value::Text(msisdn),
        Value::Text(meta),
        Value::Integer(updated_on_ms),
    ] = values
    else {
        return None;
    };
    let id = id.as_slice().try_into().ok()?;
    Some(checksum::of(&id, alias, msisdn, meta, *updated_on_ms))
}

impl From<ValueRef<'_>> for Value {
    fn from(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Null => Self::Null,
            ValueRef::Integer(number) => Self::Integer(number),
            // No column takes one.
            ValueRef::Real(number) => Self::Bytes(number.to_be_bytes().to_vec()),
            ValueRef::Text(text) => match String::from_utf8(text.to_vec()) {
                Ok(text) => Self::Text(text),
                Err(error) => Self::Bytes(error.into_bytes()),
            },
            ValueRef::Blob(bytes) => Self::Bytes(bytes.to_vec()),
        }
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null => ToSqlOutput::Owned(Kept::Null),
            Self::Integer(number) => ToSqlOutput::Owned(Kept::Integer(*number)),
            Self::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Self::Bytes(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
        })
    }
}

/// A book that is filled in one transaction, and that no server may have.
pub(in crate::store) struct MoveTarget {
    database: Database,
    insertions: [String; Table::ALL.len()],
    _lock: ServerLock,
}

impl MoveTarget {
    /// Opens the book at the located `path`, made first where there is none.
    ///
    /// # Errors
    /// `Open`, `NotEmpty`.
    pub(in crate::store) fn open(path: &Path) -> Result<Self, MoveError> {
        let lock = ServerLock::take(path)?;
        let database = Database::open_or_create(path, Some(&lock))?;
        let failed = |error: rusqlite::Error| OpenError::storage(path, error);
        let connection = &database.connection;
        connection
            .pragma_update(None, "cache_size", TARGET_CACHE)
            .and_then(|()| connection.execute_batch(BEGIN))
            .map_err(failed)?;
        for table in Table::ALL {
            let query = match table {
                // It has those of the keys.
                Table::KeyUses => continue,
                _ => format!("SELECT EXISTS (SELECT 1 FROM {})", table.name()),
            };
            if connection
                .query_row(&query, [], |row| row.get(0))
                .map_err(failed)?
            {
                return Err(MoveError::NotEmpty {
                    path: path.to_owned(),
                    table: table.name(),
                });
            }
        }
        Ok(Self {
            database,
            insertions: Table::ALL.map(insertion),
            _lock: lock,
        })
    }

    fn failed(&self, error: rusqlite::Error) -> MoveError {
        OpenError::storage(self.database.path(), error).into()
    }

    fn write_counts(&self) -> Result<(), rusqlite::Error> {
        let transaction = Transaction::on(&self.database.connection);
        transaction.execute(COUNT_MEMBERS, [])?;
        transaction.execute(COUNT_RESPONSES, [ROW_BYTES])?;
        for counter in Counter::ALL {
            let query = format!("SELECT count(*) FROM {}", counter.name());
            transaction.count(
                counter,
                transaction.query_row(&query, [], |row| row.get(0))?,
            );
        }
        if self.database.begins_wal {
            wal_mark::renew(&transaction)?;
        }
        transaction.write_counters()
    }
}

impl Source for MoveTarget {
    fn count(&self, table: Table) -> Result<u64, MoveError> {
        count(&self.database.connection, table)
    }

    fn each(&self, table: Table, each: EachRow<'_>) -> Result<(), MoveError> {
        read(&self.database.connection, table, each)
    }
}

impl Target for MoveTarget {
    fn write(&mut self, table: Table, row: &[Value]) -> Result<(), MoveError> {
        let connection = &self.database.connection;
        let statement = connection.prepare_cached(&self.insertions[table as usize]);
        let written = statement.and_then(|mut statement| match (table, row) {
            (Table::Contacts, [id, alias, msisdn, meta, updated_on]) => statement.execute(params![
                id,
                alias,
                msisdn,
                meta,
                updated_on,
                checksum_of(row)
            ]),
            (Table::Memberships, [group, contact, _]) => statement.execute(params![group, contact]),
            _ => statement.execute(params_from_iter(row)),
        });
        written.map(drop).map_err(|error| table.error(row, error))
    }

    fn finish(&mut self, _table: Table) -> Result<(), MoveError> {
        Ok(())
    }

    fn count_anew(&mut self) -> Result<(), MoveError> {
        self.write_counts().map_err(|error| self.failed(error))
    }

    fn commit(self: Box<Self>) -> Result<(), MoveError> {
        let committed = self.database.connection.execute_batch(COMMIT);
        committed.map_err(|error| match failure::classify_commit(&error) {
            Error::OutcomeUnknown => MoveError::OutcomeUnknown(self.database.path().to_owned()),
            _ => self.failed(error),
        })
    }
}
