//! The first line of a CSV file: which delimiter it has, and which column is what.

use std::collections::HashSet;

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use serde_json::value::RawValue;
use strsim::osa_distance;
use unicode_normalization::UnicodeNormalization;

use super::{Lines, ROW_BYTES_MAX, byte_order_mark_bytes, cells};
use crate::invalid::Invalid;
use crate::meta::Meta;
use crate::text::trim_unseen;

/// Columns of a file. Its message names it.
pub(super) const COLUMNS_MAX: usize = 1_024;
/// The one with which both columns of every file are columns; in this order.
const DELIMITERS: &[u8] = b",;\t";
/// What stands around the delimiter in a first line that names it, as spreadsheets write it.
const NAMES_DELIMITER: [(&[u8], &[u8]); 2] = [(b"sep=", b""), (b"\"sep=", b"\"")];
/// What is no member, in any case.
const RESERVED: [&str; 3] = ["alias", "msisdn", "meta"];
/// Characters by which a name is held against them: more than the longest has.
const PLAIN_CHARACTERS_MAX: usize = 8;
/// Columns that a message names, and characters of each.
const COLUMNS_SHOWN_MAX: usize = 32;
const COLUMN_SHOWN_CHARACTERS_MAX: usize = 64;

/// What a column holds.
pub(super) enum Column {
    Alias,
    Msisdn,
    Meta,
    /// Nothing, in every row.
    Nameless,
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
    /// Nothing stands in the file.
    Empty,
    /// What is wrong with it, and where it begins.
    Wrong(u64, Invalid),
}

/// Reads the first line from the beginning of a file, which is all of it where
/// it is `at_end`.
pub(super) fn parse(beginning: &[u8], at_end: bool) -> Parsed {
    let text_begin = byte_order_mark_bytes(beginning);
    let mut lines = Lines::new();
    lines.bytes = text_begin as u64;
    let mut from = text_begin + pass_blank(&beginning[text_begin..], DELIMITERS, &mut lines);
    if from == beginning.len() && !at_end && from <= ROW_BYTES_MAX {
        return Parsed::Longer;
    }
    let mut named = None;
    match named_delimiter(&beginning[from..], at_end) {
        Named::Longer if beginning.len() <= ROW_BYTES_MAX => return Parsed::Longer,
        Named::Longer | Named::No => {}
        Named::By(delimiter, bytes) => {
            named = Some([delimiter]);
            let line = &beginning[from..from + bytes];
            lines.pass(line);
            if line.ends_with(b"\r") {
                lines.end_by_return();
            }
            from += bytes;
            from += pass_blank(&beginning[from..], &[delimiter], &mut lines);
        }
    }
    if from == beginning.len() && at_end {
        return Parsed::Empty;
    }
    let mut longer = false;
    let mut missing: Option<Missing> = None;
    for delimiter in named.as_ref().map_or(DELIMITERS, |named| named) {
        match parse_with(*delimiter, beginning, from, lines, at_end) {
            Ok(Ok(header)) => return Parsed::Header(Box::new(header)),
            Ok(Err(found)) => {
                // The most columns are the ones that people see.
                let more = |known: &Missing| found.columns > known.columns;
                if missing.as_ref().is_none_or(more) {
                    missing = Some(found);
                }
            }
            Err(Stop::Longer) => longer = true,
            Err(Stop::Wrong(invalid)) => return Parsed::Wrong(lines.line, invalid),
        }
    }
    match missing {
        Some(missing) if !longer => Parsed::Wrong(lines.line, missing.into_invalid()),
        _ if beginning.len() > ROW_BYTES_MAX => Parsed::Wrong(lines.line, Invalid::RowTooLarge),
        _ => Parsed::Longer,
    }
}

/// Passes lines in which nothing stands, or only empty cells; how many bytes they have.
/// One that does not end in what is there is passed once it does.
fn pass_blank(text: &[u8], delimiters: &[u8], lines: &mut Lines) -> usize {
    let mut passed = 0;
    loop {
        let rest = &text[passed..];
        let is_empty = |byte: &&u8| delimiters.contains(byte) || matches!(byte, b' ' | b'\t');
        let cells = rest.iter().take_while(is_empty).count();
        let Some(end @ (b'\r' | b'\n')) = rest.get(cells) else {
            return passed;
        };
        if cells > 0 {
            lines.pass(&rest[..cells]);
        }
        lines.pass_blank(*end);
        passed += cells + 1;
    }
}

/// Whether the first line names the delimiter.
enum Named {
    No,
    /// What is there may become such a line.
    Longer,
    /// The delimiter, and the bytes of the line without its end's line feed or return.
    By(u8, usize),
}

/// Reads a line such as `sep=;`.
fn named_delimiter(text: &[u8], at_end: bool) -> Named {
    let forms = NAMES_DELIMITER.iter();
    let read = forms.map(|(head, tail)| named_between(text, head, tail, at_end));
    let mut read = read.filter(|named| !matches!(named, Named::No));
    read.next().unwrap_or(Named::No)
}

fn named_between(text: &[u8], head: &[u8], tail: &[u8], at_end: bool) -> Named {
    let begun = text.len().min(head.len());
    if !text[..begun].eq_ignore_ascii_case(&head[..begun]) {
        return Named::No;
    }
    let line = head.len() + 1 + tail.len();
    if text.len() < line {
        return if at_end { Named::No } else { Named::Longer };
    }
    let delimiter = text[head.len()];
    let is_one = delimiter.is_ascii_punctuation() || delimiter == b'\t';
    if !is_one || &text[head.len() + 1..line] != tail {
        return Named::No;
    }
    match &text[line..] {
        [b'\r', b'\n', ..] => Named::By(delimiter, line + 2),
        [] | [b'\r'] if !at_end => Named::Longer,
        [b'\r' | b'\n', ..] => Named::By(delimiter, line + 1),
        [] => Named::By(delimiter, line),
        _ => Named::No,
    }
}

