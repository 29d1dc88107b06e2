//! `POST /addressbook/contacts/bulk-delete` by ids and by aliases.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::book::{Book, assert_refused, invalid};
use crate::bulk::{assert_total, redacted, texts};
use crate::harness::{PERMISSIONS, Reply, Server};
use crate::list::contact;

const IDS: &str = "Ids must be an array of 1 to 10000 strings";
const ALIASES: &str = "Aliases must be an array of 1 to 10000 strings";
const ONE_OF: &str = "One of ids, aliases and filter is required, and no more";

impl Book {
    pub(super) fn bulk_delete(&self, body: &Value) -> Reply {
        let call = self.call("POST", "/bulk-delete");
        call.json(body.to_string()).send()
    }

    pub(super) fn bulk_delete_once(&self, name: &str, body: &Value) -> Reply {
        let call = self.call("POST", "/bulk-delete");
        let call = call.header("Idempotency-Key", name);
        call.json(body.to_string()).send()
    }

    /// Contacts by alias, each with the same number; their ids.
    pub(super) fn contacts_of(&self, aliases: &[&str]) -> Vec<String> {
        let ids = aliases.iter();
        ids.map(|alias| self.contact_of(alias, "4479000000001"))
            .collect()
    }

    /// Makes a group of these contacts and returns its id.
    pub(super) fn group_of(&self, name: &str, aliases: &[&str]) -> String {
        let post = |path: &str, body: Value| {
            let call = self.server.call("POST", path).key(&self.key);
            let reply = call.json(body.to_string()).send();
            assert_eq!(reply.status, 200, "{}", reply.body);
            reply.json()
        };
        let group = post("/addressbook/groups", json!({"name": name}));
        let id = group["record"]["id"].as_str().unwrap().to_owned();
        let members = format!("/addressbook/groups/{id}/members");
        post(&members, json!({"add": aliases}));
        id
    }

    /// Holds the counters of contacts and of groups against what is there.
    #[track_caller]
    pub(super) fn assert_counted(&self, contacts: i64) {
        assert_total(self, contacts);
        self.server.assert_members_counted();
        let orphans = "SELECT count(*) FROM memberships
            WHERE contact_id NOT IN (SELECT id FROM contacts)";
        assert_eq!(self.server.number(orphans), 0);
    }
}

/// A book with a key for contacts, groups and opt-outs.
pub(super) fn book() -> Book {
    Book::of(Server::start(), &PERMISSIONS)
}

