//! What several servers count together: totals are exact, whoever creates and deletes.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use super::shared::two;
use crate::book::together_of;
use crate::harness::{agent, stands_on_postgres};

const CLIENTS: usize = 8;
const ROUNDS: usize = 40;
/// A number in both its spellings: of today's rules, and of older ones.
const SPELLINGS: [&str; 2] = ["447700900101", "4407700900101"];

#[test]
fn totals_are_exact_where_two_servers_create_and_delete() {
    if !stands_on_postgres() {
        return;
    }
    let (servers, key) = two();
    let group = servers[0].call("POST", "/addressbook/groups").key(&key);
    let group = group.json(r#"{"name":"all"}"#).send().json()["record"]["id"].clone();
    let members = format!("/addressbook/groups/{}/members", group.as_str().unwrap());
    let gone = AtomicUsize::new(0);
    together_of(CLIENTS, |client| {
        let agent = agent();
        let send = |round: usize, method: &str, path: &str, body: serde_json::Value| {
            let server = &servers[(client + round) % 2];
            let call = server.call(method, path).by(&agent).key(&key);
            call.json(body.to_string()).send()
        };
        for round in 0..ROUNDS {
            let alias = format!("{client}.{round}");
            let contact = json!({"alias": alias, "msisdn": "4479000000001"});
            let created = send(round, "POST", "/contacts", contact);
            assert_eq!(created.status, 200, "{}", created.body);
            let added = send(round + 1, "POST", &members, json!({"add": [alias]}));
            assert_eq!(added.status, 200, "{}", added.body);
            if round % 3 == 0 {
                continue;
            }
            // Its neighbour deletes as well: one of them comes first.
            for of in [client, (client + 1) % CLIENTS] {
                let body = json!({"aliases": [format!("{of}.{round}")]});
                let path = "/addressbook/contacts/bulk-delete";
                let deleted = send(round, "POST", path, body).json();
                let deleted = deleted["summary"]["deleted"].as_u64().unwrap();
                gone.fetch_add(usize::try_from(deleted).unwrap(), Ordering::Relaxed);
            }
        }
    });
    let left = CLIENTS * ROUNDS - gone.into_inner();
    assert!(left < CLIENTS * ROUNDS / 2);
    assert_eq!(servers[0].stored(), i64::try_from(left).unwrap());
    for server in &servers {
        let total = |path: &str| server.call("GET", path).key(&key).send().json()["total"].clone();
        assert_eq!(total("/contacts?limit=1"), left);
        assert_eq!(total(&format!("{members}?limit=1")), left);
    }
}

#[test]
fn a_number_that_is_opted_out_at_once_on_two_servers_is_one() {
    if !stands_on_postgres() {
        return;
    }
    let (servers, key) = two();
    // Since older rules, so that this spelling may be opted out.
    servers[0].change(&format!(
        "INSERT INTO contacts (id, alias, msisdn, meta, updated_on)
        VALUES (gen_random_uuid(), 'old', '{}', '{{}}', 0)",
        SPELLINGS[1]
    ));
    for round in 0..ROUNDS {
        let numbers = together_of(4, |client| {
            let call = servers[client % 2].call("POST", "/addressbook/optouts");
            // Both spellings on both servers, and both alike.
            let spelling = SPELLINGS[(client / 2 + round % 2 * client) % 2];
            let body = json!({"msisdn": spelling}).to_string();
            let reply = call.key(&key).json(body).send();
            assert_eq!(reply.status, 200, "{}", reply.body);
            reply.json()["record"]["msisdn"].clone()
        });
        let stored = servers[0].column("SELECT msisdn FROM optouts");
        assert_eq!(stored.len(), 1, "{stored:?} in round {round}");
        assert!(
            numbers.iter().all(|number| *number == stored[0]),
            "{numbers:?}"
        );
        let total = "SELECT sum(value) FROM counters WHERE name = 'optouts'";
        assert_eq!(servers[0].number(total), 1);
        let path = format!("/addressbook/optouts/{}", SPELLINGS[0]);
        assert_eq!(
            servers[1].call("DELETE", &path).key(&key).send().status,
            200
        );
    }
}
