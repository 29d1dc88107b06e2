//! What stands in one cell of CSV. A spreadsheet takes a cell that begins as a
//! formula for one; an apostrophe in front keeps it a text.

use crate::msisdn::trim_dropped;

/// What a cell may not begin with without an apostrophe in front of it.
/// Full-width forms are taken for the ASCII ones by spreadsheets of East Asia.
const BEGINS_FORMULA: [char; 12] = [
    '=', '+', '-', '@', '\t', '\r', '\n', '\'', '＝', '＋', '－', '＠',
];

/// The text of a cell, as it is meant.
pub(super) fn meant(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(rest) if rest.starts_with(BEGINS_FORMULA) => rest,
        _ => cell,
    }
}

/// The text of a cell that holds a number, without what a spreadsheet adds to one that it
/// took for a quantity: an apostrophe in front, or `.0` behind seven digits or more.
pub(super) fn number(cell: &str) -> &str {
    let text = trim_dropped(cell);
    let text = text.strip_prefix('\'').unwrap_or(text);
    let whole = text.strip_suffix(".0").filter(|whole| {
        let digits = whole.bytes().filter(u8::is_ascii_digit).count();
        digits >= 7 && !whole.contains('.')
    });
    whole.unwrap_or(text)
}

/// Writes a cell of this text: an apostrophe where it needs one, quotes where it
/// needs them.
pub(super) fn write(text: &str, row: &mut Vec<u8>) {
    let apostrophe = text.starts_with(BEGINS_FORMULA);
    let needs_quotes = |byte: u8| matches!(byte, b',' | b';' | b'"' | b'\r' | b'\n');
    if !text.bytes().any(needs_quotes) {
        if apostrophe {
            row.push(b'\'');
        }
        row.extend_from_slice(text.as_bytes());
        return;
    }
    row.push(b'"');
    if apostrophe {
        row.push(b'\'');
    }
    for (position, piece) in text.split('"').enumerate() {
        if position > 0 {
            row.extend_from_slice(b"\"\"");
        }
        row.extend_from_slice(piece.as_bytes());
    }
    row.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(text: &str) -> String {
        let mut row = Vec::new();
        write(text, &mut row);
        String::from_utf8(row).expect("text")
    }

    #[test]
    fn a_cell_that_begins_as_a_formula_gets_an_apostrophe() {
        for text in ["=1+1", "+44", "-1", "@a", "\tb", "'c", "'=d"] {
            assert_eq!(written(text), format!("'{text}"));
        }
        assert_eq!(written("\rb"), "\"'\rb\"");
        for text in ["a=1", "", " =1", "\u{feff}=", "4479000000001", "o'hara"] {
            assert_eq!(written(text), text);
        }
    }

    #[test]
    fn an_apostrophe_is_taken_away_only_before_one_of_these() {
        for (cell, text) in [
            ("'=1", "=1"),
            ("''", "'"),
            ("'''", "''"),
            ("'a", "'a"),
            ("'", "'"),
            ("' =", "' ="),
            ("a'=", "a'="),
            ("=1", "=1"),
        ] {
            assert_eq!(meant(cell), text, "{cell}");
        }
    }

    proptest! {
        #[test]
        fn every_text_comes_back(text in "['=+@\\t\\r a-]{0,6}|\\PC{0,12}") {
            let mut row = Vec::new();
            write(&text, &mut row);
            let mut reader = csv_core::Reader::new();
            row.extend(b",x\n");
            let (mut cells, mut ends) = ([0; 256], [0; 4]);
            let (result, read, _, ended) = reader.read_record(&row, &mut cells, &mut ends);
            prop_assert_eq!(result, csv_core::ReadRecordResult::Record);
            prop_assert_eq!((read, ended), (row.len(), 2));
            let cell = std::str::from_utf8(&cells[..ends[0]]).expect("text");
            prop_assert_eq!(meant(cell), text);
        }
    }
}
