//! `GET /readyz`: whether the server would do its work.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::Server;

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
    let checks = json!({
        "reads": "ok", "writes": "ok", "disk": "ok", "schema": "ok", "integrity": "unknown",
    });
    assert_eq!(ready.status, 200, "{}", ready.body);
    assert_eq!(ready.json(), json!({"success": true, "checks": checks}));
    assert!(wal_bytes(&server) > 0, "it was proven by a commit");
    assert_eq!(server.call("HEAD", "/readyz").send().status, 200);
    assert_eq!(server.call("POST", "/readyz").send().status, 405);
    assert_eq!(server.stored(), 0);
}

#[test]
fn however_often_strangers_ask_it_commits_once_a_second() {
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
    crate::harness::until(|| {
        let ready = server.call("GET", "/readyz").send();
        (ready.status == 200).then_some(())
    });
}
