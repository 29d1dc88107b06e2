//! Files that come, whatever is in them, and files that go and come back.

mod spreadsheets;

use std::io::{BufReader, Read};

use proptest::prelude::*;

use super::*;
use crate::contact::{Alias, Msisdn};
use crate::meta::Meta;

/// Hands out a few bytes at a time, so that every row is split somewhere.
struct Drips<'a>(&'a [u8], usize);

impl Read for Drips<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let bytes = self.0.len().min(self.1).min(into.len());
        into[..bytes].copy_from_slice(&self.0[..bytes]);
        self.0 = &self.0[bytes..];
        Ok(bytes)
    }
}

fn read_by(format: Format, file: &[u8], step: usize) -> Result<Vec<Row>, (u64, Invalid)> {
    let input = BufReader::with_capacity(step, Drips(file, step));
    let stopped = |error| match error {
        Unreadable::File(line, invalid) => (line, invalid),
        Unreadable::Io(error) => panic!("{error}"),
        Unreadable::Empty => (0, Invalid::FileNoRows),
    };
    let reading = Reading {
        format,
        encoding: Encoding::Utf8,
        mode: BulkMode::Upsert,
        keeps_raw: true,
    };
    let mut rows = Rows::open(input, reading).map_err(stopped)?;
    let mut all = Vec::new();
    loop {
        let batch = rows.batch().map_err(stopped)?;
        if batch.is_empty() {
            assert_eq!(rows.bytes(), file.len() as u64);
            return Ok(all);
        }
        all.extend(batch);
    }
}

/// What is read is the same however the bytes arrive.
fn read(format: Format, file: impl AsRef<[u8]>) -> Result<Vec<Row>, (u64, Invalid)> {
    let file = file.as_ref();
    let whole = read_by(format, file, 1 << 16);
    for step in [1, 2, 7].into_iter().filter(|_| file.len() < 10_000) {
        let split = read_by(format, file, step);
        assert_eq!(format!("{split:?}"), format!("{whole:?}"), "by {step}");
    }
    whole
}

/// Each row as its line and its fields, or what is wrong with it.
fn rows(format: Format, file: impl AsRef<[u8]>) -> Vec<String> {
    let rows = read(format, file).expect("a readable file");
    let shown = rows.iter().map(|row| match &row.contact {
        Ok(contact) => format!(
            "{}: {} {} {}",
            row.line,
            contact.alias.as_str(),
            contact.msisdn.as_str(),
            contact.meta.as_json()
        ),
        Err(invalid) => format!(
            "{}: {}: {invalid}",
            row.line,
            invalid.field().unwrap_or("row")
        ),
    });
    shown.collect()
}

fn csv(file: impl AsRef<[u8]>) -> Vec<String> {
    rows(Format::Csv, file)
}

fn refused(file: impl AsRef<[u8]>) -> (u64, String) {
    let (line, invalid) = read(Format::Csv, file).expect_err("an unreadable file");
    (line, invalid.to_string())
}

#[test]
fn lines_are_counted_as_an_editor_counts_whatever_ends_them() {
    let file = "\nalias,msisdn,\"x\ny\"\n\na,1234567,\"1\n2\n\"\n\n\nb,12,\nc,1234567,\nd,1";
    let expected = [
        r#"5: a 1234567 {"x\ny":"1\n2\n"}"#,
        "10: msisdn: Msisdn must be a phone number in international format",
        "11: c 1234567 {}",
        "12: row: Row must have 3 cells, as the first line has, not 2",
    ];
    assert_eq!(csv(file), expected);
    let returns = file.replace('\n', "\r\n");
    let expected_with_returns: Vec<String> =
        expected.map(|row| row.replace("\\n", "\\r\\n")).into();
    assert_eq!(csv(returns), expected_with_returns);
    let lone = "alias,msisdn\r\ra,1234567\rb,12\r";
    assert_eq!(csv(lone)[0], "3: a 1234567 {}");
    assert!(csv(lone)[1].starts_with("4: msisdn"));
    let ndjson = "{\"alias\":\"a\",\"msisdn\":\"1234567\"}\r\n\r\n  \nx\n[]";
    assert_eq!(
        rows(Format::Ndjson, ndjson),
        [
            "1: a 1234567 {}",
            "4: row: Row is not valid JSON",
            "5: row: Contact must be a JSON object"
        ]
    );
}

