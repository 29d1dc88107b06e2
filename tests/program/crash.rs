//! `kill -9` in the middle of load: every acknowledged contact is there.

use std::collections::HashMap;
use std::thread;

use crate::harness::{Server, agent};

const CLIENTS: usize = 16;
const ROUNDS: usize = 4;
const STORED_BEFORE_THE_KILL: i64 = 400;

/// What the clients of one round were told: alias and id.
fn load_until_killed(server: &mut Server, key: &str, round: usize) -> HashMap<String, String> {
    let before = server.stored();
    let shared: &Server = server;
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                scope.spawn(move || {
                    let agent = agent();
                    let mut acknowledged = Vec::new();
                    for number in 0.. {
                        let alias = format!("{round}.{client}.{number}");
                        let body = format!(r#"{{"alias":"{alias}","msisdn":"4479000000001"}}"#);
                        let call = shared
                            .call("POST", "/contacts")
                            .by(&agent)
                            .key(key)
                            .json(body);
                        let Ok(reply) = call.try_send() else { break };
                        assert_eq!(reply.status, 200, "{}", reply.body);
                        let id = reply.json()["record"]["id"].as_str().unwrap().to_owned();
                        acknowledged.push((alias, id));
                    }
                    acknowledged
                })
            })
            .collect();
        while shared.stored() < before + STORED_BEFORE_THE_KILL {
            thread::yield_now();
        }
        shared.signal("KILL");
        clients
            .into_iter()
            .flat_map(|client| client.join().unwrap())
            .collect()
    })
}

#[test]
fn every_acknowledged_contact_survives_kill_9() {
    let first = Server::start();
    let database = first.database.clone();
    let key = first.key(&["create:Contacts"]);
    let mut acknowledged = HashMap::new();
    let mut servers = vec![first];
    for round in 0..ROUNDS {
        let server = servers.last_mut().unwrap();
        acknowledged.extend(load_until_killed(server, &key, round));
        server.wait();
        servers.push(Server::start_on(&database));
    }
    let file = servers[0].open_file();
    let integrity: String = file
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(integrity, "ok");
    let mut statement = file.prepare("SELECT alias, id FROM contacts").unwrap();
    let stored: HashMap<String, String> = statement
        .query_map([], |row| {
            let id: [u8; 16] = row.get(1)?;
            Ok((row.get(0)?, uuid::Uuid::from_bytes(id).to_string()))
        })
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    for (alias, id) in &acknowledged {
        assert_eq!(stored.get(alias), Some(id), "{alias} was acknowledged");
    }
    let unanswered = stored.len() - acknowledged.len();
    assert!(
        unanswered <= ROUNDS * CLIENTS,
        "{unanswered} without an answer"
    );
    let reply = servers
        .last()
        .unwrap()
        .create(&key, r#"{"alias":"after","msisdn":"4479000000001"}"#);
    assert_eq!(reply.status, 200);
}
