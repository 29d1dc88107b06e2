//! Writes that are retried across `kill -9`: each exactly once, and a bulk
//! request whole or up to a contact.

use std::collections::{HashMap, HashSet};
use std::thread;

use crate::harness::{Server, agent};

const CLIENTS: usize = 8;
const WRITES_OF_EACH: usize = 120;
const KILLS: usize = 4;

/// Sends a create until it is answered, whichever server answers; the answer.
fn create_until_answered(address: &dyn Fn() -> Option<String>, key: &str, name: &str) -> String {
    let body = format!(r#"{{"alias":"{name}","msisdn":"15550000000"}}"#);
    loop {
        let Some(address) = address() else {
            thread::yield_now();
            continue;
        };
        let sent = agent()
            .post(format!("http://{address}/contacts"))
            .header("Authorization", format!("Bearer {key}"))
            .header("Idempotency-Key", name)
            .content_type("application/json")
            .send(&body);
        // Refused or reset: the server was killed, and the next one will say.
        let Ok(mut answer) = sent else { continue };
        if answer.status().as_u16() == 503 {
            continue;
        }
        let Ok(text) = answer.body_mut().read_to_string() else {
            continue;
        };
        assert_eq!(answer.status().as_u16(), 200, "{text}");
        return text;
    }
}

#[test]
fn each_retried_write_happens_exactly_once_across_kill_9() {
    let first = Server::start();
    let database = first.database.clone();
    let key = first.key(&["create:Contacts"]);
    let current = std::sync::Mutex::new(Some(first.address.to_string()));
    let address = || current.lock().unwrap().clone();
    let mut servers = vec![first];
    let answers: HashMap<String, String> = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let (address, key) = (&address, &key);
                scope.spawn(move || {
                    let answer = |number| {
                        let name = format!("{client}.{number}");
                        let answer = create_until_answered(address, key, &name);
                        (name, answer)
                    };
                    (0..WRITES_OF_EACH).map(answer).collect::<Vec<_>>()
                })
            })
            .collect();
        for kill in 1..=KILLS {
            let enough = i64::try_from(kill * CLIENTS * WRITES_OF_EACH / (KILLS + 1)).unwrap();
            while servers.last().unwrap().stored() < enough {
                thread::yield_now();
            }
            servers.last_mut().unwrap().kill();
            *current.lock().unwrap() = None;
            servers.push(Server::start_on(&database));
            *current.lock().unwrap() = Some(servers.last().unwrap().address.to_string());
        }
        clients
            .into_iter()
            .flat_map(|client| client.join().unwrap())
            .collect()
    });
    let server = servers.last().unwrap();
    assert_eq!(
        usize::try_from(server.stored()).unwrap(),
        CLIENTS * WRITES_OF_EACH
    );
    for (name, answer) in &answers {
        let again = create_until_answered(&address, &key, name);
        assert_eq!(&again, answer, "{name} answers as it did");
    }
    let distinct: HashSet<&String> = answers.values().collect();
    assert_eq!(distinct.len(), CLIENTS * WRITES_OF_EACH);
}

/// A bulk request of 10,000 contacts.
fn bulk(prefix: &str, atomic: bool) -> String {
    let contacts: Vec<String> = (0..10_000)
        .map(|number| {
            format!(
                r#"{{"alias":"{prefix}.{number}","msisdn":"15550000000","meta":{{"n":{number}}}}}"#
            )
        })
        .collect();
    format!(
        r#"{{"atomic":{atomic},"contacts":[{}]}}"#,
        contacts.join(",")
    )
}

/// Kills a server in the middle of a bulk request; what the file holds then.
fn stored_of_a_killed_bulk(atomic: bool, begun: impl Fn(&Server) -> bool) -> i64 {
    let mut server = Server::start();
    let key = server.key(&["create:Contacts"]);
    thread::scope(|scope| {
        let shared = &server;
        let body = bulk("killed", atomic);
        let sending = scope.spawn(move || {
            let call = shared.call("POST", "/contacts/bulk").key(&key).json(body);
            call.try_send().is_ok()
        });
        while !begun(shared) && !sending.is_finished() {
            thread::yield_now();
        }
        shared.signal("KILL");
        sending.join().unwrap();
    });
    server.wait();
    let server = Server::start_on(&server.database);
    let file = server.open_file();
    let integrity: String = file
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(integrity, "ok");
    let stored = server.stored();
    let counter = "SELECT value FROM counters WHERE name = 'contacts'";
    let counted: i64 = file.query_row(counter, [], |row| row.get(0)).unwrap();
    assert_eq!(counted, stored, "the count is of the same transaction");
    let prefix = "SELECT count(*) FROM contacts WHERE json_extract(meta, '$.n') < ?1";
    let of_prefix: i64 = file.query_row(prefix, [stored], |row| row.get(0)).unwrap();
    assert_eq!(
        of_prefix, stored,
        "what is stored is the beginning of the request"
    );
    stored
}

#[test]
fn a_crash_in_the_middle_of_a_bulk_leaves_a_beginning_of_whole_transactions() {
    let stored = stored_of_a_killed_bulk(false, |server| server.stored() >= 500);
    assert!(stored >= 500 && stored % 500 == 0, "{stored}");
}

#[test]
fn a_crash_in_the_middle_of_an_atomic_bulk_leaves_all_or_nothing() {
    let wal_has_grown = |server: &Server| {
        let wal = std::fs::metadata(server.database.with_extension("db-wal"));
        wal.is_ok_and(|wal| wal.len() > 100_000)
    };
    let stored = stored_of_a_killed_bulk(true, wal_has_grown);
    assert!(stored == 0 || stored == 10_000, "{stored}");
}

#[test]
fn single_writes_are_served_between_the_transactions_of_a_bulk() {
    let server = Server::start();
    let key = server.key(&["create:Contacts"]);
    let between = thread::scope(|scope| {
        let (shared, key) = (&server, &key);
        let sending = scope.spawn(move || {
            for round in 0..3 {
                let body = bulk(&round.to_string(), false);
                let reply = shared
                    .call("POST", "/contacts/bulk")
                    .key(key)
                    .json(body)
                    .send();
                assert_eq!(reply.json()["summary"]["created"], 10_000);
            }
        });
        let (mut between, mut singles) = (0, 0);
        while !sending.is_finished() {
            let bulk_rows = shared.stored() - singles;
            let body = format!(r#"{{"alias":"single {singles}","msisdn":"15550000000"}}"#);
            assert_eq!(shared.create(key, body).status, 200);
            singles += 1;
            // Stored while a bulk request had begun and was not at its end.
            between += usize::from(bulk_rows % 10_000 != 0);
        }
        sending.join().unwrap();
        between
    });
    assert!(
        between >= 3,
        "{between} single writes in the middle of a bulk"
    );
}
