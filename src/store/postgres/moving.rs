//! A book on PostgreSQL moved to another place, or filled from one: rows come and go as
//! a binary `COPY`.

use std::cmp::Ordering;
use std::future::poll_fn;
use std::path::Path;
use std::pin::Pin;

use futures_core::Stream;
use tokio_postgres::binary_copy::{BinaryCopyInWriter, BinaryCopyOutRow, BinaryCopyOutStream};
use tokio_postgres::error::DbError;
use tokio_postgres::types::{ToSql, Type};

use super::Database;
use super::failure::{self, Kind as Failed, told};
use super::location::Location;
use super::migrations::{SCHEMA_VERSION, version};
use super::transaction::unsigned;
use crate::store::OpenError;
use crate::store::moving::{EachRow, Kind, MoveError, Source, Table, Target, Value};
use crate::store::remembered::ROW_BYTES;

/// The source is read in one state, for as long as it takes.
const BEGIN_READING: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
    SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0";
/// Its locks are free soon after this process is gone, or its machine.
const BEGIN: &str = "BEGIN;
    SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0;
    SET LOCAL tcp_keepalives_idle = 10; SET LOCAL tcp_keepalives_interval = 10;
    SET LOCAL tcp_keepalives_count = 3";
/// Servers may read meanwhile, and find it empty.
const LOCK: &str = "LOCK TABLE contacts, optouts, groups, memberships, api_keys, key_uses,
    sessions, idempotency, audit, counters, group_counts, response_counts IN EXCLUSIVE MODE";
/// Rows that are read at once, and bytes of them.
const BATCH_ROWS: usize = 500;
const BATCH_BYTES: usize = 1024 * 1024;

const COMMIT: &str = "COMMIT";
/// In the first slots; those that write there next spread it.
const COUNT: &str = "UPDATE counters SET value = 0;
    UPDATE counters SET value = counted.rows FROM (
        SELECT 'contacts' AS name, count(*) AS rows FROM contacts
        UNION ALL SELECT 'optouts', count(*) FROM optouts
        UNION ALL SELECT 'api_keys', count(*) FROM api_keys
        UNION ALL SELECT 'audit', count(*) FROM audit
        UNION ALL SELECT 'groups', count(*) FROM groups
    ) AS counted WHERE counters.name = counted.name AND slot = 0;
    DELETE FROM group_counts;
    INSERT INTO group_counts (group_id, slot, members)
        SELECT group_id, 0, count(*) FROM memberships GROUP BY group_id;
    DELETE FROM response_counts";
const COUNT_RESPONSES: &str = "INSERT INTO response_counts (key_id, slot, bytes)
    SELECT key_id, 0, sum($1::bigint + 2 * octet_length(name) + octet_length(body))::bigint
    FROM idempotency GROUP BY key_id";
/// What plans queries has to know that the tables are not empty any more.
const ANALYZE: &str =
    "ANALYZE contacts, optouts, groups, memberships, api_keys, idempotency, audit";
/// No transaction takes it back: should this one fail, the next event has a larger number.
const GO_ON_BEHIND_AUDIT: &str = "SELECT setval(pg_get_serial_sequence('audit', 'id'), max(id))
    FROM audit HAVING max(id) > 0";

/// Where the rows of a table are, those alone that are moved.
fn place(table: Table) -> &'static str {
    match table {
        Table::Groups => "groups WHERE deleted_on IS NULL",
        Table::Memberships => {
            "memberships
                WHERE group_id NOT IN (SELECT id FROM groups WHERE deleted_on IS NOT NULL)"
        }
        Table::Contacts
        | Table::Optouts
        | Table::ApiKeys
        | Table::KeyUses
        | Table::Idempotency
        | Table::Audit => table.name(),
    }
}

/// A book that is read, in one state, and left as it is.
pub(in crate::store) struct MoveSource(Database);

impl MoveSource {
    /// Opens the book at `url`, whether it is served or not.
    ///
    /// # Errors
    /// `Open`, `NoAddressBook`, `Older`.
    pub(in crate::store) fn open(url: &Path) -> Result<Self, MoveError> {
        let location = Location::parse(url)?;
        let database = Database::connect(&location)?;
        let found = database.wait(version(&database.link, &location))?;
        let path = location.shown().to_owned();
        let found = found.ok_or_else(|| MoveError::NoAddressBook(path.clone()))?;
        let (number, known) = (found.unsigned_abs(), SCHEMA_VERSION.unsigned_abs());
        match found.cmp(&SCHEMA_VERSION) {
            Ordering::Less => {
                return Err(MoveError::Older {
                    path,
                    found: number,
                    known,
                });
            }
            Ordering::Greater => {
                return Err(OpenError::Newer {
                    path,
                    found: number,
                    known,
                }
                .into());
            }
            Ordering::Equal => {}
        }
        let begun = database.wait(database.link.batch(BEGIN_READING));
        begun.map_err(|error| database.location.storage_error(told(&error)))?;
        Ok(Self(database))
    }
}

