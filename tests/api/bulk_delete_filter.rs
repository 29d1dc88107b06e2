//! `POST /addressbook/contacts/bulk-delete` by a filter: what its list counts, all of it
//! or nothing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::book::{Book, assert_refused, invalid};
use crate::bulk_delete::book;
use crate::harness::{Reply, agent};
use crate::list::contact;

const FILTER: &str = "Filter must be an object of one or more strings";
const EXPECT: &str = "Expect must be a whole number from 0 to 100000";

/// Twelve contacts: three numbers, two cities, half of them in a group.
fn filled() -> (Book, String) {
    let book = book();
    let body = |number: usize| {
        let alias = format!("{}{number}", ["a", "b"][number % 2]);
        let mut body = contact(
            &alias,
            ["4479000000001", "21000000", "99000000"][number % 3],
        );
        let city = ["Paris", "Leeds"][number % 2];
        body["meta"] = json!({"CITY": city, "N": number});
        body
    };
    book.fill((0..12).map(body));
    let group = book.group_of("half", &["a0", "b1", "a2", "b3", "a4", "b5"]);
    (book, group)
}

fn by_filter(book: &Book, filter: &Value, expect: u64) -> Reply {
    book.bulk_delete(&json!({"filter": filter, "expect": expect}))
}

/// The conflict of a count that is another.
#[track_caller]
fn assert_other(reply: &Reply, count: u64) {
    let message = format!("Nothing was deleted, contacts that match the filter: {count}");
    assert_refused(reply, (409, "ConflictError", &message));
}

