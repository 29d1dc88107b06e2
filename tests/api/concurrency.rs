//! Many clients at once: the database decides, and each gets a true answer.

use std::collections::HashSet;

use crate::book::together_of;
use crate::harness::{Server, agent};

const CLIENTS: usize = 64;
const CONTACTS_OF_EACH: usize = 20;

#[test]
fn of_64_clients_with_one_alias_exactly_one_wins() {
    let server = Server::start();
    let key = server.key(&["create:Contacts"]);
    for round in 0..5 {
        let body = format!(r#"{{"alias":"contested {round}","msisdn":"4479000000001"}}"#);
        let replies = together_of(CLIENTS, |_| server.create(&key, body.as_str()));
        let (won, lost): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 200);
        assert_eq!(won.len(), 1);
        assert!(
            lost.iter()
                .all(|reply| reply.message() == "Alias already exists")
        );
    }
    assert_eq!(server.stored(), 5);
}

#[test]
fn what_64_clients_create_is_stored_each_once() {
    let server = Server::start();
    let key = server.key(&["create:Contacts"]);
    let ids = together_of(CLIENTS, |client| {
        let agent = agent();
        let create = |number| {
            let body = format!(r#"{{"alias":"{client}.{number}","msisdn":"4479000000001"}}"#);
            let reply = server
                .call("POST", "/contacts")
                .by(&agent)
                .key(&key)
                .json(body)
                .send();
            assert_eq!(reply.status, 200, "{}", reply.body);
            reply.json()["record"]["id"].as_str().unwrap().to_owned()
        };
        (0..CONTACTS_OF_EACH).map(create).collect::<Vec<_>>()
    });
    let distinct: HashSet<String> = ids.into_iter().flatten().collect();
    assert_eq!(distinct.len(), CLIENTS * CONTACTS_OF_EACH);
    assert_eq!(server.stored(), i64::try_from(distinct.len()).unwrap());
}
