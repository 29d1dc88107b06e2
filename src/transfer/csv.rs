//! Rows of CSV. The parser writes cells into a buffer of a fixed size: what does
//! not fit is an error of its row, however long the row goes on.

use std::io::{self, BufRead, Chain, Cursor};

use csv_core::{ReadRecordResult, Reader};
use serde_json::value::RawValue;

use super::columns::{self, Column, Header, Parsed};
use super::{Lines, ROW_BYTES_MAX, Reading, Row, Unreadable, cells};
use crate::bulk::BulkMode;
use crate::contact::{Alias, Msisdn, NewContact};
use crate::invalid::Invalid;
use crate::meta::Meta;
use crate::text::trim_unseen;

/// Bytes of a row as it came, each of its quotes twice.
const RAW_BYTES_MAX: usize = 3 * ROW_BYTES_MAX;

pub(super) struct CsvRows<R> {
    input: Chain<Cursor<Vec<u8>>, R>,
    header: Vec<u8>,
    columns: Vec<Column>,
    parser: Reader,
    lines: Lines,
    cells: Vec<u8>,
    /// One more than there are columns: it tells a row that has too many.
    ends: Vec<usize>,
    /// The row as it came, where that is wanted and as long as it fits.
    raw: Option<Vec<u8>>,
    reading: Reading,
    /// The JSON of a row's meta, before it is looked at.
    meta: String,
}

/// One row, read to its end.
enum Cells {
    /// As many cells as there are columns, of so many bytes together.
    Whole {
        bytes: usize,
        count: usize,
    },
    /// Nothing can be seen in any of them.
    AllBlank,
    Wrong(Invalid),
}

impl<R: BufRead> CsvRows<R> {
    pub(super) fn open(mut input: R, reading: Reading) -> Result<Self, Unreadable> {
        let mut beginning = Vec::new();
        // Parsed again only once it is twice as long: quoted lines in tiny pieces
        // would have it parsed for each of them.
        let mut parsed_bytes = 0;
        let header = loop {
            let more = fill(&mut input)?;
            let at_end = more.is_empty();
            beginning.extend_from_slice(more);
            let read = more.len();
            let may_end = at_end || more.iter().any(|byte| matches!(byte, b'\r' | b'\n'));
            input.consume(read);
            let is_worth_it = at_end || (may_end && beginning.len() >= 2 * parsed_bytes);
            if !is_worth_it && beginning.len() <= ROW_BYTES_MAX {
                continue;
            }
            parsed_bytes = beginning.len();
            match columns::parse(&beginning, at_end) {
                Parsed::Header(header) => break header,
                Parsed::Wrong(line, invalid) => return Err(Unreadable::File(line, invalid)),
                Parsed::Empty => return Err(Unreadable::Empty),
                Parsed::Longer => {}
            }
        };
        let Header {
            columns,
            parser,
            lines,
            bytes,
        } = *header;
        let rest = beginning.split_off(bytes);
        Ok(Self {
            input: io::Read::chain(Cursor::new(rest), input),
            header: beginning,
            ends: vec![0; columns.len() + 1],
            columns,
            parser,
            lines,
            // One more than fits: a full buffer tells a row that is too large.
            cells: vec![0; ROW_BYTES_MAX + 1],
            raw: None,
            reading,
            meta: String::new(),
        })
    }

    pub(super) fn header(&self) -> &[u8] {
        &self.header
    }

    pub(super) fn bytes(&self) -> u64 {
        self.lines.bytes
    }

    pub(super) fn next(&mut self) -> io::Result<Option<Row>> {
        while self.pass_blank_lines()? {
            let line = self.lines.line;
            self.raw = self.reading.keeps_raw.then(Vec::new);
            let contact = match self.read_cells()? {
                Cells::AllBlank => continue,
                Cells::Whole { bytes, count } => self.contact(bytes, count),
                Cells::Wrong(invalid) => Err(invalid),
            };
            let raw = self.raw.take().unwrap_or_default();
            return Ok(Some(Row { line, contact, raw }));
        }
        Ok(None)
    }

    /// Whether something follows.
    fn pass_blank_lines(&mut self) -> io::Result<bool> {
        loop {
            let input = fill(&mut self.input)?;
            let Some(first) = input.first() else {
                return Ok(false);
            };
            if !matches!(first, b'\r' | b'\n') {
                return Ok(true);
            }
            self.lines.pass_blank(*first);
            self.input.consume(1);
        }
    }

