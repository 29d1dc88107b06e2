//! Contacts written as rows. Of CSV the columns are chosen by what the metas
//! hold, so each of them is shown twice: first to [`Writer::survey`], then to
//! [`Writer::write`].

use std::collections::HashMap;

use super::{Format, cells, columns};
use crate::meta::Meta;

/// Columns for members of metas; what is beyond them stands in the meta column.
const MEMBER_COLUMNS_MAX: usize = 200;
/// The columns of every file; members of these names, or nearly, have none of their own.
const COLUMNS: [&str; 3] = ["alias", "msisdn", "meta"];

/// Writes contacts in one format.
pub(super) struct Writer {
    format: Format,
    /// The names of members that have a column, as JSON, by the column's place.
    names: Vec<String>,
    places: HashMap<String, usize>,
    /// The values of the row that is being written, as JSON: where they stand in
    /// its meta, by the column's place.
    values: Vec<(usize, usize)>,
    rest: Vec<u8>,
}

impl Writer {
    /// A writer that has seen no contact.
    pub(super) fn new(format: Format) -> Self {
        Self {
            format,
            names: Vec::new(),
            places: HashMap::new(),
            values: Vec::new(),
            rest: Vec::new(),
        }
    }

    /// Whether another meta may bring another column.
    pub(super) fn surveys(&self) -> bool {
        self.format == Format::Csv && self.names.len() < MEMBER_COLUMNS_MAX
    }

    /// Takes note of the members of a stored meta that are to have a column:
    /// those that hold a string which is not empty.
    pub(super) fn survey(&mut self, meta: &str) {
        let mut likely = 0;
        for (name, value) in Meta::stored_members(meta) {
            if !has_column(value) || self.place(name, &mut likely).is_some() {
                continue;
            }
            let decoded: String = serde_json::from_str(name).unwrap_or_default();
            if self.surveys() && columns::is_member(&decoded) {
                self.places.insert(name.to_owned(), self.names.len());
                self.names.push(name.to_owned());
                self.values.push((0, 0));
            }
        }
    }

    /// Writes what stands before all rows.
    pub(super) fn write_header(&self, file: &mut Vec<u8>) {
        if self.format == Format::Ndjson {
            return;
        }
        file.extend_from_slice(COLUMNS.join(",").as_bytes());
        for name in &self.names {
            file.push(b',');
            write_cell(name, file);
        }
        file.extend_from_slice(b"\r\n");
    }

    /// Writes one contact as it is stored.
    pub(super) fn write(&mut self, alias: &str, msisdn: &str, meta: &str, file: &mut Vec<u8>) {
        match self.format {
            Format::Csv => self.write_csv(alias, msisdn, meta, file),
            Format::Ndjson => {
                file.extend_from_slice(b"{\"alias\":");
                serde_json::to_writer(&mut *file, alias).expect("a Vec takes everything");
                file.extend_from_slice(b",\"msisdn\":\"");
                file.extend_from_slice(msisdn.as_bytes());
                file.extend_from_slice(b"\",\"meta\":");
                file.extend_from_slice(meta.as_bytes());
                file.extend_from_slice(b"}\n");
            }
        }
    }

    fn write_csv(&mut self, alias: &str, msisdn: &str, meta: &str, file: &mut Vec<u8>) {
        self.values.fill((0, 0));
        self.rest.clear();
        let mut likely = 0;
        for (name, value) in Meta::stored_members(meta) {
            match self.place(name, &mut likely) {
                Some(place) if has_column(value) => {
                    let begin = value.as_ptr().addr() - meta.as_ptr().addr();
                    self.values[place] = (begin, begin + value.len());
                }
                _ => {
                    self.rest
                        .push(if self.rest.is_empty() { b'{' } else { b',' });
                    self.rest.extend_from_slice(name.as_bytes());
                    self.rest.push(b':');
                    self.rest.extend_from_slice(value.as_bytes());
                }
            }
        }
        cells::write(alias, file);
        file.push(b',');
        file.extend_from_slice(msisdn.as_bytes());
        file.push(b',');
        if !self.rest.is_empty() {
            self.rest.push(b'}');
            let rest = std::str::from_utf8(&self.rest).expect("members are text");
            cells::write(rest, file);
        }
        for (begin, end) in &self.values {
            file.push(b',');
            if begin < end {
                write_cell(&meta[*begin..*end], file);
            }
        }
        file.extend_from_slice(b"\r\n");
    }

    /// The column of a member. The members of most contacts stand in the same
    /// order, so that the next is the likely one.
    fn place(&self, name: &str, likely: &mut usize) -> Option<usize> {
        let place = if self.names.get(*likely).is_some_and(|known| known == name) {
            *likely
        } else {
            *self.places.get(name)?
        };
        *likely = place + 1;
        Some(place)
    }
}

/// A string that is not empty, as JSON.
fn has_column(value: &str) -> bool {
    value.starts_with('"') && value.len() > 2
}

/// Writes the cell of a JSON string.
fn write_cell(string: &str, file: &mut Vec<u8>) {
    let inside = string.get(1..string.len() - 1).unwrap_or_default();
    if !inside.contains('\\') {
        return cells::write(inside, file);
    }
    let decoded: String = serde_json::from_str(string).unwrap_or_default();
    cells::write(&decoded, file);
}
