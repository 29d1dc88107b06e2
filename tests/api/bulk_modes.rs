//! `POST /addressbook/contacts/bulk`: create and upsert, all or nothing, and as if.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::book::{Book, assert_refused, invalid};
use crate::bulk::{assert_total, contact, messages, redacted, send, texts};
use crate::harness::Reply;

const NOT_STORED: &str = "Not stored, because of others in this request";
const TAKEN: &str = "Alias already exists";

/// Sends contacts with the mode and the flags of an order.
fn order(book: &Book, order: &Value, contacts: &[String]) -> Reply {
    let mut body = order.clone();
    let contacts: Vec<Value> = contacts
        .iter()
        .map(|contact| serde_json::from_str(contact).unwrap())
        .collect();
    body["contacts"] = contacts.into();
    send(book, body.to_string())
}

fn line_of(book: &Book, alias: &str) -> String {
    let record = book.call("GET", &format!("/alias/{alias}")).send().json()["record"].clone();
    book.line(record["id"].as_str().unwrap())
}

#[test]
fn create_refuses_an_alias_that_exists_and_upsert_replaces_its_contact() {
    let book = Book::start();
    let id = book.contact(r#"{"alias":"john","msisdn":"4479000000001","meta":{"a":1,"b":2}}"#);
    let same = r#"{"alias":" john","msisdn":"+4479000000001","meta":{"b":2,"a":1}}"#.to_owned();
    let john = contact("john");
    let refused = order(
        &book,
        &json!({"mode": "create"}),
        std::slice::from_ref(&john),
    );
    assert_eq!(messages(&refused), [TAKEN]);
    let line = book.line(&id);
    let upsert = json!({"mode": "upsert"});
    let reply = order(&book, &upsert, &[same, contact("jane")]);
    assert_snapshot!(redacted(&reply), @r#"200 {"success":true,"summary":{"total":2,"created":1,"updated":0,"unchanged":1,"failed":0},"results":[{"index":0,"status":"unchanged","id":"[id]","alias":"john"},{"index":1,"status":"created","id":"[id]","alias":"jane"}]}"#);
    assert_eq!(texts(&reply, "id")[0], id);
    assert_eq!(book.line(&id), line, "unchanged is untouched");
    let reply = order(&book, &upsert, &[contact("jane"), john]);
    assert_snapshot!(redacted(&reply), @r#"200 {"success":true,"summary":{"total":2,"created":0,"updated":1,"unchanged":1,"failed":0},"results":[{"index":0,"status":"unchanged","id":"[id]","alias":"jane"},{"index":1,"status":"updated","id":"[id]","alias":"john"}]}"#);
    assert_eq!(
        book.line(&id),
        "john 4479000000001 {}",
        "an absent meta clears"
    );
    assert_total(&book, 2);
}

#[test]
fn upsert_needs_to_update_before_any_contact_is_looked_at() {
    let book = Book::start();
    let key = book.server.key(&["create:Contacts"]);
    let call = |body: &str| {
        let call = book.server.call("POST", "/contacts/bulk").key(&key);
        call.json(body).send()
    };
    let john = contact("john");
    for contacts in [john.as_str(), "7", r#"{"colour":1}"#] {
        for more in ["", r#","dryRun":true"#, r#","atomic":true"#] {
            let reply = call(&format!(
                r#"{{"contacts":[{contacts}],"mode":"upsert"{more}}}"#
            ));
            assert_refused(
                &reply,
                (
                    403,
                    "ForbiddenError",
                    "API Key is not permitted to perform this action. (update:Contacts)",
                ),
            );
            assert_eq!(
                reply.header("www-authenticate"),
                r#"Bearer realm="addressbook", error="insufficient_scope", scope="update:Contacts""#
            );
        }
    }
    let wrong = call(&format!(r#"{{"contacts":[{john}],"mode":"put"}}"#));
    assert_refused(&wrong, invalid("Mode must be create, upsert or merge"));
    let unknown = call(&format!(r#"{{"contacts":[{john}],"mode":"upsert","x":1}}"#));
    assert_refused(&unknown, invalid("Unknown field: x"));
    assert_total(&book, 0);
    let created = call(&format!(r#"{{"contacts":[{john}],"mode":"create"}}"#));
    assert_eq!(texts(&created, "status"), ["created"]);
    let updates = book.server.key(&["update:Contacts"]);
    let body = format!(r#"{{"contacts":[{john}],"mode":"upsert"}}"#);
    let reply = book.server.call("POST", "/contacts/bulk").key(&updates);
    assert_refused(
        &reply.json(body).send(),
        (
            403,
            "ForbiddenError",
            "API Key is not permitted to perform this action. (create:Contacts)",
        ),
    );
}

#[test]
fn atomic_stores_all_or_nothing() {
    let book = Book::start();
    let atomic = json!({"atomic": true});
    let bad = r#"{"alias":"short","msisdn":"12"}"#.to_owned();
    let reply = order(&book, &atomic, &[contact("john"), bad, contact("jane")]);
    assert_snapshot!(redacted(&reply), @r#"400 {"success":false,"error":{"name":"ValidationError","statusCode":400,"message":"Nothing was stored, contacts with errors: 1"},"results":[{"index":0,"status":"error","alias":"john","error":{"name":"ValidationError","statusCode":400,"message":"Not stored, because of others in this request"}},{"index":1,"status":"error","alias":"short","error":{"name":"ValidationError","statusCode":400,"message":"Msisdn must be a phone number in international format"}},{"index":2,"status":"error","alias":"jane","error":{"name":"ValidationError","statusCode":400,"message":"Not stored, because of others in this request"}}]}"#);
    assert_total(&book, 0);
    let reply = order(&book, &atomic, &[contact("john"), contact("jane")]);
    assert_snapshot!(redacted(&reply), @r#"200 {"success":true,"summary":{"total":2,"created":2,"updated":0,"unchanged":0,"failed":0},"results":[{"index":0,"status":"created","id":"[id]","alias":"john"},{"index":1,"status":"created","id":"[id]","alias":"jane"}]}"#);
    assert_total(&book, 2);
}

#[test]
fn atomic_undoes_what_came_before_an_alias_that_exists() {
    let book = Book::start();
    book.contact(r#"{"alias":"john","msisdn":"4479000000009","meta":{"a":1}}"#);
    let line = line_of(&book, "john");
    let contacts = [contact("jane"), contact("john"), contact("joe")];
    let reply = order(&book, &json!({"atomic": true}), &contacts);
    assert_refused(
        &reply,
        invalid("Nothing was stored, contacts with errors: 1"),
    );
    assert_eq!(messages(&reply), [NOT_STORED, TAKEN, NOT_STORED]);
    assert_eq!(texts(&reply, "id"), [""; 3]);
    assert_total(&book, 1);
    let upsert = json!({"atomic": true, "mode": "upsert"});
    let twice = [contact("john"), contact("jane"), contact("jane")];
    let reply = order(&book, &upsert, &twice);
    assert_eq!(reply.status, 400);
    assert_eq!(line_of(&book, "john"), line, "an update is undone as well");
    let reply = order(&book, &upsert, &contacts);
    assert_eq!(texts(&reply, "status"), ["created", "updated", "created"]);
    assert_total(&book, 3);
}

#[test]
fn atomic_explains_every_bad_contact_and_not_only_the_malformed() {
    let book = Book::start();
    book.contact_of("john", "4479000000009");
    let contacts = [
        contact("john"),
        r#"{"alias":"short","msisdn":"12"}"#.to_owned(),
        contact("jane"),
    ];
    let reply = order(&book, &json!({"atomic": true}), &contacts);
    assert_eq!(
        messages(&reply),
        [
            TAKEN,
            "Msisdn must be a phone number in international format",
            NOT_STORED
        ]
    );
    assert_eq!(
        reply.message(),
        "Nothing was stored, contacts with errors: 2"
    );
    assert_total(&book, 1);
}

#[test]
fn atomic_holds_across_more_contacts_than_one_transaction_has_otherwise() {
    let book = Book::start();
    let mut contacts: Vec<String> = (0..1_200).map(|n| contact(&format!("c{n}"))).collect();
    contacts.push("{}".to_owned());
    let atomic = json!({"atomic": true});
    assert_eq!(order(&book, &atomic, &contacts).status, 400);
    assert_total(&book, 0);
    book.contact_of("c1199", "4479000000009");
    contacts.pop();
    let reply = order(&book, &atomic, &contacts);
    assert_eq!(
        (reply.status, messages(&reply)[1_199].as_str()),
        (400, TAKEN)
    );
    assert_total(&book, 1);
    let upsert = json!({"atomic": true, "mode": "upsert"});
    assert_eq!(order(&book, &upsert, &contacts).status, 200);
    assert_total(&book, 1_200);
}

/// The answer without its ids, which a dry run has not for what it would create.
fn without_ids(reply: &Reply) -> (u16, Value) {
    let mut body = reply.json();
    for result in body["results"].as_array_mut().unwrap() {
        result.as_object_mut().unwrap().remove("id");
    }
    (reply.status, body)
}

#[test]
fn a_dry_run_stores_nothing_and_foretells_the_real_run() {
    for mode in ["create", "upsert"] {
        for atomic in [false, true] {
            for with_bad in [false, true] {
                let book = Book::start();
                let old = book.contact_of("old", "4479000000009");
                let same = book.contact_of("same", "4479000000001");
                let lines = [book.line(&old), book.line(&same)];
                let mut contacts = vec![contact("new"), contact("old"), contact("same")];
                if with_bad {
                    contacts.extend([contact("new"), "{}".to_owned(), contact("last")]);
                }
                let wanted = |dry_run| json!({"mode": mode, "atomic": atomic, "dryRun": dry_run});
                let dry = order(&book, &wanted(true), &contacts);
                assert_total(&book, 2);
                assert_eq!([book.line(&old), book.line(&same)], lines);
                for result in dry.json()["results"].as_array().unwrap() {
                    let has_id = ["updated", "unchanged"]
                        .map(Value::from)
                        .contains(&result["status"]);
                    assert_eq!(result.get("id").is_some(), has_id, "{result}");
                }
                let real = order(&book, &wanted(false), &contacts);
                let (status, mut foretold) = without_ids(&dry);
                if let Some(summary) = foretold.get_mut("summary") {
                    let summary = summary.as_object_mut().unwrap();
                    let cleared = summary.remove("cleared");
                    assert_eq!(cleared.is_some(), mode == "upsert");
                }
                assert_eq!((status, foretold), without_ids(&real));
                let refused = atomic && (with_bad || mode == "create");
                assert_eq!(real.status, if refused { 400 } else { 200 });
                let created = if refused { 0 } else { 1 + i64::from(with_bad) };
                assert_total(&book, 2 + created);
            }
        }
    }
}

#[test]
fn a_dry_run_is_answered_as_the_real_run_but_for_the_ids() {
    let book = Book::start();
    book.contact_of("john", "4479000000009");
    let dry = json!({"mode": "upsert", "dryRun": true});
    let reply = order(&book, &dry, &[contact("jane"), contact("john")]);
    assert_snapshot!(redacted(&reply), @r#"200 {"success":true,"summary":{"total":2,"created":1,"updated":1,"unchanged":0,"failed":0,"cleared":0},"results":[{"index":0,"status":"created","alias":"jane"},{"index":1,"status":"updated","id":"[id]","alias":"john"}]}"#);
    assert_total(&book, 1);
}

#[test]
fn bad_contacts_in_every_transaction_fail_alone() {
    let book = Book::start();
    book.contact_of("c1100", "4479000000009");
    let mut contacts: Vec<String> = (0..1_200).map(|n| contact(&format!("c{n}"))).collect();
    let phone = "Msisdn must be a phone number in international format";
    let first = "Alias is the same as that of contact 0 in this request";
    let bad = [
        (7, r#"{"alias":"short","msisdn":"12"}"#.to_owned(), phone),
        (499, "{}".to_owned(), "Alias is required"),
        (500, contact("c0"), first),
        (777, "[]".to_owned(), "Contact must be a JSON object"),
        (1_100, contact("c1100"), TAKEN),
        (1_199, contact(" c0"), first),
    ];
    for (at, text, _) in &bad {
        contacts[*at].clone_from(text);
    }
    let reply = order(&book, &json!({"mode": "create"}), &contacts);
    assert_eq!(
        reply.json()["summary"],
        json!({"total": 1_200, "created": 1_194, "updated": 0, "unchanged": 0, "failed": 6})
    );
    let messages = messages(&reply);
    for (at, message) in messages.iter().enumerate() {
        let expected = bad.iter().find(|(bad, ..)| *bad == at);
        assert_eq!(
            message,
            expected.map_or("", |(_, _, message)| message),
            "{at}"
        );
    }
    assert_total(&book, 1_195);
    let ids = book.server.rows("SELECT alias, id FROM contacts");
    for (alias, id) in texts(&reply, "alias").iter().zip(texts(&reply, "id")) {
        if !id.is_empty() {
            let stored = ids.iter().find(|row| row[0] == *alias).unwrap();
            assert_eq!(uuid::Uuid::parse_str(&stored[1]).unwrap().to_string(), id);
        }
    }
}
