//! `POST /addressbook/contacts/resolve`: who may be sent to, and the text for each.

use insta::assert_snapshot;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::book::{Book, JOHN};
use crate::harness::Reply;

/// Asks for these recipients, with a text where there is one.
pub(super) fn resolve(book: &Book, recipients: &[&str], text: Option<&str>) -> Reply {
    let mut body = json!({"recipients": recipients});
    if let Some(text) = text {
        body["text"] = text.into();
    }
    book.call("POST", "/resolve").json(body.to_string()).send()
}

fn opt_out(book: &Book, msisdn: &str) {
    let key = book.server.key(&["create:Optouts"]);
    let call = book.server.call("POST", "/addressbook/optouts").key(&key);
    let body = json!({"msisdn": msisdn}).to_string();
    assert_eq!(call.json(body).send().status, 200);
}

/// The statuses of the results, in order.
fn statuses(reply: &Reply) -> Vec<String> {
    assert_eq!(reply.status, 200, "{}", reply.body);
    let body = reply.json();
    let results = body["results"].as_array().unwrap();
    let status = |result: &Value| result["status"].as_str().unwrap().to_owned();
    results.iter().map(status).collect()
}

fn resolved(reply: &Reply) -> String {
    format!("{} {}", reply.status, reply.body)
}

