//! `Idempotency-Key`: a write that is retried happens once and answers alike.

use std::collections::HashSet;

use insta::assert_snapshot;

use crate::book::{Book, together};
use crate::harness::Reply;

const CONTACT: &str = r#"{"alias":"john","msisdn":"15550000000"}"#;

impl Book {
    fn send_as(&self, method: &str, path: &str, name: &str, body: &str) -> Reply {
        self.server
            .call(method, path)
            .key(&self.key)
            .header("Idempotency-Key", name)
            .json(body)
            .send()
    }
}

/// The same answer to the byte, this time marked as a replay.
fn assert_replay(first: &Reply, again: &Reply) {
    assert_eq!(first.header("idempotency-replayed"), "");
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!((first.status, &first.body), (again.status, &again.body));
    for header in ["etag", "content-type", "cache-control"] {
        assert_eq!(first.header(header), again.header(header), "{header}");
    }
    assert_eq!(again.header("content-type"), "application/json");
}

#[test]
fn a_retried_create_answers_the_same_bytes_and_stores_once() {
    let book = Book::start();
    let first = book.send_as("POST", "/contacts", "first", CONTACT);
    assert_eq!(first.status, 200);
    // Both paths are one call.
    for path in ["/contacts", "/addressbook/contacts"] {
        assert_replay(&first, &book.send_as("POST", path, "first", CONTACT));
    }
    assert_eq!(book.server.stored(), 1);
    let other = book.send_as("POST", "/contacts", "second", CONTACT);
    assert_eq!(other.message(), "Alias already exists");
}

#[test]
fn a_refusal_of_the_database_is_stored_as_well() {
    let book = Book::start();
    assert_eq!(book.server.create(&book.key, CONTACT).status, 200);
    let taken = book.send_as("POST", "/contacts", "taken", CONTACT);
    assert_eq!(taken.message(), "Alias already exists");
    let deleted = book
        .server
        .call("DELETE", "/contacts/15550000000")
        .key(&book.key)
        .send();
    assert_eq!(deleted.status, 200);
    assert_replay(&taken, &book.send_as("POST", "/contacts", "taken", CONTACT));
    assert_eq!(book.server.stored(), 0);
}

