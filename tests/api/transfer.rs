//! `GET /addressbook/contacts/export` and `POST /addressbook/contacts/import`.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::book::{Book, JOHN, assert_refused, invalid};
use crate::harness::{Reply, id_of, run};
use crate::transfer_streams::Upload;

pub(super) const CSV: &str = "text/csv";
pub(super) const NDJSON: &str = "application/x-ndjson";

/// Sends a file to be imported.
pub(super) fn import(
    book: &Book,
    query: &str,
    content_type: &str,
    file: impl Into<Vec<u8>>,
) -> Reply {
    let call = book.call("POST", &format!("/import{query}"));
    call.header("Content-Type", content_type).body(file).send()
}

const FORMAT: &str = "Msisdn must be a phone number in international format";

/// The counts of an answer: total, created, updated, unchanged, failed.
pub(super) fn counts(reply: &Reply) -> [u64; 5] {
    let body = reply.json();
    ["total", "created", "updated", "unchanged", "failed"]
        .map(|name| body["summary"][name].as_u64().unwrap())
}

pub(super) fn export(book: &Book, accept: &str) -> Reply {
    let call = book.call("GET", "/export").header("Accept", accept);
    let reply = call.send();
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply
}

/// A file of `count` contacts of this name.
pub(super) fn file_of(name: &str, count: usize) -> String {
    let rows = (0..count).map(|n| format!("{name}{n},15550000000,{n}\r\n"));
    format!("alias,msisdn,n\r\n{}", rows.collect::<String>())
}