#[test]
fn a_file_that_is_no_utf_8_is_refused_and_a_row_that_is_none_fails_alone() {
    assert_eq!(
        refused(b"alias,msisdn,Stra\xdfe\n").1,
        "The file must be text in UTF-8"
    );
    let file = b"alias,msisdn,x\na,1234567,\nb,1234567,Stra\xdfe\nc,1234567,\nd\xc3,1234567,\xa9\n";
    assert_eq!(
        csv(file),
        [
            "2: a 1234567 {}",
            "3: row: Row is not text in UTF-8",
            "4: c 1234567 {}",
            "5: row: Row is not text in UTF-8"
        ]
    );
}

#[test]
fn a_row_that_is_too_large_fails_alone_and_in_flat_memory() {
    let cell = |bytes: usize| "x".repeat(bytes);
    let file = format!(
        "alias,msisdn,x\n{},1234567,\na,1234567,\"{}\n\"\nb,1234567,\n{}\nc,1234567,\nd,1234567,\"{}",
        cell(1_000_000),
        cell(1_000_000),
        ",".repeat(99_999) + ",x",
        cell(1_000_000)
    );
    assert_eq!(
        csv(file),
        [
            "2: row: Row must be at most 65536 bytes",
            "3: row: Row must be at most 65536 bytes",
            "5: b 1234567 {}",
            "6: row: Row must have 3 cells, as the first line has, not 100001",
            "7: c 1234567 {}",
            "8: row: Row must be at most 65536 bytes",
        ]
    );
    let fits = format!("alias,msisdn,x\na,1234567,{}", cell(ROW_BYTES_MAX - 8));
    assert_eq!(
        csv(fits),
        ["2: meta: Meta must be at most 16384 bytes of compact JSON"]
    );
    let line = |bytes: usize| {
        format!(
            "{}{}\r\n",
            r#"{"alias":"a","msisdn":"1234567"}"#,
            " ".repeat(bytes - 32)
        )
    };
    assert_eq!(
        rows(Format::Ndjson, line(ROW_BYTES_MAX)),
        ["1: a 1234567 {}"]
    );
    assert_eq!(
        rows(Format::Ndjson, line(ROW_BYTES_MAX + 1) + &line(100)),
        ["1: row: Row must be at most 65536 bytes", "2: a 1234567 {}"]
    );
}

#[test]
fn columns_stand_beside_the_members_of_the_meta_cell() {
    let file = concat!(
        "meta,alias,x,msisdn,y\n",
        "\"{\"\"n\"\":1.0}\",a,1,1234567,\n",
        ",b,,1234567,\n",
        "{ },c,,1234567,2\n",
        "\"{\"\"x\"\":1}\",d,2,1234567,\n",
        "[],e,,1234567,\n",
        "\"{\"\"x\"\":}\",f,,1234567,\n",
        "{}{},g,1,1234567,\n",
        " ,h,'=1,1234567,'z\n",
    );
    assert_eq!(
        csv(file),
        [
            r#"2: a 1234567 {"x":"1","n":1.0}"#,
            "3: b 1234567 {}",
            r#"4: c 1234567 {"y":"2"}"#,
            "5: meta: Meta must not have the same name twice: x",
            "6: meta: Meta must be an object",
            "7: meta: Meta is not valid JSON",
            "8: meta: Meta is not valid JSON",
            r#"9: h 1234567 {"x":"=1","y":"'z"}"#,
        ]
    );
}

#[test]
fn a_bad_row_is_kept_as_it_came() {
    let file = "alias,msisdn\r\n\"a\n\" ,12\r\n\r\nb,\"1\"\n";
    let raw: Vec<Vec<u8>> = read(Format::Csv, file)
        .expect("readable")
        .into_iter()
        .map(|row| row.raw)
        .collect();
    assert_eq!(raw, [&b"\"a\n\" ,12\r"[..], b"b,\"1\"\n"]);
}

