//! `DELETE` of one contact, by its number as documented, and by its id.

use insta::{allow_duplicates, assert_snapshot};

use crate::book::{Book, JOHN, NOT_FOUND, NOT_IN_THIS_STATE, assert_refused, invalid, together};
use crate::harness::Reply;

fn delete(book: &Book, named: &str) -> Reply {
    book.call("DELETE", &format!("/{named}")).send()
}

#[test]
fn the_documented_delete_by_number_gets_the_documented_answer() {
    let book = Book::start();
    let key = book.server.key(&["delete:Contacts"]);
    for contacts in ["/addressbook/contacts", "/contacts"] {
        let id = book.contact(JOHN);
        let reply = book
            .server
            .call("DELETE", &format!("{contacts}/4479000000001"))
            .key(&key)
            .send();
        allow_duplicates!(assert_snapshot!(reply.redacted(), @r#"200 {"success":true}"#));
        assert_eq!(reply.header("content-type"), "application/json");
        assert_refused(&book.call("GET", &format!("/{id}")).send(), NOT_FOUND);
        assert_refused(&book.call("GET", "/alias/john").send(), NOT_FOUND);
        assert_eq!(book.server.stored(), 0);
    }
}

#[test]
fn a_number_in_the_path_is_read_like_any_number() {
    let book = Book::start();
    book.contact_of("neighbour", "4479000000002");
    for written in [
        "%2B4479000000001",
        "+4479000000001",
        "004479000000001",
        "44%207900%20000.000-1",
        "%2B44%20(7900)%20000%200001",
        "%20%2B4479000000001",
    ] {
        book.contact(JOHN);
        let reply = delete(&book, written);
        assert_eq!(reply.body, r#"{"success":true}"#, "{written}");
        assert_eq!(book.server.stored(), 1, "{written}");
    }
}

#[test]
fn a_contact_is_deleted_by_its_id_in_any_case() {
    let book = Book::start();
    let neighbour = book.contact_of("neighbour", "4479000000001");
    for upper in [false, true] {
        let id = book.contact(JOHN);
        let written = if upper { id.to_uppercase() } else { id.clone() };
        let reply = delete(&book, &written);
        assert_eq!(
            (reply.status, reply.body.as_str()),
            (200, r#"{"success":true}"#)
        );
        assert_refused(&book.call("GET", &format!("/{id}")).send(), NOT_FOUND);
        assert_refused(&delete(&book, &id), NOT_FOUND);
    }
    book.get(&neighbour);
    assert_eq!(book.server.stored(), 1);
}

#[test]
fn what_names_no_contact_is_not_found_and_deletes_nothing() {
    let book = Book::start();
    let id = book.contact(JOHN);
    for named in [
        "4479000000002",
        "447900000000",
        "019a6f5e-0000-7000-8000-000000000000",
    ] {
        assert_refused(&delete(&book, named), NOT_FOUND);
    }
    let format = "Msisdn must be a phone number in international format";
    let nul = format!("{format}: U+0000 at character 1");
    for (named, message) in [
        ("john", format),
        ("alias", format),
        ("123", format),
        ("04479000000001", format),
        ("4479000000001x", format),
        ("%25", format),
        ("%20", "Msisdn is required"),
        ("%00", &nul),
        ("%FF", format),
        (&format!("%7B{id}%7D"), format),
        (&id.replace('-', ""), format),
        (
            "44%20(0)79000000001",
            "Msisdn must not have a 0 behind the country code",
        ),
        (
            "44079000000001",
            "Msisdn must not have a 0 behind the country code",
        ),
    ] {
        assert_refused(&delete(&book, named), invalid(message));
    }
    book.get(&id);
    assert_eq!(book.server.stored(), 1);
}

#[test]
fn a_number_that_several_contacts_share_deletes_none_of_them() {
    let book = Book::start();
    let john = book.contact(JOHN);
    let jane = book.contact_of("jane", "+44 79 000000001");
    assert_snapshot!(delete(&book, "4479000000001").redacted(), @r#"409 {"success":false,"error":{"name":"ConflictError","statusCode":409,"message":"2 contacts have this number, nothing was deleted, delete by id"}}"#);
    let third = book.contact_of("third", "4479000000001");
    let message = "3 contacts have this number, nothing was deleted, delete by id";
    assert_refused(
        &delete(&book, "%2B4479000000001"),
        (409, "ConflictError", message),
    );
    assert_eq!(book.server.stored(), 3);
    for id in [&john, &third] {
        assert_eq!(delete(&book, id).status, 200);
    }
    // Now the number names one contact again.
    book.get(&jane);
    assert_eq!(delete(&book, "4479000000001").status, 200);
    assert_eq!(book.server.stored(), 0);
}

#[test]
fn deleting_twice_is_not_found_the_second_time() {
    let book = Book::start();
    for by_number in [true, false] {
        let id = book.contact(JOHN);
        let named = if by_number { "4479000000001" } else { &id };
        assert_eq!(delete(&book, named).status, 200);
        assert_refused(&delete(&book, named), NOT_FOUND);
        assert_refused(&book.change("POST", &id, JOHN), NOT_FOUND);
    }
}

#[test]
fn the_alias_of_a_deleted_contact_is_free_again() {
    let book = Book::start();
    let first = book.contact(JOHN);
    assert_eq!(delete(&book, &first).status, 200);
    let second = book.contact_of("john", "15550000000");
    assert_ne!(first, second);
    assert_eq!(book.line(&second), "john 15550000000 {}");
    assert_refused(&book.call("GET", &format!("/{first}")).send(), NOT_FOUND);
    assert_eq!(book.server.stored(), 1);
}

#[test]
fn a_contact_is_deleted_only_in_the_state_that_is_named() {
    let book = Book::start();
    for by_number in [true, false] {
        let id = book.contact(JOHN);
        let named = if by_number { "4479000000001" } else { &id };
        let delete_if = |tag: &str| {
            book.call("DELETE", &format!("/{named}"))
                .header("If-Match", tag)
                .send()
        };
        let outdated = book.etag(&id);
        let changed = book.change("PATCH", &id, r#"{"meta":{"CITY":"Rome"}}"#);
        assert_eq!(changed.status, 200, "{}", changed.body);
        let tag = book.etag(&id);
        for wrong in [outdated.as_str(), r#""another""#, &format!("W/{tag}"), ""] {
            assert_refused(&delete_if(wrong), NOT_IN_THIS_STATE);
            assert_eq!(book.etag(&id), tag);
        }
        assert_eq!(delete_if(&tag).status, 200);
        assert_eq!(book.server.stored(), 0);
    }
    let id = book.contact(JOHN);
    let any = book
        .call("DELETE", &format!("/{id}"))
        .header("If-Match", "*")
        .send();
    assert_eq!(any.status, 200, "{}", any.body);
}

#[test]
fn of_32_clients_that_delete_one_contact_exactly_one_does() {
    let book = Book::start();
    let id = book.contact(JOHN);
    let replies = together(|client| {
        let by_number = client % 2 == 0;
        delete(&book, if by_number { "4479000000001" } else { &id })
    });
    let (won, lost): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 200);
    assert_eq!(won.len(), 1);
    for reply in lost {
        assert_refused(reply, NOT_FOUND);
    }
    assert_eq!(book.server.stored(), 0);
}

#[test]
fn nothing_is_deleted_by_alias_or_without_a_name() {
    let book = Book::start();
    let id = book.contact(JOHN);
    for (path, allowed) in [("/alias/john", "GET, HEAD, PUT"), ("", "GET, HEAD, POST")] {
        let reply = book.call("DELETE", path).send();
        assert_eq!(reply.status, 405, "{path}: {}", reply.body);
        assert_eq!(reply.json()["error"]["name"], "MethodNotAllowedError");
        assert_eq!(reply.header("allow"), allowed);
    }
    book.get(&id);
}