impl Source for MoveSource {
    fn count(&self, table: Table) -> Result<u64, MoveError> {
        count(&self.0, table)
    }

    fn each(&self, table: Table, each: EachRow<'_>) -> Result<(), MoveError> {
        read(&self.0, table, each)
    }
}

fn count(database: &Database, table: Table) -> Result<u64, MoveError> {
    let query = format!("SELECT count(*) FROM {}", place(table));
    let counted = database.wait(async {
        let row = database.link.query_one(&query, &[]).await?;
        unsigned(&row, 0)
    });
    counted.map_err(|error| MoveError::of_table(table.name(), told(&error)))
}

type Rows = Pin<Box<BinaryCopyOutStream>>;

/// Reads batch by batch, so that whatever is done with the rows may wait for another
/// database.
fn read(database: &Database, table: Table, each: EachRow<'_>) -> Result<(), MoveError> {
    let failed = |error: tokio_postgres::Error| MoveError::of_table(table.name(), told(&error));
    let (columns, key) = (table.column_names(), table.key_names());
    let query = format!(
        "COPY (SELECT {columns} FROM {} ORDER BY {key}) TO STDOUT (FORMAT binary)",
        place(table)
    );
    let begun = database.wait(database.link.client().copy_out(&query));
    let rows = BinaryCopyOutStream::new(begun.map_err(failed)?, &types(table));
    let mut rows: Rows = Box::pin(rows);
    let mut is_over = false;
    while !is_over {
        let read = database.wait(next_batch(&mut rows, table));
        let batch;
        (batch, is_over) = read.map_err(failed)?;
        for row in batch {
            each(&row)?;
        }
    }
    Ok(())
}

/// Some rows, and whether they are the last.
async fn next_batch(
    rows: &mut Rows,
    table: Table,
) -> Result<(Vec<Vec<Value>>, bool), tokio_postgres::Error> {
    let (mut batch, mut bytes) = (Vec::new(), 0);
    while batch.len() < BATCH_ROWS && bytes < BATCH_BYTES {
        let Some(row) = poll_fn(|context| rows.as_mut().poll_next(context)).await else {
            return Ok((batch, true));
        };
        let row = row?;
        let kinds = table.columns().iter().map(|(_, kind, _)| *kind).enumerate();
        let values: Result<Vec<Value>, _> = kinds
            .map(|(column, kind)| received(&row, column, kind))
            .collect();
        let values = values?;
        bytes += values.iter().map(Value::bytes).sum::<usize>();
        batch.push(values);
    }
    Ok((batch, false))
}

/// As what the columns travel: a UUID as its bytes, JSON as its text.
fn types(table: Table) -> Vec<Type> {
    let kinds = table.columns().iter().map(|(_, kind, _)| *kind);
    let types = kinds.map(|kind| match kind {
        Kind::Id | Kind::Bytes => Type::BYTEA,
        Kind::Text | Kind::Json => Type::TEXT,
        Kind::Integer => Type::INT8,
        Kind::Short => Type::INT2,
        Kind::Flag => Type::BOOL,
    });
    types.collect()
}

fn received(
    row: &BinaryCopyOutRow,
    column: usize,
    kind: Kind,
) -> Result<Value, tokio_postgres::Error> {
    let value = match kind {
        Kind::Id | Kind::Bytes => row.try_get::<Option<Vec<u8>>>(column)?.map(Value::Bytes),
        Kind::Text | Kind::Json => row.try_get::<Option<String>>(column)?.map(Value::Text),
        Kind::Integer => row.try_get::<Option<i64>>(column)?.map(Value::Integer),
        Kind::Short => row
            .try_get::<Option<i16>>(column)?
            .map(|number| Value::Integer(number.into())),
        Kind::Flag => row
            .try_get::<Option<bool>>(column)?
            .map(|flag| Value::Integer(flag.into())),
    };
    Ok(value.unwrap_or(Value::Null))
}

/// A value for its column, of which it is known that it fits there.
fn sent(kind: Kind, value: &Value) -> Box<dyn ToSql + Sync + '_> {
    let number = match value {
        Value::Integer(number) => Some(*number),
        Value::Null | Value::Text(_) | Value::Bytes(_) => None,
    };
    match kind {
        Kind::Id | Kind::Bytes => Box::new(match value {
            Value::Bytes(bytes) => Some(bytes.as_slice()),
            Value::Null | Value::Integer(_) | Value::Text(_) => None,
        }),
        Kind::Text | Kind::Json => Box::new(match value {
            Value::Text(text) => Some(text.as_str()),
            Value::Null | Value::Integer(_) | Value::Bytes(_) => None,
        }),
        Kind::Integer => Box::new(number),
        Kind::Short => Box::new(number.and_then(|number| i16::try_from(number).ok())),
        Kind::Flag => Box::new(number.map(|number| number != 0)),
    }
}

