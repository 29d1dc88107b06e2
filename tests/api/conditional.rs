//! `If-Match` and `If-None-Match` on the update of a contact: no client
//! overwrites what it has not seen; and how every call reads their tags.

use std::collections::HashSet;

use crate::book::{Book, JOHN, NOT_FOUND, NOT_IN_THIS_STATE, assert_refused, invalid, together};
use crate::harness::Reply;

const METHODS: [&str; 2] = ["POST", "PATCH"];

fn change_if(book: &Book, method: &str, id: &str, condition: (&str, &str), body: &str) -> Reply {
    book.call(method, &format!("/{id}"))
        .header(condition.0, condition.1)
        .json(body)
        .send()
}

#[test]
fn the_state_that_is_named_may_be_changed() {
    let book = Book::start();
    let id = book.contact(JOHN);
    for (number, method) in METHODS.into_iter().enumerate() {
        for (position, around) in [("", ""), (r#""another", "#, ""), (r#"W/"x","#, r#","y""#)]
            .into_iter()
            .enumerate()
        {
            let condition = format!("{}{}{}", around.0, book.etag(&id), around.1);
            let body = format!(r#"{{"alias":"{number}.{position}"}}"#);
            let reply = change_if(&book, method, &id, ("If-Match", &condition), &body);
            assert_eq!(reply.status, 200, "{condition}: {}", reply.body);
            assert_eq!(reply.header("etag"), book.etag(&id));
        }
        let body = format!(r#"{{"alias":"any {number}"}}"#);
        let any = change_if(&book, method, &id, ("If-Match", "*"), &body);
        assert_eq!(any.status, 200, "{}", any.body);
        assert_eq!(any.json()["record"]["alias"], format!("any {number}"));
    }
}

#[test]
fn any_other_state_is_refused_and_nothing_changes() {
    let book = Book::start();
    let id = book.contact(JOHN);
    let of_another = book.etag(&book.contact_of("jane", "4479000000001"));
    let outdated = book.etag(&id);
    assert_eq!(book.change("POST", &id, r#"{"alias":"j"}"#).status, 200);
    let before = book.get(&id);
    let tag = before.header("etag");
    let weak = format!("W/{tag}");
    for condition in [
        ("If-Match", outdated.as_str()),
        ("If-Match", &of_another),
        ("If-Match", r#""another""#),
        // `If-Match` compares strongly: a weak tag never matches (RFC 9110, 13.1.1).
        ("If-Match", &weak),
        ("If-Match", tag.trim_matches('"')),
        ("If-Match", ""),
        ("If-None-Match", "*"),
    ] {
        for method in METHODS {
            for body in [
                r#"{"alias":"new"}"#,
                r#"{"alias":"j"}"#,
                r#"{"alias":"jane"}"#,
            ] {
                let reply = change_if(&book, method, &id, condition, body);
                assert_refused(&reply, NOT_IN_THIS_STATE);
                assert_eq!(book.get(&id).body, before.body, "{condition:?}");
            }
        }
    }
}

#[test]
fn a_wrong_body_and_an_absent_contact_are_answered_before_the_condition() {
    let book = Book::start();
    let id = book.contact(JOHN);
    for method in METHODS {
        let wrong = change_if(&book, method, &id, ("If-Match", r#""x""#), "{}");
        assert_refused(&wrong, invalid("Nothing to update"));
        let nobody = "019a6f5e-0000-7000-8000-000000000000";
        let body = r#"{"alias":"jane"}"#;
        let absent = change_if(&book, method, nobody, ("If-Match", r#""x""#), body);
        assert_refused(&absent, NOT_FOUND);
    }
}

#[test]
fn a_tag_never_comes_back_even_if_the_values_do() {
    let book = Book::start();
    let id = book.contact(JOHN);
    let seen = book.etag(&id);
    for alias in ["jane", "john"] {
        let body = format!(r#"{{"alias":"{alias}"}}"#);
        assert_eq!(book.change("PATCH", &id, &body).status, 200);
    }
    assert_ne!(book.etag(&id), seen);
    let body = r#"{"msisdn":"15550000000"}"#;
    let late = change_if(&book, "PATCH", &id, ("If-Match", &seen), body);
    assert_refused(&late, NOT_IN_THIS_STATE);
}

#[test]
fn a_tag_never_comes_back_among_changes_of_one_moment() {
    let book = Book::start();
    let id = book.contact(JOHN);
    // Two values alternately, from many sides: states return within a millisecond.
    let replies: Vec<Reply> = together(|client| {
        let body = format!(r#"{{"msisdn":"1555000000{}"}}"#, client % 2);
        let change = |_| book.change("PATCH", &id, &body);
        (0..10).map(change).collect::<Vec<_>>()
    })
    .into_iter()
    .flatten()
    .collect();
    let mut seen = HashSet::new();
    for reply in replies {
        assert_eq!(reply.status, 200, "{}", reply.body);
        let tag = reply.header("etag").to_owned();
        if reply.json()["outcome"] == "updated" {
            assert!(seen.insert(tag), "two changes led to one tag");
        }
    }
    assert!(seen.len() > 1);
}

#[test]
fn of_32_clients_that_saw_one_state_exactly_one_changes_it() {
    let book = Book::start();
    let id = book.contact(JOHN);
    for round in 0..5 {
        let tag = book.etag(&id);
        let replies = together(|client| {
            let method = METHODS[client % 2];
            let body = format!(r#"{{"alias":"{round}.{client}"}}"#);
            change_if(&book, method, &id, ("If-Match", &tag), &body)
        });
        let (won, lost): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 200);
        assert_eq!(won.len(), 1);
        for reply in lost {
            assert_refused(reply, NOT_IN_THIS_STATE);
        }
        let stored = book.get(&id);
        assert_eq!(
            stored.json()["record"]["alias"],
            won[0].json()["record"]["alias"]
        );
        assert_eq!(stored.header("etag"), won[0].header("etag"));
    }
}

/// Commas and stars are characters of a tag (RFC 9110, section 8.8.3), so this
/// is one tag, and none of ours.
#[test]
fn a_star_inside_a_tag_does_not_stand_for_any_state() {
    const ONE_TAG: &str = r#""a,*,b""#;
    let book = Book::start();
    let id = book.contact(JOHN);
    let before = book.get(&id);
    let by_id = format!("/{id}");
    let get = book
        .call("GET", &by_id)
        .header("If-None-Match", ONE_TAG)
        .send();
    let put = || {
        book.call("PUT", "/alias/john")
            .json(r#"{"msisdn":"15550000000"}"#)
    };
    let statuses = [
        get.status,
        change_if(
            &book,
            "POST",
            &id,
            ("If-Match", ONE_TAG),
            r#"{"alias":"a"}"#,
        )
        .status,
        change_if(
            &book,
            "PATCH",
            &id,
            ("If-Match", ONE_TAG),
            r#"{"alias":"b"}"#,
        )
        .status,
        put().header("If-Match", ONE_TAG).send().status,
        book.call("DELETE", &by_id)
            .header("If-Match", ONE_TAG)
            .send()
            .status,
    ];
    assert_eq!(statuses, [200, 412, 412, 412, 412]);
    assert_eq!(book.get(&id).body, before.body);
    let replaced = put().header("If-None-Match", ONE_TAG).send();
    assert_eq!(replaced.status, 200, "{}", replaced.body);
}