#[test]
fn at_most_200_members_have_a_column_in_the_order_in_which_they_appear() {
    let metas: Vec<String> = (0..5)
        .map(|row| {
            let members: Vec<String> = (0..50).map(|n| format!("\"k{row}.{n}\":\"v\"")).collect();
            format!("{{\"n\":1,\"e\":\"\",{}}}", members.join(","))
        })
        .collect();
    let mut writer = Writer::new(Format::Csv);
    let mut file = Vec::new();
    metas.iter().for_each(|meta| writer.survey(meta));
    assert!(!writer.surveys());
    writer.write_header(&mut file);
    writer.write("a", "1234567", &metas[4], &mut file);
    let file = String::from_utf8(file).expect("text");
    let (header, row) = file.split_once("\r\n").expect("two lines");
    let columns: Vec<&str> = header.split(',').collect();
    assert_eq!(columns.len(), 203);
    assert_eq!(columns[..4], ["alias", "msisdn", "meta", "k0.0"]);
    assert_eq!(columns[202], "k3.49");
    assert!(
        row.starts_with(r#"a,1234567,"{""n"":1,""e"":"""",""k4.0"":""v"""#),
        "{row}"
    );
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "['=+@\\t\\r\\n\",; a-]{0,5}",
        "\\PC{0,8}",
        "[\u{feff} ]{0,2}[a-c]{0,2}[\u{feff} ]{0,2}",
        prop::sample::select(vec!["alias", "msisdn", "meta", "", "{}", "null"])
            .prop_map(str::to_owned),
    ]
}

fn any_value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        4 => any_text().prop_map(|text| serde_json::to_string(&text).expect("JSON")),
        1 => prop::sample::select(vec!["1.0", "1e400", "-0", "0.10", "null", "true", "123456789012345678901234567890"])
            .prop_map(str::to_owned),
    ];
    leaf.prop_recursive(2, 6, 3, |inner| {
        let list = prop::collection::vec(inner.clone(), 0..3)
            .prop_map(|all| format!("[{}]", all.join(",")));
        prop_oneof![
            inner.clone().prop_map(|one| format!("{{\"a\":{one}}}")),
            list
        ]
    })
}

/// Contacts as they can be stored.
fn any_contacts() -> impl Strategy<Value = Vec<NewContact>> {
    let members = prop::collection::btree_map(any_text(), any_value(), 0..6);
    let contact = (any_text(), "[1-9][0-9]{6,14}", members).prop_filter_map(
        "valid",
        |(alias, msisdn, members)| {
            let members = members.into_iter().filter(|(name, _)| !name.is_empty());
            let members: Vec<String> = members
                .map(|(name, value)| {
                    format!("{}:{value}", serde_json::to_string(&name).expect("JSON"))
                })
                .collect();
            let meta = format!("{{{}}}", members.join(","));
            Some(NewContact {
                alias: Alias::parse(&alias).ok()?,
                msisdn: Msisdn::parse(&msisdn).ok()?,
                meta: Meta::parse(serde_json::from_str(&meta).ok()?).ok()?,
            })
        },
    );
    prop::collection::vec(contact, 0..8)
}

fn written(format: Format, contacts: &[NewContact]) -> Vec<u8> {
    let mut writer = Writer::new(format);
    let mut file = Vec::new();
    contacts
        .iter()
        .for_each(|contact| writer.survey(contact.meta.as_json()));
    writer.write_header(&mut file);
    for contact in contacts {
        writer.write(
            contact.alias.as_str(),
            contact.msisdn.as_str(),
            contact.meta.as_json(),
            &mut file,
        );
    }
    file
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn what_is_written_reads_as_it_was_and_writes_as_it_was(contacts in any_contacts()) {
        prop_assume!(!contacts.is_empty());
        for format in [Format::Csv, Format::Ndjson] {
            let file = written(format, &contacts);
            let read = read(format, &file).expect("readable");
            prop_assert_eq!(read.len(), contacts.len());
            let read: Vec<NewContact> =
                read.into_iter().map(|row| row.contact.expect("a contact")).collect();
            for (read, contact) in read.iter().zip(&contacts) {
                prop_assert_eq!((&read.alias, &read.msisdn), (&contact.alias, &contact.msisdn));
                prop_assert!(read.meta.holds_the_same_as(&contact.meta));
            }
            let again = String::from_utf8(written(format, &read)).expect("text");
            prop_assert_eq!(again, String::from_utf8(file).expect("text"));
        }
    }

    #[test]
    fn no_bytes_break_the_reading(file in prop::collection::vec(prop::sample::select(b"alis,;\"\r\n\xff{}:'1 ".to_vec()), 0..80)) {
        let headed = [b"alias,msisdn,meta,x\n".as_slice(), &file].concat();
        for format in [Format::Csv, Format::Ndjson] {
            let _ = read(format, &file);
            let _ = read(format, &headed);
        }
    }
}
