//! `POST /addressbook/contacts`: the documented call and the rules of its fields.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::harness::Server;

const DOCUMENTED: &str = r#"{
    "alias": "john",
    "msisdn": "4479000000001",
    "meta": {
      "NAME": "John",
      "CITY": "London"
    }
  }"#;

/// Sends each body and pairs it with status and message.
fn refusals(bodies: &[(&str, &str)]) {
    let server = Server::start();
    let key = server.key(&["create:Contacts"]);
    for (body, message) in bodies {
        let reply = server.create(&key, *body);
        assert_eq!(
            (reply.status, reply.message().as_str()),
            (400, *message),
            "{body}"
        );
        assert_eq!(reply.json()["error"]["name"], "ValidationError");
    }
    assert_eq!(
        server.stored(),
        0,
        "a refused contact leaves nothing behind"
    );
}

fn accepted(server: &Server, key: &str, body: &Value) -> Value {
    let reply = server.create(key, body.to_string());
    assert_eq!(reply.status, 200, "{body}: {}", reply.body);
    reply.json()["record"].clone()
}

#[test]
fn the_documented_request_gets_the_documented_answer() {
    let server = Server::start();
    let key = server.key(&["create:Contacts"]);
    let reply = server.create(&key, DOCUMENTED);
    assert_snapshot!(reply.redacted(), @r#"200 {"success":true,"record":{"id":"[id]","alias":"john","msisdn":"4479000000001","created_on":"[time]"}}"#);
    assert_eq!(reply.header("content-type"), "application/json");
}

#[test]
fn the_documented_curl_path_is_the_same_call() {
    let server = Server::start();
    let key = server.key(&["create:Contacts"]);
    let first = server
        .call("POST", "/contacts")
        .key(&key)
        .json(DOCUMENTED)
        .send();
    assert_eq!(first.status, 200);
    let again = server.create(&key, DOCUMENTED);
    assert_snapshot!(again.redacted(), @r#"400 {"success":false,"error":{"name":"ValidationError","statusCode":400,"message":"Alias already exists"}}"#);
}

#[test]
fn the_documented_error_is_answered_to_the_letter() {
    let server = Server::start();
    let key = server.key(&["create:Contacts"]);
    let reply = server.create(&key, r#"{"msisdn":"4479000000001"}"#);
    assert_snapshot!(reply.redacted(), @r#"400 {"success":false,"error":{"name":"ValidationError","statusCode":400,"message":"Alias is required"}}"#);
}

#[test]
fn an_alias_that_is_wrong_is_refused_with_its_reason() {
    let long = format!(
        r#"{{"alias":"{}","msisdn":"4479000000001"}}"#,
        "é".repeat(129)
    );
    refusals(&[
        (
            r#"{"alias":null,"msisdn":"4479000000001"}"#,
            "Alias is required",
        ),
        (
            r#"{"alias":"","msisdn":"4479000000001"}"#,
            "Alias is required",
        ),
        (
            r#"{"alias":" \t\u00a0","msisdn":"4479000000001"}"#,
            "Alias is required",
        ),
        (
            r#"{"alias":7,"msisdn":"4479000000001"}"#,
            "Alias must be a string",
        ),
        (
            r#"{"alias":["john"],"msisdn":"4479000000001"}"#,
            "Alias must be a string",
        ),
        (
            r#"{"alias":false,"msisdn":"4479000000001"}"#,
            "Alias must be a string",
        ),
        (&long, "Alias must be at most 128 characters"),
        (
            r#"{"alias":"a\u0000b","msisdn":"4479000000001"}"#,
            "Alias contains characters that are not allowed",
        ),
        (
            r#"{"alias":"a\u202eb","msisdn":"4479000000001"}"#,
            "Alias contains characters that are not allowed",
        ),
        (
            r#"{"alias":"a\ud800b","msisdn":"4479000000001"}"#,
            "Alias contains characters that are not allowed",
        ),
        (
            r#"{"alias":".","msisdn":"4479000000001"}"#,
            "Alias contains characters that are not allowed",
        ),
        (
            r#"{"alias":"..","msisdn":"4479000000001"}"#,
            "Alias contains characters that are not allowed",
        ),
    ]);
}

#[test]
fn a_number_that_is_wrong_is_refused_with_its_reason() {
    refusals(&[
        (r#"{"alias":"john"}"#, "Msisdn is required"),
        (r#"{"alias":"john","msisdn":null}"#, "Msisdn is required"),
        (r#"{"alias":"john","msisdn":"  "}"#, "Msisdn is required"),
        (
            r#"{"alias":"john","msisdn":4479000000001}"#,
            "Msisdn must be a string",
        ),
        (r#"{"alias":"john","msisdn":{}}"#, "Msisdn must be a string"),
        (
            r#"{"alias":"john","msisdn":"123456"}"#,
            "Msisdn must be a phone number in international format",
        ),
        (
            r#"{"alias":"john","msisdn":"1234567890123456"}"#,
            "Msisdn must be a phone number in international format",
        ),
        (
            r#"{"alias":"john","msisdn":"07900000001"}"#,
            "Msisdn must be a phone number in international format",
        ),
        (
            r#"{"alias":"john","msisdn":"call me"}"#,
            "Msisdn must be a phone number in international format",
        ),
        (
            r#"{"alias":"john","msisdn":"\udc00"}"#,
            "Msisdn must be a phone number in international format",
        ),
    ]);
}

#[test]
fn a_meta_that_is_wrong_is_refused_with_its_limit() {
    let with = |meta: &str| format!(r#"{{"alias":"john","msisdn":"4479000000001","meta":{meta}}}"#);
    let members: Vec<String> = (0..65).map(|n| format!(r#""k{n}":1"#)).collect();
    let cases = [
        ("[]".to_owned(), "Meta must be an object"),
        (r#""x""#.to_owned(), "Meta must be an object"),
        (
            format!("{{{}}}", members.join(",")),
            "Meta must have at most 64 members",
        ),
        (r#"{"":1}"#.to_owned(), "Meta must not have an empty name"),
        (
            format!(r#"{{"{}":1}}"#, "n".repeat(65)),
            "Meta names must be at most 64 characters",
        ),
        (
            r#"{"a":{"b":1,"b":1}}"#.to_owned(),
            "Meta must not have the same name twice: b",
        ),
        (
            format!(r#"{{"a":{}{}}}"#, "[".repeat(8), "]".repeat(8)),
            "Meta must be at most 8 levels deep",
        ),
        (
            format!(r#"{{"a":{}{}}}"#, "[".repeat(10_000), "]".repeat(10_000)),
            "Meta must be at most 8 levels deep",
        ),
        (
            format!(r#"{{"a":"{}"}}"#, "x".repeat(16_377)),
            "Meta must be at most 16384 bytes of compact JSON",
        ),
        (
            r#"{"a":"\u0000"}"#.to_owned(),
            "Meta must not contain the character U+0000",
        ),
        (
            r#"{"a":["\ud800"]}"#.to_owned(),
            "Meta must not contain a lone surrogate",
        ),
    ];
    let bodies: Vec<(String, &str)> = cases
        .iter()
        .map(|(meta, message)| (with(meta), *message))
        .collect();
    let bodies: Vec<(&str, &str)> = bodies
        .iter()
        .map(|(body, message)| (body.as_str(), *message))
        .collect();
    refusals(&bodies);
}

#[test]
fn the_first_problem_in_the_order_of_the_fields_is_the_one_answered() {
    refusals(&[
        (
            r#"{"meta":1,"msisdn":1,"alias":1}"#,
            "Alias must be a string",
        ),
        (
            r#"{"meta":1,"msisdn":1,"alias":"john"}"#,
            "Msisdn must be a string",
        ),
        (
            r#"{"meta":1,"alias":1,"colour":1}"#,
            "Unknown field: colour",
        ),
        (r#"{}"#, "Alias is required"),
    ]);
}

#[test]
fn values_at_their_limits_are_stored_as_they_are_answered() {
    let server = Server::start();
    let key = server.key(&["create:Contacts"]);
    for (alias, stored) in [
        ("é".repeat(128), "é".repeat(128)),
        ("  Zoe\u{308}\n".to_owned(), "Zoë".to_owned()),
        ("👩\u{200d}🚀".to_owned(), "👩\u{200d}🚀".to_owned()),
        ("a/b?c=%2F#".to_owned(), "a/b?c=%2F#".to_owned()),
        ("JOHN".to_owned(), "JOHN".to_owned()),
        ("john".to_owned(), "john".to_owned()),
    ] {
        let record = accepted(
            &server,
            &key,
            &json!({"alias": alias, "msisdn": "4479000000001"}),
        );
        assert_eq!(record["alias"], stored);
    }
    for (alias, msisdn, stored) in [
        ("shortest", "1234567", "1234567"),
        ("longest", "123456789012345", "123456789012345"),
        ("dressed", " +44 (7900) 000-000.1 ", "4479000000001"),
        ("international", "00447900000001", "447900000001"),
    ] {
        let record = accepted(
            &server,
            &key,
            &json!({"alias": alias, "msisdn": msisdn, "meta": null}),
        );
        assert_eq!(record["msisdn"], stored);
    }
}

#[test]
fn meta_is_stored_to_the_digit_and_in_its_order() {
    let server = Server::start();
    let key = server.key(&["create:Contacts"]);
    let meta = r#"{"z": 1.0, "a": [1e400, 123456789012345678901234567890], "A": "\u0041é\ud83d\ude00", "deep": [[[[[[[]]]]]]]}"#;
    let body = format!(r#"{{"alias":"john","msisdn":"4479000000001","meta":{meta}}}"#);
    assert_eq!(server.create(&key, body).status, 200);
    let [stored] = &server.column("SELECT meta FROM contacts")[..] else {
        panic!("one contact is stored");
    };
    assert_snapshot!(stored, @r#"{"z":1.0,"a":[1e400,123456789012345678901234567890],"A":"Aé😀","deep":[[[[[[[]]]]]]]}"#);
}

#[test]
fn two_contacts_may_share_a_number_and_never_an_alias() {
    let server = Server::start();
    let key = server.key(&["create:Contacts"]);
    let contact = |alias: &str| json!({"alias": alias, "msisdn": "4479000000001"}).to_string();
    assert_eq!(server.create(&key, contact("john")).status, 200);
    assert_eq!(server.create(&key, contact("jane")).status, 200);
    for same in ["john", " john ", "jo\u{68}n"] {
        let reply = server.create(&key, contact(same));
        assert_eq!(
            (reply.status, reply.message().as_str()),
            (400, "Alias already exists")
        );
    }
    assert_eq!(server.stored(), 2);
}

#[test]
fn query_parameters_of_a_create_are_ignored() {
    let server = Server::start();
    let key = server.key(&["create:Contacts"]);
    let reply = server
        .call("POST", "/addressbook/contacts?colour=red&colour=blue")
        .key(&key)
        .json(DOCUMENTED)
        .send();
    assert_eq!(reply.status, 200);
}
