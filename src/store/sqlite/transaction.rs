//! A transaction that writes, and the counters that it keeps.

use std::cell::Cell;
use std::ops::Deref;

use rusqlite::{Connection, Row, params};

use super::failure::Failure;

const COUNT: &str = "UPDATE counters SET value = value + ?2 WHERE name = ?1";
const READ_COUNTER: &str = "SELECT value FROM counters WHERE name = ?1";

/// A table whose rows are counted.
#[derive(Clone, Copy)]
pub(super) enum Counter {
    Contacts,
    Optouts,
    ApiKeys,
    Audit,
    Groups,
}

impl Counter {
    pub(super) const ALL: [Self; 5] = [
        Self::Contacts,
        Self::Optouts,
        Self::ApiKeys,
        Self::Audit,
        Self::Groups,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Contacts => "contacts",
            Self::Optouts => "optouts",
            Self::ApiKeys => "api_keys",
            Self::Audit => "audit",
            Self::Groups => "groups",
        }
    }

    /// How many rows the table has, as of this transaction's begin.
    pub(super) fn read(self, connection: &Connection) -> Result<u64, rusqlite::Error> {
        connection
            .prepare_cached(READ_COUNTER)?
            .query_row([self.name()], |row| row.get(0))
    }

    /// Reads a page of the table by `query`, which takes a limit and an offset;
    /// beside it how many rows there are in all.
    pub(super) fn page<T>(
        self,
        connection: &Connection,
        query: &str,
        (offset, limit): (u64, u32),
        read: fn(&Row<'_>) -> Result<T, rusqlite::Error>,
    ) -> Result<(Vec<T>, u64), rusqlite::Error> {
        let total = self.read(connection)?;
        let rows = page(connection, query, (offset, limit.into()), read)?;
        Ok((rows, total))
    }
}

/// Reads a page by `query`, which takes a limit and an offset.
pub(super) fn page<T>(
    connection: &Connection,
    query: &str,
    (offset, limit): (u64, i64),
    read: fn(&Row<'_>) -> Result<T, rusqlite::Error>,
) -> Result<Vec<T>, rusqlite::Error> {
    let offset = i64::try_from(offset).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(query)?;
    let rows = statement.query_map(params![limit, offset], read)?;
    rows.collect()
}

/// A connection inside `BEGIN IMMEDIATE`. Each operation in it is refused, if it
/// is, before or by its first change, so it leaves nothing behind and its
/// neighbours go on.
pub(super) struct Transaction<'c> {
    connection: &'c Connection,
    /// Whether keys stand as they stood when the transaction began.
    keys_changed: Cell<bool>,
    /// Rows added to each counted table, in the order of [`Counter::ALL`].
    added: [Cell<i64>; Counter::ALL.len()],
}

impl<'c> Transaction<'c> {
    pub(super) fn on(connection: &'c Connection) -> Self {
        Self {
            connection,
            keys_changed: Cell::new(false),
            added: Default::default(),
        }
    }

    /// Remembers that a key was changed: whoever knew how it stood must look again.
    pub(super) fn note_key_change(&self) {
        self.keys_changed.set(true);
    }

    /// Whether a key was changed since this was last asked.
    pub(super) fn take_key_change(&self) -> bool {
        self.keys_changed.take()
    }

    /// Remembers that `rows` were added to a counted table, or removed.
    pub(super) fn count(&self, counter: Counter, rows: i64) {
        let added = &self.added[counter as usize];
        added.set(added.get() + rows);
    }

    /// How many rows a counted table has, with what this transaction added.
    pub(super) fn counted(&self, counter: Counter) -> Result<u64, rusqlite::Error> {
        let before = counter.read(self.connection)?;
        Ok(before.saturating_add_signed(self.added[counter as usize].get()))
    }

    /// Does `work` and keeps it only if it is worth it; else it leaves nothing
    /// behind but its result. One at a time.
    pub(super) fn within_savepoint<T>(
        &self,
        work: impl FnOnce() -> Result<T, Failure>,
        is_kept: impl FnOnce(&T) -> bool,
    ) -> Result<T, Failure> {
        let added = Counter::ALL.map(|counter| self.added[counter as usize].get());
        self.connection.execute_batch("SAVEPOINT tentative")?;
        let done = work()?;
        if !is_kept(&done) {
            self.connection.execute_batch("ROLLBACK TO tentative")?;
            for (counter, rows) in Counter::ALL.into_iter().zip(added) {
                self.added[counter as usize].set(rows);
            }
        }
        self.connection.execute_batch("RELEASE tentative")?;
        Ok(done)
    }

    /// Writes the counters, once for the whole transaction.
    pub(super) fn write_counters(&self) -> Result<(), rusqlite::Error> {
        for counter in Counter::ALL {
            let rows = self.added[counter as usize].take();
            if rows != 0 {
                let mut statement = self.connection.prepare_cached(COUNT)?;
                statement.execute(params![counter.name(), rows])?;
            }
        }
        Ok(())
    }
}

impl Deref for Transaction<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection
    }
}
