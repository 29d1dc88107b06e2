//! A file of contacts that is being written: an engine hands it all contacts of
//! one state, row by row, and knows nothing of formats.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;

use super::{BYTE_ORDER_MARK_UTF8, Format, Writer};
use crate::error::Error;

/// Bytes of one spooled file: 8 GiB.
const SPOOL_BYTES_MAX: u64 = 8 * 1024 * 1024 * 1024;
/// Bytes that are written at once.
const WRITE_BYTES: usize = 64 * 1024;
/// Rows between two looks at whether the file is still wanted.
const ROWS_BETWEEN_LOOKS: u64 = 4096;

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

impl From<Error> for ExportError {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl From<io::Error> for ExportError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Takes the metas of all contacts first, as long as [`wants_metas`] says so, then
/// all contacts, then the end.
///
/// [`wants_metas`]: ContactsFile::wants_metas
pub struct ContactsFile<W, F> {
    writer: Writer,
    out: W,
    /// Is told how many rows are written; ends the export by false.
    watch: F,
    buffer: Vec<u8>,
    metas: u64,
    rows: u64,
}

impl<W: Write, F: FnMut(u64) -> bool> ContactsFile<W, F> {
    /// Begins a file in `out`; `watch` is told now and then how many rows are
    /// written, and ends the export by false.
    pub fn new(format: Format, out: W, watch: F) -> Self {
        Self {
            writer: Writer::new(format),
            out,
            watch,
            buffer: Vec::with_capacity(2 * WRITE_BYTES),
            metas: 0,
            rows: 0,
        }
    }

    /// Puts a byte order mark in front, where it is wanted: by it, spreadsheets know that
    /// the file is UTF-8.
    pub fn with_mark(mut self, wanted: bool) -> Self {
        if wanted {
            self.buffer.extend_from_slice(BYTE_ORDER_MARK_UTF8);
        }
        self
    }

    /// Whether another meta may change how the rows are written.
    pub fn wants_metas(&self) -> bool {
        self.writer.surveys()
    }

    /// Takes the stored meta of the next contact.
    ///
    /// # Errors
    /// `Abandoned`.
    pub fn survey(&mut self, meta: &str) -> Result<(), ExportError> {
        self.writer.survey(meta);
        self.metas += 1;
        self.look(self.metas, 0)
    }

    /// Takes the next contact, its fields as they are stored.
    ///
    /// # Errors
    /// `Io`, `Abandoned`.
    pub fn write(&mut self, alias: &str, msisdn: &str, meta: &str) -> Result<(), ExportError> {
        self.begin();
        self.writer.write(alias, msisdn, meta, &mut self.buffer);
        self.rows += 1;
        if self.buffer.len() >= WRITE_BYTES {
            self.out.write_all(&self.buffer)?;
            self.buffer.clear();
        }
        self.look(self.rows, self.rows)
    }

    /// Ends the file and gives back what it is written to.
    ///
    /// # Errors
    /// `Io`.
    pub fn finish(mut self) -> Result<W, ExportError> {
        self.begin();
        self.out.write_all(&self.buffer)?;
        self.out.flush()?;
        (self.watch)(self.rows);
        Ok(self.out)
    }

    /// The header waits for the last of the metas.
    fn begin(&mut self) {
        if self.rows == 0 {
            self.writer.write_header(&mut self.buffer);
        }
    }

    fn look(&mut self, taken: u64, rows: u64) -> Result<(), ExportError> {
        if taken.is_multiple_of(ROWS_BETWEEN_LOOKS) && !(self.watch)(rows) {
            return Err(ExportError::Abandoned);
        }
        Ok(())
    }
}

/// A file that takes 8 GiB and no more.
pub struct SpoolWriter {
    file: File,
    bytes: u64,
}

impl SpoolWriter {
    /// Writes to `file`, which is empty.
    pub fn new(file: File) -> Self {
        Self { file, bytes: 0 }
    }

    /// Ends the writing.
    pub fn finish(self) -> Spool {
        let Self { file, bytes } = self;
        Spool { file, bytes }
    }
}

impl Write for SpoolWriter {
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

/// An export that is written whole, to be read piece by piece.
pub struct Spool {
    file: File,
    bytes: u64,
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
