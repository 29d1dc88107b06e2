//! Sessions, opt-outs and deletes of many, where several servers share one book.

use serde_json::json;

use super::sessions::{by_cookie, is_good, session};
use crate::book::together_of;
use crate::harness::{PERMISSIONS, Server, stands_on_postgres};

const SESSIONS_OF_KEY_MAX: usize = 20;
const ROUNDS: usize = 25;

/// Two servers on one book, and a key.
pub(super) fn two() -> ([Server; 2], String) {
    let first = Server::start();
    let second = Server::start_on(&first.database);
    let key = first.key(&PERMISSIONS);
    ([first, second], key)
}

#[test]
fn a_session_goes_on_on_every_server_and_ends_on_all() {
    if !stands_on_postgres() {
        return;
    }
    let ([first, second], key) = two();
    let cookie = session(&first, &key);
    assert!(is_good(&second, &cookie));
    let ended = by_cookie(&second, "DELETE", "/auth/session", &cookie).send();
    assert_eq!(ended.status, 200, "{}", ended.body);
    assert!(!is_good(&first, &cookie));
}

#[test]
fn of_sessions_opened_at_once_on_two_servers_as_many_go_on_as_may() {
    if !stands_on_postgres() {
        return;
    }
    let (servers, key) = two();
    together_of(2 * SESSIONS_OF_KEY_MAX, |client| {
        session(&servers[client % 2], &key)
    });
    let kept = servers[0].number("SELECT count(*) FROM sessions");
    assert_eq!(kept, i64::try_from(SESSIONS_OF_KEY_MAX).unwrap());
}

#[test]
fn who_is_changed_on_one_server_is_not_deleted_by_what_he_was_on_the_other() {
    if !stands_on_postgres() {
        return;
    }
    let (servers, key) = two();
    for round in 0..ROUNDS {
        let alias = format!("c{round}");
        let body = json!({"alias": alias, "msisdn": "4479000000001"}).to_string();
        let id = servers[0].create(&key, body).json()["record"]["id"].clone();
        let path = format!("/addressbook/contacts/{}", id.as_str().unwrap());
        let statuses = together_of(2, |client| {
            let (method, path, body) = match client {
                0 => {
                    let filter = json!({"msisdn": "4479000000001", "alias": alias});
                    let body = json!({"filter": filter, "expect": 1});
                    ("POST", "/addressbook/contacts/bulk-delete", body)
                }
                _ => ("PATCH", path.as_str(), json!({"msisdn": "4479000000002"})),
            };
            let call = servers[client].call(method, path).key(&key);
            call.json(body.to_string()).send().status
        });
        let is_there = servers[0].stored() == 1;
        let expected = if is_there { [409, 200] } else { [200, 404] };
        assert_eq!(statuses, expected, "round {round}");
        if is_there {
            let gone = servers[1].call("DELETE", &path).key(&key).send();
            assert_eq!(gone.status, 200, "{}", gone.body);
        }
    }
}

#[test]
fn deletes_and_opt_outs_of_many_on_both_servers_happen_to_each_once() {
    if !stands_on_postgres() {
        return;
    }
    let (servers, key) = two();
    let numbers: Vec<String> = (0..300)
        .map(|number| format!("{}", 4_479_000_000_000_u64 + number))
        .collect();
    let aliases: Vec<String> = (0..300).map(|number| format!("c{number}")).collect();
    let contacts = aliases.iter().zip(&numbers);
    let contacts: Vec<_> = contacts
        .map(|(alias, msisdn)| json!({"alias": alias, "msisdn": msisdn}))
        .collect();
    let post = |client: usize, path: &str, body: serde_json::Value| {
        let call = servers[client % 2].call("POST", path).key(&key);
        let reply = call.json(body.to_string()).send();
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.json()["summary"].clone()
    };
    post(
        0,
        "/addressbook/contacts/bulk",
        json!({ "contacts": contacts }),
    );
    let made = together_of(8, |client| {
        // In both orders, so that they meet.
        let mut numbers = numbers.clone();
        if client % 3 == 0 {
            numbers.reverse();
        }
        let body = json!({ "msisdns": numbers });
        post(client, "/addressbook/optouts/bulk", body)["created"].as_u64()
    });
    assert_eq!(made.into_iter().flatten().sum::<u64>(), 300);
    let deleted = together_of(8, |client| {
        let mut aliases = aliases.clone();
        if client % 3 == 0 {
            aliases.reverse();
        }
        let body = json!({ "aliases": aliases });
        post(client, "/addressbook/contacts/bulk-delete", body)["deleted"].as_u64()
    });
    assert_eq!(deleted.into_iter().flatten().sum::<u64>(), 300);
    assert_eq!(servers[0].stored(), 0);
    for (table, left) in [("contacts", 0), ("optouts", 300)] {
        let counted = format!("SELECT sum(value) FROM counters WHERE name = '{table}'");
        assert_eq!(servers[0].number(&counted), left, "{table}");
    }
}