#[test]
fn each_id_has_a_result_and_what_is_not_named_stays() {
    let book = book();
    let ids = book.contacts_of(&["a", "b", "c"]);
    let nobody = "01a20902-1e8c-70a0-b5cf-e8a72ccb4cd2";
    let sent = json!({"ids": [ids[2], nobody, "no id", ids[0].to_uppercase(), ids[2], "", "john"]});
    let reply = book.bulk_delete(&sent);
    assert_snapshot!(redacted(&reply), @r#"200 {"success":true,"summary":{"total":7,"deleted":2,"failed":0},"results":[{"index":0,"id":"[id]","alias":"c","status":"deleted"},{"index":1,"id":"[id]","status":"not_found"},{"index":2,"status":"not_found"},{"index":3,"id":"[id]","alias":"a","status":"deleted"},{"index":4,"id":"[id]","status":"not_found"},{"index":5,"status":"not_found"},{"index":6,"status":"not_found"}]}"#);
    assert_eq!(texts(&reply, "id")[..4], [&ids[2], nobody, "", &ids[0]]);
    assert_eq!(book.aliases(""), ["b"]);
    book.assert_counted(1);
    let short = book.server.call("POST", "/contacts/bulk-delete");
    let short = short
        .key(&book.key)
        .json(json!({"ids": [ids[1]]}).to_string());
    assert_eq!(short.send().json()["summary"]["deleted"], 1);
    book.assert_counted(0);
}

#[test]
fn aliases_are_read_as_ever() {
    let book = book();
    let ids = book.contacts_of(&["john", "jane / work", "é"]);
    let sent = json!({"aliases": [
        " john", "jane / work", "JOHN", "john\n", "e\u{301}", "", ".", "a\u{0}", "x".repeat(129), ids[0],
    ]});
    let reply = book.bulk_delete(&sent);
    let expected = ["deleted", "deleted", "not_found", "not_found", "deleted"];
    assert_eq!(texts(&reply, "status")[..5], expected);
    assert_eq!(texts(&reply, "status")[5..], ["not_found"; 5]);
    assert_eq!(
        texts(&reply, "alias")[..6],
        ["john", "jane / work", "JOHN", "john", "é", ""]
    );
    assert_eq!(texts(&reply, "id")[..2], ids[..2]);
    book.assert_counted(0);
}

#[test]
fn memberships_go_and_opt_outs_stay() {
    let book = book();
    let ids = book.contacts_of(&["a", "b", "c", "d"]);
    let all = book.group_of("all", &["a", "b", "c", "d"]);
    let some = book.group_of("some", &["a", "b"]);
    assert_eq!(book.opt_out("4479000000001").status, 200);
    book.bulk_delete(&json!({"aliases": ["a"]}));
    book.bulk_delete(&json!({"ids": [ids[1], ids[2], ids[1]]}));
    book.assert_counted(1);
    for (group, members) in [(all, 1), (some, 0)] {
        let path = format!("/addressbook/groups/{group}");
        let group = book.server.call("GET", &path).key(&book.key).send().json();
        assert_eq!(group["record"]["members"], members);
    }
    assert_eq!(book.opted_out(""), ["4479000000001"]);
}

#[test]
fn a_dry_run_says_the_same_and_deletes_nothing() {
    let book = book();
    let ids = book.contacts_of(&["a", "b", "c"]);
    book.group_of("all", &["a", "b"]);
    let mut sent = json!({"ids": [ids[0], ids[0], "x", ids[1]], "dryRun": true});
    // It is not remembered either.
    let tried = book.bulk_delete_once("once", &sent);
    book.assert_counted(3);
    sent["dryRun"] = false.into();
    let done = book.bulk_delete_once("once", &sent);
    assert_eq!(tried.body, done.body);
    assert_eq!(
        texts(&done, "status"),
        ["deleted", "not_found", "not_found", "deleted"]
    );
    book.assert_counted(1);
}

#[test]
fn a_retry_answers_the_same_bytes_and_deletes_once() {
    let book = book();
    let ids = book.contacts_of(&["a", "b"]);
    let sent = json!({"aliases": ["a", "x"]});
    let first = book.bulk_delete_once("one", &sent);
    assert_eq!(first.header("idempotency-replayed"), "");
    let later = book.contact_of("a", "4479000000001");
    let again = book.bulk_delete_once("one", &sent);
    assert_eq!((again.status, &again.body), (200, &first.body));
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(texts(&first, "id")[0], ids[0]);
    assert_ne!(later, ids[0]);
    book.assert_counted(2);
    let other = book.bulk_delete_once("one", &json!({"aliases": ["b"]}));
    let message = "Idempotency-Key was used for another request";
    assert_refused(&other, (422, "IdempotencyError", message));
    book.assert_counted(2);
}

#[test]
fn one_to_ten_thousand_are_taken() {
    let book = book();
    let alias = |number: usize| format!("c{number}");
    let contacts: Vec<Value> = (0..1_300)
        .map(|number| contact(&alias(number), "1234567"))
        .collect();
    let stored = book
        .call("POST", "/bulk")
        .json(json!({ "contacts": contacts }).to_string());
    assert_eq!(stored.send().json()["summary"]["created"], 1_300);
    let some = (0..1_300).map(alias).collect::<Vec<_>>();
    book.group_of("some", &some.iter().map(String::as_str).collect::<Vec<_>>());
    let many = |count| json!({"aliases": (0..count).map(|n| alias(n + 100)).collect::<Vec<_>>()});
    assert_refused(&book.bulk_delete(&many(10_001)), invalid(ALIASES));
    book.assert_counted(1_300);
    let reply = book.bulk_delete(&many(10_000));
    let answer = reply.json();
    assert_eq!(
        answer["summary"],
        json!({"total": 10_000, "deleted": 1_200, "failed": 0})
    );
    for (index, result) in answer["results"].as_array().unwrap().iter().enumerate() {
        let status = if index < 1_200 {
            "deleted"
        } else {
            "not_found"
        };
        let found = (&result["index"], &result["alias"], &result["status"]);
        let expected = (&json!(index), &json!(alias(index + 100)), &json!(status));
        assert_eq!(found, expected);
    }
    book.assert_counted(100);
}

#[test]
fn what_is_no_such_request_is_refused_as_a_whole() {
    let book = book();
    let ids = book.contacts_of(&["a"]);
    let id = &ids[0];
    for (body, message) in [
        (json!({}), ONE_OF),
        (json!({"dryRun": true}), ONE_OF),
        (json!({"ids": null}), ONE_OF),
        (json!({"ids": [id], "aliases": ["a"]}), ONE_OF),
        (
            json!({"ids": [id], "filter": {"alias": "a"}, "expect": 1}),
            ONE_OF,
        ),
        (json!({"ids": []}), IDS),
        (json!({"ids": id}), IDS),
        (json!({"ids": [id, 7]}), IDS),
        (json!({"ids": [id, null]}), IDS),
        (json!({"aliases": []}), ALIASES),
        (json!({"aliases": {"a": "a"}}), ALIASES),
        (json!({"aliases": ["a", ["a"]]}), ALIASES),
        (
            json!({"ids": [id], "expect": 1}),
            "Expect goes with filter alone",
        ),
        (
            json!({"ids": [id], "dryRun": 1}),
            "DryRun must be true or false",
        ),
        (
            json!({"ids": [id], "atomic": true}),
            "Unknown field: atomic",
        ),
        (json!([id]), "Request body must be a JSON object"),
    ] {
        assert_refused(&book.bulk_delete(&body), invalid(message));
    }
    book.assert_counted(1);
    let twice = book
        .call("POST", "/bulk-delete")
        .json(r#"{"ids":[],"ids":[]}"#);
    assert_refused(&twice.send(), invalid("Duplicate field: ids"));
    let get = book.call("GET", "/bulk-delete").send();
    assert_eq!(get.status, 405);
}

#[test]
fn it_needs_to_delete_and_nothing_else() {
    let server = Server::start();
    let others: Vec<&str> = PERMISSIONS
        .into_iter()
        .filter(|one| *one != "delete:Contacts")
        .collect();
    let deletes = server.key(&["delete:Contacts"]);
    let refused = Book::of(server, &others);
    refused.contacts_of(&["a", "b"]);
    let by_filter = json!({"filter": {"alias": "a"}, "expect": 1});
    for body in [json!({"aliases": ["a"]}), by_filter] {
        let message = "API Key is not permitted to perform this action. (delete:Contacts)";
        assert_refused(
            &refused.bulk_delete(&body),
            (403, "ForbiddenError", message),
        );
    }
    let allowed = Book {
        server: refused.server,
        key: deletes,
    };
    for body in [json!({"aliases": ["b"]}), json!({"aliases": ["a"]})] {
        assert_eq!(allowed.bulk_delete(&body).json()["summary"]["deleted"], 1);
    }
    assert_eq!(allowed.server.stored(), 0);
}

/// Holds a refusal against the permission that it names.
#[track_caller]
fn assert_needs_to_read(reply: &Reply) {
    let message = "API Key is not permitted to perform this action. (read:Contacts)";
    assert_refused(reply, (403, "ForbiddenError", message));
    let scope = r#"error="insufficient_scope", scope="read:Contacts""#;
    assert!(reply.header("www-authenticate").ends_with(scope));
}

#[test]
fn what_tells_who_is_there_needs_to_read() {
    let book = book();
    let ids = book.contacts_of(&["a", "b", "c"]);
    let deleter = book.server.key(&["delete:Contacts"]);
    let reader = book.server.key(&["delete:Contacts", "read:Contacts"]);
    let send = |key: &str, sent: &Value, name: Option<&str>| {
        let call = book.server.call("POST", "/contacts/bulk-delete").key(key);
        let call = name
            .into_iter()
            .fold(call, |call, name| call.header("Idempotency-Key", name));
        call.json(sent.to_string()).send()
    };
    let by_filter = json!({"filter": {"alias": "c"}, "expect": 1});
    for sent in [
        by_filter.clone(),
        json!({"filter": {"alias": "c"}, "expect": 2}),
        json!({"filter": {"alias": "c"}, "expect": 1, "dryRun": true}),
        json!({"ids": [ids[0]], "dryRun": true}),
        json!({"aliases": ["a", "nobody"], "dryRun": true}),
    ] {
        assert_needs_to_read(&send(&deleter, &sent, None));
        assert_needs_to_read(&send(&deleter, &sent, Some("one")));
    }
    book.assert_counted(3);
    // What it may, tells what it did.
    for sent in [
        json!({"ids": [ids[0], ids[0]]}),
        json!({"aliases": ["b"], "dryRun": false}),
        json!({"aliases": ["b"], "dryRun": null, "filter": null}),
    ] {
        assert_eq!(send(&deleter, &sent, None).status, 200, "{sent}");
    }
    book.assert_counted(1);
    // A refusal is not remembered for a retry; and what is remembered is told to no less.
    assert_eq!(send(&reader, &by_filter, Some("one")).status, 200);
    book.assert_counted(0);
    let narrowed = "UPDATE api_keys SET permissions = 'delete:Contacts'";
    book.server.change(narrowed);
    assert_needs_to_read(&send(&reader, &by_filter, Some("one")));
}
