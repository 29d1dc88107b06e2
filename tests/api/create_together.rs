//! Creates of many clients share a transaction: each is answered for itself, whoever's
//! key the others come under.

use serde_json::json;

use crate::book::together_of;
use crate::harness::{PERMISSIONS, Server, agent};

const CLIENTS: usize = 32;
const ROUNDS: usize = 10;

#[test]
fn creates_under_many_keys_at_once_are_each_answered_for_themselves() {
    let server = Server::start();
    let keys: Vec<String> = (0..4).map(|_| server.key(&PERMISSIONS)).collect();
    together_of(CLIENTS, |client| {
        let agent = agent();
        for round in 0..ROUNDS {
            // Of each two neighbours with one alias, one comes first.
            let alias = format!("{}.{round}", client / 2);
            let body = json!({"alias": alias, "msisdn": "4479000000001"}).to_string();
            let call = server.call("POST", "/addressbook/contacts").by(&agent);
            let reply = call
                .key(&keys[(client + round) % keys.len()])
                .json(body)
                .send();
            let record = &reply.json()["record"];
            match reply.status {
                200 => assert_eq!(record["alias"], alias.as_str()),
                400 => assert_eq!(reply.message(), "Alias already exists"),
                _ => panic!("{}", reply.body),
            }
        }
    });
    let list = server
        .call("GET", "/addressbook/contacts?limit=1")
        .key(&keys[0]);
    let total = list.send().json()["total"].as_u64();
    assert_eq!(total, Some((CLIENTS / 2 * ROUNDS) as u64));
    assert_eq!(
        server.stored(),
        i64::try_from(CLIENTS / 2 * ROUNDS).unwrap()
    );
}
