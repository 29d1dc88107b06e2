//! Rows of NDJSON: an object a line, as the items of a bulk request.

use std::io::{self, BufRead};

use serde_json::value::RawValue;

use super::decoded::Decoded;
use super::{Lines, ROW_BYTES_MAX, Reading, Row, byte_order_mark_bytes};
use crate::bulk::BulkMode;
use crate::contact::NewContact;
use crate::fields::{CONTACT_FIELDS, fields_of, parse_contact};
use crate::invalid::Invalid;

pub(super) struct NdjsonRows<R> {
    input: R,
    line: Vec<u8>,
    lines: Lines,
    reading: Reading,
}

impl<R: BufRead> NdjsonRows<Decoded<R>> {
    pub(super) fn mark(&self) -> &'static [u8] {
        self.input.mark()
    }
}

impl<R: BufRead> NdjsonRows<R> {
    pub(super) fn open(input: R, reading: Reading) -> Self {
        Self {
            input,
            line: Vec::new(),
            lines: Lines::new(),
            reading,
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.lines.bytes
    }

    pub(super) fn next(&mut self) -> io::Result<Option<Row>> {
        loop {
            let first = self.lines.bytes == 0;
            let line = self.lines.line;
            let Some(whole) = self.read_line()? else {
                return Ok(None);
            };
            let text_begin = if first {
                byte_order_mark_bytes(&self.line)
            } else {
                0
            };
            let text = &self.line[text_begin..];
            if whole && text.trim_ascii().is_empty() {
                continue;
            }
            let contact = if whole {
                parse(text, self.reading.mode)
            } else {
                Err(Invalid::RowTooLarge)
            };
            let raw = if whole && self.reading.keeps_raw {
                text.to_vec()
            } else {
                Vec::new()
            };
            return Ok(Some(Row { line, contact, raw }));
        }
    }

    /// Reads up to a line feed: whether the line is whole, or none at the end.
    fn read_line(&mut self) -> io::Result<Option<bool>> {
        self.line.clear();
        let (mut whole, mut any) = (true, false);
        loop {
            let input = match self.input.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            if input.is_empty() {
                return Ok(any.then_some(whole));
            }
            any = true;
            let feed = input.iter().position(|byte| *byte == b'\n');
            let piece = &input[..feed.map_or(input.len(), |at| at + 1)];
            self.lines.pass(piece);
            whole = whole && self.line.len() + piece.len() <= ROW_BYTES_MAX + "\r\n".len();
            if whole {
                self.line.extend_from_slice(piece);
            }
            let read = piece.len();
            self.input.consume(read);
            if feed.is_some() {
                return Ok(Some(whole));
            }
        }
    }
}

fn parse(line: &[u8], mode: BulkMode) -> Result<NewContact, Invalid> {
    let text = std::str::from_utf8(line).map_err(|_| Invalid::RowNotText)?;
    let value: &RawValue = serde_json::from_str(text).map_err(|_| Invalid::RowNotJson)?;
    if !value.get().starts_with('{') {
        return Err(Invalid::ContactNotObject);
    }
    parse_contact(fields_of(value, CONTACT_FIELDS)?, mode)
}
