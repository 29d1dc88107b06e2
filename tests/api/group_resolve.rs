//! Groups as recipients of `POST /addressbook/contacts/resolve`.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::book::{assert_refused, invalid};
use crate::groups::{Groups, NOBODY};
use crate::harness::Reply;

const RECIPIENTS_MAX: usize = 10_000;
const NOT_RECIPIENTS: &str = "Recipients must be an array of 1 to 10000 strings";

impl Groups {
    fn resolve(&self, recipients: &[&str], text: Option<&str>) -> Reply {
        let mut body = json!({"recipients": recipients});
        if let Some(text) = text {
            body["text"] = text.into();
        }
        let key = self.server.key(&["read:Contacts"]);
        let call = self.server.call("POST", "/contacts/resolve").key(&key);
        call.json(body.to_string()).send()
    }

    /// Recipient and status of each result.
    fn resolved(&self, recipients: &[&str]) -> Vec<(String, String)> {
        let reply = self.resolve(recipients, None);
        assert_eq!(reply.status, 200, "{}", reply.body);
        let body = reply.json();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let results = body["results"].as_array().unwrap().iter();
        results
            .map(|one| (text(&one["recipient"]), text(&one["status"])))
            .collect()
    }
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(one, other): &(&str, &str)| ((*one).to_owned(), (*other).to_owned());
    expected.iter().map(owned).collect()
}

#[test]
fn a_group_stands_for_its_members_in_their_order_of_creation() {
    let groups = Groups::start();
    let id = groups.group("Friends");
    for (alias, msisdn) in [
        ("c", "4479000000003"),
        ("b", "4479000000002"),
        ("a", "4479000000001"),
    ] {
        groups.contact(alias, msisdn);
    }
    groups.add(&id, &["a", "c"]);
    let reply = groups.resolve(&["b", &id, "nobody"], Some("Hi {{alias}}"));
    assert_snapshot!(format!("{} {}", reply.status, reply.body), @r#"200 {"success":true,"results":[{"recipient":"b","status":"ok","msisdn":"4479000000002","meta":{},"text":"Hi b"},{"recipient":"c","status":"ok","msisdn":"4479000000003","meta":{},"text":"Hi c"},{"recipient":"a","status":"ok","msisdn":"4479000000001","meta":{},"text":"Hi a"},{"recipient":"nobody","status":"not_found"}],"recipients":[{"alias":"b","msisdn":"4479000000002","text":"Hi b"},{"alias":"c","msisdn":"4479000000003","text":"Hi c"},{"alias":"a","msisdn":"4479000000001","text":"Hi a"}]}"#);
}

#[test]
fn members_are_opted_out_and_duplicates_as_anybody_is() {
    let groups = Groups::start();
    let [one, other] = ["one", "other"].map(|name| groups.group(name));
    for (alias, msisdn) in [
        ("john", "4479000000001"),
        ("johns desk", "4479000000001"),
        ("jane", "4479000000002"),
    ] {
        groups.contact(alias, msisdn);
    }
    groups.add(&one, &["john", "johns desk", "jane"]);
    groups.add(&other, &["jane"]);
    let key = groups.server.key(&["create:Optouts"]);
    let call = groups.server.call("POST", "/addressbook/optouts").key(&key);
    assert_eq!(
        call.json(r#"{"msisdn":"4479000000002"}"#).send().status,
        200
    );
    let found = groups.resolved(&["johns desk", &one, &other, "john"]);
    let expected = [
        ("johns desk", "ok"),
        ("john", "duplicate"),
        ("johns desk", "duplicate"),
        ("jane", "opted_out"),
        ("jane", "opted_out"),
        ("john", "duplicate"),
    ];
    assert_eq!(found, pairs(&expected));
}

#[test]
fn an_id_is_read_in_any_case_and_an_alias_of_that_spelling_wins() {
    let groups = Groups::start();
    let id = groups.group("a");
    groups.contact("john", "4479000000001");
    groups.add(&id, &["john"]);
    let upper = id.to_uppercase();
    let around = format!(" {id}\n");
    for spelling in [&id, &upper, &around] {
        assert_eq!(groups.resolved(&[spelling]), pairs(&[("john", "ok")]));
    }
    let simple = id.replace('-', "");
    for nobody in [simple.as_str(), NOBODY, "a"] {
        assert_eq!(groups.resolved(&[nobody]), pairs(&[(nobody, "not_found")]));
    }
    groups.contact(&id, "4479000000002");
    assert_eq!(groups.resolved(&[&id]), pairs(&[(&id, "ok")]));
    assert_eq!(
        groups.resolved(&[&upper]),
        pairs(&[("john", "ok")]),
        "aliases have a case"
    );
    assert_eq!(groups.delete(&id).status, 200);
    assert_eq!(groups.resolved(&[&upper]), pairs(&[(&upper, "not_found")]));
}

#[test]
fn one_to_ten_thousand_recipients_count_after_groups_are_expanded() {
    let groups = Groups::start();
    let [all, empty, two] = ["all", "empty", "two"].map(|name| groups.group(name));
    let aliases: Vec<String> = (0..RECIPIENTS_MAX)
        .map(|number| format!("c{number}"))
        .collect();
    groups.contacts(&aliases);
    groups.add(&all, &aliases[1..]);
    groups.add(&two, &aliases[..2]);
    assert_eq!(
        groups.resolved(&[&empty, &all, "c0", &empty]).len(),
        RECIPIENTS_MAX
    );
    for beyond in [
        &[all.as_str(), "c0", "c0"][..],
        &["c0", "nobody", &all],
        &[&two, &all],
        &[&all, &two],
        &[&all, &all],
    ] {
        assert_refused(&groups.resolve(beyond, None), invalid(NOT_RECIPIENTS));
    }
    groups.add(&all, &aliases[..1]);
    assert_eq!(groups.resolved(&[&all]).len(), RECIPIENTS_MAX);
    groups.contact("one more", "4479000000001");
    groups.add(&all, &["one more"]);
    assert_refused(&groups.resolve(&[&all], None), invalid(NOT_RECIPIENTS));
    assert_refused(&groups.resolve(&[&empty], None), invalid(NOT_RECIPIENTS));
    assert_eq!(groups.resolved(&[&empty, "c0"]).len(), 1);
}
