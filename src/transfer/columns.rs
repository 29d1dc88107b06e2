//! The first line of a CSV file: which delimiter it has, and which column is what.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use serde_json::value::RawValue;

use super::{Lines, ROW_BYTES_MAX, byte_order_mark_bytes, cells};
use crate::invalid::Invalid;
use crate::meta::Meta;

/// Columns of a file. Its message names it.
pub(super) const COLUMNS_MAX: usize = 1_024;
/// The one with which both columns of every file are columns; in this order.
const DELIMITERS: [u8; 2] = *b",;";

/// What a column holds.
pub(super) enum Column {
    Alias,
    Msisdn,
    Meta,
    /// A string member of meta: its name as JSON, with the colon.
    Member(String),
}

/// The first line of a file, read.
pub(super) struct Header {
    pub(super) columns: Vec<Column>,
    /// Whose state stands behind the first line.
    pub(super) parser: Reader,
    pub(super) lines: Lines,
    /// Bytes of the file up to the end of the line.
    pub(super) bytes: usize,
}

/// What the beginning of a file says of its first line.
pub(super) enum Parsed {
    Header(Box<Header>),
    /// It does not end here.
    Longer,
    /// What is wrong with it, and where it begins.
    Wrong(u64, Invalid),
}

/// Reads the first line from the beginning of a file, which is all of it where
/// it is `at_end`.
pub(super) fn parse(beginning: &[u8], at_end: bool) -> Parsed {
    let text_begin = match byte_order_mark_bytes(beginning) {
        Ok(bytes) => bytes,
        Err(invalid) => return Parsed::Wrong(1, invalid),
    };
    let mut lines = Lines::new();
    lines.bytes = text_begin as u64;
    let text = &beginning[text_begin..];
    let blank = text.iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
    let mut from = text_begin;
    for byte in blank {
        lines.pass_blank(*byte);
        from += 1;
    }
    if from == beginning.len() && !at_end && from <= ROW_BYTES_MAX {
        return Parsed::Longer;
    }
    let mut longer = false;
    let mut wrong = None;
    for delimiter in DELIMITERS {
        match parse_with(delimiter, beginning, from, lines, at_end) {
            Ok(Some(header)) => return Parsed::Header(Box::new(header)),
            Ok(None) => longer = true,
            // The first delimiter's is the one to tell, unless the other one's
            // is about columns that it found.
            Err(Invalid::ColumnsMissing) => {
                wrong.get_or_insert(Invalid::ColumnsMissing);
            }
            Err(invalid) => return Parsed::Wrong(lines.line, invalid),
        }
    }
    match wrong {
        Some(invalid) if !longer => Parsed::Wrong(lines.line, invalid),
        _ if beginning.len() > ROW_BYTES_MAX => Parsed::Wrong(lines.line, Invalid::RowTooLarge),
        _ => Parsed::Longer,
    }
}

/// Nothing where the line does not end in what is there.
fn parse_with(
    delimiter: u8,
    beginning: &[u8],
    from: usize,
    mut lines: Lines,
    at_end: bool,
) -> Result<Option<Header>, Invalid> {
    let mut parser = ReaderBuilder::new().delimiter(delimiter).build();
    let mut cells = vec![0; ROW_BYTES_MAX + 1];
    let mut ends = vec![0; COLUMNS_MAX];
    let line = &beginning[from..];
    if line.is_empty() && at_end {
        return Err(Invalid::ColumnsMissing);
    }
    let (mut result, mut read, mut wrote, mut ended) =
        parser.read_record(line, &mut cells, &mut ends);
    if result == ReadRecordResult::InputEmpty && at_end && !line.is_empty() {
        let (last, _, more, more_ended) =
            parser.read_record(b"\n", &mut cells[wrote..], &mut ends[ended..]);
        (result, read) = (last, line.len());
        wrote += more;
        ended += more_ended;
        if result == ReadRecordResult::InputEmpty {
            return Err(Invalid::QuoteOpen);
        }
    }
    match result {
        ReadRecordResult::Record => {}
        ReadRecordResult::InputEmpty | ReadRecordResult::End => return Ok(None),
        ReadRecordResult::OutputFull => return Err(Invalid::RowTooLarge),
        ReadRecordResult::OutputEndsFull => return Err(Invalid::ColumnsTooMany),
    }
    lines.pass(&line[..read]);
    if line[..read].ends_with(b"\r") {
        lines.end_by_return();
    }
    let text = std::str::from_utf8(&cells[..wrote]).map_err(|_| Invalid::FileNotText)?;
    Ok(Some(Header {
        columns: columns(text, &ends[..ended])?,
        parser,
        lines,
        bytes: from + read,
    }))
}

fn columns(text: &str, ends: &[usize]) -> Result<Vec<Column>, Invalid> {
    let mut names = Vec::with_capacity(ends.len());
    let mut begin = 0;
    for end in ends {
        let cell = text.get(begin..*end).ok_or(Invalid::FileNotText)?;
        names.push(cells::meant(cell));
        begin = *end;
    }
    if !["alias", "msisdn"].iter().all(|name| names.contains(name)) {
        return Err(Invalid::ColumnsMissing);
    }
    let mut columns = Vec::with_capacity(names.len());
    for (position, name) in names.iter().enumerate() {
        if names[..position].contains(name) {
            return Err(Invalid::ColumnTwice((*name).to_owned()));
        }
        columns.push(match *name {
            "alias" => Column::Alias,
            "msisdn" => Column::Msisdn,
            "meta" => Column::Meta,
            "" => return Err(Invalid::ColumnNameless(position + 1)),
            _ => Column::Member(member(name, position + 1)?),
        });
    }
    Ok(columns)
}

/// A member's name as JSON with its colon, held against the rules for names.
fn member(name: &str, number: usize) -> Result<String, Invalid> {
    let mut written = serde_json::to_string(name).expect("a string is always JSON");
    written.push(':');
    let probe =
        RawValue::from_string(format!("{{{written}0}}")).expect("an object of one number is JSON");
    match Meta::parse(&probe) {
        Ok(_) => Ok(written),
        Err(invalid) => Err(Invalid::ColumnName(number, Box::new(invalid))),
    }
}
