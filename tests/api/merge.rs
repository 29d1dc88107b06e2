//! `PATCH` on one contact: how `meta` is merged (RFC 7396), and which limits
//! the result keeps.

use crate::book::{Book, assert_refused, invalid};

const METHOD: &str = "PATCH";

fn contact_with(book: &Book, alias: &str, meta: &str) -> String {
    book.contact(&format!(
        r#"{{"alias":"{alias}","msisdn":"4479000000001","meta":{meta}}}"#
    ))
}

fn with(meta: &str) -> String {
    format!(r#"{{"meta":{meta}}}"#)
}

/// `count` members from number `first` on, each value 1, without the braces.
fn members(first: usize, count: usize) -> String {
    let members: Vec<String> = (first..first + count)
        .map(|number| format!(r#""k{number}":1"#))
        .collect();
    members.join(",")
}

/// The cases of appendix A whose both sides are objects, then ours.
#[test]
fn a_merge_follows_the_cases_of_the_rfc() {
    let book = Book::start();
    let cases = [
        (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
        (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
        (r#"{"a":"b"}"#, r#"{"a":null}"#, "{}"),
        (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
        (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
        (r#"{"a":"c"}"#, r#"{"a":["b"]}"#, r#"{"a":["b"]}"#),
        (
            r#"{"a":{"b":"c"}}"#,
            r#"{"a":{"b":"d","c":null}}"#,
            r#"{"a":{"b":"d"}}"#,
        ),
        (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
        (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"e":null,"a":1}"#),
        ("{}", r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
        (r#"{"e":null}"#, r#"{"e":null}"#, "{}"),
        // Nulls inside arrays are values.
        (
            "{}",
            r#"{"a":[null,{"b":null}]}"#,
            r#"{"a":[null,{"b":null}]}"#,
        ),
        (
            r#"{"a":[1]}"#,
            r#"{"a":{"b":1,"c":null}}"#,
            r#"{"a":{"b":1}}"#,
        ),
        (r#"{"a":null}"#, r#"{"a":{"b":null}}"#, r#"{"a":{}}"#),
        // Names are compared as texts, exactly, however they are spelled.
        (
            r#"{"A\"\\":1,"a":2}"#,
            r#"{"\u0041\u0022\u005c":null}"#,
            r#"{"a":2}"#,
        ),
        (r#"{"é":1}"#, r#"{"e\u0301":2}"#, "{\"é\":1,\"e\u{301}\":2}"),
        // Members keep their places, new ones follow.
        (
            r#"{"z":1,"m":{"q":1,"p":2},"a":2.0}"#,
            r#"{"n":1e400,"a":2.00,"m":{"o":3,"q":1.0}}"#,
            r#"{"z":1,"m":{"q":1.0,"p":2,"o":3},"a":2.00,"n":1e400}"#,
        ),
    ];
    for (number, (target, patch, merged)) in cases.into_iter().enumerate() {
        let id = contact_with(&book, &number.to_string(), target);
        let reply = book.change(METHOD, &id, &with(patch));
        assert_eq!(reply.status, 200, "{target} + {patch}: {}", reply.body);
        assert_eq!(
            book.line(&id),
            format!("{number} 4479000000001 {merged}"),
            "{target} + {patch}"
        );
    }
}

#[test]
fn a_merge_beyond_64_members_is_refused_and_changes_nothing() {
    let book = Book::start();
    let id = contact_with(&book, "john", &format!("{{{}}}", members(0, 63)));
    let up_to_the_limit = book.change(METHOD, &id, &with(r#"{"last":1}"#));
    assert_eq!(up_to_the_limit.status, 200, "{}", up_to_the_limit.body);
    let before = book.get(&id);
    for patch in [
        r#"{"one too many":1}"#.to_owned(),
        r#"{"one too many":{"a":null}}"#.to_owned(),
        r#"{"k0":null,"one":1,"two":2}"#.to_owned(),
        format!("{{{}}}", members(64, 64)),
    ] {
        let body = format!(r#"{{"alias":"jane","meta":{patch}}}"#);
        let reply = book.change(METHOD, &id, &body);
        assert_refused(&reply, invalid("Meta must have at most 64 members"));
        assert_eq!(book.get(&id).body, before.body);
    }
    let in_exchange = book.change(METHOD, &id, &with(r#"{"new":1,"k0":null}"#));
    assert_eq!(in_exchange.status, 200, "{}", in_exchange.body);
    let deeper = book.change(
        METHOD,
        &id,
        &with(&format!(r#"{{"new":{{{}}}}}"#, members(0, 65))),
    );
    assert_eq!(deeper.status, 200, "{}", deeper.body);
}

#[test]
fn a_merge_beyond_16_kib_is_refused_and_changes_nothing() {
    let book = Book::start();
    // {"a":"…","b":"…"} has 15 bytes besides its two texts.
    let half = "x".repeat(8_000);
    let rest = 16_384 - 15 - half.len();
    let id = contact_with(&book, "john", &format!(r#"{{"a":"{half}"}}"#));
    let before = book.get(&id);
    let patch = |bytes: usize| {
        let text = "y".repeat(bytes);
        format!(r#"{{"msisdn":"15550000000","meta":{{"b":"{text}"}}}}"#)
    };
    let reply = book.change(METHOD, &id, &patch(rest + 1));
    assert_refused(
        &reply,
        invalid("Meta must be at most 16384 bytes of compact JSON"),
    );
    assert_eq!(book.get(&id).body, before.body);
    let up_to_the_limit = book.change(METHOD, &id, &patch(rest));
    assert_eq!(up_to_the_limit.status, 200, "{}", up_to_the_limit.body);
    assert_eq!(book.line(&id).len(), "john 15550000000 ".len() + 16_384);
}

#[test]
fn a_full_meta_can_be_exchanged_by_one_patch_of_128_members() {
    let book = Book::start();
    let members = |letter: char, value: &str, count: usize| {
        let members: Vec<String> = (0..count)
            .map(|n| format!(r#""{letter}{n}":{value}"#))
            .collect();
        members.join(",")
    };
    let full = members('a', "1", 64);
    let id = book.contact(&format!(
        r#"{{"alias":"john","msisdn":"4479000000001","meta":{{{full}}}}}"#
    ));
    let patch = |count: usize| {
        let patch = format!("{},{}", members('a', "null", 64), members('b', "2", count));
        let body = format!(r#"{{"meta":{{{patch}}}}}"#);
        book.call("PATCH", &format!("/{id}")).json(body).send()
    };
    assert_eq!(patch(65).message(), "Meta must have at most 64 members");
    assert_eq!(patch(64).status, 200);
    let meta = &book.get(&id).json()["record"]["meta"];
    assert_eq!(meta.as_object().unwrap().len(), 64);
    assert_eq!(meta["b63"], 2);
}
