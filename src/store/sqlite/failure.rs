//! Why a piece of work inside a transaction did not succeed, and the one place
//! that reads SQLite's result codes (never its texts).

use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use rusqlite::ffi;

use crate::error::Error;

/// A table's `UNIQUE` column is taken; no table has two.
pub(super) const UNIQUE: i32 = ffi::SQLITE_CONSTRAINT_UNIQUE;
/// An id is taken.
pub(super) const PRIMARY_KEY: i32 = ffi::SQLITE_CONSTRAINT_PRIMARYKEY;

/// Why a piece of work inside a transaction did not succeed.
#[derive(Debug)]
pub(super) enum Failure {
    /// This work alone is refused and changed nothing; its neighbours go on.
    Refused(Error),
    /// The storage failed: the transaction is lost for everyone in it.
    Storage(rusqlite::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        match is_of_damaged_row(&error) {
            true => Self::Refused(Error::RowDamaged),
            false => Self::Storage(error),
        }
    }
}

/// What came of one piece of work among many: a refusal is its own, a failure of the
/// storage everybody's.
///
/// # Errors
/// The storage's.
pub(super) fn each<T>(done: Result<T, Failure>) -> Result<Result<T, Error>, Failure> {
    match done {
        Ok(done) => Ok(Ok(done)),
        Err(Failure::Refused(error)) => Ok(Err(error)),
        Err(Failure::Storage(error)) => Err(Failure::Storage(error)),
    }
}

/// SQLite's extended result code, or 0 where the error is not SQLite's.
pub(super) fn code(error: &rusqlite::Error) -> i32 {
    error.sqlite_error().map_or(0, |error| error.extended_code)
}

/// Rows that were read and are not what was stored, since the process began.
static DAMAGED_ROWS: AtomicU64 = AtomicU64::new(0);

/// Whether a row was found, but not as what was stored: the file can be read, and its
/// other rows are what they were. Counted and logged.
pub(super) fn is_of_damaged_row(error: &rusqlite::Error) -> bool {
    let is = matches!(
        error,
        rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::Utf8Error(..)
    );
    if is {
        DAMAGED_ROWS.fetch_add(1, Ordering::Relaxed);
        log::error!(error:% = error; "a row is damaged");
    }
    is
}

/// How many damaged rows were read since the process began.
pub(super) fn damaged_rows() -> u64 {
    DAMAGED_ROWS.load(Ordering::Relaxed)
}

/// What a storage failure before the commit means to whoever waits for it.
pub(super) fn classify(error: &rusqlite::Error) -> Error {
    if is_of_damaged_row(error) {
        return Error::RowDamaged;
    }
    // The low byte of an extended code is its primary code: https://sqlite.org/rescode.html
    match code(error) & 0xff {
        ffi::SQLITE_FULL => Error::StorageFull,
        ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED => Error::Busy,
        ffi::SQLITE_IOERR
        | ffi::SQLITE_NOMEM
        | ffi::SQLITE_READONLY
        | ffi::SQLITE_PERM
        | ffi::SQLITE_CANTOPEN => Error::StorageFailed,
        ffi::SQLITE_CORRUPT | ffi::SQLITE_NOTADB => Error::Damaged,
        _ => Error::Internal,
    }
}

/// What the failure of a read means to whoever waits for it; logs it.
pub(super) fn unreadable(error: &rusqlite::Error, event: &str) -> Error {
    log(error, event);
    match classify(error) {
        damaged @ (Error::Damaged | Error::RowDamaged) => damaged,
        _ => Error::StorageUnreadable,
    }
}

/// Whether anybody has found the file damaged: then nothing more is written to it.
#[derive(Clone, Default)]
pub(super) struct Damage(Arc<AtomicBool>);

impl Damage {
    /// Notes an error that may tell of damage, and hands it on.
    pub(super) fn note(&self, error: Error) -> Error {
        if error == Error::Damaged && !self.0.swap(true, Ordering::Relaxed) {
            log::error!("the file is damaged: nothing more is written to it");
        }
        error
    }

    pub(super) fn is_found(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Ends the process where a thread panics that everything rests on: with it, whoever
/// restarts servers has something to restart.
pub(super) struct EndsProcess;

impl Drop for EndsProcess {
    fn drop(&mut self) {
        if thread::panicking() {
            log::error!("a thread of the store has ended: ending");
            process::abort();
        }
    }
}

/// What a failed `COMMIT` means. A failed write leaves a torn frame at the end
/// of the WAL, which recovery drops; after anything else, a failed sync first
/// of all, the whole frame may be on the disk or not.
pub(super) fn classify_commit(error: &rusqlite::Error) -> Error {
    let code = code(error);
    if code == ffi::SQLITE_IOERR_WRITE {
        return Error::StorageFailed;
    }
    match code & 0xff {
        ffi::SQLITE_FULL => Error::StorageFull,
        ffi::SQLITE_BUSY => Error::Busy,
        _ => Error::OutcomeUnknown,
    }
}

/// The failure of a write that gives a row a unique name: no table has two UNIQUE
/// constraints, so that a broken one says that the name is `taken`.
pub(super) fn or_taken(error: rusqlite::Error, taken: Error) -> Failure {
    if code(&error) == UNIQUE {
        return taken.into();
    }
    error.into()
}

/// Logs a failure of the storage, where it is handled: its code, no content.
pub(super) fn log(error: &rusqlite::Error, event: &str) {
    log::error!(sqlite_code = code(error); "{event}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(extended_code: i32) -> rusqlite::Error {
        rusqlite::Error::SqliteFailure(ffi::Error::new(extended_code), None)
    }

    #[test]
    fn a_failure_before_the_commit_never_leaves_the_outcome_open() {
        for (code, error) in [
            (ffi::SQLITE_FULL, Error::StorageFull),
            (ffi::SQLITE_IOERR_WRITE, Error::StorageFailed),
            (ffi::SQLITE_IOERR_FSYNC, Error::StorageFailed),
            (ffi::SQLITE_CORRUPT, Error::Damaged),
            (ffi::SQLITE_BUSY, Error::Busy),
            (ffi::SQLITE_CONSTRAINT_CHECK, Error::Internal),
        ] {
            assert_eq!(classify(&failed(code)), error, "{code}");
        }
    }

    #[test]
    fn a_failed_sync_leaves_the_outcome_open() {
        for (code, error) in [
            (ffi::SQLITE_FULL, Error::StorageFull),
            (ffi::SQLITE_IOERR_WRITE, Error::StorageFailed),
            (ffi::SQLITE_IOERR_FSYNC, Error::OutcomeUnknown),
            (ffi::SQLITE_NOMEM, Error::OutcomeUnknown),
        ] {
            assert_eq!(classify_commit(&failed(code)), error, "{code}");
        }
    }
}
