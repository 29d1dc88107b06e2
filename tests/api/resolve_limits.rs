//! `POST /addressbook/contacts/resolve`: what a request may be, and how large its
//! answer.

use insta::assert_snapshot;
use serde_json::json;

use crate::book::{Book, JOHN, assert_refused, invalid};
use crate::bulk;
use crate::harness::{Reply, peak_memory_kib};
use crate::resolve::resolve;

/// Bytes of an answer, and of a body.
const ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;
const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;
const NOT_RECIPIENTS: &str = "Recipients must be an array of 1 to 10000 strings";
const NOT_TEXT: &str = "Text must be a string of 1 to 4096 characters";
const TOO_LARGE: &str =
    "The answer would be larger than 33554432 bytes, send fewer recipients at once";

fn send(book: &Book, body: impl Into<Vec<u8>>) -> Reply {
    book.call("POST", "/resolve").json(body).send()
}

#[test]
fn one_to_ten_thousand_recipients_are_taken() {
    let book = Book::start();
    book.contact(JOHN);
    for count in [0, 10_001] {
        let reply = resolve(&book, &vec!["x"; count], None);
        assert_refused(&reply, invalid(NOT_RECIPIENTS));
    }
    for count in [1, 10_000] {
        let mut recipients = vec!["x"; count];
        recipients[count - 1] = "john";
        let reply = resolve(&book, &recipients, Some("Hi"));
        assert_eq!(reply.status, 200);
        let body = reply.json();
        let results = body["results"].as_array().unwrap();
        assert_eq!(results.len(), count);
        assert_eq!(results[count - 1]["status"], "ok");
        let not_found = |result: &&serde_json::Value| result["status"] == "not_found";
        assert_eq!(results.iter().filter(not_found).count(), count - 1);
        assert_eq!(
            body["recipients"],
            json!([{"alias": "john", "msisdn": "4479000000001", "text": "Hi"}])
        );
    }
}

#[test]
fn ten_thousand_contacts_are_resolved_with_a_text_of_their_own() {
    let book = Book::start();
    let contacts: Vec<String> = (0..10_000)
        .map(|n| json!({"alias": format!("c{n}"), "msisdn": (15_550_000_000_u64 + n).to_string(), "meta": {"N": n}}).to_string())
        .collect();
    assert_eq!(bulk::send(&book, bulk::body_of(&contacts)).status, 200);
    let aliases: Vec<String> = (0..10_000).rev().map(|n| format!("c{n}")).collect();
    let aliases: Vec<&str> = aliases.iter().map(String::as_str).collect();
    let body = resolve(&book, &aliases, Some("{{alias}} {{n}}")).json();
    let recipients = body["recipients"].as_array().unwrap();
    assert_eq!(recipients.len(), 10_000);
    for (at, recipient) in recipients.iter().enumerate() {
        let n = 9_999 - at;
        assert_eq!(recipient["text"], format!("c{n} {n}"));
        assert_eq!(body["results"][at]["recipient"], format!("c{n}"));
    }
}

