//! A transaction that writes, and the counters that it keeps.

use std::cell::Cell;
use std::ops::Deref;

use rusqlite::{Connection, params};

const COUNT: &str = "UPDATE counters SET value = value + ?2 WHERE name = ?1";
const READ_COUNTER: &str = "SELECT value FROM counters WHERE name = ?1";

/// A table whose rows are counted.
#[derive(Clone, Copy)]
pub(super) enum Counter {
    Contacts,
    Optouts,
}

impl Counter {
    fn name(self) -> &'static str {
        match self {
            Self::Contacts => "contacts",
            Self::Optouts => "optouts",
        }
    }

    /// How many rows the table has, as of this transaction's begin.
    pub(super) fn read(self, connection: &Connection) -> Result<u64, rusqlite::Error> {
        connection
            .prepare_cached(READ_COUNTER)?
            .query_row([self.name()], |row| row.get(0))
    }
}

/// A connection inside `BEGIN IMMEDIATE`. Each operation in it changes the
/// tables by its last statement alone, so one that is refused leaves nothing
/// behind and its neighbours go on.
pub(super) struct Transaction<'c> {
    connection: &'c Connection,
    contacts_added: Cell<i64>,
    optouts_added: Cell<i64>,
}

impl<'c> Transaction<'c> {
    pub(super) fn on(connection: &'c Connection) -> Self {
        Self {
            connection,
            contacts_added: Cell::new(0),
            optouts_added: Cell::new(0),
        }
    }

    /// Remembers that `rows` were added to a counted table, or removed.
    pub(super) fn count(&self, counter: Counter, rows: i64) {
        let added = self.added(counter);
        added.set(added.get() + rows);
    }

    /// Writes the counters, once for the whole transaction.
    pub(super) fn write_counters(&self) -> Result<(), rusqlite::Error> {
        for counter in [Counter::Contacts, Counter::Optouts] {
            let rows = self.added(counter).take();
            if rows != 0 {
                let mut statement = self.connection.prepare_cached(COUNT)?;
                statement.execute(params![counter.name(), rows])?;
            }
        }
        Ok(())
    }

    fn added(&self, counter: Counter) -> &Cell<i64> {
        match counter {
            Counter::Contacts => &self.contacts_added,
            Counter::Optouts => &self.optouts_added,
        }
    }
}

impl Deref for Transaction<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection
    }
}
