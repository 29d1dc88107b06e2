//! `PUT` of one contact by its alias: create or replace in one call.

use insta::assert_snapshot;

use crate::book::{Book, JOHN, NOT_IN_THIS_STATE, alias_path, assert_refused, invalid, together};
use crate::harness::Reply;

fn put(book: &Book, alias: &str, body: &str) -> Reply {
    book.call("PUT", &alias_path(alias)).json(body).send()
}

fn id_in(reply: &Reply) -> String {
    reply.json()["record"]["id"].as_str().unwrap().to_owned()
}

#[test]
fn the_first_put_creates_the_next_updates_and_the_same_again_changes_nothing() {
    let book = Book::start();
    let body = r#"{"msisdn":"+44 79 000000001","meta":{"NAME":"John","CITY":"London"}}"#;
    let created = put(&book, "john", body);
    assert_snapshot!(created.redacted(), @r#"200 {"success":true,"record":{"id":"[id]","alias":"john","msisdn":"4479000000001","created_on":"[time]"},"outcome":"created"}"#);
    assert_eq!(created.header("content-type"), "application/json");
    let id = id_in(&created);
    assert_eq!(created.header("etag"), book.etag(&id));

    let before = book.get(&id);
    let unchanged = put(
        &book,
        "john",
        r#"{"meta":{"CITY":"London","NAME":"John"},"msisdn":"4479000000001"}"#,
    );
    assert_snapshot!(unchanged.redacted(), @r#"200 {"success":true,"record":{"id":"[id]","alias":"john","msisdn":"4479000000001","created_on":"[time]"},"outcome":"unchanged"}"#);
    assert_eq!(unchanged.header("etag"), before.header("etag"));
    assert_eq!(book.get(&id).body, before.body);

    let updated = put(&book, "john", r#"{"msisdn":"55555555555","meta":{"A":1}}"#);
    assert_snapshot!(updated.redacted(), @r#"200 {"success":true,"record":{"id":"[id]","alias":"john","msisdn":"55555555555","created_on":"[time]"},"outcome":"updated"}"#);
    assert_eq!(id_in(&updated), id, "the contact stays the same one");
    assert_eq!(updated.header("etag"), book.etag(&id));
    assert_ne!(updated.header("etag"), before.header("etag"));
    assert_snapshot!(book.line(&id), @r#"john 55555555555 {"A":1}"#);
    assert_eq!(book.server.stored(), 1);
}

#[test]
fn absent_meta_clears_it() {
    let book = Book::start();
    let id = book.contact(JOHN);
    for body in [
        r#"{"msisdn":"4479000000001"}"#,
        r#"{"msisdn":"4479000000001","meta":null}"#,
        r#"{"msisdn":"4479000000001","meta":{}}"#,
    ] {
        let filled = put(
            &book,
            "john",
            r#"{"msisdn":"4479000000001","meta":{"A":1}}"#,
        );
        assert_eq!(filled.json()["outcome"], "updated");
        assert_eq!(book.line(&id), r#"john 4479000000001 {"A":1}"#);
        let cleared = put(&book, "john", body);
        assert_eq!(cleared.json()["outcome"], "updated", "{body}");
        assert_eq!(book.line(&id), "john 4479000000001 {}", "{body}");
        assert_eq!(put(&book, "john", body).json()["outcome"], "unchanged");
    }
}

#[test]
fn the_alias_of_the_body_is_absent_null_or_that_of_the_path() {
    let book = Book::start();
    for (path, in_body) in [
        ("Zoë", "null"),
        ("Zoë", r#""Zoë""#),
        ("Zoë", r#"" Zoe\u0308 ""#),
        ("Zoe\u{308}", r#""Zoë""#),
        (" Zoë\n", r#""\tZo\u00eb""#),
    ] {
        let body = format!(r#"{{"alias":{in_body},"msisdn":"4479000000001"}}"#);
        let reply = put(&book, path, &body);
        assert_eq!(reply.status, 200, "{path} {in_body}: {}", reply.body);
        assert_eq!(reply.json()["record"]["alias"], "Zoë");
    }
    assert_eq!(book.server.stored(), 1);
    for other in ["zoë", "Zoe", "john"] {
        let body = format!(r#"{{"alias":"{other}","msisdn":"4479000000001"}}"#);
        let reply = put(&book, "Zoë", &body);
        assert_refused(&reply, invalid("Alias must equal the alias in the path"));
    }
    assert_eq!(book.server.stored(), 1);
}

#[test]
fn what_is_wrong_is_refused_and_nothing_is_stored_or_changed() {
    let book = Book::start();
    let id = book.contact(JOHN);
    let before = book.get(&id);
    for (body, message) in [
        ("{}", "Msisdn is required"),
        (r#"{"msisdn":null}"#, "Msisdn is required"),
        (r#"{"msisdn":1}"#, "Msisdn must be a string"),
        (
            r#"{"msisdn":"call me"}"#,
            "Msisdn must be a phone number in international format",
        ),
        (
            r#"{"msisdn":"4479000000001","meta":[]}"#,
            "Meta must be an object",
        ),
        (
            r#"{"alias":1,"msisdn":1,"meta":1}"#,
            "Alias must be a string",
        ),
        (
            r#"{"alias":"other","msisdn":1,"meta":1}"#,
            "Alias must equal the alias in the path",
        ),
        (r#"{"msisdn":1,"meta":1}"#, "Msisdn must be a string"),
        (r#"{"msisdn":1,"outcome":1}"#, "Unknown field: outcome"),
        ("[]", "Request body must be a JSON object"),
        ("", "Request body is not valid JSON: line 1, column 1"),
    ] {
        for alias in ["john", "jane"] {
            assert_refused(&put(&book, alias, body), invalid(message));
        }
    }
    assert_eq!(book.get(&id).body, before.body);
    assert_eq!(book.server.stored(), 1);
}

#[test]
fn a_path_that_is_no_alias_is_refused_with_the_reason() {
    let book = Book::start();
    let body = r#"{"msisdn":"4479000000001"}"#;
    let characters = "Alias contains characters that are not allowed";
    for (alias, message) in [
        (" ", "Alias is required"),
        ("\u{a0}\t", "Alias is required"),
        ("a\0b", characters),
        ("a\nb", characters),
        ("a\u{202e}b", characters),
        (
            "é".repeat(129).as_str(),
            "Alias must be at most 128 characters",
        ),
    ] {
        assert_refused(&put(&book, alias, body), invalid(message));
    }
    for path in ["/alias/%2E", "/alias/%2e%2E", "/alias/%20..%20"] {
        let reply = book.call("PUT", path).json(body).send();
        assert_refused(&reply, invalid(characters));
    }
    let wrong_body_too = put(&book, " ", r#"{"colour":1}"#);
    assert_refused(&wrong_body_too, invalid("Unknown field: colour"));
    assert_eq!(book.server.stored(), 0);
}

#[test]
fn a_path_that_is_no_text_stores_nothing() {
    let book = Book::start();
    for path in ["/alias/%FF", "/alias/a%C3", "/alias/%ED%A0%80"] {
        let reply = book
            .call("PUT", path)
            .json(r#"{"msisdn":"4479000000001"}"#)
            .send();
        assert!([400, 404].contains(&reply.status), "{path}: {}", reply.body);
        assert!(!reply.message().is_empty());
    }
    assert_eq!(book.server.stored(), 0);
}

#[test]
fn every_alias_can_be_put_by_its_percent_encoded_path() {
    let book = Book::start();
    let body = r#"{"msisdn":"4479000000001"}"#;
    let long = "é".repeat(128);
    for alias in [
        "a/b",
        "why?",
        "100%",
        "#1",
        "a+b",
        "a b",
        "👩\u{200d}🚀",
        "مرحبا",
        "%2F",
        "...",
        &long,
    ] {
        let created = put(&book, alias, body);
        assert_eq!(created.json()["outcome"], "created", "{alias}");
        assert_eq!(created.json()["record"]["alias"], alias);
        let read = book.call("GET", &alias_path(alias)).send();
        assert_eq!(id_in(&read), id_in(&created));
        assert_eq!(read.header("etag"), created.header("etag"));
    }
}

#[test]
fn if_none_match_any_creates_and_never_replaces() {
    let book = Book::start();
    let put_new = |body: &str| {
        book.call("PUT", "/alias/john")
            .header("If-None-Match", "*")
            .json(body)
            .send()
    };
    let created = put_new(r#"{"msisdn":"4479000000001"}"#);
    assert_eq!(created.json()["outcome"], "created", "{}", created.body);
    let before = book.get(&id_in(&created));
    for body in [
        r#"{"msisdn":"4479000000001"}"#,
        r#"{"msisdn":"15550000000"}"#,
    ] {
        assert_refused(&put_new(body), NOT_IN_THIS_STATE);
    }
    assert_eq!(book.get(&id_in(&created)).body, before.body);
}

#[test]
fn if_match_replaces_the_state_it_names_and_never_creates() {
    let book = Book::start();
    let put_from = |alias: &str, tag: &str, msisdn: &str| {
        book.call("PUT", &alias_path(alias))
            .header("If-Match", tag)
            .json(format!(r#"{{"msisdn":"{msisdn}"}}"#))
            .send()
    };
    let id = book.contact(JOHN);
    let tag = book.etag(&id);
    for absent in [tag.as_str(), "*", r#""another""#] {
        assert_refused(&put_from("jane", absent, "15550000000"), NOT_IN_THIS_STATE);
    }
    assert_eq!(book.server.stored(), 1);
    let before = book.get(&id);
    for other in [r#""another""#, &format!("W/{tag}")] {
        assert_refused(&put_from("john", other, "15550000000"), NOT_IN_THIS_STATE);
        assert_eq!(book.get(&id).body, before.body);
    }
    let seen = put_from("john", &tag, "15550000000");
    assert_eq!(seen.json()["outcome"], "updated", "{}", seen.body);
    assert_refused(&put_from("john", &tag, "15550000001"), NOT_IN_THIS_STATE);
    let any = put_from("john", "*", "15550000002");
    assert_eq!(any.json()["outcome"], "updated", "{}", any.body);
}

#[test]
fn both_permissions_are_needed_and_checked_in_their_order() {
    let book = Book::start();
    for (permissions, missing) in [
        (["read:Contacts", "delete:Contacts"], "create:Contacts"),
        (["read:Contacts", "update:Contacts"], "create:Contacts"),
        (["read:Contacts", "create:Contacts"], "update:Contacts"),
    ] {
        let key = book.server.key(&permissions);
        // Neither the body nor the alias is looked at before.
        let reply = book
            .server
            .call("PUT", "/contacts/alias/%20")
            .key(&key)
            .json("{")
            .send();
        let message = format!("API Key is not permitted to perform this action. ({missing})");
        assert_refused(&reply, (403, "ForbiddenError", &message));
        assert_eq!(
            reply.header("www-authenticate"),
            format!(r#"Bearer realm="addressbook", error="insufficient_scope", scope="{missing}""#)
        );
    }
    let key = book.server.key(&["create:Contacts", "update:Contacts"]);
    let reply = book
        .server
        .call("PUT", "/contacts/alias/john")
        .key(&key)
        .json(r#"{"msisdn":"4479000000001"}"#)
        .send();
    assert_eq!(reply.json()["outcome"], "created", "{}", reply.body);
}

#[test]
fn of_32_puts_of_one_new_alias_one_creates_and_the_others_find_it() {
    let book = Book::start();
    let replies = together(|client| {
        let body = format!(r#"{{"msisdn":"1555000000{}"}}"#, client % 4);
        put(&book, "contested", &body)
    });
    let outcomes: Vec<String> = replies
        .iter()
        .map(|reply| {
            assert_eq!(reply.status, 200, "{}", reply.body);
            reply.json()["outcome"].as_str().unwrap().to_owned()
        })
        .collect();
    let count = |outcome: &str| outcomes.iter().filter(|one| *one == outcome).count();
    assert_eq!(count("created"), 1, "{outcomes:?}");
    assert_eq!(
        count("updated") + count("unchanged"),
        outcomes.len() - 1,
        "{outcomes:?}"
    );
    let first = id_in(&replies[0]);
    assert!(replies.iter().all(|reply| id_in(reply) == first));
    assert_eq!(book.server.stored(), 1);
    let last = book.etag(&first);
    assert!(replies.iter().any(|reply| reply.header("etag") == last));
}

#[test]
fn of_32_puts_that_must_be_the_first_exactly_one_is() {
    let book = Book::start();
    let replies = together(|_| {
        book.call("PUT", "/alias/contested")
            .header("If-None-Match", "*")
            .json(r#"{"msisdn":"4479000000001"}"#)
            .send()
    });
    let (won, lost): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 200);
    assert_eq!(won.len(), 1);
    for reply in lost {
        assert_refused(reply, NOT_IN_THIS_STATE);
    }
    assert_eq!(book.server.stored(), 1);
}
