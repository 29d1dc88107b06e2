//! Keys that change under live load: from the acknowledgement on, no request
//! that begins succeeds, and no write commits.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{PERMISSIONS, Server, WAIT_MAX, agent, id_of, peak_memory_kib, run};

const CLIENTS: usize = 8;
/// How long a client goes on after the acknowledgement, to be refused.
const REFUSED_FOR: usize = 20;

/// One request of a client: when it began, and what it was answered.
struct Use {
    begun: Instant,
    status: u16,
}

/// Lets clients create contacts with one key until it was changed and refused;
/// checks that nothing begun after the change was let in or stored.
fn changed_under_load(permissions: &[&str], change: impl FnOnce(&Server, &str, &str)) {
    let server = Server::start();
    let key = server.key(permissions);
    let manager = server.key(&PERMISSIONS);
    let changed = AtomicBool::new(false);
    let (uses, acknowledged, stored) = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let (server, key, changed) = (&server, &key, &changed);
                scope.spawn(move || use_until_refused(server, key, client, changed))
            })
            .collect();
        let begun = Instant::now();
        while server.stored() < 100 {
            assert!(begun.elapsed() < WAIT_MAX);
            thread::yield_now();
        }
        change(&server, id_of(&key), &manager);
        let acknowledged = Instant::now();
        let stored = server.stored();
        changed.store(true, Ordering::SeqCst);
        let uses: Vec<Use> = clients
            .into_iter()
            .flat_map(|client| client.join().unwrap())
            .collect();
        (uses, acknowledged, stored)
    });
    let late: Vec<u16> = uses
        .iter()
        .filter(|one| one.begun > acknowledged)
        .map(|one| one.status)
        .collect();
    assert!(late.len() >= CLIENTS * REFUSED_FOR);
    assert!(
        late.iter().all(|status| [401, 403, 429].contains(status)),
        "{late:?}"
    );
    assert_eq!(
        server.stored(),
        stored,
        "nothing was committed after the acknowledgement"
    );
}

fn use_until_refused(server: &Server, key: &str, client: usize, changed: &AtomicBool) -> Vec<Use> {
    let agent = agent();
    let mut uses = Vec::new();
    let mut refused = 0;
    for number in 0.. {
        let body = format!(r#"{{"alias":"{client}.{number}","msisdn":"15550000000"}}"#);
        let after_the_change = changed.load(Ordering::SeqCst);
        let begun = Instant::now();
        let reply = server
            .call("POST", "/contacts")
            .by(&agent)
            .key(key)
            .json(body)
            .send();
        uses.push(Use {
            begun,
            status: reply.status,
        });
        refused += usize::from(after_the_change);
        if refused >= REFUSED_FOR {
            break;
        }
    }
    uses
}

fn by_http(
    method: &'static str,
    path: &'static str,
    body: serde_json::Value,
) -> impl FnOnce(&Server, &str, &str) {
    move |server, id, manager| {
        let call = server.call(method, &path.replace("ID", id)).key(manager);
        let call = if body.is_null() {
            call
        } else {
            call.json(body.to_string())
        };
        let reply = call.send();
        assert_eq!(reply.status, 200, "{}", reply.body);
    }
}

fn by_command_line(arguments: &'static [&'static str]) -> impl FnOnce(&Server, &str, &str) {
    move |server, id, _| {
        let mut all = vec!["key"];
        all.extend(arguments);
        all.extend(["--database", server.database.to_str().unwrap(), id]);
        let output = run(&all);
        assert!(output.status.success(), "{output:?}");
    }
}

#[test]
fn a_key_revoked_over_http() {
    changed_under_load(
        &["create:Contacts"],
        by_http("DELETE", "/auth/keys/ID", json!(null)),
    );
}

#[test]
fn a_key_revoked_by_another_process() {
    changed_under_load(&["create:Contacts"], by_command_line(&["revoke"]));
}

