//! `GET /metrics`: what everybody sees, and what a key sees; and what the log says of
//! requests.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::harness::{PERMISSIONS, Server, id_of, make_key, run, until};

/// The families that need no key.
const OPEN: [&str; 11] = [
    "addressbook_http_request_duration_seconds",
    "addressbook_http_requests",
    "addressbook_http_requests_in_flight",
    "addressbook_key_checks",
    "process_cpu_seconds",
    "process_max_fds",
    "process_open_fds",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "process_threads",
    "process_virtual_memory_bytes",
];

/// Those that do.
/// Of those, what there is of a file alone.
const OF_FILES: [&str; 3] = [
    "addressbook_disk_bytes",
    "addressbook_disk_free_bytes",
    "addressbook_wal_bytes",
];

const CLOSED: [&str; 15] = [
    "addressbook_broken_wals",
    "addressbook_build",
    "addressbook_checkpoint_duration_seconds",
    "addressbook_commit_duration_seconds",
    "addressbook_contacts",
    "addressbook_damaged_rows",
    "addressbook_database_bytes",
    "addressbook_disk_bytes",
    "addressbook_disk_free_bytes",
    "addressbook_groups",
    "addressbook_key_expiry_timestamp_seconds",
    "addressbook_optouts",
    "addressbook_wal_bytes",
    "addressbook_writer_batch_rows",
    "addressbook_writer_queue_jobs",
];

fn families(text: &str) -> BTreeSet<&str> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types.filter_map(|line| line.split(' ').next()).collect()
}

/// The value of one sample.
fn sample(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let line = line.unwrap_or_else(|| panic!("no {name} in {text}"));
    line.trim().parse().unwrap()
}

fn open(server: &Server) -> String {
    let reply = server.call("GET", "/metrics").send();
    assert_eq!(reply.status, 200);
    reply.body
}

fn all(server: &Server, key: &str) -> String {
    let reply = server.call("GET", "/metrics").key(key).send();
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.body
}

#[test]
fn without_a_key_they_tell_of_requests_and_of_the_process_alone() {
    let server = Server::start();
    // What never was has no samples.
    server.call("GET", "/auth/test").send();
    let text = open(&server);
    assert_eq!(families(&text), OPEN.into());
    assert!(text.ends_with("# EOF\n"));
    assert!(sample(&text, "process_resident_memory_bytes") > 1e6);
    assert!(sample(&text, "process_start_time_seconds") > 1.7e9);
    assert!(sample(&text, "process_open_fds") > 3.0);
}

#[test]
fn a_key_that_reads_them_gets_all_and_any_other_is_refused() {
    let server = Server::start();
    let key = make_key(&server.database, &["read:Metrics"], &["--expires-in", "1d"]);
    all(&server, &key);
    let text = all(&server, &key);
    let mut every: BTreeSet<&str> = OPEN.into_iter().chain(CLOSED).collect();
    if server.is_on_postgres() {
        every.retain(|family| !OF_FILES.contains(family));
    }
    assert_eq!(families(&text), every);
    let others: Vec<&str> = PERMISSIONS
        .into_iter()
        .filter(|one| *one != "read:Metrics")
        .collect();
    let refused = server
        .call("GET", "/metrics")
        .key(&server.key(&others))
        .send();
    assert_eq!(refused.status, 403);
    assert!(refused.message().ends_with("(read:Metrics)"));
    let wrong = "abk_000000000000_00000000000000000000000000000000000000000001SQnlA";
    let unknown = server.call("GET", "/metrics").key(wrong).send();
    assert_eq!(unknown.status, 401);
    assert_eq!(
        unknown.header("www-authenticate"),
        "Bearer realm=\"addressbook\", error=\"invalid_token\""
    );
}

#[test]
fn a_key_is_as_fast_as_its_rate_here_as_well() {
    let server = Server::start();
    let key = make_key(&server.database, &["read:Metrics"], &["--rate-limit", "1"]);
    let statuses: Vec<u16> = (0..3)
        .map(|_| server.call("GET", "/metrics").key(&key).send().status)
        .collect();
    assert_eq!(statuses[0], 200);
    assert!(statuses.contains(&429), "{statuses:?}");
}