#[test]
fn the_documented_text_is_filled_for_the_documented_contact() {
    let book = Book::start();
    book.contact(JOHN);
    let text = "Hello {{NAME}}, how is the weather in {{CITY}}?";
    let reply = resolve(&book, &["john"], Some(text));
    assert_snapshot!(resolved(&reply), @r#"200 {"success":true,"results":[{"recipient":"john","status":"ok","msisdn":"4479000000001","meta":{"NAME":"John","CITY":"London"},"text":"Hello John, how is the weather in London?"}],"recipients":[{"alias":"john","msisdn":"4479000000001","text":"Hello John, how is the weather in London?"}]}"#);
    assert_eq!(reply.header("content-type"), "application/json");
}

#[test]
fn without_a_text_there_is_none_in_the_answer() {
    let book = Book::start();
    book.contact(JOHN);
    let reply = resolve(&book, &["john", "nobody"], None);
    assert_snapshot!(resolved(&reply), @r#"200 {"success":true,"results":[{"recipient":"john","status":"ok","msisdn":"4479000000001","meta":{"NAME":"John","CITY":"London"}},{"recipient":"nobody","status":"not_found"}],"recipients":[{"alias":"john","msisdn":"4479000000001"}]}"#);
    let null = r#"{"recipients":["john","nobody"],"text":null}"#;
    let null = book.call("POST", "/resolve").json(null).send();
    assert_eq!(resolved(&null), resolved(&reply));
}

#[test]
fn both_paths_are_the_same_call_and_need_to_read_contacts_alone() {
    let book = Book::start();
    book.contact(JOHN);
    let key = book.server.key(&["read:Contacts"]);
    let expected = resolve(&book, &["john"], Some("Hi")).body;
    for path in ["/contacts/resolve", "/addressbook/contacts/resolve"] {
        let call = book.server.call("POST", path).key(&key);
        let body = r#"{"text":"Hi","recipients":["john"]}"#;
        assert_eq!(call.json(body).send().body, expected);
    }
}

#[test]
fn every_recipient_is_answered_in_order_and_the_sendable_once_each() {
    let book = Book::start();
    book.contact(JOHN);
    book.contact_of("johns desk", "4479000000001");
    book.contact_of("jane", "4479000000002");
    book.contact_of("joe", "4479000000003");
    opt_out(&book, "4479000000003");
    let recipients = [
        "nobody",
        "joe",
        "jane",
        "john",
        "johns desk",
        "john",
        "joe",
        "nobody",
    ];
    let reply = resolve(&book, &recipients, Some("Hi {{NAME}}"));
    assert_snapshot!(resolved(&reply), @r#"200 {"success":true,"results":[{"recipient":"nobody","status":"not_found"},{"recipient":"joe","status":"opted_out","msisdn":"4479000000003","meta":{}},{"recipient":"jane","status":"ok","msisdn":"4479000000002","meta":{},"text":"Hi {{NAME}}","missing":["NAME"]},{"recipient":"john","status":"ok","msisdn":"4479000000001","meta":{"NAME":"John","CITY":"London"},"text":"Hi John"},{"recipient":"johns desk","status":"duplicate","msisdn":"4479000000001","meta":{}},{"recipient":"john","status":"duplicate","msisdn":"4479000000001","meta":{"NAME":"John","CITY":"London"}},{"recipient":"joe","status":"opted_out","msisdn":"4479000000003","meta":{}},{"recipient":"nobody","status":"not_found"}],"recipients":[{"alias":"jane","msisdn":"4479000000002","text":"Hi {{NAME}}","missing":["NAME"]},{"alias":"john","msisdn":"4479000000001","text":"Hi John"}]}"#);
}

#[test]
fn not_found_comes_before_opted_out_and_opted_out_before_duplicate() {
    let book = Book::start();
    book.contact_of("a", "4479000000001");
    book.contact_of("b", "4479000000001");
    let all = ["a", "b", "a", "c", "c"];
    assert_eq!(
        statuses(&resolve(&book, &all, None)),
        ["ok", "duplicate", "duplicate", "not_found", "not_found"]
    );
    // Opt-outs belong to the number.
    opt_out(&book, "4479000000001");
    let reply = resolve(&book, &all, None);
    let expected = [
        "opted_out",
        "opted_out",
        "opted_out",
        "not_found",
        "not_found",
    ];
    assert_eq!(statuses(&reply), expected);
    assert_eq!(reply.json()["recipients"], json!([]));
    let key = book.server.key(&["delete:Optouts"]);
    let path = "/addressbook/optouts/4479000000001";
    assert_eq!(
        book.server.call("DELETE", path).key(&key).send().status,
        200
    );
    assert_eq!(
        statuses(&resolve(&book, &["c", "b", "a"], None)),
        ["not_found", "ok", "duplicate"]
    );
}

#[test]
fn an_opted_out_number_makes_no_other_a_duplicate() {
    let book = Book::start();
    book.contact_of("out", "4479000000001");
    book.contact_of("in", "4479000000002");
    opt_out(&book, "4479000000001");
    let reply = resolve(&book, &["out", "in", "out", "in"], None);
    assert_eq!(
        statuses(&reply),
        ["opted_out", "ok", "opted_out", "duplicate"]
    );
    assert_eq!(
        reply.json()["recipients"],
        json!([{"alias": "in", "msisdn": "4479000000002"}])
    );
}

#[test]
fn an_alias_is_found_however_it_is_sent_and_answered_as_it_was_sent() {
    let book = Book::start();
    book.contact_of("Zoë", "4479000000001");
    book.contact_of("a/b", "4479000000002");
    for (sent, stored) in [
        ("Zoë", "Zoë"),
        (" Zoe\u{308}\n", "Zoë"),
        ("\ta/b\u{a0}", "a/b"),
    ] {
        let body = resolve(&book, &[sent], None).json();
        assert_eq!(body["results"][0]["recipient"], sent);
        assert_eq!(body["results"][0]["status"], "ok", "{sent:?}");
        assert_eq!(body["recipients"][0]["alias"], stored);
    }
    let both = resolve(&book, &["Zoë", "Zoe\u{308} "], None);
    assert_eq!(statuses(&both), ["ok", "duplicate"]);
}

#[test]
fn a_text_that_is_no_alias_is_not_found() {
    let book = Book::start();
    book.contact_of("john", "4479000000001");
    let long = "x".repeat(129);
    let recipients = [
        "",
        " ",
        "a\0b",
        "a\u{202e}b",
        ".",
        "..",
        &long,
        "JOHN",
        "4479000000001",
    ];
    let reply = resolve(&book, &recipients, Some("Hi"));
    assert_eq!(statuses(&reply), ["not_found"; 9]);
    let body = reply.json();
    for (at, sent) in recipients.iter().enumerate() {
        let expected = json!({"recipient": sent, "status": "not_found"});
        assert_eq!(body["results"][at], expected);
    }
    assert_eq!(body["recipients"], json!([]));
}

#[test]
fn numbers_in_meta_and_text_are_as_they_came_to_the_digit() {
    #[derive(Deserialize)]
    struct Answer<'a> {
        #[serde(borrow)]
        results: Vec<Found<'a>>,
    }
    #[derive(Deserialize)]
    struct Found<'a> {
        status: String,
        #[serde(borrow)]
        meta: &'a RawValue,
        text: Option<String>,
    }
    let book = Book::start();
    let meta = r#"{"z":1.0,"e":1e400,"n":123456789012345678901234567890,"a":-0.50,"t":false}"#;
    for (alias, msisdn) in [
        ("a", "4479000000001"),
        ("b", "4479000000001"),
        ("c", "4479000000002"),
    ] {
        let body = format!(r#"{{"alias":"{alias}","msisdn":"{msisdn}","meta":{meta}}}"#);
        book.contact(&body);
    }
    opt_out(&book, "4479000000002");
    let text = "{{z}} {{e}} {{n}} {{a}} {{t}}";
    let reply = resolve(&book, &["a", "b", "c"], Some(text));
    let answer: Answer<'_> = serde_json::from_str(&reply.body).unwrap();
    let filled = "1.0 1e400 123456789012345678901234567890 -0.50 false";
    let expected = [
        ("ok", Some(filled)),
        ("duplicate", None),
        ("opted_out", None),
    ];
    assert_eq!(answer.results.len(), expected.len());
    for (found, (status, text)) in answer.results.iter().zip(expected) {
        assert_eq!(found.meta.get(), meta);
        assert_eq!(
            (found.status.as_str(), found.text.as_deref()),
            (status, text)
        );
    }
}

/// The text and what is missing from it, for one contact of this meta.
#[track_caller]
fn assert_filled(meta: &str, cases: &[(&str, &str, &[&str])]) {
    let book = Book::start();
    book.contact(&format!(
        r#"{{"alias":"john","msisdn":"4479000000001","meta":{meta}}}"#
    ));
    for (text, filled, missing) in cases {
        let body = resolve(&book, &["john"], Some(text)).json();
        let result = &body["results"][0];
        assert_eq!(result["text"], *filled, "{text}");
        assert_eq!(result["text"], body["recipients"][0]["text"]);
        let found = result.get("missing").cloned().unwrap_or(json!([]));
        assert_eq!(found, json!(missing), "{text}");
    }
}

#[test]
fn a_placeholder_is_a_member_exactly_or_in_any_case_or_our_own() {
    assert_filled(
        r#"{"NAME":"A","name":"B","City":"C","ÜBER":"U","a b":"D"}"#,
        &[
            ("{{NAME}} {{name}}", "A B", &[]),
            ("{{CITY}} {{city}} {{City}}", "C C C", &[]),
            ("{{über}} {{a b}}", "U D", &[]),
            // Two in other cases: which one is meant is not clear.
            ("{{Name}}", "{{Name}}", &["Name"]),
            ("{{alias}} {{ALIAS}} {{Alias}}", "john john john", &[]),
            ("{{msisdn}} {{MsIsDn}}", "4479000000001 4479000000001", &[]),
            ("{{id}}", "{{id}}", &["id"]),
        ],
    );
    assert_filled(
        r#"{"Alias":"J","MSISDN":7}"#,
        &[("{{alias}} {{ALIAS}} {{msisdn}}", "J J 7", &[])],
    );
}

#[test]
fn what_has_no_text_is_missing_and_left_standing_once_each_in_order() {
    assert_filled(
        r#"{"null":null,"object":{"a":1},"array":["x"],"empty":"","zero":0}"#,
        &[
            (
                "{{object}} {{null}} {{array}} {{none}} {{null}}",
                "{{object}} {{null}} {{array}} {{none}} {{null}}",
                &["object", "null", "array", "none"],
            ),
            ("<{{empty}}{{zero}}>", "<0>", &[]),
            ("no placeholder { } } {", "no placeholder { } } {", &[]),
            ("{{zero", "{{zero", &[]),
            ("zero}}", "zero}}", &[]),
        ],
    );
}

#[test]
fn a_value_is_never_expanded_again() {
    assert_filled(
        r#"{"a":"{{b}}","b":"{{a}}","open":"{{","close":"}}","c":"alias"}"#,
        &[
            ("{{a}}{{b}}", "{{b}}{{a}}", &[]),
            ("{{open}}alias{{close}}", "{{alias}}", &[]),
            ("{{open}}{{c}}{{close}}", "{{alias}}", &[]),
        ],
    );
}

#[test]
fn two_contacts_of_one_request_have_their_own_text_and_their_own_missing() {
    let book = Book::start();
    book.contact(JOHN);
    book.contact(r#"{"alias":"jane","msisdn":"4479000000002","meta":{"name":"Jane"}}"#);
    let reply = resolve(&book, &["jane", "john"], Some("{{NAME}} of {{CITY}}"));
    assert_snapshot!(resolved(&reply), @r#"200 {"success":true,"results":[{"recipient":"jane","status":"ok","msisdn":"4479000000002","meta":{"name":"Jane"},"text":"Jane of {{CITY}}","missing":["CITY"]},{"recipient":"john","status":"ok","msisdn":"4479000000001","meta":{"NAME":"John","CITY":"London"},"text":"John of London"}],"recipients":[{"alias":"jane","msisdn":"4479000000002","text":"Jane of {{CITY}}","missing":["CITY"]},{"alias":"john","msisdn":"4479000000001","text":"John of London"}]}"#);
}