#[test]
fn a_key_narrowed_over_http() {
    let body = json!({"permissions": ["read:Contacts"]});
    changed_under_load(
        &["create:Contacts", "read:Contacts"],
        by_http("PATCH", "/auth/keys/ID", body),
    );
}

#[test]
fn a_key_narrowed_by_another_process() {
    changed_under_load(
        &["create:Contacts", "read:Contacts"],
        by_command_line(&["update", "--permission", "read:Contacts"]),
    );
}

#[test]
fn a_key_kept_to_another_address_over_http() {
    let body = json!({"allowed_ips": ["192.0.2.0/24"]});
    changed_under_load(
        &["create:Contacts"],
        by_http("PATCH", "/auth/keys/ID", body),
    );
}

#[test]
fn a_key_kept_to_another_address_by_another_process() {
    changed_under_load(
        &["create:Contacts"],
        by_command_line(&["update", "--allowed-ip", "192.0.2.0/24"]),
    );
}

#[test]
fn a_key_rotated_without_overlap_over_http() {
    let body = json!({"overlapSeconds": 0});
    changed_under_load(
        &["create:Contacts"],
        by_http("POST", "/auth/keys/ID/rotate", body),
    );
}

#[test]
fn a_key_rotated_without_overlap_by_another_process() {
    changed_under_load(
        &["create:Contacts"],
        by_command_line(&["rotate", "--overlap", "0s"]),
    );
}

#[test]
fn a_key_that_expires() {
    changed_under_load(&["create:Contacts"], |server, id, manager| {
        let expiry = addressbook::moment::Moment::now()
            .checked_add(Duration::from_millis(700))
            .unwrap();
        let body = json!({"expires_on": expiry.to_string()}).to_string();
        let reply = server
            .call("PATCH", &format!("/auth/keys/{id}"))
            .key(manager)
            .json(body)
            .send();
        assert_eq!(reply.status, 200, "{}", reply.body);
        while addressbook::moment::Moment::now() <= expiry {
            thread::yield_now();
        }
        // A write that was let in before its key expired is checked against its
        // transaction's own begin, and may commit a moment later.
        let agent = agent();
        while server
            .call("GET", "/auth/test")
            .by(&agent)
            .key(manager)
            .send()
            .status
            != 200
        {}
        server.create(
            manager,
            r#"{"alias":"after all that was queued","msisdn":"15550000000"}"#,
        );
    });
}

#[test]
fn many_keys_at_once_are_verified_within_bounds() {
    const KEYS: usize = 200;
    let mut first = Server::start();
    let manager = first.key(&PERMISSIONS);
    let body = json!({"name": "one of many", "permissions": ["read:Contacts"]}).to_string();
    let agent = agent();
    let keys: Vec<String> = (0..KEYS)
        .map(|_| {
            let call = first.call("POST", "/auth/keys").by(&agent).key(&manager);
            let reply = call.json(body.as_str()).send();
            reply.json()["record"]["token"].as_str().unwrap().to_owned()
        })
        .collect();
    first.stop();
    // A new process remembers none of them.
    let server = Server::start_on(&first.database);
    let statuses: Vec<(u16, Duration)> = thread::scope(|scope| {
        let uses: Vec<_> = keys
            .iter()
            .map(|key| {
                let server = &server;
                scope.spawn(move || {
                    let begun = Instant::now();
                    let reply = server.call("GET", "/auth/test").key(key).send();
                    (reply.status, begun.elapsed())
                })
            })
            .collect();
        uses.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let longest = statuses.iter().map(|(_, took)| *took).max().unwrap();
    assert!(
        statuses
            .iter()
            .all(|(status, _)| [200, 503].contains(status))
    );
    assert!(statuses.iter().filter(|(status, _)| *status == 200).count() > 1);
    assert!(longest < Duration::from_secs(4), "{longest:?}");
    let peak_kib = peak_memory_kib(server.pid());
    assert!(peak_kib < 72 * 1024, "{peak_kib} KiB");
}