#[test]
fn a_text_of_1_to_4096_characters_is_filled() {
    let book = Book::start();
    book.contact(JOHN);
    for refused in ["".to_owned(), "é".repeat(4097)] {
        let reply = resolve(&book, &["john"], Some(&refused));
        assert_refused(&reply, invalid(NOT_TEXT));
    }
    for taken in [
        "x".to_owned(),
        " ".to_owned(),
        "é".repeat(4096),
        "😀".repeat(4096),
    ] {
        let body = resolve(&book, &["john"], Some(&taken)).json();
        assert_eq!(body["recipients"][0]["text"], taken);
    }
    for value in ["7", "true", "[]", "{}", r#"["x"]"#, r#""\ud800""#] {
        let body = format!(r#"{{"recipients":["john"],"text":{value}}}"#);
        assert_refused(&send(&book, body), invalid(NOT_TEXT));
    }
}

#[test]
fn what_is_no_resolve_request_is_refused() {
    let book = Book::start();
    book.contact(JOHN);
    for (body, message) in [
        ("", "Request body is not valid JSON: line 1, column 1"),
        (r#"["john"]"#, "Request body must be a JSON object"),
        ("{}", NOT_RECIPIENTS),
        (r#"{"text":7}"#, NOT_RECIPIENTS),
        (r#"{"recipients":null}"#, NOT_RECIPIENTS),
        (r#"{"recipients":"john"}"#, NOT_RECIPIENTS),
        (r#"{"recipients":{"0":"john"}}"#, NOT_RECIPIENTS),
        (r#"{"recipients":["john",7]}"#, NOT_RECIPIENTS),
        (r#"{"recipients":["john",null]}"#, NOT_RECIPIENTS),
        (r#"{"recipients":[["john"]]}"#, NOT_RECIPIENTS),
        (
            r#"{"recipients":["john"],"Text":"x"}"#,
            "Unknown field: Text",
        ),
        (r#"{"recipients":[],"colour":1}"#, "Unknown field: colour"),
        (
            r#"{"recipients":["john"],"recipients":["john"]}"#,
            "Duplicate field: recipients",
        ),
    ] {
        assert_refused(&send(&book, body), invalid(message));
    }
}

#[test]
fn a_body_of_8_mib_is_read_and_a_larger_one_is_not() {
    let book = Book::start();
    book.contact(JOHN);
    let padded = |bytes: usize| {
        let body = r#"{"recipients":["john"]}"#;
        format!("{body}{}", " ".repeat(bytes - body.len()))
    };
    assert_snapshot!(send(&book, padded(BODY_BYTES_MAX + 1)).redacted(), @r#"413 {"success":false,"error":{"name":"PayloadTooLargeError","statusCode":413,"message":"Request body must be at most 8388608 bytes"}}"#);
    assert_eq!(send(&book, padded(BODY_BYTES_MAX)).status, 200);
}

/// Resolves over a connection of its own, which reads answers of any size.
fn raw(book: &Book, key: &str, recipients: &[&str]) -> (String, String) {
    let body = json!({"recipients": recipients}).to_string();
    let request = format!(
        "POST /contacts/resolve HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = book.server.raw(request.as_bytes());
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

/// A contact whose meta is as large as it may be.
fn large(alias: &str, msisdn: &str) -> String {
    json!({"alias": alias, "msisdn": msisdn, "meta": {"a": "x".repeat(16_376)}}).to_string()
}

#[test]
fn an_answer_of_32_mib_is_given_and_a_larger_one_is_not() {
    let book = Book::start();
    let key = book.server.key(&["read:Contacts"]);
    book.contact(&large("j", "4479000000001"));
    let length = |recipients: &[&str]| raw(&book, &key, recipients).1.len();
    let (two, three) = (length(&["j"; 2]), length(&["j"; 3]));
    let each = three - two;
    assert!(each > 16_384, "{each}");
    let empty = length(&["j", "j", ""]) - two;
    // As many as fit, and an unknown recipient that fills the rest.
    let many = 2 + (ANSWER_BYTES_MAX - two - empty) / each;
    let rest = ANSWER_BYTES_MAX - two - empty - (many - 2) * each;
    for (fill, fits) in [(rest, true), (rest + 1, false)] {
        let fill = "x".repeat(fill);
        let mut recipients = vec!["j"; many];
        recipients.push(&fill);
        let (head, body) = raw(&book, &key, &recipients);
        if fits {
            assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
            assert_eq!(body.len(), ANSWER_BYTES_MAX);
        } else {
            assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
            assert!(body.contains(TOO_LARGE), "{body}");
        }
    }
    let reply = resolve(&book, &["j"; 10_000], None);
    assert_refused(&reply, invalid(TOO_LARGE));
}

#[test]
fn an_answer_that_is_refused_for_its_size_is_not_built_first() {
    const RECIPIENTS: usize = 24;
    const SERVER_BYTES_MAX: u64 = 8 * ANSWER_BYTES_MAX as u64;
    let book = Book::start();
    let aliases: Vec<String> = (0..RECIPIENTS).map(|n| format!("c{n}")).collect();
    let contacts: Vec<String> = aliases
        .iter()
        .enumerate()
        .map(|(n, alias)| large(alias, &(15_550_000_000 + n).to_string()))
        .collect();
    assert_eq!(bulk::send(&book, bulk::body_of(&contacts)).status, 200);
    let aliases: Vec<&str> = aliases.iter().map(String::as_str).collect();
    // Every placeholder is replaced by 16 KiB: 13 MB for each recipient.
    let reply = resolve(&book, &aliases, Some(&"{{a}}".repeat(819)));
    assert_refused(&reply, invalid(TOO_LARGE));
    let peak_kib = peak_memory_kib(book.server.pid());
    assert!(peak_kib * 1024 < SERVER_BYTES_MAX, "{peak_kib} KiB at most");
}