/// Why a delimiter gives no columns at all.
enum Stop {
    /// The line does not end in what is there.
    Longer,
    Wrong(Invalid),
}

impl From<Invalid> for Stop {
    fn from(invalid: Invalid) -> Self {
        Self::Wrong(invalid)
    }
}

/// Columns, of which some are missing.
struct Missing {
    columns: usize,
    names: &'static str,
    found: String,
}

impl Missing {
    fn into_invalid(self) -> Invalid {
        Invalid::ColumnsMissing {
            missing: self.names,
            found: self.found,
        }
    }
}

fn parse_with(
    delimiter: u8,
    beginning: &[u8],
    from: usize,
    mut lines: Lines,
    at_end: bool,
) -> Result<Result<Header, Missing>, Stop> {
    let mut parser = ReaderBuilder::new().delimiter(delimiter).build();
    let mut cells = vec![0; ROW_BYTES_MAX + 1];
    let mut ends = vec![0; COLUMNS_MAX];
    let line = &beginning[from..];
    let (mut result, mut read, mut wrote, mut ended) =
        parser.read_record(line, &mut cells, &mut ends);
    if result == ReadRecordResult::InputEmpty && at_end {
        let (last, _, more, more_ended) =
            parser.read_record(b"\n", &mut cells[wrote..], &mut ends[ended..]);
        (result, read) = (last, line.len());
        wrote += more;
        ended += more_ended;
        if result == ReadRecordResult::InputEmpty {
            return Err(Invalid::QuoteOpen.into());
        }
    }
    match result {
        ReadRecordResult::Record => {}
        ReadRecordResult::InputEmpty | ReadRecordResult::End => return Err(Stop::Longer),
        ReadRecordResult::OutputFull => return Err(Invalid::RowTooLarge.into()),
        ReadRecordResult::OutputEndsFull => return Err(Invalid::ColumnsTooMany.into()),
    }
    lines.pass(&line[..read]);
    if line[..read].ends_with(b"\r") {
        lines.end_by_return();
    }
    let text = std::str::from_utf8(&cells[..wrote]).map_err(|_| Invalid::FileNotText)?;
    let names = names(text, &ends[..ended])?;
    if let Some(missing) = missing(&names) {
        return Ok(Err(missing));
    }
    Ok(Ok(Header {
        columns: columns(&names)?,
        parser,
        lines,
        bytes: from + read,
    }))
}

/// The names of the columns, without what cannot be seen around them.
fn names<'t>(text: &'t str, ends: &[usize]) -> Result<Vec<&'t str>, Invalid> {
    let mut names = Vec::with_capacity(ends.len());
    let mut begin = 0;
    for end in ends {
        let cell = text.get(begin..*end).ok_or(Invalid::FileNotText)?;
        names.push(trim_unseen(cells::meant(trim_unseen(cell))));
        begin = *end;
    }
    Ok(names)
}

/// Which of the columns that every file has are not among these.
fn missing(names: &[&str]) -> Option<Missing> {
    let has = |wanted: &str| names.iter().any(|name| name.eq_ignore_ascii_case(wanted));
    let missing = match (has("alias"), has("msisdn")) {
        (true, true) => return None,
        (false, true) => "alias",
        (true, false) => "msisdn",
        (false, false) => "alias, msisdn",
    };
    let found = names.iter().take(COLUMNS_SHOWN_MAX);
    let mut found: Vec<String> = found.map(|name| shown(name)).collect();
    if names.len() > COLUMNS_SHOWN_MAX {
        found.push("…".to_owned());
    }
    Some(Missing {
        columns: names.len(),
        names: missing,
        found: found.join(", "),
    })
}

fn shown(name: &str) -> String {
    name.chars().take(COLUMN_SHOWN_CHARACTERS_MAX).collect()
}

fn columns(names: &[&str]) -> Result<Vec<Column>, Invalid> {
    let mut columns = Vec::with_capacity(names.len());
    let mut known = HashSet::with_capacity(names.len());
    for (name, number) in names.iter().zip(1..) {
        let reserved = near(name);
        if let Some(reserved) = reserved
            && !name.eq_ignore_ascii_case(reserved)
        {
            return Err(Invalid::ColumnNearly(number, reserved));
        }
        if !name.is_empty() && !known.insert(reserved.unwrap_or(name)) {
            return Err(Invalid::ColumnTwice(shown(name)));
        }
        columns.push(match reserved {
            Some("alias") => Column::Alias,
            Some("msisdn") => Column::Msisdn,
            Some(_) => Column::Meta,
            None if name.is_empty() => Column::Nameless,
            None => Column::Member(member(name, number)?),
        });
    }
    Ok(columns)
}

/// Whether a column of this name is read as a member of just this name.
pub(super) fn is_member(name: &str) -> bool {
    trim_unseen(name) == name && near(name).is_none()
}

/// The reserved name that this one is, or is meant to be: the same by its letters and
/// digits in their plain forms, or with one letter amiss. `meta` is too short for that,
/// but for its plural.
fn near(name: &str) -> Option<&'static str> {
    let lower = name.nfkd().flat_map(char::to_lowercase).nfkd();
    let plain = lower.filter(|one| one.is_alphanumeric());
    let plain: String = plain.take(PLAIN_CHARACTERS_MAX).collect();
    RESERVED.into_iter().find(|reserved| match *reserved {
        "meta" => plain == "meta" || plain == "metas",
        reserved => osa_distance(reserved, &plain) <= 1,
    })
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
