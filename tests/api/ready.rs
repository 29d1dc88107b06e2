//! `GET /readyz`: whether the server would do its work.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{Server, is_skipped, until};

/// Bytes of the WAL: each commit adds to it.
fn wal_bytes(server: &Server) -> u64 {
    let mut wal = server.database.as_os_str().to_owned();
    wal.push("-wal");
    std::fs::metadata(wal).unwrap().len()
}

#[test]
fn a_ready_server_reads_and_commits_and_stores_nothing() {
    let server = Server::start();
    let ready = server.call("GET", "/readyz").send();
    let mut checks = json!({
        "reads": "ok", "writes": "ok", "disk": "ok", "schema": "ok", "integrity": "unknown",
    });
    if server.is_on_postgres() {
        checks["standby"] = json!("none, what is committed is on one disk");
    }
    assert_eq!(ready.status, 200, "{}", ready.body);
    assert_eq!(ready.json(), json!({"success": true, "checks": checks}));
    if !server.is_on_postgres() {
        assert!(wal_bytes(&server) > 0, "it was proven by a commit");
    }
    assert_eq!(server.call("HEAD", "/readyz").send().status, 200);
    assert_eq!(server.call("POST", "/readyz").send().status, 405);
    assert_eq!(server.stored(), 0);
}

#[test]
fn however_often_strangers_ask_it_commits_once_a_second() {
    if is_skipped("WAL of the book alone") {
        return;
    }
    let server = Server::start();
    let begun = Instant::now();
    assert_eq!(server.call("GET", "/readyz").send().status, 200);
    let once = wal_bytes(&server);
    let mut asked = 0;
    while begun.elapsed() < Duration::from_millis(700) {
        assert_eq!(server.call("GET", "/readyz").send().status, 200);
        asked += 1;
    }
    let later = wal_bytes(&server);
    assert!(asked > 3 && (begun.elapsed() > Duration::from_secs(1) || later == once));
}

#[test]
fn a_server_that_cannot_write_says_so_in_time() {
    if is_skipped("lock on the whole book") {
        return;
    }
    let server = Server::start();
    let other = server.open_file();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let begun = Instant::now();
    let ready = server.call("GET", "/readyz").send();
    assert!(
        begun.elapsed() < Duration::from_secs(3),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(
        (ready.status, ready.message().as_str()),
        (503, "Not ready: writes")
    );
    assert_ne!(ready.header("retry-after"), "");
    other.execute_batch("COMMIT").unwrap();
    until(|| {
        let ready = server.call("GET", "/readyz").send();
        (ready.status == 200).then_some(())
    });
}

fn integrity(server: &Server) -> (u16, String) {
    let ready = server.call("GET", "/readyz").send();
    let word = ready.json()["checks"]["integrity"].clone();
    (ready.status, word.as_str().unwrap().to_owned())
}

/// A server that checks its book of 2,500 contacts at once.
fn with_contacts(spoil: &str) -> Server {
    let server = Server::start();
    let key = server.key(&["create:Contacts"]);
    let rows: String = (0..2500).map(|n| format!("c{n},15550{n:06}\n")).collect();
    let import = server.call("POST", "/contacts/import").key(&key);
    let import = import.header("Content-Type", "text/csv");
    let imported = import.body(format!("alias,msisdn\n{rows}")).send();
    assert_eq!(imported.json()["summary"]["created"], 2500);
    server.open_file().execute_batch(spoil).unwrap();
    server.restarted(&["--limit", "check_after=0s"])
}

#[test]
fn a_whole_book_is_looked_through_after_a_start() {
    if is_skipped("check of ours") {
        return;
    }
    let server = with_contacts("");
    until(|| (integrity(&server) == (200, "ok".to_owned())).then_some(()));
    let logged = server.logged();
    assert!(logged.contains("\"contacts\":2500"), "{logged}");
}

#[test]
fn a_row_that_is_not_what_was_stored_is_found_and_named() {
    if is_skipped("check of ours") {
        return;
    }
    let spoil = "UPDATE contacts SET msisdn = '15559999999' WHERE alias = 'c1234'";
    let server = with_contacts(spoil);
    let (status, word) = until(|| {
        let found = integrity(&server);
        (found.1 != "unknown" && found.1 != "running").then_some(found)
    });
    assert_eq!(status, 503);
    assert!(word.contains("found damage"), "{word}");
    let ready = server.call("GET", "/readyz").send();
    assert_eq!(ready.message(), "Not ready: integrity");
    let logged = server.logged();
    assert!(logged.contains("is not what was stored"), "{logged}");
    // What is well is served.
    let key = server.key(&["read:Contacts"]);
    let others = server.call("GET", "/contacts/alias/c1235").key(&key).send();
    assert_eq!(others.status, 200);
}

#[test]
fn a_counter_that_is_wrong_is_found() {
    if is_skipped("check of ours") {
        return;
    }
    let server = with_contacts("UPDATE counters SET value = 2499 WHERE name = 'contacts'");
    until(|| (integrity(&server).0 == 503).then_some(()));
    let logged = server.logged();
    assert!(
        logged.contains("the counter of contacts says 2499, and there are 2500"),
        "{logged}"
    );
}
