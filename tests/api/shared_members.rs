//! Groups that several servers change at once.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use super::shared::two;
use crate::book::together_of;
use crate::harness::{Server, agent, stands_on_postgres};

const ROUNDS: usize = 20;
/// Rows before the one that is replaced: alike ones, each of which is a statement.
const BEFORE: usize = 499;

#[test]
fn a_member_is_never_a_contact_that_is_gone() {
    if !stands_on_postgres() {
        return;
    }
    let ([first, second], key) = two();
    let send = |server: &Server, method: &str, path: &str, body: serde_json::Value| {
        let call = server.call(method, path).key(&key);
        call.json(body.to_string()).send()
    };
    let contact = |alias: &str| json!({"alias": alias, "msisdn": "4479000000001"});
    for alias in ["x", "replaced"] {
        send(&first, "POST", "/contacts", contact(alias));
    }
    let group = send(
        &first,
        "POST",
        "/addressbook/groups",
        json!({"name": "all"}),
    )
    .json();
    let id = group["record"]["id"].as_str().unwrap();
    let members = format!("/addressbook/groups/{id}/members");
    for _ in 0..ROUNDS {
        together_of(2, |client| {
            if client == 0 {
                let mut aliases = vec!["x"; BEFORE];
                aliases.push("replaced");
                let added = send(&first, "POST", &members, json!({"add": aliases}));
                assert_eq!(added.status, 200, "{}", added.body);
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
            let gone = json!({"aliases": ["replaced"]});
            let path = "/addressbook/contacts/bulk-delete";
            assert_eq!(send(&second, "POST", path, gone).status, 200);
            let made = send(&second, "POST", "/contacts", contact("replaced"));
            assert_eq!(made.status, 200, "{}", made.body);
        });
    }
    let astray = "SELECT count(*) FROM memberships JOIN contacts USING (alias)
        WHERE contacts.id <> memberships.contact_id";
    assert_eq!(first.number(astray), 0);
    first.assert_members_counted();
}

#[test]
fn who_renames_a_group_is_not_kept_waiting_by_those_who_change_its_members() {
    if !stands_on_postgres() {
        return;
    }
    let (servers, key) = two();
    let contacts: Vec<_> = (0..200)
        .map(|number| json!({"alias": number.to_string(), "msisdn": "4479000000001"}))
        .collect();
    let body = json!({"contacts": contacts}).to_string();
    let stored = servers[0]
        .call("POST", "/contacts/bulk")
        .key(&key)
        .json(body);
    assert_eq!(stored.send().status, 200);
    let group = servers[0].call("POST", "/addressbook/groups").key(&key);
    let group = group.json(r#"{"name":"all"}"#).send().json();
    let path = format!(
        "/addressbook/groups/{}",
        group["record"]["id"].as_str().unwrap()
    );
    let is_over = AtomicBool::new(false);
    together_of(13, |client| {
        let agent = agent();
        let send = |method: &str, path: &str, body: serde_json::Value| {
            let call = servers[client % 2].call(method, path).by(&agent).key(&key);
            call.json(body.to_string()).send()
        };
        if client > 0 {
            let begin = client * 10;
            let aliases: Vec<_> = (begin..begin + 40)
                .map(|number| number.to_string())
                .collect();
            let members = format!("{path}/members");
            while !is_over.load(Ordering::Relaxed) {
                let changed = send("POST", &members, json!({"add": aliases, "remove": aliases}));
                assert!([200, 503].contains(&changed.status), "{}", changed.body);
            }
            return;
        }
        let renamed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for round in 0..5 {
                let renamed = send("PATCH", &path, json!({"name": format!("all{round}")}));
                assert_eq!(renamed.status, 200, "{}", renamed.body);
            }
        }));
        is_over.store(true, Ordering::Relaxed);
        renamed.unwrap();
    });
}