#[test]
fn each_row_is_stored_or_explained() {
    let book = Book::start();
    book.contact(JOHN);
    let file = "alias,msisdn,CITY\r\njane,+44 7900 000 0002,\"Leeds\r\nUK\"\r\njohn,4479000000001,x\r\njoe,12,\r\nx\r\njane,4479000000001,\r\n";
    let reply = import(&book, "", CSV, file);
    assert_snapshot!(reply.redacted(), @r#"200 {"success":true,"summary":{"total":5,"created":1,"updated":0,"unchanged":0,"failed":4,"messages":{"Alias already exists":2,"Msisdn must be a phone number in international format":1,"Row must have as many cells as the first line":1}},"errors":[{"line":4,"field":"alias","message":"Alias already exists"},{"line":5,"field":"msisdn","message":"Msisdn must be a phone number in international format"},{"line":6,"field":null,"message":"Row must have 3 cells, as the first line has, not 1"},{"line":7,"field":"alias","message":"Alias already exists"}]}"#);
    assert_snapshot!(export(&book, CSV).body, @r#"
    alias,msisdn,meta,NAME,CITY
    john,4479000000001,,John,London
    jane,4479000000002,,,"Leeds
    UK"
    "#);
    let upsert = import(&book, "?mode=upsert", CSV, file);
    assert_eq!(
        counts(&upsert),
        [5, 0, 2, 1, 2],
        "of one alias the last row wins"
    );
    let ndjson = "{\"alias\":\"john\",\"msisdn\":\"4479000000001\",\"meta\":{\"n\":1.0}}\n\n{\"alias\":\"a\",\"Alias\":1}\n";
    let reply = import(&book, "?mode=upsert&dryRun=false", NDJSON, ndjson);
    assert_snapshot!(reply.redacted(), @r#"200 {"success":true,"summary":{"total":2,"created":0,"updated":1,"unchanged":0,"failed":1,"messages":{"Unknown field":1}},"errors":[{"line":3,"field":null,"message":"Unknown field: Alias"}]}"#);
    assert_snapshot!(export(&book, NDJSON).body, @r#"
    {"alias":"john","msisdn":"4479000000001","meta":{"n":1.0}}
    {"alias":"jane","msisdn":"4479000000001","meta":{}}
    "#);
}

#[test]
fn an_export_is_a_file_of_the_format_that_is_wanted() {
    let book = Book::start();
    book.contact(JOHN);
    for (accept, content_type, name) in [
        ("*/*", "text/csv; charset=utf-8; header=present", "csv"),
        (
            "text/html",
            "text/csv; charset=utf-8; header=present",
            "csv",
        ),
        (NDJSON, NDJSON, "ndjson"),
        ("text/csv;q=0.1, application/x-ndjson", NDJSON, "ndjson"),
    ] {
        let reply = export(&book, accept);
        assert_eq!(reply.header("content-type"), content_type, "{accept}");
        assert_eq!(
            reply.header("content-disposition"),
            format!("attachment; filename=\"contacts.{name}\"")
        );
        assert_eq!(reply.header("content-length"), reply.body.len().to_string());
        let head = book.call("HEAD", "/export").header("Accept", accept).send();
        assert_eq!(
            (head.status, head.header("content-type")),
            (200, content_type)
        );
    }
    let short = book.server.call("GET", "/contacts/export");
    let key = book.server.key(&["read:Contacts"]);
    assert_eq!(short.key(&key).send().body, export(&book, CSV).body);
    let unknown = book.call("GET", "/export?group=1").send();
    assert_refused(&unknown, invalid("Unknown parameter: group"));
}

#[test]
fn what_is_wrong_with_the_file_fails_it_whole() {
    let book = Book::start();
    let columns = "The first line must name the columns alias and msisdn";
    for (file, message) in [
        (
            &b"\nname,number\n1,2\n"[..],
            format!("Line 2: {columns}, missing: alias, msisdn, found: name, number"),
        ),
        (
            b"name;msisdn\n1;2\n",
            format!("Line 1: {columns}, missing: alias, found: name, msisdn"),
        ),
        (
            b"\x1f\x8b\x08\0\0\0\0\0",
            "Line 1: The file must be text in UTF-8".to_owned(),
        ),
        (
            b"alias,msisdn,a,a\n",
            "Line 1: Duplicate column: a".to_owned(),
        ),
    ] {
        assert_refused(&import(&book, "", CSV, file), invalid(&message));
    }
    for (format, file) in [
        (CSV, ""),
        (CSV, "alias;msisdn"),
        (CSV, "alias,msisdn,CITYanna,447700900101,Leeds"),
        (CSV, "alias,msisdn\n,\n\u{a0},\n"),
        (NDJSON, ""),
        (NDJSON, "\n  \n"),
    ] {
        for query in ["", "?dryRun=true", "?mode=merge"] {
            let reply = import(&book, query, format, file);
            assert_refused(&reply, invalid("The file has no rows"));
        }
    }
    assert_eq!(
        counts(&import(&book, "", NDJSON, "alias,msisdn\na,1234567\n")),
        [2, 0, 0, 0, 2]
    );
}

#[test]
fn the_head_is_checked_before_the_file_is_read() {
    let book = Book::start_with(&["--limit", "refused=100ms"]);
    let wanted = "Content-Type must be text/csv or application/x-ndjson, in UTF-8, but is";
    for content_type in [
        "application/json",
        "text/csv; charset=latin1",
        "text/plain",
        "csv",
    ] {
        let reply = import(&book, "", content_type, "alias,msisdn\na,1234567\n");
        let wanted = format!("{wanted} {content_type}");
        assert_refused(&reply, (415, "UnsupportedMediaTypeError", &wanted));
    }
    for content_type in [
        "Text/CSV; header=present; charset=UTF-8",
        "text/csv",
        "application/csv; charset=utf8",
    ] {
        let reply = import(&book, "", content_type, "alias,msisdn\na,1234567\n");
        assert_eq!(reply.status, 200, "{content_type}");
    }
    for content_type in [
        "application/x-ndjson",
        "application/ndjson",
        "application/jsonl",
        "application/json-lines",
    ] {
        let row = r#"{"alias":"a","msisdn":"1234567"}"#;
        let reply = import(&book, "", content_type, row);
        assert_eq!(reply.status, 200, "{content_type}");
        assert_eq!(export(&book, content_type).body, export(&book, NDJSON).body);
    }
    for (query, message) in [
        (
            "?mode=put",
            "Parameter mode must be create, upsert or merge",
        ),
        ("?dryRun=1", "Parameter dryRun must be true or false"),
        ("?x=1", "Unknown parameter: x"),
        ("?mode=create&mode=upsert", "Duplicate parameter: mode"),
    ] {
        assert_refused(
            &import(&book, query, CSV, "alias,msisdn\n"),
            invalid(message),
        );
    }
    let gzip = book
        .call("POST", "/import")
        .header("Content-Encoding", "gzip");
    let gzip = gzip
        .header("Content-Type", CSV)
        .body("alias,msisdn\n")
        .send();
    assert_eq!(
        (gzip.status, gzip.message().as_str()),
        (415, "Content-Encoding is not supported")
    );
    let key = book.server.key(&["create:Contacts"]);
    let head = format!(
        "POST /contacts/import HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Type: text/csv\r\nContent-Length: 1073741825\r\n\r\n"
    );
    let answer = book.server.raw(head.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(
        answer.contains("Request body must be at most 1073741824 bytes"),
        "{answer}"
    );
    let upsert = book
        .server
        .call("POST", "/contacts/import?mode=upsert")
        .key(&key);
    let upsert = upsert
        .header("Content-Type", CSV)
        .body("alias,msisdn\n")
        .send();
    assert_eq!(
        upsert.message(),
        "API Key is not permitted to perform this action. (update:Contacts)"
    );
}

#[test]
fn an_answer_has_the_first_hundred_errors_of_a_kind_and_counts_all() {
    let book = Book::start();
    let file = format!("alias,msisdn\n{}", "a,1\n".repeat(2_500));
    let reply = import(&book, "", CSV, file);
    assert_eq!(counts(&reply), [2_500, 0, 0, 0, 2_500]);
    let errors = reply.json()["errors"].as_array().unwrap().clone();
    assert_eq!(errors.len(), 100);
    assert_eq!(
        (&errors[0]["line"], &errors[99]["line"]),
        (&json!(2), &json!(101))
    );
    assert_eq!(reply.json()["summary"]["messages"], json!({FORMAT: 2_500}));
}

#[test]
fn a_dry_run_foretells_the_real_run_and_stores_nothing() {
    for mode in ["create", "upsert"] {
        let book = Book::start();
        book.contact_of("old", "4479000000009");
        book.contact(r#"{"alias":"c7","msisdn":"15550000000","meta":{"n":"7"}}"#);
        let mut file = file_of("c", 1_200);
        file += "old,4479000000001,\nold,4479000000001,\nc3,1,\nc3,4479000000001,\nc900,15550000000,900\nx\nc1,15550000000,2\n";
        let before = export(&book, NDJSON).body;
        let dry = import(
            &book,
            &format!("?mode={mode}&dryRun=true"),
            CSV,
            file.as_str(),
        );
        assert_eq!(export(&book, NDJSON).body, before);
        let real = import(&book, &format!("?mode={mode}"), CSV, file);
        let mut foretold = dry.json();
        let cleared = foretold["summary"]
            .as_object_mut()
            .unwrap()
            .remove("cleared");
        assert_eq!(cleared, (mode == "upsert").then(|| json!(1)));
        assert_eq!(foretold, real.json());
        let expected = match mode {
            "create" => [1_207, 1_199, 0, 0, 8],
            _ => [1_207, 1_199, 3, 3, 2],
        };
        assert_eq!(counts(&real), expected);
        if book.server.is_on_postgres() {
            continue;
        }
        let beside: Vec<_> = std::fs::read_dir(book.server.database.parent().unwrap())
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.contains("temporary"))
            .collect();
        assert!(beside.is_empty(), "{beside:?}");
    }
}

#[test]
fn an_import_of_an_export_changes_nothing() {
    let book = Book::start();
    let names = [
        "alias",
        "msisdn",
        "meta",
        "=cmd",
        "'",
        "-",
        " a ",
        "Alias",
        "M-e-t-a",
        "\u{feff}b",
        "quote\"",
        "line\r\nfeed",
        "semi;colon,",
    ];
    let values = [
        json!("=1+1"),
        json!(""),
        json!(" x "),
        json!("'\t"),
        json!("\u{feff}"),
        json!(null),
        json!([1, {"a": ""}]),
        json!("a\nb\"c"),
    ];
    for (n, value) in values.iter().enumerate() {
        let mut meta = serde_json::Map::new();
        for name in &names[..=n] {
            meta.insert((*name).to_owned(), value.clone());
        }
        let alias = format!("{}{n}", ["=", "+", "a", "'", "-"][n % 5]);
        book.contact(&json!({"alias": alias, "msisdn": "4479000000001", "meta": meta}).to_string());
    }
    book.contact(r#"{"alias":"digits","msisdn":"4479000000001","meta":{"n":1.0,"e":1e400,"l":123456789012345678901234567890}}"#);
    let stored = |book: &Book| {
        let query = "SELECT alias, meta, updated_on FROM contacts ORDER BY id";
        book.server.rows(query)
    };
    let before = stored(&book);
    for format in [CSV, NDJSON] {
        let file = export(&book, format).body;
        let again = import(&book, "?mode=upsert", format, file.as_str());
        assert_eq!(counts(&again), [9, 0, 0, 9, 0], "{}", again.body);
        assert_eq!(stored(&book), before, "untouched");
        let other = Book::start();
        assert_eq!(
            counts(&import(&other, "", format, file.as_str())),
            [9, 9, 0, 0, 0]
        );
        assert_eq!(export(&other, format).body, file);
    }
}

#[test]
fn a_key_that_is_revoked_in_the_middle_ends_the_import_and_what_was_stored_stays() {
    let book = Book::start();
    let key = book.server.key(&["create:Contacts"]);
    let file = file_of("c", 1_000);
    let (head, tail) = file.split_at(file.find("c600,").unwrap());
    let mut call = Upload::begin(&book, &key, CSV, "");
    call.send(head);
    while book.server.stored() < 500 {
        std::thread::yield_now();
    }
    let path = book.server.database.to_str().unwrap();
    assert!(
        run(&["key", "revoke", "--database", path, id_of(&key)])
            .status
            .success()
    );
    call.send(tail);
    let answer = call.answer();
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    let body: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(
        body["error"]["message"],
        "Rows up to line 501 are dealt with, for those behind them: API key is invalid or has expired"
    );
    assert_eq!(body["summary"]["created"], 500);
    assert_eq!(book.server.stored(), 500);
}