#[test]
fn answers_are_counted_by_route_and_strangers_share_a_label() {
    let server = Server::start();
    let key = server.key(&["create:Contacts", "read:Contacts"]);
    for alias in ["john", "jane"] {
        let body = format!(r#"{{"alias":"{alias}","msisdn":"4479000000001"}}"#);
        assert_eq!(server.create(&key, body).status, 200);
    }
    server.create(&key, "{}");
    for path in ["/contacts/alias/john", "/addressbook/contacts/alias/jane"] {
        assert_eq!(server.call("GET", path).key(&key).send().status, 200);
        assert_eq!(server.call("HEAD", path).key(&key).send().status, 200);
    }
    for n in 0..3 {
        server.call("GET", &format!("/nowhere/{n}")).send();
        server.call("BREW", "/contacts").send();
    }
    let text = open(&server);
    let answers = |method, route, status| {
        let name = format!(
            "addressbook_http_requests_total{{method=\"{method}\",route=\"{route}\",status=\"{status}\"}}"
        );
        sample(&text, &name)
    };
    let (contacts, by_alias) = (
        "/addressbook/contacts",
        "/addressbook/contacts/alias/{alias}",
    );
    assert_eq!(answers("POST", contacts, 200), 2.0);
    assert_eq!(answers("POST", contacts, 400), 1.0);
    assert_eq!(answers("GET", by_alias, 200), 2.0);
    assert_eq!(answers("HEAD", by_alias, 200), 2.0);
    assert_eq!(answers("GET", "unmatched", 404), 3.0);
    assert_eq!(answers("other", contacts, 405), 3.0);
    assert!(
        !text.contains("BREW") && !text.contains("nowhere"),
        "{text}"
    );
    let durations = |method, route, which: &str| {
        let name = format!(
            "addressbook_http_request_duration_seconds{which}{{method=\"{method}\",route=\"{route}\""
        );
        sample(&text, &format!("{name}}}"))
    };
    assert_eq!(durations("POST", contacts, "_count"), 3.0);
    let spent_s = durations("POST", contacts, "_sum");
    assert!(spent_s > 0.0 && spent_s < 30.0, "{spent_s}");
    // The request that asks is one of them.
    assert_eq!(sample(&text, "addressbook_http_requests_in_flight"), 1.0);
}

#[test]
fn figures_of_the_book_are_those_of_the_book() {
    let server = Server::start();
    let key = server.key(&[
        "read:Metrics",
        "create:Contacts",
        "create:Groups",
        "create:Optouts",
    ]);
    let ends = make_key(&server.database, &["read:Audit"], &["--expires-in", "1d"]);
    let over = make_key(&server.database, &["read:Audit"], &["--expires-in", "0s"]);
    for alias in ["john", "jane", "jim"] {
        let body = format!(r#"{{"alias":"{alias}","msisdn":"4479000000001"}}"#);
        assert_eq!(server.create(&key, body).status, 200);
    }
    let send = |path: &str, body: &str| {
        let reply = server.call("POST", path).key(&key).json(body).send();
        assert_eq!(reply.status, 200);
    };
    send("/addressbook/groups", r#"{"name":"all"}"#);
    send("/addressbook/optouts", r#"{"msisdn":"4479000000001"}"#);
    // What was looked up holds for a second.
    let text = until(|| {
        let text = all(&server, &key);
        (sample(&text, "addressbook_optouts") == 1.0).then_some(text)
    });
    assert_eq!(sample(&text, "addressbook_contacts"), 3.0);
    assert_eq!(sample(&text, "addressbook_groups"), 1.0);
    if server.is_on_postgres() {
        assert!(sample(&text, "addressbook_database_bytes") > 0.0);
    } else {
        let file_bytes = std::fs::metadata(&server.database).unwrap().len();
        assert_eq!(
            sample(&text, "addressbook_database_bytes"),
            file_bytes as f64
        );
        assert!(sample(&text, "addressbook_wal_bytes") > 0.0);
        let (free, disk) = (
            sample(&text, "addressbook_disk_free_bytes"),
            sample(&text, "addressbook_disk_bytes"),
        );
        assert!(free > 0.0 && free <= disk);
    }
    assert!(sample(&text, "addressbook_commit_duration_seconds_count") >= 5.0);
    let rows = sample(&text, "addressbook_writer_batch_rows_sum");
    assert!(rows >= 5.0, "{rows}");
    // The use of a key is written down by itself.
    until(|| (sample(&all(&server, &key), "addressbook_writer_queue_jobs") == 0.0).then_some(()));
    let version = env!("CARGO_PKG_VERSION");
    let engine = server.in_sql("sqlite", "postgres");
    let build = format!("addressbook_build_info{{version=\"{version}\",engine=\"{engine}\"}}");
    assert_eq!(sample(&text, &build), 1.0);
    let expiry = |token| {
        format!(
            "addressbook_key_expiry_timestamp_seconds{{key=\"{}\"}}",
            id_of(token)
        )
    };
    let today_s = sample(&text, "process_start_time_seconds");
    let left_s = sample(&text, &expiry(&ends)) - today_s;
    assert!((80_000.0..90_000.0).contains(&left_s), "{left_s}");
    assert!(!text.contains(&expiry(&over)));
    assert!(!text.contains(&expiry(&key)));
}

#[test]
fn a_line_of_a_request_says_who_what_and_how_long() {
    let lines = |server: &Server| -> Vec<Value> {
        let logged = server.logged();
        let lines = logged
            .lines()
            .map(|line| serde_json::from_str(line).unwrap());
        let answered = |line: &Value| line["message"] == "answered";
        lines.filter(answered).collect()
    };
    for more in [&[][..], &["--log-addresses"]] {
        let server = Server::start_with(more);
        let key = server.key(&["create:Contacts"]);
        let reply = server.create(&key, r#"{"alias":"john","msisdn":"4479000000001"}"#);
        let line = until(|| lines(&server).pop());
        assert_eq!(line["level"], "DEBUG");
        assert_eq!(line["method"], "POST");
        assert_eq!(line["route"], "/addressbook/contacts");
        assert_eq!(line["status"], 200);
        assert_eq!(line["bytes"], reply.body.len());
        assert_eq!(line["key"], id_of(&key));
        assert_eq!(line["request_id"], reply.header("x-request-id"));
        assert!(line["took_us"].as_u64().unwrap() > 0);
        let address = (!more.is_empty()).then_some("127.0.0.1");
        assert_eq!(line["address"].as_str(), address);
    }
}

#[test]
fn a_key_that_has_ended_is_named_once_a_minute() {
    let server = Server::start();
    let expired = make_key(&server.database, &["read:Audit"], &["--expires-in", "0s"]);
    let revoked = server.key(&["read:Audit"]);
    let database = server.database.to_str().unwrap();
    run(&["key", "revoke", id_of(&revoked), "--database", database]);
    for _ in 0..3 {
        for key in [&expired, &revoked] {
            assert_eq!(
                server.call("GET", "/auth/audit").key(key).send().status,
                401
            );
        }
    }
    let logged = server.logged();
    for (key, said) in [
        (&expired, "an expired key was used, and refused"),
        (&revoked, "a revoked key was used, and refused"),
    ] {
        let lines = logged.lines().filter(|line| line.contains(said));
        let lines: Vec<&str> = lines.collect();
        assert_eq!(lines.len(), 1, "{logged}");
        assert!(
            lines[0].contains(id_of(key)) && lines[0].contains("INFO"),
            "{logged}"
        );
    }
}

#[test]
fn an_address_of_their_own_serves_all_of_them_without_a_key_and_nothing_else() {
    let mut server = Server::start_with(&["--metrics-listen", "127.0.0.1:0", "--base-path", "/b"]);
    let key = server.key(&["create:Contacts"]);
    let address = until(|| {
        let logged = server.logged();
        let mut lines = logged.lines();
        let line = lines.find(|line| line.contains("serving metrics"))?;
        let line: Value = serde_json::from_str(line).unwrap();
        Some(line["address"].as_str()?.parse().unwrap())
    });
    let calls = std::mem::replace(&mut server.address, address);
    let text = open(&server);
    assert!(families(&text).contains("addressbook_contacts"), "{text}");
    for path in ["/healthz", "/readyz"] {
        assert_eq!(server.call("GET", path).send().status, 200, "{path}");
    }
    for path in [
        "/contacts",
        "/auth/test",
        "/b/metrics",
        "/openapi.json",
        "/",
    ] {
        let reply = server.call("GET", path).key(&key).send();
        assert_eq!(reply.status, 404, "{path}");
    }
    assert_eq!(server.call("POST", "/metrics").send().status, 405);
    server.address = calls;
    let main = server.call("GET", "/b/metrics").send().body;
    assert!(!main.contains("addressbook_contacts"), "{main}");
    assert!(server.stop().success());
}
