//! Moves a whole book from one place to another, whichever engine each has: every row
//! comes by here in a form that both engines know, is counted and hashed, and once all
//! is stored, read back and hashed again. Knows no SQL but the names of tables.

mod tables;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{OpenError, is_url, postgres, sqlite};
pub(super) use tables::{Kind, Table, Value};

/// How many rows a table has, and the SHA-256 of all of them in the order of their keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TableSum {
    /// Rows.
    pub rows: u64,
    /// In hexadecimal digits.
    pub sha256: String,
}

/// What each table held, by its name.
pub type Moved = Vec<(&'static str, TableSum)>;

/// Why a book was not moved. But for `OutcomeUnknown`, the target is as empty as it was.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// One of the two cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// There is nothing to move.
    #[error("there is no address book at {0}")]
    NoAddressBook(PathBuf),
    /// Bringing it up to date would change it.
    #[error(
        "{path} has schema {found}, older than {known}: serve it or check it by this version once, which brings it up to date"
    )]
    Older {
        /// The source.
        path: PathBuf,
        /// Its schema.
        found: u32,
        /// Today's.
        known: u32,
    },
    /// Commits that stand in it are lost to SQLite.
    #[error("the -wal of {0} was damaged after it was written: `addressbook check` keeps it aside")]
    BrokenWal(PathBuf),
    /// Only an empty book takes another one.
    #[error("{path} is not empty, it has {table}")]
    NotEmpty {
        /// The target.
        path: PathBuf,
        /// The first table that has rows.
        table: &'static str,
    },
    /// A row is not what it should be, or is not taken.
    #[error("{table}, row {row}: {reason}")]
    Row {
        /// Its table.
        table: &'static str,
        /// Its key.
        row: String,
        /// What is wrong.
        reason: String,
    },
    /// A table cannot be read or written.
    #[error("{table}: {reason}")]
    Table {
        /// Which one.
        table: &'static str,
        /// What the engine says.
        reason: String,
    },
    /// What was read back is not what was written.
    #[error(
        "{table}: {} rows with SHA-256 {} were sent, {} with {} are there",
        sent.rows, sent.sha256, found.rows, found.sha256
    )]
    Differs {
        /// The table.
        table: &'static str,
        /// Of the source.
        sent: TableSum,
        /// Of the target.
        found: TableSum,
    },
    /// The answer to the commit is lost.
    #[error("it is unknown whether {0} has it: run it again, what is there already is refused")]
    OutcomeUnknown(PathBuf),
}

/// How far it is.
#[derive(Clone, Copy)]
pub struct MoveStep {
    /// Whether all is written, and is being read back.
    pub is_comparing: bool,
    /// Rows that were moved, or compared.
    pub rows: u64,
    /// Rows in all.
    pub total: u64,
}

/// Rows from one report to the next.
const REPORTED_EVERY: u64 = 1000;

/// Moves the book at the located `from` to the one at the located `to`, which has to be
/// empty, and is made where there is none; what each table held, as read and as read back
/// from the target, where they are the same. The source stays as it is.
///
/// # Errors
/// Every [`MoveError`].
pub fn move_book(
    from: &Path,
    to: &Path,
    told: &mut dyn FnMut(MoveStep),
) -> Result<Moved, MoveError> {
    let source: Box<dyn Source> = match is_url(from) {
        true => Box::new(postgres::MoveSource::open(from)?),
        false => Box::new(sqlite::MoveSource::open(from)?),
    };
    let target: Box<dyn Target> = match is_url(to) {
        true => Box::new(postgres::MoveTarget::open(to)?),
        false => Box::new(sqlite::MoveTarget::open(to)?),
    };
    transfer(source.as_ref(), target, told)
}

