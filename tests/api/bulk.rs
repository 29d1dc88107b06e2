//! `POST /addressbook/contacts/bulk`: what is answered for each contact, and what
//! a request may be.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::book::{Book, assert_refused, invalid};
use crate::harness::{Reply, redact_everywhere};

/// Bytes of a body with many contacts.
const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;
const NOT_CONTACTS: &str = "Contacts must be an array of 1 to 10000 objects";

/// Sends a body to the bulk call.
pub(super) fn send(book: &Book, body: impl Into<Vec<u8>>) -> Reply {
    book.call("POST", "/bulk").json(body).send()
}

/// A body of these contacts, each as its JSON text.
pub(super) fn body_of<T: AsRef<str>>(contacts: &[T]) -> String {
    let contacts: Vec<&str> = contacts.iter().map(AsRef::as_ref).collect();
    format!(r#"{{"contacts":[{}]}}"#, contacts.join(","))
}

/// A contact of this alias as its JSON text.
pub(super) fn contact(alias: &str) -> String {
    json!({"alias": alias, "msisdn": "4479000000001"}).to_string()
}

/// Status and body, the ids checked and then replaced.
pub(super) fn redacted(reply: &Reply) -> String {
    for result in reply.json()["results"].as_array().unwrap() {
        let Some(id) = result.get("id") else { continue };
        let id = id.as_str().unwrap();
        let uuid = uuid::Uuid::parse_str(id).unwrap();
        assert_eq!(uuid.get_version_num(), 7);
        assert_eq!(uuid.hyphenated().to_string(), id);
    }
    format!("{} {}", reply.status, redact_everywhere(&reply.body))
}

/// A member of each result, in order.
pub(super) fn texts(reply: &Reply, member: &str) -> Vec<String> {
    let body = reply.json();
    let results = body["results"].as_array().unwrap();
    let text = |result: &Value| result[member].as_str().unwrap_or_default().to_owned();
    results.iter().map(text).collect()
}

/// The message of each result, empty where it has no error.
pub(super) fn messages(reply: &Reply) -> Vec<String> {
    let body = reply.json();
    let results = body["results"].as_array().unwrap();
    let message = |result: &Value| {
        let message = result["error"]["message"].as_str();
        message.unwrap_or_default().to_owned()
    };
    results.iter().map(message).collect()
}

/// The list's total and the rows of the file are both this many.
#[track_caller]
pub(super) fn assert_total(book: &Book, contacts: i64) {
    let list = book.call("GET", "?limit=1").send().json();
    assert_eq!(
        (list["total"].as_i64(), book.server.stored()),
        (Some(contacts), contacts)
    );
}

#[test]
fn every_contact_is_answered_in_order_and_a_bad_one_fails_alone() {
    let book = Book::start();
    book.contact_of("taken", "4479000000009");
    let contacts = [
        r#"{"alias":" john ","msisdn":"+44 79000-000001","meta":{"NAME":"John"}}"#.to_owned(),
        r#"{"msisdn":"4479000000001"}"#.to_owned(),
        r#"{"alias":"short","msisdn":"12"}"#.to_owned(),
        "7".to_owned(),
        contact("taken"),
        contact("jane"),
        r#"{"alias":"odd","msisdn":"4479000000001","colour":"red"}"#.to_owned(),
        contact("john"),
    ];
    let reply = send(&book, body_of(&contacts));
    assert_snapshot!(redacted(&reply), @r#"200 {"success":true,"summary":{"total":8,"created":2,"updated":0,"unchanged":0,"failed":6},"results":[{"index":0,"status":"created","id":"[id]","alias":"john"},{"index":1,"status":"error","error":{"name":"ValidationError","statusCode":400,"message":"Alias is required"}},{"index":2,"status":"error","alias":"short","error":{"name":"ValidationError","statusCode":400,"message":"Msisdn must be a phone number in international format"}},{"index":3,"status":"error","error":{"name":"ValidationError","statusCode":400,"message":"Contact must be a JSON object"}},{"index":4,"status":"error","alias":"taken","error":{"name":"ValidationError","statusCode":400,"message":"Alias already exists"}},{"index":5,"status":"created","id":"[id]","alias":"jane"},{"index":6,"status":"error","error":{"name":"ValidationError","statusCode":400,"message":"Unknown field: colour"}},{"index":7,"status":"error","alias":"john","error":{"name":"ValidationError","statusCode":400,"message":"Alias is the same as that of contact 0 in this request"}}]}"#);
    assert_eq!(reply.header("content-type"), "application/json");
    let results = reply.json()["results"].clone();
    for (index, line) in [
        (0, r#"john 4479000000001 {"NAME":"John"}"#),
        (5, "jane 4479000000001 {}"),
    ] {
        assert_eq!(book.line(results[index]["id"].as_str().unwrap()), line);
    }
    for result in results.as_array().unwrap() {
        if let Some(error) = result.get("error") {
            assert_eq!(error.as_object().unwrap().len(), 3, "{error}");
        }
    }
    assert_total(&book, 3);
}

#[test]
fn both_paths_are_the_same_call() {
    let book = Book::start();
    let key = book.server.key(&["create:Contacts"]);
    for (path, alias) in [
        ("/contacts/bulk", "a"),
        ("/addressbook/contacts/bulk", "b"),
        ("/contacts/bulk?colour=red", "c"),
    ] {
        let call = book.server.call("POST", path).key(&key);
        let reply = call.json(body_of(&[contact(alias)])).send();
        assert_eq!(
            (reply.status, texts(&reply, "status")),
            (200, vec!["created".to_owned()])
        );
    }
    assert_total(&book, 3);
}

#[test]
fn one_to_ten_thousand_contacts_are_taken() {
    let book = Book::start();
    let contacts: Vec<String> = (0..10_001).map(|n| contact(&format!("c{n}"))).collect();
    for refused in [&contacts[..0], &contacts[..]] {
        assert_refused(&send(&book, body_of(refused)), invalid(NOT_CONTACTS));
    }
    assert_total(&book, 0);
    for (taken, total) in [(&contacts[..1], 1), (&contacts[1..], 10_001)] {
        let reply = send(&book, body_of(taken));
        assert_eq!(reply.status, 200);
        let body = reply.json();
        assert_eq!(
            body["summary"],
            json!({"total": taken.len(), "created": taken.len(), "updated": 0, "unchanged": 0, "failed": 0})
        );
        assert_eq!(body["results"].as_array().unwrap().len(), taken.len());
        for (at, result) in body["results"].as_array().unwrap().iter().enumerate() {
            assert_eq!(result["index"], at);
            assert_eq!(result["alias"], format!("c{}", at + total - taken.len()));
        }
        assert_total(&book, i64::try_from(total).unwrap());
    }
}

#[test]
fn what_is_no_bulk_request_is_refused_as_a_whole() {
    let book = Book::start();
    let good = contact("john");
    let with = |more: &str| format!(r#"{{"contacts":[{good}],{more}}}"#);
    let mode = "Mode must be create, upsert or merge";
    let atomic = "Atomic must be true or false";
    let dry_run = "DryRun must be true or false";
    let cases = [
        (
            "".to_owned(),
            "Request body is not valid JSON: line 1, column 1",
        ),
        (format!("[{good}]"), "Request body must be a JSON object"),
        ("{}".to_owned(), NOT_CONTACTS),
        (r#"{"contacts":null}"#.to_owned(), NOT_CONTACTS),
        (r#"{"contacts":"x"}"#.to_owned(), NOT_CONTACTS),
        (r#"{"contacts":7}"#.to_owned(), NOT_CONTACTS),
        (format!(r#"{{"contacts":{good}}}"#), NOT_CONTACTS),
        (with(r#""mode":"replace""#), mode),
        (with(r#""mode":"Create""#), mode),
        (with(r#""mode":"""#), mode),
        (with(r#""mode":1"#), mode),
        (with(r#""mode":["create"]"#), mode),
        (with(r#""atomic":"true""#), atomic),
        (with(r#""atomic":1"#), atomic),
        (with(r#""dryRun":"false""#), dry_run),
        (with(r#""dryRun":{}"#), dry_run),
        (with(r#""dryrun":true"#), "Unknown field: dryrun"),
        (with(r#""alias":"john""#), "Unknown field: alias"),
        (with(r#""mode":"x","colour":1"#), "Unknown field: colour"),
        (with(r#""contacts":[]"#), "Duplicate field: contacts"),
        (with(r#""dryRun":1,"atomic":1,"mode":1"#), mode),
    ];
    for (body, message) in cases {
        let reply = send(&book, body.as_str());
        assert_refused(&reply, invalid(message));
        assert_eq!(reply.json().get("results"), None, "{body}");
    }
    assert_total(&book, 0);
    let reply = send(&book, with(r#""mode":null,"atomic":null,"dryRun":null"#));
    assert_eq!(texts(&reply, "status"), ["created"]);
}

#[test]
fn a_mode_is_the_same_however_json_spells_it() {
    let book = Book::start();
    let body = format!(r#"{{"mode":"\u0075psert","contacts":[{}]}}"#, contact("a"));
    let reply = send(&book, body);
    assert_eq!(reply.status, 200, "{}", reply.body);
}

/// Items that are wrong in themselves, of every kind that a single create knows.
fn bad_contacts() -> Vec<String> {
    let long = json!({"alias": "é".repeat(129), "msisdn": "4479000000001"}).to_string();
    let meta = |meta: &str| format!(r#"{{"alias":"m","msisdn":"4479000000001","meta":{meta}}}"#);
    let members: Vec<String> = (0..65).map(|n| format!(r#""k{n}":1"#)).collect();
    let mut bad = vec![
        long,
        meta("[]"),
        meta(r#""x""#),
        meta(&format!("{{{}}}", members.join(","))),
        meta(r#"{"":1}"#),
        meta(&format!(r#"{{"{}":1}}"#, "n".repeat(65))),
        meta(r#"{"a":{"b":1,"b":1}}"#),
        meta(&format!(r#"{{"a":{}{}}}"#, "[".repeat(8), "]".repeat(8))),
        meta(&format!(r#"{{"a":"{}"}}"#, "x".repeat(16_377))),
        meta(r#"{"a":"\u0000"}"#),
        meta(r#"{"a":["\ud800"]}"#),
    ];
    let more = [
        "{}",
        r#"{"alias":null,"msisdn":"4479000000001"}"#,
        r#"{"alias":" \t\u00a0","msisdn":"4479000000001"}"#,
        r#"{"alias":7,"msisdn":"4479000000001"}"#,
        r#"{"alias":"a\u0000b","msisdn":"4479000000001"}"#,
        r#"{"alias":"a\u202eb","msisdn":"4479000000001"}"#,
        r#"{"alias":"a\ud800b","msisdn":"4479000000001"}"#,
        r#"{"alias":"..","msisdn":"4479000000001"}"#,
        r#"{"alias":"a"}"#,
        r#"{"alias":"a","msisdn":" "}"#,
        r#"{"alias":"a","msisdn":4479000000001}"#,
        r#"{"alias":"a","msisdn":"call me"}"#,
        r#"{"alias":"a","msisdn":"1234567890123456"}"#,
        r#"{"alias":"a","msisdn":"\udc00"}"#,
        r#"{"alias":"a","msisdn":"4479000000001","colour":1}"#,
        r#"{"alias":"a","alias":"b","msisdn":"4479000000001"}"#,
        r#"{"meta":1,"msisdn":1,"alias":1}"#,
        r#"{"alias":"taken","msisdn":"4479000000001"}"#,
    ];
    bad.extend(more.map(str::to_owned));
    bad
}

#[test]
fn a_bad_contact_has_the_error_of_a_single_create_and_its_neighbours_are_stored() {
    let book = Book::start();
    book.contact_of("taken", "4479000000009");
    let bad = bad_contacts();
    let mut contacts = vec![contact("first")];
    let mut expected = vec![Value::Null];
    for (at, one) in bad.iter().enumerate() {
        let single = book.call("POST", "").json(one.as_str()).send();
        assert_eq!(single.status, 400, "{one}");
        expected.extend([single.json()["error"].clone(), Value::Null]);
        contacts.extend([one.clone(), contact(&format!("good {at}"))]);
    }
    let reply = send(&book, body_of(&contacts));
    assert_eq!(reply.status, 200);
    let body = reply.json();
    let results = body["results"].as_array().unwrap();
    assert_eq!(results.len(), expected.len());
    for (at, (result, expected)) in results.iter().zip(expected).enumerate() {
        let status = if expected.is_null() {
            "created"
        } else {
            "error"
        };
        assert_eq!(result["status"], status, "{result} for {}", contacts[at]);
        assert_eq!(result["error"], expected, "{}", contacts[at]);
        assert_eq!(result.get("id").is_some(), expected.is_null());
    }
    assert_eq!(body["summary"]["failed"], bad.len());
    assert_eq!(body["summary"]["created"], bad.len() + 1);
    assert_total(&book, i64::try_from(bad.len()).unwrap() + 2);
}

#[test]
fn an_item_that_is_no_object_is_an_error_of_its_own() {
    let book = Book::start();
    let items = ["null", "1", r#""john""#, "true", "[]", r#"[{"alias":"x"}]"#];
    let reply = send(&book, body_of(&items));
    assert_eq!(messages(&reply), ["Contact must be a JSON object"; 6]);
    assert_eq!(reply.status, 200);
    assert_total(&book, 0);
}

#[test]
fn the_same_alias_again_is_an_error_that_names_the_first() {
    let book = Book::start();
    book.contact_of("taken", "4479000000009");
    let contacts = [
        "taken",
        "jane",
        "Zoe\u{308}",
        " jane\n",
        "Zoë",
        "jane",
        "JANE",
        "taken",
    ]
    .map(contact);
    let same =
        |index: usize| format!("Alias is the same as that of contact {index} in this request");
    for (mode, statuses, first) in [
        (
            "create",
            ["error", "created", "created"],
            "Alias already exists",
        ),
        ("upsert", ["updated", "unchanged", "unchanged"], ""),
    ] {
        let body = body_of(&contacts).replacen('{', &format!(r#"{{"mode":"{mode}","#), 1);
        let reply = send(&book, body);
        let expected = [first, "", "", &same(1), &same(2), &same(1), "", &same(0)];
        assert_eq!(messages(&reply), expected, "{mode}");
        assert_eq!(texts(&reply, "status")[..3], statuses, "{mode}");
    }
    assert_total(&book, 4);
}

#[test]
fn an_alias_that_only_a_bad_contact_had_before_is_free() {
    let book = Book::start();
    let contacts = [
        r#"{"alias":"john","msisdn":"12"}"#.to_owned(),
        contact("john"),
        contact("john"),
    ];
    let reply = send(&book, body_of(&contacts));
    assert_eq!(
        messages(&reply),
        [
            "Msisdn must be a phone number in international format",
            "",
            "Alias is the same as that of contact 1 in this request"
        ]
    );
    assert_total(&book, 1);
}

#[test]
fn a_body_of_8_mib_is_read_and_a_larger_one_is_not() {
    let book = Book::start();
    let padded = |bytes: usize| {
        let body = body_of(&[contact("john")]);
        format!("{body}{}", " ".repeat(bytes - body.len()))
    };
    let reply = send(&book, padded(BODY_BYTES_MAX + 1));
    assert_snapshot!(reply.redacted(), @r#"413 {"success":false,"error":{"name":"PayloadTooLargeError","statusCode":413,"message":"Request body must be at most 8388608 bytes"}}"#);
    assert_total(&book, 0);
    let reply = send(&book, padded(BODY_BYTES_MAX));
    assert_eq!(
        (reply.status, texts(&reply, "status")),
        (200, vec!["created".to_owned()])
    );
    assert_total(&book, 1);
}
