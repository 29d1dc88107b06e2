//! `POST` and `PATCH` on one contact: which fields change, what is refused, and
//! what counts as a change.

use insta::assert_snapshot;

use crate::book::{Book, JOHN, NOT_FOUND, assert_refused, invalid};
use crate::harness::Reply;

/// The two calls, which differ in `meta` and in `outcome` alone.
const METHODS: [&str; 2] = ["POST", "PATCH"];
/// An id as ours, of nobody.
const NOBODY: &str = "019a6f5e-0000-7000-8000-000000000000";
const TAKEN: &str = "Alias already exists";

#[test]
fn the_documented_update_gets_the_documented_answer() {
    let book = Book::start();
    let id = book.contact(JOHN);
    let reply = book.change(
        "POST",
        &id,
        r#"{"alias":"jane","msisdn":"+55 555-555.555","meta":{"CITY":"Paris"}}"#,
    );
    assert_snapshot!(reply.redacted(), @r#"200 {"success":true,"record":{"id":"[id]","alias":"jane","msisdn":"55555555555","created_on":"[time]"}}"#);
    assert_eq!(reply.json()["record"]["id"], id);
    assert_eq!(reply.header("etag"), book.etag(&id));
    assert_snapshot!(book.line(&id), @r#"jane 55555555555 {"CITY":"Paris"}"#);
}

#[test]
fn a_patch_says_what_came_of_it_and_merges_meta() {
    let book = Book::start();
    let id = book.contact(JOHN);
    let body = r#"{"alias":"jane","msisdn":"55555555555","meta":{"CITY":"Paris"}}"#;
    let reply = book.change("PATCH", &id, body);
    assert_snapshot!(reply.redacted(), @r#"200 {"success":true,"record":{"id":"[id]","alias":"jane","msisdn":"55555555555","created_on":"[time]"},"outcome":"updated"}"#);
    assert_eq!(reply.json()["record"]["id"], id);
    assert_eq!(reply.header("etag"), book.etag(&id));
    assert_snapshot!(book.line(&id), @r#"jane 55555555555 {"NAME":"John","CITY":"Paris"}"#);
    let again = book.change("PATCH", &id, body);
    assert_snapshot!(again.redacted(), @r#"200 {"success":true,"record":{"id":"[id]","alias":"jane","msisdn":"55555555555","created_on":"[time]"},"outcome":"unchanged"}"#);
}

#[test]
fn each_field_changes_alone() {
    for method in METHODS {
        let book = Book::start();
        let id = book.contact(JOHN);
        for (body, line) in [
            (
                r#"{"alias":" Zoe\u0308 "}"#,
                r#"Zoë 4479000000001 {"NAME":"John","CITY":"London"}"#,
            ),
            (
                r#"{"msisdn":"+1 (555) 000-0000"}"#,
                r#"Zoë 15550000000 {"NAME":"John","CITY":"London"}"#,
            ),
            (
                r#"{"meta":null,"alias":"zoe"}"#,
                r#"zoe 15550000000 {"NAME":"John","CITY":"London"}"#,
            ),
        ] {
            let reply = book.change(method, &id, body);
            assert_eq!(reply.status, 200, "{method} {body}: {}", reply.body);
            assert_eq!(book.line(&id), line, "{method} {body}");
            assert_eq!(reply.header("etag"), book.etag(&id));
        }
        let reply = book.change(method, &id, r#"{"meta":{"AGE":7,"CITY":"Rome"}}"#);
        assert_eq!(reply.status, 200, "{}", reply.body);
        let meta = match method {
            "POST" => r#"{"AGE":7,"CITY":"Rome"}"#,
            _ => r#"{"NAME":"John","CITY":"Rome","AGE":7}"#,
        };
        assert_eq!(book.line(&id), format!("zoe 15550000000 {meta}"));
    }
}

#[test]
fn both_paths_and_an_id_in_upper_case_name_the_same_contact() {
    let book = Book::start();
    let key = book.server.key(&["update:Contacts"]);
    let id = book.contact(JOHN);
    for (number, method) in METHODS.into_iter().enumerate() {
        for (contacts, id) in [
            ("/contacts", id.clone()),
            ("/addressbook/contacts", id.to_uppercase()),
        ] {
            let reply = book
                .server
                .call(method, &format!("{contacts}/{id}"))
                .key(&key)
                .json(format!(r#"{{"alias":"{number} {contacts}"}}"#))
                .send();
            assert_eq!(reply.status, 200, "{}", reply.body);
            assert_eq!(
                reply.json()["record"]["alias"],
                format!("{number} {contacts}")
            );
        }
    }
    assert_eq!(book.server.stored(), 1);
}

#[test]
fn what_is_wrong_is_refused_and_changes_nothing() {
    let book = Book::start();
    let id = book.contact(JOHN);
    let before = book.get(&id);
    for (body, message) in [
        ("{}", "Nothing to update"),
        (r#"{"meta":null}"#, "Nothing to update"),
        (r#"{"alias":null}"#, "Alias is required"),
        (r#"{"alias":" "}"#, "Alias is required"),
        (r#"{"alias":1}"#, "Alias must be a string"),
        (
            r#"{"alias":".."}"#,
            "Alias contains characters that are not allowed",
        ),
        (r#"{"msisdn":null}"#, "Msisdn is required"),
        (r#"{"msisdn":""}"#, "Msisdn is required"),
        (r#"{"msisdn":4479000000001}"#, "Msisdn must be a string"),
        (
            r#"{"msisdn":"0123456"}"#,
            "Msisdn must be a phone number in international format",
        ),
        (r#"{"meta":[]}"#, "Meta must be an object"),
        (r#"{"meta":"x"}"#, "Meta must be an object"),
        (
            r#"{"meta":{"a":1,"a":null}}"#,
            "Meta must not have the same name twice: a",
        ),
        (r#"{"meta":{"":null}}"#, "Meta must not have an empty name"),
        (r#"{"id":"x","alias":1}"#, "Unknown field: id"),
        (r#"{"updated_on":null}"#, "Unknown field: updated_on"),
        (
            r#"{"alias":"jane","colour":"red"}"#,
            "Unknown field: colour",
        ),
        (
            r#"{"meta":1,"msisdn":1,"alias":1}"#,
            "Alias must be a string",
        ),
        (
            r#"{"meta":1,"msisdn":1,"alias":"jane"}"#,
            "Msisdn must be a string",
        ),
        (r#"{"meta":1,"alias":"jane"}"#, "Meta must be an object"),
        ("[]", "Request body must be a JSON object"),
        ("", "Request body is not valid JSON: line 1, column 1"),
        (
            r#"{"alias":"jane""#,
            "Request body is not valid JSON: line 1, column 16",
        ),
    ] {
        for method in METHODS {
            let reply = book.change(method, &id, body);
            assert_refused(&reply, invalid(message));
            assert_eq!(reply.header("etag"), "", "{method} {body}");
            assert_eq!(book.get(&id).body, before.body, "{method} {body}");
        }
    }
}

#[test]
fn an_alias_that_another_contact_has_is_refused_and_nothing_changes() {
    for method in METHODS {
        let book = Book::start();
        let id = book.contact(JOHN);
        book.contact_of("jane", "4479000000001");
        let before = book.get(&id);
        for alias in ["jane", " jane "] {
            let body =
                format!(r#"{{"alias":"{alias}","msisdn":"15550000000","meta":{{"CITY":"Rome"}}}}"#);
            assert_refused(&book.change(method, &id, &body), invalid(TAKEN));
            assert_eq!(book.get(&id).body, before.body);
        }
        let other_case = book.change(method, &id, r#"{"alias":"Jane"}"#);
        assert_eq!(other_case.status, 200, "{}", other_case.body);
    }
}

#[test]
fn an_alias_is_free_once_its_contact_has_another() {
    for method in METHODS {
        let book = Book::start();
        let john = book.contact(JOHN);
        let jane = book.contact_of("jane", "4479000000001");
        let renamed = book.change(method, &john, r#"{"alias":"johnny"}"#);
        assert_eq!(renamed.status, 200, "{}", renamed.body);
        let taken_over = book.change(method, &jane, r#"{"alias":"john"}"#);
        assert_eq!(taken_over.status, 200, "{}", taken_over.body);
        let reply = book.call("GET", "/alias/john").send();
        assert_eq!(reply.json()["record"]["id"], jane);
    }
}

#[test]
fn a_contact_that_is_not_there_is_not_found_once_the_body_is_right() {
    let book = Book::start();
    let id = book.contact(JOHN);
    let braced = format!("%7B{id}%7D");
    let simple = id.replace('-', "");
    let before = book.get(&id);
    for method in METHODS {
        for absent in [NOBODY, &braced, &simple, "john", "4479000000001", "%FF"] {
            for (body, message) in [
                ("{", "Request body is not valid JSON: line 1, column 2"),
                (r#"{"colour":1}"#, "Unknown field: colour"),
                ("{}", "Nothing to update"),
                (r#"{"alias":1}"#, "Alias must be a string"),
            ] {
                assert_refused(&book.change(method, absent, body), invalid(message));
            }
            let right = book.change(method, absent, r#"{"alias":"jane"}"#);
            assert_refused(&right, NOT_FOUND);
            // Taken or not: without a contact there is nothing to compare with.
            let taken = book.change(method, absent, r#"{"alias":"john"}"#);
            assert_refused(&taken, NOT_FOUND);
        }
    }
    assert_eq!(book.get(&id).body, before.body);
    assert_eq!(book.server.stored(), 1);
}

#[test]
fn what_is_so_already_is_unchanged() {
    let book = Book::start();
    let id = book.contact(
        r#"{"alias":"Zoë","msisdn":"4479000000001","meta":{"a":1,"b":{"c":[1,{"x":"A","y":2}],"d":null}}}"#,
    );
    let before = book.get(&id);
    for body in [
        r#"{"alias":"Zoë"}"#,
        r#"{"alias":" Zoe\u0308\n"}"#,
        r#"{"msisdn":"+44 7900-000.0001"}"#,
        r#"{"meta":{"b":{"d":null,"c":[1,{"y":2,"x":"\u0041"}]},"a":1}}"#,
        r#"{"alias":"Zoë","msisdn":"004479000000001","meta":{"a":1,"b":{"c":[1,{"x":"A","y":2}],"d":null}}}"#,
    ] {
        let reply = book.change("POST", &id, body);
        assert_unchanged(&reply.redacted(), "");
        assert_eq!(reply.header("etag"), before.header("etag"), "{body}");
        assert_eq!(book.get(&id).body, before.body, "{body}");
    }
    for body in [
        r#"{"alias":" Zoe\u0308\n"}"#,
        r#"{"msisdn":"+44 7900-000.0001"}"#,
        r#"{"meta":{}}"#,
        r#"{"meta":{"absent":null,"b":{"absent":null}}}"#,
        r#"{"meta":{"b":{"c":[1,{"y":2,"x":"\u0041"}]},"a":1}}"#,
    ] {
        let reply = book.change("PATCH", &id, body);
        assert_unchanged(&reply.redacted(), r#","outcome":"unchanged""#);
        assert_eq!(reply.header("etag"), before.header("etag"), "{body}");
        assert_eq!(book.get(&id).body, before.body, "{body}");
    }
}

#[track_caller]
fn assert_unchanged(answer: &str, beside_the_record: &str) {
    let expected = format!(
        r#"200 {{"success":true,"record":{{"id":"[id]","alias":"Zoë","msisdn":"4479000000001","created_on":"[time]"}}{beside_the_record}}}"#
    );
    assert_eq!(answer, expected);
}

#[test]
fn each_change_moves_updated_on_and_the_tag_and_nothing_else_of_time() {
    for method in METHODS {
        let book = Book::start();
        let id = book.contact(JOHN);
        let mut before = book.get(&id);
        let created_on = before.json()["record"]["created_on"].clone();
        assert_eq!(before.json()["record"]["updated_on"], created_on);
        for body in [
            r#"{"alias":"jane"}"#,
            r#"{"msisdn":"15550000000"}"#,
            r#"{"meta":{"CITY":"Rome"}}"#,
            r#"{"meta":{"CITY":1}}"#,
            // The same number in other digits comes back in these digits.
            r#"{"meta":{"CITY":1.0}}"#,
            r#"{"alias":"john"}"#,
        ] {
            assert_eq!(book.change(method, &id, body).status, 200, "{body}");
            let after = book.get(&id);
            // Written this way, later is greater.
            let (earlier, later) = (updated_on(&before), updated_on(&after));
            assert_eq!(later.len(), "2025-11-10T20:15:12.000Z".len());
            assert!(later > earlier, "{method} {body}: {earlier}, {later}");
            assert_eq!(after.json()["record"]["created_on"], created_on);
            assert_ne!(after.header("etag"), before.header("etag"), "{body}");
            before = after;
        }
    }
}

fn updated_on(reply: &Reply) -> String {
    let updated_on = &reply.json()["record"]["updated_on"];
    updated_on.as_str().unwrap().to_owned()
}

#[test]
fn numbers_of_meta_keep_their_digits_through_a_change() {
    for method in METHODS {
        let book = Book::start();
        let id = book.contact(
            r#"{"alias":"john","msisdn":"4479000000001","meta":{"one":1.0,"many":[1e400]}}"#,
        );
        let meta =
            r#"{"one":1.00,"many":[1E+400,-0,0.10,123456789012345678901234567890],"new":-0.0e-0}"#;
        let reply = book.change(method, &id, &format!(r#"{{"meta": {meta} }}"#));
        assert_eq!(reply.status, 200, "{}", reply.body);
        assert_eq!(book.line(&id), format!("john 4479000000001 {meta}"));
        let renamed = book.change(method, &id, r#"{"alias":"jane"}"#);
        assert_eq!(renamed.status, 200, "{}", renamed.body);
        assert_eq!(book.line(&id), format!("jane 4479000000001 {meta}"));
    }
}
