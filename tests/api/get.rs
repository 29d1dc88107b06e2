//! `GET` of one contact, by its id and by its alias: the whole record, its tag,
//! and every alias a URL can spell.

use insta::{allow_duplicates, assert_snapshot};

use crate::book::{Book, JOHN, NOT_FOUND, alias_path, assert_refused, invalid};

#[test]
fn a_contact_is_read_whole_by_id_and_by_alias_under_both_paths() {
    let book = Book::start();
    let key = book.server.key(&["read:Contacts"]);
    let id = book.contact(JOHN);
    let by_id = format!("/{id}");
    for below in [by_id.as_str(), "/alias/john"] {
        for contacts in ["/addressbook/contacts", "/contacts"] {
            let path = format!("{contacts}{below}");
            let reply = book.server.call("GET", &path).key(&key).send();
            allow_duplicates!(
                assert_snapshot!(reply.redacted(), @r#"200 {"success":true,"record":{"id":"[id]","alias":"john","msisdn":"4479000000001","created_on":"[time]","meta":{"NAME":"John","CITY":"London"},"updated_on":"[time]"}}"#)
            );
            assert_eq!(reply.json()["record"]["id"], id, "{path}");
            assert_eq!(reply.header("content-type"), "application/json");
            assert_eq!(reply.header("etag"), book.etag(&id), "{path}");
        }
    }
}

#[test]
fn a_contact_that_was_made_without_meta_shows_an_empty_one() {
    let book = Book::start();
    let id = book.contact_of("john", "4479000000001");
    assert_snapshot!(book.get(&id).redacted(), @r#"200 {"success":true,"record":{"id":"[id]","alias":"john","msisdn":"4479000000001","created_on":"[time]","meta":{},"updated_on":"[time]"}}"#);
}

#[test]
fn meta_is_read_to_the_digit_and_in_its_order() {
    let book = Book::start();
    let id = book.contact(
        r#"{"alias":"john","msisdn":"4479000000001","meta":{"z": 1.0, "a": [1e400, -0, 123456789012345678901234567890], "A": "\u0041\/"}}"#,
    );
    assert_snapshot!(book.line(&id), @r#"john 4479000000001 {"z":1.0,"a":[1e400,-0,123456789012345678901234567890],"A":"A/"}"#);
}

#[test]
fn the_tag_is_strong_and_each_contact_has_its_own() {
    let book = Book::start();
    let john = book.etag(&book.contact_of("john", "4479000000001"));
    let jane = book.etag(&book.contact_of("jane", "4479000000001"));
    for tag in [&john, &jane] {
        let opaque = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
        assert!(
            opaque.is_some_and(|opaque| !opaque.is_empty() && !opaque.contains('"')),
            "{tag}"
        );
    }
    assert_ne!(john, jane);
}

#[test]
fn a_reader_who_has_the_contact_already_gets_no_body() {
    let book = Book::start();
    let id = book.contact(JOHN);
    let tag = book.etag(&id);
    let by_id = format!("/{id}");
    for known in [
        tag.clone(),
        format!("W/{tag}"),
        format!(r#""another", {tag}"#),
        format!(r#"W/"another",W/{tag},"third""#),
        "*".to_owned(),
    ] {
        for path in [by_id.as_str(), "/alias/john"] {
            let reply = book
                .call("GET", path)
                .header("If-None-Match", &known)
                .send();
            assert_eq!((reply.status, reply.body.as_str()), (304, ""), "{known}");
            assert_eq!(reply.header("etag"), tag, "{known}");
        }
    }
    let in_two_lines = book
        .call("GET", &by_id)
        .header("If-None-Match", r#""another""#)
        .header("If-None-Match", &tag)
        .send();
    assert_eq!(in_two_lines.status, 304);
}

#[test]
fn a_reader_who_has_another_state_gets_the_contact() {
    let book = Book::start();
    let id = book.contact(JOHN);
    let tag = book.etag(&id);
    let of_another = book.etag(&book.contact_of("jane", "4479000000001"));
    for known in [
        of_another.as_str(),
        r#""another""#,
        r#"W/"another", "third""#,
        tag.trim_matches('"'),
        &tag.replace('"', "'"),
        "",
    ] {
        let reply = book
            .call("GET", &format!("/{id}"))
            .header("If-None-Match", known)
            .send();
        assert_eq!(reply.status, 200, "{known}");
        assert_eq!(reply.json()["record"]["id"], id);
    }
}

#[test]
fn a_contact_that_is_not_there_is_not_found_whatever_the_reader_has() {
    let book = Book::start();
    book.contact(JOHN);
    for path in [
        "/019a6f5e-0000-7000-8000-000000000000",
        "/alias/jane",
        "/alias/JOHN",
    ] {
        assert_refused(&book.call("GET", path).send(), NOT_FOUND);
        let conditional = book.call("GET", path).header("If-None-Match", "*").send();
        assert_refused(&conditional, NOT_FOUND);
    }
}

#[test]
fn an_id_is_36_characters_in_any_case_and_nothing_else() {
    let book = Book::start();
    let id = book.contact(JOHN);
    let upper = book.get(&id.to_uppercase());
    assert_eq!(upper.json()["record"]["id"], id, "shown in lower case");
    for other in [
        format!("%7B{id}%7D"),
        id.replace('-', ""),
        format!("urn:uuid:{id}"),
        format!("{id}0"),
        id[..35].to_owned(),
        format!("%20{id}"),
        "john".to_owned(),
        "4479000000001".to_owned(),
        "alias".to_owned(),
        "%00".to_owned(),
        "%FF".to_owned(),
    ] {
        assert_refused(&book.call("GET", &format!("/{other}")).send(), NOT_FOUND);
    }
}

#[test]
fn head_and_304_send_the_tag_and_not_a_byte_of_body() {
    let book = Book::start();
    let key = book.server.key(&["read:Contacts"]);
    let id = book.contact(JOHN);
    let tag = book.etag(&id);
    for (request, status) in [
        (format!("HEAD /contacts/{id} HTTP/1.1\r\n"), "200"),
        ("HEAD /contacts/alias/john HTTP/1.1\r\n".to_owned(), "200"),
        ("HEAD /contacts/alias/jane HTTP/1.1\r\n".to_owned(), "404"),
        (
            format!("HEAD /contacts/{id} HTTP/1.1\r\nIf-None-Match: {tag}\r\n"),
            "304",
        ),
        (
            format!("GET /contacts/{id} HTTP/1.1\r\nIf-None-Match: {tag}\r\n"),
            "304",
        ),
    ] {
        let answer = book.server.raw(
            format!("{request}Host: x\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n\r\n")
                .as_bytes(),
        );
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert_eq!(body, "", "{request}");
        let tagged = head
            .lines()
            .any(|line| line.to_lowercase() == format!("etag: {tag}"));
        assert_eq!(tagged, status != "404", "{answer}");
    }
}

#[test]
fn every_alias_is_reachable_by_its_percent_encoded_path() {
    let book = Book::start();
    let long = "é".repeat(128);
    let aliases = [
        "a/b",
        "/",
        "/a//b/",
        "why?",
        "?a=b&c",
        "100%",
        "%",
        "%2F",
        "a%2Fb",
        "%25",
        "%zz",
        "#1",
        "a+b",
        "+",
        "two  words",
        "👩\u{200d}🚀",
        "مرحبا",
        "...",
        "../a",
        "./a",
        "a/..",
        "a\\b",
        "\"'<>;:@&=$,",
        "{alias}",
        "null",
        long.as_str(),
    ];
    for alias in aliases {
        let id = book.contact_of(alias, "4479000000001");
        let reply = book.call("GET", &alias_path(alias)).send();
        assert_eq!(reply.status, 200, "{alias:?}: {}", reply.body);
        assert_eq!(reply.json()["record"]["id"], id, "{alias:?}");
        assert_eq!(reply.json()["record"]["alias"], alias);
    }
    // An unreserved character names the same when it is encoded as well.
    let encoded = book.call("GET", "/alias/%2E%2e%2E").send();
    assert_eq!(encoded.json()["record"]["alias"], "...");
    let plain_plus = book.call("GET", "/alias/a+b").send();
    assert_eq!(plain_plus.json()["record"]["alias"], "a+b");
}

#[test]
fn an_alias_in_the_path_is_normalised_like_any_alias() {
    let book = Book::start();
    let id = book.contact_of("Zoë", "4479000000001");
    for spelled in ["Zoe\u{308}", "  Zoë\u{a0}", "\tZoe\u{308}\n"] {
        let reply = book.call("GET", &alias_path(spelled)).send();
        assert_eq!(reply.json()["record"]["id"], id, "{spelled:?}");
        assert_eq!(reply.json()["record"]["alias"], "Zoë");
    }
}

#[test]
fn a_path_that_can_name_no_alias_is_refused() {
    let book = Book::start();
    book.contact(JOHN);
    let characters = "Alias contains characters that are not allowed";
    for (path, message) in [
        ("/alias/%20", "Alias is required"),
        ("/alias/%2E", characters),
        ("/alias/%2E%2E", characters),
        ("/alias/a%00b", characters),
        ("/alias/%E2%80%AEa", characters),
        ("/alias/john%E2%80%8B", characters),
    ] {
        assert_refused(&book.call("GET", path).send(), invalid(message));
    }
    let too_long = book.call("GET", &alias_path(&"é".repeat(129))).send();
    assert_refused(&too_long, invalid("Alias must be at most 128 characters"));
    let two_segments = book.call("GET", "/alias/a/b").send();
    assert_refused(&two_segments, (404, "NotFoundError", "No such path"));
}

#[test]
fn bytes_that_are_no_text_name_no_alias() {
    let book = Book::start();
    // What is left of such bytes where they are decoded with loss.
    book.contact_of("\u{fffd}", "4479000000001");
    book.contact_of("a\u{fffd}", "4479000000001");
    let characters = "Alias contains characters that are not allowed";
    for path in ["/alias/%FF", "/alias/a%C3", "/alias/a%FE"] {
        assert_refused(&book.call("GET", path).send(), invalid(characters));
    }
}

#[test]
fn reading_needs_its_permission_before_anything_is_looked_up() {
    let book = Book::start();
    let id = book.contact(JOHN);
    let key = book.server.key(&["create:Contacts", "update:Contacts"]);
    for path in [format!("/contacts/{id}"), "/contacts/alias/jane".to_owned()] {
        let reply = book.server.call("GET", &path).key(&key).send();
        assert_refused(
            &reply,
            (
                403,
                "ForbiddenError",
                "API Key is not permitted to perform this action. (read:Contacts)",
            ),
        );
        assert_eq!(reply.header("etag"), "");
    }
}