/// Filters, and how many they match; `$GROUP` stands for the group's id.
const FILTERS: [(&str, u64); 12] = [
    (r#"{"alias":"a0"}"#, 1),
    (r#"{"alias":" a0 "}"#, 1),
    (r#"{"msisdn":"44 7900 000 0001"}"#, 4),
    (r#"{"aliasPrefix":"b1"}"#, 2),
    (r#"{"search":"1"}"#, 9),
    (r#"{"meta.CITY":"Paris"}"#, 6),
    (r#"{"meta.CITY":"Paris","meta.N":"4"}"#, 1),
    (r#"{"group":"$GROUP"}"#, 6),
    (
        r#"{"group":"$GROUP","aliasPrefix":"a","msisdn":"21000000"}"#,
        1,
    ),
    (r#"{"group":"$GROUP","meta.CITY":"Leeds"}"#, 3),
    (r#"{"group":"01a20902-1f60-7a31-9d15-3f0c2b7b8a10"}"#, 0),
    (r#"{"search":"nobody"}"#, 0),
];

/// The list's query of a filter.
fn query_of(filter: &Value) -> String {
    let members = filter.as_object().unwrap().iter();
    let members = members.map(|(name, value)| {
        let value = value.as_str().unwrap().replace(' ', "%20");
        format!("{name}={value}&")
    });
    members.collect::<String>() + "limit=1000"
}

#[test]
fn each_filter_deletes_what_its_list_counts() {
    for (filter, count) in FILTERS {
        let (book, group) = filled();
        let filter: Value = serde_json::from_str(&filter.replace("$GROUP", &group)).unwrap();
        let listed = book.aliases(&query_of(&filter));
        assert_eq!(listed.len() as u64, count, "{filter}");
        let others = [Some(count + 1), count.checked_sub(1), Some(100_000)];
        for other in others.into_iter().flatten() {
            assert_other(&by_filter(&book, &filter, other), count);
        }
        book.assert_counted(12);
        let reply = by_filter(&book, &filter, count);
        let expected = json!({"total": count, "deleted": count, "failed": 0});
        assert_eq!(
            reply.json(),
            json!({"success": true, "summary": expected}),
            "{filter}"
        );
        book.assert_counted(12 - i64::try_from(count).unwrap());
        let left = book.aliases("limit=1000");
        let is_gone = |alias| !left.contains(alias);
        assert!(listed.iter().all(is_gone), "{filter}: {left:?}");
    }
}

#[test]
fn the_answer_and_the_conflict_are_as_pasted() {
    let (book, _) = filled();
    let conflict = by_filter(&book, &json!({"meta.CITY": "Paris"}), 5);
    assert_snapshot!(conflict.body, @r#"{"success":false,"error":{"name":"ConflictError","statusCode":409,"message":"Nothing was deleted, contacts that match the filter: 6"}}"#);
    let done = by_filter(&book, &json!({"meta.CITY": "Paris"}), 6);
    assert_snapshot!(done.body, @r#"{"success":true,"summary":{"total":6,"deleted":6,"failed":0}}"#);
}

#[test]
fn what_is_no_filter_and_no_count_deletes_nothing() {
    let (book, _) = filled();
    let refused = |body: &str, message: &str| {
        let reply = book.call("POST", "/bulk-delete").json(body).send();
        assert_refused(&reply, invalid(message));
    };
    for filter in [
        "{}",
        "[]",
        r#""a""#,
        r#"{"alias":1}"#,
        r#"{"alias":null}"#,
        r#"{"meta.N":4}"#,
        r#"{"alias":"\ud800"}"#,
    ] {
        refused(&format!(r#"{{"filter":{filter},"expect":1}}"#), FILTER);
    }
    for expect in ["null", "-1", "1.5", "1.0", "1e3", r#""1""#, "100001", "[]"] {
        let filter = r#""filter":{"alias":"a0"}"#;
        refused(&format!(r#"{{{filter},"expect":{expect}}}"#), EXPECT);
    }
    refused(r#"{"filter":{"alias":"a0"}}"#, EXPECT);
    refused(
        r#"{"filter":{"alias":"a0","alias":"a0"},"expect":1}"#,
        "Duplicate parameter: alias",
    );
    book.assert_counted(12);
}

#[test]
fn a_filter_that_no_list_has_deletes_nothing() {
    let (book, _) = filled();
    let refused = |filter: Value, message: &str| {
        assert_refused(&by_filter(&book, &filter, 1), invalid(message));
    };
    for name in [
        "sortField",
        "sortDir",
        "offset",
        "limit",
        "cursor",
        "include",
        "colour",
        "meta.",
    ] {
        let message = format!("Unknown parameter: {name}");
        refused(json!({name: "1"}), &message);
        refused(json!({name: "1", "alias": "a0"}), &message);
    }
    let format = "Msisdn must be a phone number in international format";
    let trunk_zero = "Msisdn must not have a 0 behind the country code";
    let prefix = "Parameter aliasPrefix must be 1 to 128 characters";
    let search = "Parameter search must be 1 to 128 characters";
    let meta = "Parameter meta.NAME must be at most 1024 characters";
    for (name, value, message) in [
        ("alias", String::new(), "Alias is required"),
        ("msisdn", "12".to_owned(), format),
        ("msisdn", "44079000000001".to_owned(), trunk_zero),
        (
            "group",
            "x".to_owned(),
            "Parameter group must be the id of a group",
        ),
        ("aliasPrefix", String::new(), prefix),
        ("search", "x".repeat(129), search),
        ("meta.A", "x".repeat(1025), meta),
    ] {
        refused(json!({name: value}), message);
    }
    let members = |count: usize| -> Value {
        let members = (0..count).map(|number| (format!("meta.A{number}"), json!("x")));
        Value::Object(members.collect())
    };
    let names = "Parameter meta.NAME may be given for at most 16 names";
    refused(members(17), names);
    refused(members(65), "There must be at most 64 parameters");
    book.assert_counted(12);
}

#[test]
fn a_dry_run_by_filter_deletes_nothing() {
    let (book, _) = filled();
    let tried = |expect: u64| {
        book.bulk_delete(&json!({"filter": {"aliasPrefix": "a"}, "expect": expect, "dryRun": true}))
    };
    assert_eq!(tried(6).json()["summary"]["deleted"], 6);
    assert_other(&tried(7), 6);
    book.assert_counted(12);
}

#[test]
fn a_retry_of_what_was_deleted_is_no_conflict() {
    let (book, _) = filled();
    let sent = json!({"filter": {"aliasPrefix": "a"}, "expect": 6});
    let first = book.bulk_delete_once("one", &sent);
    assert_eq!(first.status, 200, "{}", first.body);
    let again = book.bulk_delete_once("one", &sent);
    assert_eq!((again.status, &again.body), (200, &first.body));
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_other(&book.bulk_delete_once("two", &sent), 0);
    book.contacts_of(&["a1", "a2", "a3", "a4", "a5", "a6"]);
    // What it was told once, it is told again.
    let replayed = book.bulk_delete_once("two", &sent);
    assert_other(&replayed, 0);
    assert_eq!(replayed.header("idempotency-replayed"), "true");
    book.assert_counted(12);
}

/// Creates contacts until `done` and deletes every other one again, unless it is gone;
/// returns how many it has added.
fn churn(book: &Book, client: usize, done: &AtomicBool) -> i64 {
    let agent = agent();
    let (mut added, mut round) = (0, 0);
    while !done.load(Ordering::Relaxed) {
        let body = contact(&format!("x{client} {round}"), "1234567");
        let call = book.server.call("POST", "/contacts").by(&agent);
        let reply = call.key(&book.key).json(body.to_string()).send();
        assert_eq!(reply.status, 200, "{}", reply.body);
        added += 1;
        round += 1;
        if round % 2 == 0 {
            let id = reply.json()["record"]["id"].as_str().unwrap().to_owned();
            let call = book.server.call("DELETE", &format!("/contacts/{id}"));
            match call.by(&agent).key(&book.key).send().status {
                200 => added -= 1,
                status => assert_eq!(status, 404),
            }
        }
    }
    added
}

#[test]
fn what_comes_and_goes_meanwhile_is_never_half_deleted() {
    let book = book();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let (book, done) = (&book, &done);
        let churners: Vec<_> = (0..3)
            .map(|client| scope.spawn(move || churn(book, client, done)))
            .collect();
        let deletes = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let (mut deleted, mut times) = (0, 0);
            while times < 30 {
                let total = &book.list("aliasPrefix=x&limit=1")["total"];
                let total = total.as_i64().unwrap();
                let expect = u64::try_from(total).unwrap();
                let reply = by_filter(book, &json!({"aliasPrefix": "x"}), expect);
                if reply.status == 200 {
                    assert_eq!(reply.json()["summary"]["deleted"], expect);
                    (deleted, times) = (deleted + total, times + 1);
                } else {
                    assert_eq!(reply.status, 409, "{}", reply.body);
                }
            }
            deleted
        }));
        // Before any panic goes on: the scope waits for the others.
        done.store(true, Ordering::Relaxed);
        let added: i64 = churners.into_iter().map(|one| one.join().unwrap()).sum();
        book.assert_counted(added - deletes.unwrap());
    });
}
