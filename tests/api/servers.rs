//! Several servers on one book: what one of them has acknowledged, the others know.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::{Value, json};

use crate::book::together_of;
use crate::harness::{
    FOR_CONTACTS, PERMISSIONS, Server, agent, id_of, new_book, program, run, stands_on_postgres,
};

const CLIENTS: usize = 64;

/// Two servers on one book.
fn two() -> [Server; 2] {
    let first = Server::start();
    let second = Server::start_on(&first.database);
    [first, second]
}

fn contact(alias: impl std::fmt::Display) -> String {
    json!({"alias": alias.to_string(), "msisdn": "4479000000001"}).to_string()
}

#[test]
fn a_key_that_is_revoked_on_one_is_dead_on_the_other_at_its_next_request() {
    if !stands_on_postgres() {
        return;
    }
    let [first, second] = two();
    let admin = first.key(&PERMISSIONS);
    for round in 0..10 {
        let key = first.key(FOR_CONTACTS);
        assert_eq!(second.create(&key, contact(round)).status, 200);
        let path = format!("/auth/keys/{}", id_of(&key));
        let revoked = first.call("DELETE", &path).key(&admin).send();
        assert_eq!(revoked.status, 200, "{}", revoked.body);
        let read = second.call("GET", "/contacts").key(&key).send();
        assert_eq!(read.status, 401);
        assert_eq!(second.create(&key, contact("late")).status, 401);
    }
    assert_eq!(first.stored(), 10);
}

#[test]
fn a_key_is_revoked_under_the_load_of_its_own_writes_and_writes_nothing_any_more() {
    if !stands_on_postgres() {
        return;
    }
    let servers = two();
    let key = servers[0].key(&["create:Contacts"]);
    let is_revoked = AtomicBool::new(false);
    let create = |client: usize| {
        let agent = agent();
        let (mut number, mut late) = (0, 0);
        loop {
            let was_revoked = is_revoked.load(Ordering::SeqCst);
            let call = servers[client % 2].call("POST", "/contacts").by(&agent);
            let body = contact(format!("{client}.{number}"));
            let status = call.key(&key).json(body).send().status;
            late += usize::from(was_revoked && status != 401);
            number += 1;
            if status != 200 {
                return (status, late);
            }
        }
    };
    let outcomes = thread::scope(|scope| {
        let clients: Vec<_> = (0..32)
            .map(|client| scope.spawn(move || create(client)))
            .collect();
        while servers[0].stored() < 200 {
            thread::yield_now();
        }
        let database = servers[0].database.to_str().unwrap();
        let revoked = run(&[
            "key",
            "revoke",
            "--force",
            "--database",
            database,
            id_of(&key),
        ]);
        assert!(revoked.status.success());
        is_revoked.store(true, Ordering::SeqCst);
        let stored = servers[0].stored();
        let outcomes: Vec<_> = clients.into_iter().map(|one| one.join().unwrap()).collect();
        assert_eq!(servers[0].stored(), stored, "nothing came behind it");
        outcomes
    });
    assert!(
        outcomes.iter().all(|outcome| *outcome == (401, 0)),
        "{outcomes:?}"
    );
}

#[test]
fn of_64_clients_on_two_servers_one_gets_the_alias() {
    if !stands_on_postgres() {
        return;
    }
    let servers = two();
    let key = servers[0].key(FOR_CONTACTS);
    for round in 0..5 {
        let body = contact(format!("contested {round}"));
        let replies = together_of(CLIENTS, |client| {
            servers[client % 2].create(&key, body.as_str())
        });
        let (won, lost): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 200);
        assert_eq!(won.len(), 1);
        let record = &won[0].json()["record"];
        let holder = format!("/addressbook/contacts/{}>", record["id"].as_str().unwrap());
        for reply in lost {
            assert_eq!(
                (reply.status, &*reply.message()),
                (400, "Alias already exists")
            );
            let link = reply.header("link");
            assert!(link.contains(&holder), "{link}");
        }
    }
    assert_eq!(servers[0].stored(), 5);
}

#[test]
fn a_request_that_is_sent_to_both_at_once_happens_once() {
    if !stands_on_postgres() {
        return;
    }
    let servers = two();
    let key = servers[0].key(&["create:Contacts"]);
    for round in 0..5 {
        let body = contact(round);
        let replies = together_of(16, |client| {
            let call = servers[client % 2].call("POST", "/contacts").key(&key);
            let name = format!("retried-{round}");
            call.header("Idempotency-Key", &name)
                .json(body.as_str())
                .send()
        });
        let bodies: HashSet<&str> = replies.iter().map(|reply| reply.body.as_str()).collect();
        assert_eq!(bodies.len(), 1, "{bodies:?}");
        assert!(replies.iter().all(|reply| reply.status == 200));
        let fresh = replies
            .iter()
            .filter(|reply| reply.header("idempotency-replayed").is_empty());
        assert_eq!(fresh.count(), 1);
    }
    assert_eq!(servers[0].stored(), 5);
}

