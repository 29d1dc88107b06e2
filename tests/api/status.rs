//! `GET /status`: what the book holds, and the last minutes of the server. Those of most
//! of these servers are shorter.

use std::cell::Cell;

use serde_json::{Value, json};

use crate::harness::{PERMISSIONS, Server, is_skipped, until};

const MEMBERS: [&str; 11] = [
    "version",
    "started_on",
    "contacts",
    "groups",
    "optouts",
    "database_bytes",
    "wal_bytes",
    "disk_free_bytes",
    "last_backup_on",
    "backups",
    "minutes",
];

const MEMBERS_OF_MINUTE: [&str; 8] = [
    "on",
    "requests",
    "failed",
    "p50_ms",
    "p99_ms",
    "commits",
    "commit_p50_ms",
    "commit_p99_ms",
];

fn status(server: &Server, key: &str) -> Value {
    let reply = server.call("GET", "/status").key(key).send();
    assert_eq!(reply.status, 200, "{}", reply.body);
    let answer = reply.json();
    assert_eq!(answer["success"], true);
    answer["record"].clone()
}

fn minutes(server: &Server, key: &str) -> Vec<Value> {
    let record = status(server, key);
    record["minutes"].as_array().unwrap().clone()
}

fn sum(minutes: &[Value], member: &str) -> u64 {
    let counts = minutes
        .iter()
        .map(|minute| minute[member].as_u64().unwrap());
    counts.sum()
}

