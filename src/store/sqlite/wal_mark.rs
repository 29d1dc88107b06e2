//! Whether a `-wal` belongs to the file that it stands beside. SQLite lays its pages
//! over any file of that name: over a backup that was put back, they make a mixture.
//!
//! Each WAL begins with a new mark beside the one that the file had then (`wal_marks`).
//! The file itself has either the one or the other, or it is another one.

use std::fs;
use std::path::Path;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rusqlite::{Connection, OpenFlags, ffi};

use super::failure;
use super::transaction::Transaction;
use crate::files;
use crate::store::OpenError;

const READ: &str = "SELECT base, mark FROM wal_marks";
const RENEW: &str = "UPDATE wal_marks SET base = mark, mark = random()";
/// Marks that no `-wal` has: whatever stands beside a file that is new, or a backup that
/// is put back, was not made beside it.
pub(super) const NEW_MARKS: &str = "UPDATE wal_marks SET base = random(), mark = random()";
const AGAIN: &str = "UPDATE wal_marks SET base = base";
const CHECK: &str = "PRAGMA integrity_check(1)";
/// Bytes of a WAL's own header (<https://sqlite.org/fileformat2.html#the_write_ahead_log>).
const WAL_HEADER_BYTES: u64 = 32;
/// Why a file was not read, whatever is in it.
const NOT_READ: [i32; 4] = [
    ffi::SQLITE_BUSY,
    ffi::SQLITE_IOERR,
    ffi::SQLITE_CANTOPEN,
    ffi::SQLITE_NOMEM,
];
/// The bits of a result code that tell its kind.
const PRIMARY: i32 = 0xff;
/// What of a path may stand in a URI as it is.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'.')
    .remove(b'-')
    .remove(b'_');

/// The mark of a file that stands beside a WAL with something in it.
pub(super) enum Beside {
    /// The WAL holds nothing.
    Nothing,
    /// The mark that the file itself has; none where it cannot be read without the
    /// WAL: of an older schema, or in the middle of a checkpoint.
    Wal(Option<i64>),
}

/// Reads the mark of the file itself. Before SQLite opens it otherwise.
pub(super) fn of_file_alone(path: &Path) -> Beside {
    if wal_is_empty(path) {
        return Beside::Nothing;
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let escaped = utf8_percent_encode(path.to_str().unwrap_or_default(), ESCAPED);
    let alone = Connection::open_with_flags(format!("file:{escaped}?immutable=1"), flags);
    let mark = alone.and_then(|alone| alone.query_row(READ, [], |row| row.get(1)));
    Beside::Wal(mark.ok())
}

/// Whether the WAL holds nothing, or is not there.
pub(super) fn wal_is_empty(path: &Path) -> bool {
    let wal = fs::metadata(files::beside(path, "-wal"));
    wal.map_or(true, |wal| wal.len() <= WAL_HEADER_BYTES)
}

/// Whether file and WAL, as `connection` reads both, belong together.
///
/// # Errors
/// `Mixed`; `Storage` where neither can be read.
pub(super) fn check(
    connection: &Connection,
    path: &Path,
    beside: &Beside,
) -> Result<(), OpenError> {
    let Beside::Wal(of_file) = beside else {
        return Ok(());
    };
    let failed = |error: rusqlite::Error| OpenError::storage(path, error);
    let belongs = match of_file {
        Some(of_file) => {
            let both = connection.query_row(READ, [], |row| Ok([row.get(0)?, row.get(1)?]));
            match both {
                Ok(marks) => marks.contains(of_file),
                // That says nothing of what they hold.
                Err(error) if NOT_READ.contains(&(failure::code(&error) & PRIMARY)) => {
                    return Err(failed(error));
                }
                Err(_) => false,
            }
        }
        None => {
            connection
                .query_row(CHECK, [], |row| row.get::<_, String>(0))
                .map_err(failed)?
                == "ok"
        }
    };
    if belongs {
        return Ok(());
    }
    Err(OpenError::Mixed {
        path: path.to_owned(),
        wal: files::beside(path, "-wal"),
    })
}

/// Writes the marks as they are.
pub(super) fn write_again(transaction: &Transaction<'_>) -> Result<(), rusqlite::Error> {
    transaction.prepare_cached(AGAIN)?.execute([])?;
    Ok(())
}

/// Gives a WAL that begins a mark of its own.
pub(super) fn renew(transaction: &Transaction<'_>) -> Result<(), rusqlite::Error> {
    transaction.prepare_cached(RENEW)?.execute([])?;
    Ok(())
}