/// A book that is filled in one transaction; servers find it empty until the commit.
pub(in crate::store) struct MoveTarget {
    database: Database,
    copy: Option<Pin<Box<BinaryCopyInWriter>>>,
}

impl MoveTarget {
    /// Opens the book at `url`, made first where there is none.
    ///
    /// # Errors
    /// `Open`, `NotEmpty`.
    pub(in crate::store) fn open(url: &Path) -> Result<Self, MoveError> {
        let database = Database::open_or_create(url)?;
        let target = Self {
            database,
            copy: None,
        };
        target.run(&[BEGIN, LOCK])?;
        for table in Table::ALL {
            let query = format!("SELECT EXISTS (SELECT 1 FROM {})", table.name());
            let link = &target.database.link;
            let found = target
                .database
                .wait(async { link.query_one(&query, &[]).await?.try_get(0) });
            if found.map_err(|error| target.failed(&error))? {
                let path = target.database.path().to_owned();
                return Err(MoveError::NotEmpty {
                    path,
                    table: table.name(),
                });
            }
        }
        Ok(target)
    }

    fn run(&self, statements: &[&str]) -> Result<(), MoveError> {
        let run = self.database.wait(async {
            for statement in statements {
                self.database.link.batch(statement).await?;
            }
            Ok(())
        });
        run.map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &tokio_postgres::Error) -> MoveError {
        self.database.location.storage_error(told(error)).into()
    }

    fn begin_copy(&self, table: Table) -> Result<Pin<Box<BinaryCopyInWriter>>, MoveError> {
        let (name, columns) = (table.name(), table.column_names());
        let query = format!("COPY {name} ({columns}) FROM STDIN (FORMAT binary)");
        let begun = self
            .database
            .wait(self.database.link.client().copy_in(&query));
        let begun = begun.map_err(|error| MoveError::of_table(name, told(&error)))?;
        Ok(Box::pin(BinaryCopyInWriter::new(begun, &types(table))))
    }
}

impl Source for MoveTarget {
    fn count(&self, table: Table) -> Result<u64, MoveError> {
        count(&self.database, table)
    }

    fn each(&self, table: Table, each: EachRow<'_>) -> Result<(), MoveError> {
        read(&self.database, table, each)
    }
}

impl Target for MoveTarget {
    fn write(&mut self, table: Table, row: &[Value]) -> Result<(), MoveError> {
        let mut copy = match self.copy.take() {
            Some(copy) => copy,
            None => self.begin_copy(table)?,
        };
        let kinds = table.columns().iter().map(|(_, kind, _)| *kind);
        let values: Vec<_> = kinds
            .zip(row)
            .map(|(kind, value)| sent(kind, value))
            .collect();
        let written = self.database.wait(copy.as_mut().write_raw(values));
        written.map_err(|error| table.error(row, told(&error)))?;
        self.copy = Some(copy);
        Ok(())
    }

    /// What PostgreSQL refuses of the rows, it says here; which one, it says, too.
    fn finish(&mut self, table: Table) -> Result<(), MoveError> {
        let Some(mut copy) = self.copy.take() else {
            return Ok(());
        };
        let finished = self.database.wait(copy.as_mut().finish());
        finished.map(drop).map_err(|error| {
            let line = error.as_db_error().and_then(DbError::where_);
            let line = line.map(|line| format!(", {line}")).unwrap_or_default();
            MoveError::of_table(table.name(), format!("{}{line}", told(&error)))
        })
    }

    fn count_anew(&mut self) -> Result<(), MoveError> {
        self.run(&[COUNT])?;
        let row_bytes = i64::try_from(ROW_BYTES).unwrap_or(0);
        let link = &self.database.link;
        let counted = self
            .database
            .wait(link.execute(COUNT_RESPONSES, &[&row_bytes]));
        counted.map_err(|error| self.failed(&error))?;
        self.run(&[ANALYZE])
    }

    fn commit(self: Box<Self>) -> Result<(), MoveError> {
        self.run(&[GO_ON_BEHIND_AUDIT])?;
        let committed = self.database.wait(self.database.link.batch(COMMIT));
        committed.map_err(|error| match failure::kind(&error) {
            Failed::Lost => MoveError::OutcomeUnknown(self.database.path().to_owned()),
            _ => self.failed(&error),
        })
    }
}