fn transfer(
    source: &dyn Source,
    mut target: Box<dyn Target>,
    told: &mut dyn FnMut(MoveStep),
) -> Result<Moved, MoveError> {
    let counts: Result<Vec<u64>, _> = Table::ALL
        .map(|table| source.count(table))
        .into_iter()
        .collect();
    let mut step = MoveStep {
        is_comparing: false,
        rows: 0,
        total: counts?.iter().sum(),
    };
    let mut advance = |is_comparing| {
        if is_comparing != step.is_comparing {
            step = MoveStep {
                is_comparing,
                rows: 0,
                ..step
            };
        }
        step.rows += 1;
        if step.rows.is_multiple_of(REPORTED_EVERY) || step.rows == step.total {
            told(step);
        }
    };
    let mut sent = Vec::new();
    for table in Table::ALL {
        let mut summing = Summing::default();
        source.each(table, &mut |row| {
            table.check(row)?;
            summing.add(row);
            advance(false);
            target.write(table, row)
        })?;
        target.finish(table)?;
        sent.push((table, summing.sum()));
    }
    target.count_anew()?;
    for (table, sent) in &sent {
        let mut summing = Summing::default();
        target.each(*table, &mut |row| {
            summing.add(row);
            advance(true);
            Ok(())
        })?;
        let found = summing.sum();
        if found != *sent {
            return Err(MoveError::Differs {
                table: table.name(),
                sent: sent.clone(),
                found,
            });
        }
    }
    target.commit()?;
    Ok(sent
        .into_iter()
        .map(|(table, sum)| (table.name(), sum))
        .collect())
}

/// What is done with each row that is read.
pub(super) type EachRow<'e> = &'e mut dyn FnMut(&[Value]) -> Result<(), MoveError>;

/// Where rows are read, all of them in one state.
pub(super) trait Source {
    /// How many rows of a table there are to move.
    fn count(&self, table: Table) -> Result<u64, MoveError>;

    /// Reads the rows of a table in the order of their keys, a few of them at a time.
    fn each(&self, table: Table, each: EachRow<'_>) -> Result<(), MoveError>;
}

/// Where rows are written, in one transaction that ends with [`Target::commit`] or leaves
/// nothing behind; nobody else writes there meanwhile. As a source, it has what it holds.
pub(super) trait Target: Source {
    /// Writes a row of a table.
    fn write(&mut self, table: Table, row: &[Value]) -> Result<(), MoveError>;

    /// Has all rows of a table be there.
    fn finish(&mut self, table: Table) -> Result<(), MoveError>;

    /// Counts what is kept counted.
    fn count_anew(&mut self) -> Result<(), MoveError>;

    /// Keeps all of it.
    fn commit(self: Box<Self>) -> Result<(), MoveError>;
}

#[derive(Default)]
struct Summing {
    rows: u64,
    hash: Sha256,
}

impl Summing {
    /// Each value is its kind's letter, then eight bytes with a number or a length, then
    /// what is so long: no two rows are hashed alike.
    fn add(&mut self, row: &[Value]) {
        self.rows += 1;
        for value in row {
            match value {
                Value::Null => self.hash.update(b"n"),
                Value::Integer(number) => self.add_part(b"i", *number, b""),
                Value::Text(text) => self.add_part(b"t", length(text.as_bytes()), text.as_bytes()),
                Value::Bytes(bytes) => self.add_part(b"b", length(bytes), bytes),
            }
        }
    }

    fn add_part(&mut self, letter: &[u8], number: i64, bytes: &[u8]) {
        self.hash.update(letter);
        self.hash.update(number.to_be_bytes());
        self.hash.update(bytes);
    }

    fn sum(self) -> TableSum {
        let digits = self.hash.finalize();
        TableSum {
            rows: self.rows,
            sha256: digits.iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }
}

fn length(bytes: &[u8]) -> i64 {
    i64::try_from(bytes.len()).unwrap_or(i64::MAX)
}

impl MoveError {
    pub(super) fn of_table(table: &'static str, reason: impl fmt::Display) -> Self {
        let reason = one_line(&reason.to_string());
        Self::Table { table, reason }
    }
}

fn one_line(text: &str) -> String {
    text.lines().collect::<Vec<_>>().join(", ")
}