#[test]
fn a_retried_put_answers_its_first_outcome_and_entity_tag() {
    let book = Book::start();
    let body = r#"{"msisdn":"15550000000"}"#;
    let first = book.send_as("PUT", "/contacts/alias/john", "put", body);
    assert!(
        first.body.ends_with(r#""outcome":"created"}"#),
        "{}",
        first.body
    );
    assert_eq!(first.header("etag").len(), 34);
    assert_replay(
        &first,
        &book.send_as("PUT", "/contacts/alias/john", "put", body),
    );
    let fresh = book.send_as("PUT", "/contacts/alias/john", "another", body);
    assert!(fresh.body.ends_with(r#""outcome":"unchanged"}"#));
}

#[test]
fn a_retried_bulk_answers_the_same_bytes_and_stores_once() {
    let book = Book::start();
    let body = r#"{"contacts":[{"alias":"a","msisdn":"15550000000"},{"alias":"b"},{"alias":"a","msisdn":"15550000000"}]}"#;
    let first = book.send_as("POST", "/contacts/bulk", "bulk", body);
    assert_eq!(first.json()["summary"]["created"], 1);
    assert_replay(
        &first,
        &book.send_as("POST", "/contacts/bulk", "bulk", body),
    );
    assert_eq!(book.server.stored(), 1);
    let dry = r#"{"dryRun":true,"contacts":[{"alias":"dry","msisdn":"15550000000"}]}"#;
    for _ in 0..2 {
        let answer = book.send_as("POST", "/contacts/bulk", "dry", dry);
        assert_eq!(
            answer.header("idempotency-replayed"),
            "",
            "what writes nothing is done anew"
        );
        assert_eq!(answer.json()["summary"]["created"], 1);
    }
    assert_eq!(book.server.stored(), 1);
}

#[test]
fn another_request_under_the_same_name_is_refused() {
    let book = Book::start();
    assert_eq!(
        book.send_as("POST", "/contacts", "name", CONTACT).status,
        200
    );
    let other_body = book.send_as(
        "POST",
        "/contacts",
        "name",
        r#"{"alias":"jane","msisdn":"15550000000"}"#,
    );
    assert_snapshot!(other_body.redacted(), @r#"422 {"success":false,"error":{"name":"IdempotencyError","statusCode":422,"message":"Idempotency-Key was used for another request"}}"#);
    let other_call = book.send_as("PUT", "/contacts/alias/john", "name", CONTACT);
    assert_eq!(other_call.status, 422);
    let other_condition = book
        .server
        .call("PUT", "/contacts/alias/john")
        .key(&book.key)
        .header("Idempotency-Key", "name")
        .header("If-None-Match", "*")
        .json(CONTACT)
        .send();
    assert_eq!(other_condition.status, 422);
    assert_eq!(book.server.stored(), 1);
}

#[test]
fn names_belong_to_the_api_key() {
    let book = Book::start();
    assert_eq!(
        book.send_as("POST", "/contacts", "name", CONTACT).status,
        200
    );
    let other = Book {
        key: book.server.key(&["create:Contacts"]),
        ..book
    };
    let reply = other.send_as("POST", "/contacts", "name", CONTACT);
    assert_eq!(reply.message(), "Alias already exists");
    assert_eq!(reply.header("idempotency-replayed"), "");
}

#[test]
fn a_name_is_1_to_255_visible_ascii_characters() {
    let book = Book::start();
    let (longest, longer) = ("x".repeat(255), "x".repeat(256));
    for (name, alias) in [("!", "a"), (longest.as_str(), "b")] {
        let body = CONTACT.replace("john", alias);
        assert_eq!(book.send_as("POST", "/contacts", name, &body).status, 200);
    }
    for name in ["", "a b", "é", &longer] {
        let reply = book.send_as("POST", "/contacts", name, CONTACT);
        assert_eq!(
            reply.message(),
            "Idempotency-Key must be 1 to 255 visible ASCII characters, once",
            "{name:?}"
        );
    }
    let twice = book.server.call("POST", "/contacts").key(&book.key);
    let twice = twice
        .header("Idempotency-Key", "a")
        .header("Idempotency-Key", "a");
    assert_eq!(twice.json(CONTACT).send().status, 400);
    assert_eq!(book.server.stored(), 2);
}

#[test]
fn what_is_wrong_before_the_database_may_be_mended_under_the_same_name() {
    let book = Book::start();
    assert_eq!(
        book.send_as("POST", "/contacts", "name", "{}").message(),
        "Alias is required"
    );
    assert_eq!(
        book.send_as("POST", "/contacts", "name", CONTACT).status,
        200
    );
}

#[test]
fn of_32_retries_at_once_one_writes_and_all_answer_alike() {
    let book = Book::start();
    let replies = together(|_| book.send_as("POST", "/contacts", "at-once", CONTACT));
    let bodies: HashSet<&str> = replies.iter().map(|reply| reply.body.as_str()).collect();
    assert_eq!(bodies.len(), 1);
    let fresh = replies
        .iter()
        .filter(|reply| reply.header("idempotency-replayed").is_empty());
    assert_eq!(fresh.count(), 1);
    assert_eq!(book.server.stored(), 1);
}

#[test]
fn a_day_later_the_name_is_free_and_the_answer_gone() {
    let book = Book::start();
    assert_eq!(
        book.send_as("POST", "/contacts", "name", CONTACT).status,
        200
    );
    let day_ms = 24 * 60 * 60 * 1000;
    let age = format!("UPDATE idempotency SET created_on = created_on - {day_ms}");
    assert_eq!(book.server.change(&age), 1);
    let again = book.send_as("POST", "/contacts", "name", CONTACT);
    assert_eq!(again.message(), "Alias already exists");
    assert_eq!(book.server.change(&age), 1, "one for the one name");
    assert_eq!(
        book.send_as("POST", "/contacts", "another", CONTACT).status,
        400
    );
    let left = book.server.column("SELECT name FROM idempotency");
    assert_eq!(left, ["another"], "what is over goes away by itself");
}

#[test]
fn a_key_that_lost_its_permission_gets_no_replay() {
    let book = Book::start();
    assert_eq!(
        book.send_as("POST", "/contacts", "name", CONTACT).status,
        200
    );
    book.server
        .change("UPDATE api_keys SET permissions = 'read:Contacts'");
    assert_eq!(
        book.send_as("POST", "/contacts", "name", CONTACT).status,
        403
    );
}
