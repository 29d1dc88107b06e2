//! `kill -9` of PostgreSQL in the middle of load, also of a primary with a standby: what was
//! acknowledged is there once, and the servers go on by themselves.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::{Cluster, Server, agent, until};

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
    let servers = [(); 2].map(|()| Server::start_on(&cluster.url()));
    survive(&servers, 3, || {
        cluster.kill();
        cluster.go_on();
    });
}

#[test]
fn every_acknowledged_contact_survives_the_primary_by_its_synchronous_standby() {
    let Some(primary) = Cluster::start() else {
        return;
    };
    let standby = primary.with_standby();
    let servers = [(); 2].map(|()| Server::start_on(&primary.url_of_both(&standby)));
    let ready = || servers[0].call("GET", "/readyz").send().json()["checks"]["standby"] == "ok";
    until(|| ready().then_some(()));
    survive(&servers, 1, || {
        primary.kill();
        standby.promote();
    });
    // There is one disk alone now, as the next look finds out.
    until(|| (!ready()).then_some(()));
}

#[test]
fn what_is_on_one_disk_alone_is_acknowledged_to_nobody_who_tries_again() {
    let Some(primary) = Cluster::start() else {
        return;
    };
    let standby = primary.with_standby();
    let server = Server::start_on(&primary.url());
    let key = server.key(&["create:Contacts", "create:Optouts"]);
    let ready = || server.call("GET", "/readyz").send().json()["checks"]["standby"] == "ok";
    until(|| ready().then_some(()));
    standby.kill();
    let create = &|name: &str| {
        let body = format!(r#"{{"alias":"{name}","msisdn":"4479000000001"}}"#);
        let call = server.call("POST", "/contacts").key(&key).json(body);
        match name {
            "once" => call.header("Idempotency-Key", name).send(),
            _ => call.send(),
        }
    };
    let opt_out = || {
        let call = server.call("POST", "/addressbook/optouts").key(&key);
        call.json(r#"{"msisdn":"4479000000001"}"#).send()
    };
    thread::scope(|scope| {
        let creates = ["once", "lone"].map(|name| scope.spawn(move || create(name)));
        let waiting = creates.into_iter().chain([scope.spawn(opt_out)]);
        let waiting: Vec<_> = waiting.collect();
        // Committed there, and heard of by nobody: who tries again, waits again.
        for _ in 0..waiting.len() {
            until(|| primary.end_a_commit_that_waits().then_some(()));
        }
        let again = scope.spawn(opt_out);
        for client in waiting.into_iter().chain([again]) {
            let reply = client.join().unwrap();
            assert_eq!(reply.status, 503, "{}", reply.body);
        }
    });
    standby.go_on();
    let replies = [
        until(|| Some(create("once")).filter(|reply| reply.status != 503)),
        until(|| Some(opt_out()).filter(|reply| reply.status != 503)),
    ];
    for reply in replies {
        assert_eq!(reply.status, 200, "{}", reply.body);
    }
    assert_eq!(server.stored(), 2);
}

/// Has `hurt` done so many times while clients of both servers create contacts; then what
/// they were told is held against what is there.
fn survive(servers: &[Server; 2], times: i64, hurt: impl Fn()) {
    let key = servers[0].key(&["create:Contacts"]);
    let is_over = AtomicBool::new(false);
    let told: Vec<Told> = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let (key, is_over) = (&key, &is_over);
                scope.spawn(move || create_until(is_over, &servers[client % 2], key, client))
            })
            .collect();
        for round in 1..=times {
            while servers[0].stored() < round * STORED_BEFORE_THE_KILL {
                thread::sleep(Duration::from_millis(20));
            }
            hurt();
        }
        is_over.store(true, Ordering::Relaxed);
        clients.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let rows = servers[0].rows("SELECT alias, id FROM contacts");
    let stored: HashMap<&str, &str> = rows.iter().map(|row| (&*row[0], &*row[1])).collect();
    let mut acknowledged = 0;
    for (alias, id) in told.iter().flat_map(|told| &told.stored) {
        let found = stored.get(&**alias);
        assert_eq!(found, Some(&&**id), "{alias} was acknowledged");
        acknowledged += 1;
    }
    let unknown: usize = told.iter().map(|told| told.unknown.len()).sum();
    let (all, known) = (stored.len(), acknowledged);
    assert!(
        all <= known + unknown,
        "{all} stored, {known} told, {unknown} unknown"
    );
    let total = "SELECT sum(value) FROM counters WHERE name = 'contacts'";
    assert_eq!(servers[0].number(total), servers[0].stored());
    eprintln!("{known} acknowledged, {unknown} unknown, {all} stored");
}