    /// Reads one row to its end.
    fn read_cells(&mut self) -> io::Result<Cells> {
        let (mut bytes, mut count, mut fault) = (0, 0, None);
        let mut more_cells = 0;
        loop {
            let input = fill(&mut self.input)?;
            let at_end = input.is_empty();
            // The end of the file ends a row, too, unless a quote is open.
            let piece: &[u8] = if at_end { b"\n" } else { input };
            let (result, read, wrote, ended) =
                self.parser
                    .read_record(piece, &mut self.cells[bytes..], &mut self.ends[count..]);
            let ends_by_return = piece[..read].ends_with(b"\r");
            if !at_end {
                self.lines.pass(&piece[..read]);
                keep_raw(&mut self.raw, &piece[..read]);
                self.input.consume(read);
            }
            bytes += wrote;
            count += ended;
            match result {
                ReadRecordResult::Record => {
                    if ends_by_return {
                        self.lines.end_by_return();
                    }
                    break;
                }
                ReadRecordResult::InputEmpty if at_end => {
                    fault = Some(fault.unwrap_or(Invalid::QuoteOpen));
                    break;
                }
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::End => break,
                // The rest of the row is read over what there was of it.
                ReadRecordResult::OutputFull => {
                    fault = Some(Invalid::RowTooLarge);
                    bytes = 0;
                }
                ReadRecordResult::OutputEndsFull => {
                    more_cells += count;
                    count = 0;
                }
            }
        }
        let cells = more_cells + count;
        let columns = self.columns.len();
        Ok(match fault {
            Some(invalid) => Cells::Wrong(invalid),
            None if self.are_blank(bytes) => Cells::AllBlank,
            None if cells != columns => Cells::Wrong(Invalid::RowRagged { columns, cells }),
            None => Cells::Whole { bytes, count },
        })
    }

    /// Whether nothing can be seen in the cells of a row.
    fn are_blank(&self, bytes: usize) -> bool {
        std::str::from_utf8(&self.cells[..bytes]).is_ok_and(|text| trim_unseen(text).is_empty())
    }

    fn contact(&mut self, bytes: usize, count: usize) -> Result<NewContact, Invalid> {
        let text = std::str::from_utf8(&self.cells[..bytes]).map_err(|_| Invalid::RowNotText)?;
        let (mut alias, mut msisdn, mut meta) = ("", "", "");
        self.meta.clear();
        let mut begin = 0;
        for ((column, end), number) in self.columns.iter().zip(&self.ends[..count]).zip(1..) {
            let cell = text.get(begin..*end).ok_or(Invalid::RowNotText)?;
            begin = *end;
            let cell = cells::meant(cell);
            match column {
                Column::Alias => alias = cell,
                Column::Msisdn => msisdn = cells::number(cell),
                Column::Meta => meta = cell,
                Column::Member(_) if cell.is_empty() => {}
                Column::Nameless if trim_unseen(cell).is_empty() => {}
                Column::Nameless => return Err(Invalid::ColumnNameless(number)),
                Column::Member(name) => {
                    self.meta.push(if self.meta.is_empty() { '{' } else { ',' });
                    self.meta.push_str(name);
                    let quoted = serde_json::to_string(cell).expect("a string is always JSON");
                    self.meta.push_str(&quoted);
                }
            }
        }
        let mode = self.reading.mode;
        let alias = Alias::parse(alias)?;
        mode.check_new(|| alias.check_new())?;
        let msisdn = Msisdn::parse(msisdn)?;
        mode.check_new(|| msisdn.check_new())?;
        Ok(NewContact {
            alias,
            msisdn,
            meta: parse_meta(meta, &mut self.meta, mode)?,
        })
    }
}

/// The meta of a row: its members so far, `{` and no `}`, and behind them those
/// of its meta cell.
fn parse_meta(cell: &str, members: &mut String, mode: BulkMode) -> Result<Meta, Invalid> {
    let cell = cell.trim();
    if !cell.is_empty() {
        let object: &RawValue = serde_json::from_str(cell).map_err(|_| Invalid::MetaNotJson)?;
        let inside = object
            .get()
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'));
        let inside = inside.ok_or(Invalid::MetaNotObject)?;
        if members.is_empty() {
            return mode.parse_meta(object);
        }
        if !inside.trim().is_empty() {
            members.push(',');
            members.push_str(inside);
        }
    }
    if members.is_empty() {
        return Ok(Meta::empty());
    }
    members.push('}');
    let object: &RawValue = serde_json::from_str(members).map_err(|_| Invalid::MetaNotJson)?;
    mode.parse_meta(object)
}

/// Nothing is kept of a row of which not all can be.
fn keep_raw(raw: &mut Option<Vec<u8>>, piece: &[u8]) {
    if let Some(kept) = raw {
        if kept.len() + piece.len() <= RAW_BYTES_MAX {
            kept.extend_from_slice(piece);
        } else {
            *raw = None;
        }
    }
}

/// The bytes that are there, more read where there are none; none at the end.
fn fill<R: BufRead>(input: &mut R) -> io::Result<&[u8]> {
    loop {
        match input.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
            Ok(_) => break,
        }
    }
    input.fill_buf()
}