#[test]
fn totals_are_exact_and_a_walk_skips_nothing_that_was_there_when_it_began() {
    if !stands_on_postgres() {
        return;
    }
    let servers = two();
    let key = servers[0].key(FOR_CONTACTS);
    let is_over = AtomicBool::new(false);
    let list = |server: &Server, query: &str| -> Value {
        let call = server.call("GET", &format!("/contacts?{query}")).key(&key);
        call.send().json()
    };
    thread::scope(|scope| {
        for client in 0..8 {
            let (servers, key, is_over) = (&servers, &key, &is_over);
            scope.spawn(move || {
                let agent = agent();
                for number in 0.. {
                    let server = &servers[client % 2];
                    let body = contact(format!("{client}.{number}"));
                    let call = server.call("POST", "/contacts").by(&agent).key(key);
                    assert_eq!(call.json(body).send().status, 200);
                    if is_over.load(Ordering::Relaxed) {
                        return;
                    }
                }
            });
        }
        for round in 0..10 {
            let query = "SELECT alias FROM contacts";
            let there = servers[0].column(query);
            let (mut met, mut cursor) = (HashSet::new(), String::new());
            loop {
                let page = list(&servers[round % 2], &format!("limit=50&cursor={cursor}"));
                for record in page["records"].as_array().unwrap() {
                    assert!(met.insert(record["alias"].as_str().unwrap().to_owned()));
                }
                match page["next"].as_str() {
                    Some(next) => cursor = next.to_owned(),
                    None => break,
                }
            }
            let skipped: Vec<_> = there.iter().filter(|alias| !met.contains(*alias)).collect();
            assert!(skipped.is_empty(), "{skipped:?}");
        }
        is_over.store(true, Ordering::Relaxed);
    });
    let total = list(&servers[1], "limit=1")["total"].as_i64();
    assert_eq!(total, Some(servers[0].stored()));
}

#[test]
fn two_that_start_at_once_make_one_book() {
    if !stands_on_postgres() {
        return;
    }
    for _ in 0..3 {
        let (database, _) = new_book();
        let servers = together_of(4, |_| Server::start_on(&database));
        let key = servers[0].key(&["create:Contacts"]);
        for (number, server) in servers.iter().enumerate() {
            assert_eq!(server.create(&key, contact(number)).status, 200);
        }
        assert_eq!(servers[0].stored(), 4);
    }
}

#[test]
fn connections_that_are_lost_cost_time_and_no_answer() {
    if !stands_on_postgres() {
        return;
    }
    let servers = two();
    let key = servers[0].key(FOR_CONTACTS);
    let created = together_of(9, |client| {
        let server = &servers[client % 2];
        if client == 8 {
            // All of the book's but the one that asks.
            let schema = server.column("SELECT current_schema()").remove(0);
            for _ in 0..10 {
                server.column(&format!(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                    WHERE pid <> pg_backend_pid() AND application_name = '{schema}'"
                ));
                thread::sleep(std::time::Duration::from_millis(50));
            }
            return Vec::new();
        }
        let agent = agent();
        let mut created = Vec::new();
        for number in 0..100 {
            let alias = format!("{client}.{number}");
            let call = server.call("POST", "/contacts").by(&agent).key(&key);
            let reply = call.json(contact(&alias)).send();
            assert_eq!(reply.status, 200, "{}", reply.body);
            let get = server
                .call("GET", &format!("/contacts/alias/{alias}"))
                .by(&agent);
            let read = get.key(&key).send();
            assert_eq!(read.status, 200, "{}", read.body);
            created.push(reply.json()["record"]["id"].as_str().unwrap().to_owned());
        }
        created
    });
    let created: HashSet<String> = created.into_iter().flatten().collect();
    let stored: HashSet<String> = servers[0]
        .column("SELECT id FROM contacts")
        .into_iter()
        .collect();
    assert_eq!(created.len(), 800);
    assert_eq!(created, stored, "each once, and under the id that was told");
}

#[test]
fn what_may_lose_what_was_acknowledged_is_refused_unless_it_is_allowed() {
    if !stands_on_postgres() {
        return;
    }
    let (database, _) = new_book();
    let unsynced = format!(
        "{}%20-c%20synchronous_commit%3Doff",
        database.to_str().unwrap()
    );
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--database", &unsynced];
    let refused = run(&arguments);
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        told.contains("synchronous_commit=off and may lose"),
        "{told}"
    );
    let allowed = Server::start_command(program(), unsynced.as_ref(), &["--allow-unsynced"]);
    let key = allowed.key(&["create:Contacts"]);
    assert_eq!(allowed.create(&key, contact("anna")).status, 200);
}

#[test]
fn a_first_start_makes_no_key_without_a_file_for_it_and_says_how_to_make_one() {
    if !stands_on_postgres() {
        return;
    }
    let (database, _) = new_book();
    let start = |more: &[&str]| {
        let mut command = program();
        command.args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--log",
            "info",
            "--database",
        ]);
        command.arg(&database).args(more);
        Server::start_plain(command, &database)
    };
    let server = start(&[]);
    let logged = server.logged();
    assert!(logged.contains("addressbook key create"), "{logged}");
    assert_eq!(server.number("SELECT count(*) FROM api_keys"), 0);
    drop(server);
    let token = "abk_000000000000_00000000000000000000000000000000000000000001SQnlA";
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), token).unwrap();
    let server = start(&["--initial-key-file", file.path().to_str().unwrap()]);
    assert_eq!(server.create(token, contact("anna")).status, 200);
}
