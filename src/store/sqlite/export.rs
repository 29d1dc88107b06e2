//! All contacts as one file: one state of the address book, read in one
//! transaction that ends before anybody waits for a slow reader.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::transaction::Counter;
use super::{Database, Store, failure};
use crate::error::Error;
use crate::files;
use crate::key::Grant;
use crate::transfer::{Format, Writer};

/// Exports that are under way at once, from the first row to the last byte sent.
pub(super) const EXPORTS_MAX: usize = 4;
/// How long an export waits for its turn.
const EXPORT_WAIT_MAX: Duration = Duration::from_secs(2);
/// Bytes of one export's file.
const SPOOL_BYTES_MAX: u64 = 8 * 1024 * 1024 * 1024;
/// Bytes that are written at once.
const WRITE_BYTES: usize = 64 * 1024;
/// Rows between two looks at whether the export is still wanted.
const ROWS_BETWEEN_LOOKS: u64 = 4096;

const METAS: &str = "SELECT meta FROM contacts ORDER BY id";
const CONTACTS: &str = "SELECT alias, msisdn, meta FROM contacts ORDER BY id";

/// An export that is written, in a file that has no name any more: whatever
/// ends its reader, the room it takes is free again.
pub struct Spool {
    file: File,
    bytes: u64,
    /// The turn of an export over HTTP, kept until the last byte is sent.
    _turn: Option<OwnedSemaphorePermit>,
}

/// Why an export did not succeed.
#[derive(Debug)]
pub enum ExportError {
    /// The address book cannot be read.
    Store(Error),
    /// What the rows were to be written to fails.
    Io(io::Error),
    /// Nobody wants it any more.
    Abandoned,
}

impl From<rusqlite::Error> for ExportError {
    fn from(error: rusqlite::Error) -> Self {
        failure::log(&error, "an export failed");
        Self::Store(Error::StorageUnreadable)
    }
}

impl From<io::Error> for ExportError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Store {
    /// Writes all contacts to a file beside the address book.
    ///
    /// # Errors
    /// `ListsBusy`, `NoRoomForExport`; those of every read.
    pub async fn export(&self, _grant: Grant, format: Format) -> Result<Spool, Error> {
        let turn = timeout(EXPORT_WAIT_MAX, Arc::clone(&self.exports).acquire_owned())
            .await
            .map_err(|_| Error::ListsBusy)?
            .map_err(|_| Error::Internal)?;
        let (readers, path) = (self.readers.clone(), self.path.clone());
        // Gone with this future, when the client is.
        let waiting = Arc::new(());
        let wanted = Arc::downgrade(&waiting);
        let spooling = spawn_blocking(move || {
            let connection = readers.connection()?;
            let spooled = spool(&connection, &path, format, |_| wanted.strong_count() > 0);
            let spool = spooled.map_err(to_error)?;
            Ok(Spool {
                _turn: Some(turn),
                ..spool
            })
        });
        let spooled = spooling.await.map_err(|_| Error::Internal)?;
        drop(waiting);
        spooled
    }
}

fn to_error(error: ExportError) -> Error {
    match error {
        ExportError::Store(error) => error,
        ExportError::Abandoned => Error::Internal,
        ExportError::Io(error) => match error.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => Error::NoRoomForExport,
            _ => {
                log::error!(error:% = error; "an export cannot be written");
                Error::StorageUnreadable
            }
        },
    }
}

impl Database {
    /// Writes all contacts to `file`; `watch` is told how many rows are written.
    ///
    /// # Errors
    /// `Store`, `Io`.
    pub fn export(
        &self,
        format: Format,
        file: &mut impl Write,
        mut watch: impl FnMut(u64),
    ) -> Result<(), ExportError> {
        let watch = |rows| {
            watch(rows);
            true
        };
        write_contacts(&self.connection, format, file, watch)
    }

    /// Writes all contacts to a file without a name beside the address book.
    ///
    /// # Errors
    /// `Store`, `Io`.
    pub fn spool(&self, format: Format, mut watch: impl FnMut(u64)) -> Result<Spool, ExportError> {
        let watch = |rows| {
            watch(rows);
            true
        };
        spool(&self.connection, self.path(), format, watch)
    }

    /// How many contacts there are.
    ///
    /// # Errors
    /// `StorageUnreadable`.
    pub fn contact_count(&self) -> Result<u64, Error> {
        self.read(|connection| Counter::Contacts.read(connection))
    }
}

impl Spool {
    /// How many bytes there are.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Reads up to `bytes_max` bytes from `offset` on; may block.
    ///
    /// # Errors
    /// The operating system's.
    pub fn read_at(&self, offset: u64, bytes_max: usize) -> io::Result<Vec<u8>> {
        let left = self.bytes.saturating_sub(offset);
        let bytes = usize::try_from(left).map_or(bytes_max, |left| left.min(bytes_max));
        let mut read = vec![0; bytes];
        self.file.read_exact_at(&mut read, offset)?;
        Ok(read)
    }
}

fn spool(
    connection: &Connection,
    path: &Path,
    format: Format,
    watch: impl FnMut(u64) -> bool,
) -> Result<Spool, ExportError> {
    let mut bounded = Bounded {
        file: files::create_nameless(path)?,
        bytes: 0,
    };
    write_contacts(connection, format, &mut bounded, watch)?;
    Ok(Spool {
        file: bounded.file,
        bytes: bounded.bytes,
        _turn: None,
    })
}

/// A file that takes [`SPOOL_BYTES_MAX`] and no more.
struct Bounded {
    file: File,
    bytes: u64,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes + bytes.len() as u64 > SPOOL_BYTES_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let written = self.file.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Writes the rows of one state: columns and contacts are read in one
/// transaction. `watch` is told how many are written, and ends it by false.
fn write_contacts(
    connection: &Connection,
    format: Format,
    file: &mut impl Write,
    mut watch: impl FnMut(u64) -> bool,
) -> Result<(), ExportError> {
    let transaction =
        rusqlite::Transaction::new_unchecked(connection, TransactionBehavior::Deferred)?;
    let mut writer = Writer::new(format);
    if writer.surveys() {
        let mut statement = transaction.prepare_cached(METAS)?;
        let mut rows = statement.query([])?;
        let mut seen = 0_u64;
        while let Some(row) = rows.next()? {
            writer.survey(text(row, 0)?);
            seen += 1;
            if !writer.surveys() {
                break;
            }
            if seen.is_multiple_of(ROWS_BETWEEN_LOOKS) && !watch(0) {
                return Err(ExportError::Abandoned);
            }
        }
    }
    let mut buffer = Vec::with_capacity(2 * WRITE_BYTES);
    writer.write_header(&mut buffer);
    let mut statement = transaction.prepare_cached(CONTACTS)?;
    let mut rows = statement.query([])?;
    let mut written = 0_u64;
    while let Some(row) = rows.next()? {
        let (alias, msisdn, meta) = (text(row, 0)?, text(row, 1)?, text(row, 2)?);
        writer.write(alias, msisdn, meta, &mut buffer);
        written += 1;
        if buffer.len() >= WRITE_BYTES {
            file.write_all(&buffer)?;
            buffer.clear();
        }
        if written.is_multiple_of(ROWS_BETWEEN_LOOKS) && !watch(written) {
            return Err(ExportError::Abandoned);
        }
    }
    file.write_all(&buffer)?;
    file.flush()?;
    watch(written);
    Ok(())
}

fn text<'r>(row: &'r rusqlite::Row<'_>, column: usize) -> Result<&'r str, rusqlite::Error> {
    Ok(row.get_ref(column)?.as_str()?)
}
