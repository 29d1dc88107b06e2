//! `addressbook migrate` interrupted, and given a book that is damaged: the target is empty.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use rusqlite::Connection;

use crate::harness::{Cluster, Server, make_key, program, run, signal, until};
use crate::migrate::{Old, check, migrate, moved, number, refused};

/// Contacts that take a while to move.
const MANY: i64 = 150_000;

/// A book with many contacts, written by hand.
fn large(directory: &Path) -> PathBuf {
    let path = directory.join("large.db");
    make_key(&path, &["read:Contacts"], &[]);
    let insert = format!(
        "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers LIMIT {MANY})
        INSERT INTO contacts (id, alias, msisdn, meta, updated_on)
        SELECT unhex(printf('%032x', n)), 'alias' || (n * 7919 % {MANY}), '15550000000', '{{}}', n
        FROM numbers"
    );
    Connection::open(&path)
        .unwrap()
        .execute_batch(&insert)
        .unwrap();
    path
}

fn begin(from: &Path, to: &Path) -> Child {
    let mut command = program();
    command
        .arg("migrate")
        .arg("--from")
        .arg(from)
        .arg("--to")
        .arg(to);
    command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Waits until rows go one way.
fn until_copied(server: &Server, way: &str) {
    let copied = format!(
        "SELECT count(*) FROM pg_stat_progress_copy WHERE command = '{way}' AND tuples_processed > 0"
    );
    until(|| (server.number(&copied) > 0).then_some(()));
}

fn assert_empty(server: &Server) {
    for table in ["contacts", "api_keys", "audit"] {
        assert_eq!(server.number(&format!("SELECT count(*) FROM {table}")), 0);
    }
}

#[test]
fn an_interrupted_move_to_postgresql_leaves_nothing_and_may_be_done_again() {
    let Some(cluster) = Cluster::start() else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let (large, url) = (large(directory.path()), cluster.url());
    let server = Server::start_on(&url);
    for (way, name) in [
        ("COPY FROM", "KILL"),
        ("COPY TO", "TERM"),
        ("COPY FROM", "INT"),
    ] {
        let mut moving = begin(&large, &url);
        until_copied(&server, way);
        signal(moving.id(), name);
        assert!(!moving.wait().unwrap().success(), "{name}");
        assert_empty(&server);
    }
    let mut moving = begin(&large, &url);
    until_copied(&server, "COPY FROM");
    cluster.kill();
    assert_eq!(moving.wait().unwrap().code(), Some(1));
    cluster.go_on();
    assert_empty(&server);
    assert_eq!(moved(&migrate(&large, &url))["contacts"]["rows"], MANY);
    assert_eq!(server.stored(), MANY);
}

#[test]
fn an_interrupted_move_to_a_file_leaves_nothing_and_may_be_done_again() {
    let Some(cluster) = Cluster::start() else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let (large, url) = (large(directory.path()), cluster.url());
    let there = moved(&migrate(&large, &url));
    let server = Server::start_on(&url);
    let back = directory.path().join("back.db");
    for name in ["KILL", "TERM", "INT"] {
        let mut moving = begin(&url, &back);
        until_copied(&server, "COPY TO");
        signal(moving.id(), name);
        assert!(!moving.wait().unwrap().success(), "{name}");
        let count = "SELECT (SELECT count(*) FROM contacts) + (SELECT count(*) FROM api_keys)";
        assert_eq!(number(&back, count), 0, "{name}");
    }
    check(&back);
    assert_eq!(moved(&migrate(&url, &back)), there);
    check(&back);
}

/// What was done to a book by hand, in the table that is named, and what is said of it.
const DAMAGES: [(&str, &str, &str); 7] = [
    (
        "contacts",
        "UPDATE contacts SET msisdn = '15550000009' WHERE alias = 'first'",
        "it is damaged, it is not what was stored",
    ),
    (
        "contacts",
        "UPDATE contacts SET meta = '{]', checksum = 0 WHERE alias = 'first'",
        "meta is no JSON",
    ),
    (
        "memberships",
        "PRAGMA foreign_keys = OFF; DELETE FROM contacts WHERE alias = 'bulk1'",
        "alias is missing",
    ),
    (
        "api_keys",
        "UPDATE api_keys SET name = 'a' || char(0)",
        "name has a NUL in it",
    ),
    (
        "api_keys",
        "UPDATE api_keys SET replaced_by = CAST(x'ff' AS TEXT)",
        "replaced_by is no text in UTF-8",
    ),
    (
        "idempotency",
        "UPDATE idempotency SET status = 70000",
        "status is out of range",
    ),
    (
        "optouts",
        "PRAGMA ignore_check_constraints = ON; UPDATE optouts SET msisdn = '5'",
        "",
    ),
];

fn assert_damages_are_told(old: &Old, target: &Path) {
    for (table, statements, reason) in DAMAGES {
        let copy = old.beside("copy.db");
        std::fs::copy(&old.file, &copy).unwrap();
        let file = Connection::open(&copy).unwrap();
        file.execute_batch(statements).unwrap();
        drop(file);
        let told = refused(&migrate(&copy, target));
        let told = told.lines().last().unwrap();
        assert!(told.starts_with(&format!("addressbook: {table}")), "{told}");
        assert!(told.contains(reason), "{told}");
    }
}

#[test]
fn a_damaged_row_is_named_and_nothing_is_moved() {
    let old = Old::new();
    let target = old.beside("new.db");
    assert_damages_are_told(&old, &target);
    moved(&migrate(&old.file, &target));
    check(&target);

    let Some(cluster) = Cluster::start() else {
        return;
    };
    let url = cluster.url();
    assert_damages_are_told(&old, &url);
    let server = Server::start_on(&url);
    assert_empty(&server);
    moved(&migrate(&old.file, &url));
    drop(server);
    let shown = run(&["key", "list", "--database", url.to_str().unwrap()]);
    assert!(shown.status.success(), "{shown:?}");
}

#[test]
fn an_older_source_is_refused_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let (older, new) = (
        directory.path().join("older.db"),
        directory.path().join("new.db"),
    );
    let stored = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/schema-7.db");
    std::fs::copy(&stored, &older).unwrap();
    let told = refused(&migrate(&older, &new));
    assert!(told.contains("has schema 7, older than 8"), "{told}");
    assert_eq!(
        std::fs::read(&stored).unwrap(),
        std::fs::read(&older).unwrap()
    );
    assert!(!new.exists());
}