fn create(server: &Server, key: &str, number: usize) -> u16 {
    let body = format!(r#"{{"alias":"c{number}","msisdn":"4479000000001"}}"#);
    server.create(key, body).status
}

#[test]
fn a_fresh_server_tells_what_its_book_holds_and_has_no_minute_yet() {
    let server = Server::start();
    let key = server.key(&PERMISSIONS);
    assert_eq!(create(&server, &key, 1), 200);
    let send = |path: &str, body: &str| {
        let reply = server.call("POST", path).key(&key).json(body).send();
        assert_eq!(reply.status, 200, "{}", reply.body);
    };
    send("/addressbook/groups", r#"{"name":"all"}"#);
    send("/addressbook/optouts", r#"{"msisdn":"4479000000001"}"#);
    let record = status(&server, &key);
    let members: Vec<&String> = record.as_object().unwrap().keys().collect();
    assert_eq!(members, MEMBERS);
    for counted in ["contacts", "groups", "optouts"] {
        assert_eq!(record[counted], 1, "{counted}");
    }
    assert_eq!(record["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(record["minutes"], json!([]));
    assert_eq!(record["backups"], false);
    assert_eq!(record["last_backup_on"], Value::Null);
    if server.is_on_postgres() {
        assert!(record["database_bytes"].as_u64().unwrap() > 0);
        assert_eq!(record["wal_bytes"], Value::Null);
        assert_eq!(record["disk_free_bytes"], Value::Null);
    } else {
        let file_bytes = std::fs::metadata(&server.database).unwrap().len();
        assert_eq!(record["database_bytes"], file_bytes);
        assert!(record["wal_bytes"].as_u64().unwrap() > 0);
        assert!(record["disk_free_bytes"].as_u64().unwrap() > 0);
    }
    let created = server.call("GET", "/contacts").key(&key).send().json();
    let created_on = created["records"][0]["created_on"].as_str().unwrap();
    let started_on = record["started_on"].as_str().unwrap();
    assert!(
        started_on.len() == 24 && started_on < created_on,
        "{started_on}"
    );
}

#[test]
fn it_needs_its_permission() {
    let server = Server::start();
    let others: Vec<&str> = PERMISSIONS
        .into_iter()
        .filter(|one| *one != "read:Metrics")
        .collect();
    let refused = server
        .call("GET", "/status")
        .key(&server.key(&others))
        .send();
    let message = "API Key is not permitted to perform this action. (read:Metrics)";
    assert_eq!((refused.status, refused.message().as_str()), (403, message));
    assert_eq!(server.call("GET", "/status").send().status, 401);
    let query = server.call("GET", "/status?minutes=5");
    let query = query.key(&server.key(&["read:Metrics"])).send();
    assert_eq!(
        (query.status, query.message().as_str()),
        (400, "Unknown parameter: minutes")
    );
}

#[test]
fn minutes_have_every_request_once_and_only_5xx_have_failed() {
    if is_skipped("backup of ours, which fails") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let shelf = directory.path().join("backups");
    let server = Server::start_with(&[
        "--limit",
        "minute=250ms",
        "--backup-dir",
        shelf.to_str().unwrap(),
    ]);
    let key = server.key(&PERMISSIONS);
    if !server.is_on_postgres() {
        let made = until(|| {
            status(&server, &key)["last_backup_on"]
                .as_str()
                .map(str::to_owned)
        });
        assert!(made.ends_with('Z'), "{made}");
    }
    assert_eq!(status(&server, &key)["backups"], true);
    let before = minutes(&server, &key);
    // Nowhere to make one: 503.
    std::fs::remove_dir_all(&shelf).unwrap();
    for number in 0..20 {
        assert_eq!(create(&server, &key, number), 200);
        assert_eq!(create(&server, &key, number), 400);
        assert_eq!(server.call("GET", "/nowhere").send().status, 404);
        assert_eq!(server.call("GET", "/contacts").send().status, 401);
    }
    for _ in 0..3 {
        let reply = server.call("POST", "/backups").key(&key).send();
        assert_eq!(reply.status, 503, "{}", reply.body);
    }
    let asked = Cell::new(0);
    let all = until(|| {
        asked.set(asked.get() + 1);
        let all = minutes(&server, &key);
        (sum(&all, "requests") >= sum(&before, "requests") + 83 && sum(&all, "failed") > 2)
            .then_some(all)
    });
    assert_eq!(sum(&all, "failed"), 3, "{all:?}");
    // Each create is a commit of its own here; a refused one commits, too.
    assert!(sum(&all, "commits") >= 40, "{all:?}");
    for minute in all.iter().filter(|minute| minute["requests"] != 0) {
        let [p50, p99] = ["p50_ms", "p99_ms"].map(|name| minute[name].as_f64());
        let is_null = minute["requests"].as_u64() > Some(4) && p50.is_none();
        assert!(!is_null && p50 <= p99, "{minute}");
    }
    for minute in all.iter().filter(|minute| minute["commits"] != 0) {
        let [p50, p99] = ["commit_p50_ms", "commit_p99_ms"].map(|name| minute[name].as_f64());
        assert!(
            p50 > Some(0.0) && p50 <= p99 && p99 <= Some(6_600.0),
            "{minute}"
        );
        let written = minute["commit_p50_ms"].to_string();
        let decimals = written.split_once('.').map_or(0, |(_, part)| part.len());
        assert!(decimals <= 3, "{written}");
    }
    // What came of the status itself is in later ones.
    let sent = sum(&before, "requests") + 83 + asked.get() + 3;
    assert!(sum(&all, "requests") <= sent, "{sent}: {all:?}");
}

#[test]
fn sixty_minutes_are_kept_the_oldest_first_and_nothing_has_no_quantiles() {
    let server = Server::start_with(&["--limit", "minute=20ms"]);
    let key = server.key(&["read:Metrics"]);
    // Until now nobody asked for anything.
    let quiet = minutes(&server, &key);
    let first = quiet.first().unwrap();
    let members: Vec<&String> = first.as_object().unwrap().keys().collect();
    assert_eq!(members, MEMBERS_OF_MINUTE);
    for name in ["p50_ms", "p99_ms", "commit_p50_ms", "commit_p99_ms"] {
        assert_eq!(first.get(name), Some(&Value::Null), "{first}");
    }
    for name in ["requests", "failed", "commits"] {
        assert_eq!(first[name], 0, "{first}");
    }
    let begun = |minute: &Value| minute["on"].as_str().unwrap().to_owned();
    let full = until(|| {
        let all = minutes(&server, &key);
        assert!(all.len() <= 60);
        (all.len() == 60).then_some(all)
    });
    let moved = until(|| {
        let all = minutes(&server, &key);
        (begun(&all[0]) > begun(&full[0])).then_some(all)
    });
    assert_eq!(moved.len(), 60);
    assert!(moved.is_sorted_by_key(begun), "{moved:?}");
}
