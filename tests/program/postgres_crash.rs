//! `kill -9` of PostgreSQL in the middle of load: what was acknowledged is there once, and
//! the server goes on by itself.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::{Cluster, Server, agent};

const CLIENTS: usize = 16;
const STORED_BEFORE_THE_KILL: i64 = 400;
/// How soon a client is served again.
const BACK_WITHIN: Duration = Duration::from_secs(30);

/// What one client was told: alias and id of what was stored, and what may be.
#[derive(Default)]
struct Told {
    stored: HashMap<String, String>,
    unknown: Vec<String>,
}

fn create_until(is_over: &AtomicBool, server: &Server, key: &str, client: usize) -> Told {
    let agent = agent();
    let mut told = Told::default();
    let mut away_since = None;
    for number in 0.. {
        let alias = format!("{client}.{number}");
        let body = format!(r#"{{"alias":"{alias}","msisdn":"4479000000001"}}"#);
        let call = server.call("POST", "/contacts").by(&agent).key(key);
        let reply = call.json(body).send();
        match reply.status {
            200 => {
                let id = reply.json()["record"]["id"].as_str().unwrap().to_owned();
                told.stored.insert(alias, id);
                away_since = None;
                if is_over.load(Ordering::Relaxed) {
                    return told;
                }
            }
            503 => {
                if reply.message().starts_with("It is unknown") {
                    told.unknown.push(alias);
                }
                let since = *away_since.get_or_insert_with(Instant::now);
                assert!(since.elapsed() < BACK_WITHIN, "{}", reply.body);
                thread::sleep(Duration::from_millis(50));
            }
            _ => panic!("{}", reply.body),
        }
    }
    told
}

#[test]
fn every_acknowledged_contact_survives_kill_9_of_postgresql_and_is_there_once() {
    let Some(cluster) = Cluster::start() else {
        return;
    };
    let servers = [
        Server::start_on(&cluster.url()),
        Server::start_on(&cluster.url()),
    ];
    let key = servers[0].key(&["create:Contacts"]);
    let is_over = AtomicBool::new(false);
    let told: Vec<Told> = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let (servers, key, is_over) = (&servers, &key, &is_over);
                scope.spawn(move || create_until(is_over, &servers[client % 2], key, client))
            })
            .collect();
        for round in 1..=3 {
            while servers[0].stored() < round * STORED_BEFORE_THE_KILL {
                thread::sleep(Duration::from_millis(20));
            }
            cluster.kill();
            cluster.go_on();
        }
        is_over.store(true, Ordering::Relaxed);
        clients.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let rows = servers[0].rows("SELECT alias, id FROM contacts");
    let stored: HashMap<&str, &str> = rows.iter().map(|row| (&*row[0], &*row[1])).collect();
    let mut acknowledged = 0;
    for (alias, id) in told.iter().flat_map(|told| &told.stored) {
        assert_eq!(
            stored.get(&**alias),
            Some(&&**id),
            "{alias} was acknowledged"
        );
        acknowledged += 1;
    }
    let unknown: usize = told.iter().map(|told| told.unknown.len()).sum();
    assert!(
        stored.len() <= acknowledged + unknown,
        "{} and {unknown}",
        stored.len()
    );
    let total = "SELECT sum(value) FROM counters WHERE name = 'contacts'";
    assert_eq!(servers[0].number(total), servers[0].stored());
    eprintln!(
        "{acknowledged} acknowledged, {unknown} unknown, {} stored",
        stored.len()
    );
}
