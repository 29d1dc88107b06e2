//! Address books as files: rows read from a stream of bytes in flat memory, and
//! contacts written as rows. Knows no HTTP, no SQL, no clock and no environment.

mod cells;
mod columns;
mod csv;
mod decoded;
mod file;
mod ndjson;
mod tally;
mod write;

use std::io::{self, BufRead};

use decoded::Decoded;
pub use decoded::Encoding;
pub use file::{ContactsFile, ExportError, Spool, SpoolWriter};
pub(crate) use tally::{ERRORS_MAX, ERRORS_OF_KIND_MAX, KINDS_MAX};
pub use tally::{RowError, Summary, Tally};
use write::Writer;

use crate::bulk::BulkMode;
use crate::contact::NewContact;
use crate::invalid::Invalid;

/// Bytes of one row: of CSV the cells without their quotes, of NDJSON the line.
/// Its message names it.
pub const ROW_BYTES_MAX: usize = 64 * 1024;
/// Rows of one transaction: single writes are served between two of them.
pub const BATCH_ROWS_MAX: usize = 500;
/// Bytes of a file after which a batch takes no more rows.
const BATCH_BYTES_MAX: u64 = 1024 * 1024;

/// How a file holds contacts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A line of column names, then a row for each contact (RFC 4180).
    Csv,
    /// A JSON object for each contact, a line for each object.
    Ndjson,
}

/// How a file is read.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// How it holds contacts.
    pub format: Format,
    /// In which encoding its text is.
    pub encoding: Encoding,
    /// What its rows are for: a meta that is merged may be a patch.
    pub mode: BulkMode,
    /// Whether the bytes of each row are wanted.
    pub keeps_raw: bool,
}

/// One row of a file.
#[derive(Clone, Debug)]
pub struct Row {
    /// Where it begins, counted from 1 as an editor counts.
    pub line: u64,
    /// The contact, or what is wrong with the row.
    pub contact: Result<NewContact, Invalid>,
    /// The bytes as they came, as UTF-8, where they are wanted and the row is not too large.
    pub raw: Vec<u8>,
}

/// Why no more rows can be read.
#[derive(Debug)]
pub enum Unreadable {
    /// The stream failed.
    Io(io::Error),
    /// What is wrong at this line is wrong with the whole file.
    File(u64, Invalid),
    /// The file has no rows, or only empty ones.
    Empty,
}

impl Unreadable {
    /// What is wrong with the file, where it could be read.
    ///
    /// # Errors
    /// The stream's.
    pub fn into_invalid(self) -> Result<Invalid, io::Error> {
        match self {
            Self::Io(error) => Err(error),
            Self::File(line, invalid) => Ok(Invalid::FileLine(line, Box::new(invalid))),
            Self::Empty => Ok(Invalid::FileNoRows),
        }
    }
}

impl From<io::Error> for Unreadable {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// The rows of a file, one after the other.
pub struct Rows<R> {
    reader: Reader<R>,
    any: bool,
}

enum Reader<R> {
    Csv(Box<csv::CsvRows<Decoded<R>>>),
    Ndjson(ndjson::NdjsonRows<Decoded<R>>),
}

impl<R: BufRead> Rows<R> {
    /// Begins to read `input`, of CSV the first line.
    ///
    /// # Errors
    /// `File` for a file that is no text or whose columns are wrong; `Empty`.
    pub fn open(input: R, reading: Reading) -> Result<Self, Unreadable> {
        let input = Decoded::open(input, reading.encoding)?;
        let reader = match reading.format {
            Format::Csv => Reader::Csv(Box::new(csv::CsvRows::open(input, reading)?)),
            Format::Ndjson => Reader::Ndjson(ndjson::NdjsonRows::open(input, reading)),
        };
        Ok(Self { reader, any: false })
    }

    /// What stands in front of the rows: of CSV the first line, of NDJSON nothing; a byte
    /// order mark where the file came in another encoding than UTF-8.
    pub fn header(&self) -> &[u8] {
        match &self.reader {
            Reader::Csv(rows) => rows.header(),
            Reader::Ndjson(rows) => rows.mark(),
        }
    }

    /// Bytes that were read so far, as UTF-8.
    pub fn bytes(&self) -> u64 {
        match &self.reader {
            Reader::Csv(rows) => rows.bytes(),
            Reader::Ndjson(rows) => rows.bytes(),
        }
    }

    /// The next rows, as many as one transaction takes; none at the end.
    ///
    /// # Errors
    /// Those of the stream; `Empty` at an end before the first.
    pub fn batch(&mut self) -> Result<Vec<Row>, Unreadable> {
        let begun = self.bytes();
        let mut rows = Vec::with_capacity(BATCH_ROWS_MAX);
        while rows.len() < BATCH_ROWS_MAX && self.bytes() - begun < BATCH_BYTES_MAX {
            let next = match &mut self.reader {
                Reader::Csv(reader) => reader.next()?,
                Reader::Ndjson(reader) => reader.next()?,
            };
            let Some(row) = next else { break };
            rows.push(row);
        }
        if rows.is_empty() && !self.any {
            return Err(Unreadable::Empty);
        }
        self.any = true;
        Ok(rows)
    }
}

/// Where in a file a reader is, counted from 1 as an editor counts: every line
/// feed ends a line, and so does a carriage return that ends a row by itself.
#[derive(Clone, Copy, Debug)]
struct Lines {
    line: u64,
    /// A line feed would be the second half of a line's end.
    after_return: bool,
    bytes: u64,
}

impl Lines {
    fn new() -> Self {
        Self {
            line: 1,
            after_return: false,
            bytes: 0,
        }
    }

    /// Counts the bytes of a row, or of a part of one.
    fn pass(&mut self, bytes: &[u8]) {
        let feeds = bytes.iter().filter(|byte| **byte == b'\n').count();
        self.line += feeds as u64;
        self.bytes += bytes.len() as u64;
        self.after_return = false;
    }

    /// Counts the carriage return that was passed last as the end of its line.
    fn end_by_return(&mut self) {
        self.line += 1;
        self.after_return = true;
    }

    /// Counts what stands between rows.
    fn pass_blank(&mut self, byte: u8) {
        self.bytes += 1;
        match byte {
            b'\n' if self.after_return => self.after_return = false,
            b'\n' => self.line += 1,
            b'\r' => self.end_by_return(),
            _ => {}
        }
    }
}

/// The byte order mark that some programs put in front of UTF-8.
const BYTE_ORDER_MARK_UTF8: &[u8] = b"\xef\xbb\xbf";

/// How many bytes of a file's first ones are a byte order mark.
fn byte_order_mark_bytes(first: &[u8]) -> usize {
    if first.starts_with(BYTE_ORDER_MARK_UTF8) {
        BYTE_ORDER_MARK_UTF8.len()
    } else {
        0
    }
}

#[cfg(test)]
mod tests;
