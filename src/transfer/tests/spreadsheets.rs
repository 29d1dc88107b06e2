//! What spreadsheets write: heads, encodings, cells that look like quantities.

use super::*;

#[test]
fn the_first_line_says_which_delimiter_and_which_columns() {
    assert_eq!(
        csv("\u{feff}msisdn;X,Y;alias\n1234567;1,2;a"),
        [r#"2: a 1234567 {"X,Y":"1,2"}"#]
    );
    assert_eq!(
        csv("alias,msisdn,a;b\na,1234567,;")[0],
        r#"2: a 1234567 {"a;b":";"}"#
    );
    assert_eq!(
        csv("alias,msisdn,'=x,''y\na,'+1234567,'=1,'z"),
        [r#"2: a 1234567 {"=x":"=1","'y":"'z"}"#]
    );
    let wanted = "The first line must name the columns alias and msisdn";
    for (file, missing, found) in [
        ("alias\n", "msisdn", "alias"),
        ("Name;Msisdn;x,y\n", "alias", "Name, Msisdn, x,y"),
        ("{\"alias\":1}", "alias, msisdn", "{\"alias\":1}"),
        ("a\tb,c", "alias, msisdn", "a\tb, c"),
        ("sep\n", "alias, msisdn", "sep"),
        ("sep=x\n", "alias, msisdn", "sep=x"),
        ("sep=;\na,b\n", "alias, msisdn", "a,b"),
    ] {
        let message = format!("{wanted}, missing: {missing}, found: {found}");
        assert_eq!(refused(file).1, message, "{file:?}");
    }
    let many = (0..40).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
    assert!(refused(many).1.ends_with("30, 31, …"));
    for file in [
        "",
        "\n\n",
        "\u{feff}",
        "sep=;",
        "sep=;\r\n",
        "sep=;\r\n\r\n",
        "sep=|\n||\n",
        ",,\n",
        "alias,msisdn",
        "alias,msisdn\n,\n,,,\n \n",
    ] {
        assert_eq!(
            refused(file),
            (0, "The file has no rows".to_owned()),
            "{file:?}"
        );
    }
    assert_eq!(refused("\n\nalias;b").0, 3);
    assert_eq!(refused("alias,msisdn,x,x\n").1, "Duplicate column: x");
    assert_eq!(refused("alias;msisdn;alias\n").1, "Duplicate column: alias");
    assert_eq!(refused("alias,msisdn,Alias\n").1, "Duplicate column: Alias");
    for near in [
        "Alias*",
        "a lias",
        "ａｌｉａｓ",
        "#alias",
        "aliass",
        "ALİAS",
        "alıas",
        "аlias",
        "aliás",
        "alais",
        "al\u{ad}ias",
    ] {
        assert_eq!(
            refused(format!("alias,msisdn,{near}\n")).1,
            "Column 3 is nearly alias, name it so or otherwise"
        );
    }
    assert_eq!(
        refused("alias,msisdn,meta-\n").1,
        "Column 3 is nearly meta, name it so or otherwise"
    );
    for far in ["beta", "metadata", "aliases2", "sms", "bias"] {
        assert_eq!(
            csv(format!("alias,msisdn,{far}\na,1234567,1")),
            [format!("2: a 1234567 {{\"{far}\":\"1\"}}")]
        );
    }
    assert_eq!(
        csv("alias,msisdn,,x\na,1234567,,1\nb,1234567,y,1\n"),
        [r#"2: a 1234567 {"x":"1"}"#, "3: row: Column 3 has no name"]
    );
    assert_eq!(
        csv(" ALIAS\u{200b},\u{feff}Msisdn\u{a0},\u{2060} City \na,1234567,x"),
        [r#"2: a 1234567 {"City":"x"}"#]
    );
    for head in [
        "sep=|\n",
        "sep=|\r\n",
        "SEP=|\r",
        "\u{feff}sep=|\n",
        "\"sep=|\"\r\n",
    ] {
        let line = csv(format!("{head}alias|msisdn|x\na|1234567|,\n"));
        assert_eq!(line, [r#"3: a 1234567 {"x":","}"#], "{head:?}");
    }
    assert_eq!(
        csv(",,\r\n \n\r\nalias,msisdn\na,1234567\n"),
        ["5: a 1234567 {}"]
    );
    let long = "x".repeat(70);
    assert_eq!(
        refused(format!("alias,msisdn,{long},{long}\n")).1,
        "Column 3 cannot be a member of meta: Meta names must be at most 64 characters"
    );
    assert_eq!(
        csv("alias\tmsisdn\tx;y\na\t1234567\t,"),
        [r#"2: a 1234567 {"x;y":","}"#]
    );
    assert_eq!(
        refused(format!("alias,msisdn,{}\n", "x".repeat(65))).1,
        "Column 3 cannot be a member of meta: Meta names must be at most 64 characters"
    );
    assert_eq!(
        refused("alias,msisdn,\"x\n1,2").1,
        "Row has a quote that is never closed"
    );
    let many = |rest: &[String]| format!("alias,msisdn,{}\n", rest.join(","));
    assert_eq!(
        refused(many(&(0..1023).map(|n| n.to_string()).collect::<Vec<_>>())).1,
        "There must be at most 1024 columns"
    );
    let row = format!("a,1234567{}", ",".repeat(1022));
    assert_eq!(
        csv(many(&(0..1022).map(|n| n.to_string()).collect::<Vec<_>>()) + &row),
        ["2: a 1234567 {}"]
    );
    let long = format!("alias,msisdn,{}", "x".repeat(70_000));
    assert_eq!(refused(long).1, "Row must be at most 65536 bytes");
}

#[test]
fn rows_in_which_nothing_can_be_seen_are_nothing() {
    let file =
        "alias,msisdn,x\na,1234567,\n,,\n \t,\u{a0},\u{200b}\n,,,,,\n\"\"\nb,1234567,1\n,,x\n";
    assert_eq!(
        csv(file),
        [
            "2: a 1234567 {}",
            r#"7: b 1234567 {"x":"1"}"#,
            "8: alias: Alias is required"
        ]
    );
}

#[test]
fn what_a_spreadsheet_adds_to_a_number_is_dropped_and_nothing_else() {
    for (cell, number) in [
        ("447700900101.0", "447700900101"),
        ("+447700900101.0", "447700900101"),
        (" 447700900101.0 ", "447700900101"),
        ("+44 7700 900101.0", "447700900101"),
        ("447\u{a0}700 900 101.0", "447700900101"),
        ("\u{202a}'447700900101", "447700900101"),
        ("'447700900101", "447700900101"),
        ("'+447700900101", "447700900101"),
        ("\u{200e}447700900101.0", "447700900101"),
    ] {
        let expected = format!("2: a {number} {{}}");
        assert_eq!(
            csv(format!("alias,msisdn\na,{cell}\n")),
            [expected],
            "{cell}"
        );
    }
    for (cell, wrong) in [
        ("447700900101.00", "Msisdn must not have a decimal part"),
        ("447700900101.5", "Msisdn must not have a decimal part"),
        ("\"4,477E+11\"", "Msisdn was rounded by a spreadsheet"),
        ("4.477E+11", "Msisdn was rounded by a spreadsheet"),
        ("4477009.0.0", "Msisdn must not have a decimal part"),
    ] {
        let expected = format!("2: msisdn: {wrong}");
        assert_eq!(
            csv(format!("alias,msisdn\na,{cell}\n")),
            [expected],
            "{cell}"
        );
    }
}

fn read_as(encoding: Encoding, format: Format, file: &[u8]) -> Vec<String> {
    let read = |step| {
        let reading = Reading {
            format,
            encoding,
            mode: BulkMode::Create,
            keeps_raw: false,
        };
        let input = BufReader::with_capacity(step, Drips(file, step));
        let mut rows = Rows::open(input, reading).expect("readable");
        let rows = rows.batch().expect("rows");
        let shown = rows.into_iter().map(|row| match row.contact {
            Ok(contact) => format!("{} {}", contact.alias.as_str(), contact.meta.as_json()),
            Err(invalid) => invalid.to_string(),
        });
        shown.collect::<Vec<String>>()
    };
    let whole = read(1 << 16);
    for step in [1, 3, 16] {
        assert_eq!(read(step), whole, "by {step}");
    }
    whole
}

#[test]
fn other_encodings_are_read_by_their_mark_or_by_name() {
    let text = "\u{feff}alias;msisdn;Ort\r\nZoë;1234567;Köln 👩\r\n";
    let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let expected = ["Zoë {\"Ort\":\"Köln 👩\"}"];
    for encoding in [Encoding::Utf8, Encoding::Windows1252] {
        for file in [&little, &big, &text.as_bytes().to_vec()] {
            assert_eq!(read_as(encoding, Format::Csv, file), expected);
        }
    }
    let western = b"alias,msisdn,Ort\nZo\xeb,1234567,\x80 K\xf6ln\n";
    assert_eq!(
        read_as(Encoding::Windows1252, Format::Csv, western),
        ["Zoë {\"Ort\":\"€ Köln\"}"]
    );
    let json = "\u{feff}{\"alias\":\"Zoë\",\"msisdn\":\"1234567\"}\n";
    let json: Vec<u8> = json.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(read_as(Encoding::Utf8, Format::Ndjson, &json), ["Zoë {}"]);
    // Half a character, and half a unit, fail their rows alone.
    let broken = "\u{feff}alias,msisdn\na,1234567\n";
    let mut broken: Vec<u8> = broken.encode_utf16().flat_map(u16::to_le_bytes).collect();
    broken.extend([b'b', 0, 0x00, 0xD8, b',', 0, b'1', 0, b'\n', 0, b'c']);
    let row = "Row is not text in UTF-8";
    let ragged = "Row must have 2 cells, as the first line has, not 1";
    assert_eq!(
        read_as(Encoding::Utf8, Format::Csv, &broken),
        ["a {}", row, ragged]
    );
}
