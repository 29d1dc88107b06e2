//! Why a piece of work inside a transaction did not succeed, and the one place
//! that reads SQLSTATEs (never their texts).

use std::error::Error as _;
use std::io;
use std::time::Duration;

use tokio_postgres::error::SqlState;

use super::trust;
use crate::error::Error;

/// Before one more try of what found no database.
pub(super) const LOST_PAUSE: Duration = Duration::from_millis(100);

/// Why a piece of work inside a transaction did not succeed.
#[derive(Debug)]
pub(super) enum Failure {
    /// It is refused.
    Refused(Error),
    /// Somebody else was quicker: done once more, it sees what he did.
    Overtaken,
    /// The database failed; the transaction is lost.
    Storage(tokio_postgres::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Storage(error)
    }
}

/// What an error of the database asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The transaction met another one: it is done once more.
    Met,
    /// The connection is of no use any more; another one may be.
    Lost,
    /// A statement was ended at its time limit.
    TooSlow,
    /// A lock was not to be had in time.
    Locked,
    /// There is no room.
    Full,
    /// Something else.
    Other,
}

/// What `error` asks for (<https://www.postgresql.org/docs/15/errcodes-appendix.html>).
pub(super) fn kind(error: &tokio_postgres::Error) -> Kind {
    let Some(code) = error.code() else {
        let is_of_connection = error.source().is_none_or(|source| source.is::<io::Error>());
        return match error.is_closed() || is_of_connection {
            true => Kind::Lost,
            false => Kind::Other,
        };
    };
    match *code {
        SqlState::T_R_SERIALIZATION_FAILURE
        | SqlState::T_R_DEADLOCK_DETECTED
        // Only where two were quicker than each other's look: never met twice.
        | SqlState::UNIQUE_VIOLATION
        | SqlState::FOREIGN_KEY_VIOLATION => Kind::Met,
        SqlState::ADMIN_SHUTDOWN
        | SqlState::CRASH_SHUTDOWN
        | SqlState::CANNOT_CONNECT_NOW
        | SqlState::TOO_MANY_CONNECTIONS
        | SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT
        // Of a primary that has become a standby.
        | SqlState::READ_ONLY_SQL_TRANSACTION => Kind::Lost,
        SqlState::QUERY_CANCELED => Kind::TooSlow,
        SqlState::LOCK_NOT_AVAILABLE => Kind::Locked,
        SqlState::DISK_FULL => Kind::Full,
        _ if code.code().starts_with("08") => Kind::Lost,
        _ => Kind::Other,
    }
}

/// What a failure before the commit means to whoever waits for it; logs it.
pub(super) fn unwritten(error: &tokio_postgres::Error, event: &str) -> Error {
    log(error, event);
    match kind(error) {
        Kind::Met | Kind::Locked => Error::Busy,
        Kind::Lost | Kind::TooSlow => Error::StorageFailed,
        Kind::Full => Error::StorageFull,
        Kind::Other => Error::Internal,
    }
}

/// What the failure of a read means to whoever waits for it; logs it.
pub(super) fn unreadable(error: &tokio_postgres::Error, event: &str) -> Error {
    log(error, event);
    match kind(error) {
        Kind::TooSlow => Error::ListTooSlow,
        Kind::Met | Kind::Lost | Kind::Locked | Kind::Full => Error::StorageUnreadable,
        Kind::Other => Error::StorageUnreadable,
    }
}

/// Logs a failure of the database, where it is handled: its code, no content.
pub(super) fn log(error: &tokio_postgres::Error, event: &str) {
    let code = error.code().map_or("none", SqlState::code);
    // What is no answer of the database holds no values.
    match error.as_db_error() {
        Some(answer) => {
            let constraint = answer.constraint().unwrap_or_default();
            log::error!(sqlstate = code, constraint; "{event}");
        }
        None => log::error!(error:% = error; "{event}"),
    }
}

/// What PostgreSQL says, in full: its own text is behind the error's.
pub(super) fn told(error: &tokio_postgres::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}{}", trust::advice(source)),
        None => error.to_string(),
    }
}
