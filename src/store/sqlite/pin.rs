//! Holds a read lock of SQLite's on the newest state while nothing is written.
//!
//! A read takes such a lock and gives it back: two system calls, made under a
//! lock of the whole process. Where another connection of the process holds the
//! same lock already, SQLite only counts (`unixShmLock` in its source).

use rusqlite::Connection;

use super::database::prepared;
use super::failure;

/// A connection that reads nothing but holds the lock.
pub(super) struct Pin {
    connection: Connection,
    /// SQLite's number of the state that was seen last.
    version: i64,
}

impl Pin {
    pub(super) fn on(connection: Connection) -> Self {
        Self {
            connection,
            version: 0,
        }
    }

    /// Holds the newest state, if nothing was written since the last look: held
    /// while others write, it would keep the WAL from being reset. Says whether
    /// something was.
    pub(super) fn look(&mut self) -> bool {
        self.release();
        self.hold_if_quiet().unwrap_or_else(|error| {
            failure::log(&error, "a look at the file failed");
            self.release();
            false
        })
    }

    /// Gives the lock back.
    pub(super) fn release(&self) {
        if !self.connection.is_autocommit()
            && let Err(error) = prepared(&self.connection, "COMMIT")
        {
            failure::log(&error, "a read could not be ended");
        }
    }

    fn hold_if_quiet(&mut self) -> Result<bool, rusqlite::Error> {
        let number = |pragma| {
            let mut statement = self.connection.prepare_cached(pragma)?;
            statement.query_row([], |row| row.get::<_, i64>(0))
        };
        let version = number("PRAGMA data_version")?;
        let is_quiet = version == self.version;
        if is_quiet {
            prepared(&self.connection, "BEGIN")?;
            // A transaction begins with its first read.
            number("PRAGMA user_version")?;
        }
        self.version = version;
        Ok(!is_quiet)
    }
}
