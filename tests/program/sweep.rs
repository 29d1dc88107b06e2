//! A large group is deleted at once; its memberships are swept away behind it,
//! whatever happens to the server, and nobody waits for it.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;

use crate::harness::{PERMISSIONS, Server, WAIT_MAX, agent, make_key, until};

const MEMBERS: i64 = 200_000;
const GROUP: &str = "019a6f5e-0000-7000-8000-000000000000";

/// An address book with one group that all its contacts are in, and a key.
fn stored_group() -> (TempDir, std::path::PathBuf, String) {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("book.db");
    let key = make_key(&database, &PERMISSIONS, &[]);
    let fill = format!(
        "BEGIN;
        INSERT INTO groups (id, name, members)
            VALUES (x'{}', 'all', {MEMBERS});
        INSERT INTO contacts (id, alias, msisdn, meta, updated_on)
            WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < {MEMBERS})
            SELECT CAST(printf('%016d', n) AS BLOB), 'c' || n, '15550000000', '{{}}', 0 FROM number;
        INSERT INTO memberships (group_id, contact_id)
            SELECT groups.id, contacts.id FROM groups, contacts;
        UPDATE counters SET value = {MEMBERS} WHERE name = 'contacts';
        UPDATE counters SET value = 1 WHERE name = 'groups';
        COMMIT;",
        GROUP.replace('-', "")
    );
    open(&database).execute_batch(&fill).unwrap();
    (directory, database, key)
}

fn open(database: &Path) -> rusqlite::Connection {
    let file = rusqlite::Connection::open(database).unwrap();
    file.busy_timeout(WAIT_MAX).unwrap();
    file
}

/// How many memberships a deleted group still has, as long as it has a row.
fn left(database: &Path) -> Option<i64> {
    let members = "SELECT members FROM groups WHERE deleted_on IS NOT NULL";
    open(database).query_row(members, [], |row| row.get(0)).ok()
}

#[test]
fn what_a_killed_server_left_of_a_deleted_group_is_swept_by_the_next() {
    let (_directory, database, key) = stored_group();
    let mut server = Server::start_on(&database);
    let path = format!("/addressbook/groups/{GROUP}");
    let deleted = server.call("DELETE", &path).key(&key).send();
    assert_eq!(deleted.status, 200, "{}", deleted.body);
    until(|| left(&database).filter(|members| *members < MEMBERS));
    server.kill();
    let members = left(&database).unwrap();
    assert!((1..MEMBERS).contains(&members), "{members}");
    let memberships = "SELECT count(*) FROM memberships";
    let stored: i64 = open(&database)
        .query_row(memberships, [], |row| row.get(0))
        .unwrap();
    assert_eq!(stored, members);

    let server = Server::start_on(&database);
    assert_eq!(server.call("GET", &path).key(&key).send().status, 404);
    let get = |path: &str| server.call("GET", path).key(&key).send().json();
    assert_eq!(get("/addressbook/groups")["total"], 0);
    let last = get(&format!("/contacts/alias/c{MEMBERS}"));
    assert_eq!(last["record"]["groups"], json!([]));
    let id = last["record"]["id"].as_str().unwrap();
    let gone = server
        .call("DELETE", &format!("/contacts/{id}"))
        .key(&key)
        .send();
    assert_eq!(gone.status, 200, "{}", gone.body);
    until(|| left(&database).is_none().then_some(()));
    let stored: i64 = open(&database)
        .query_row(memberships, [], |row| row.get(0))
        .unwrap();
    assert_eq!(stored, 0);
    assert_eq!(server.stored(), MEMBERS - 1);
}

#[test]
fn contacts_are_created_while_a_large_group_is_swept() {
    const CREATED_MIN: usize = 20;
    let (_directory, database, key) = stored_group();
    let server = Server::start_on(&database);
    let agent = agent();
    let body = |number: usize| format!(r#"{{"alias":"new {number}","msisdn":"15550000000"}}"#);
    let path = format!("/addressbook/groups/{GROUP}");
    let deleted = server.call("DELETE", &path).by(&agent).key(&key).send();
    assert_eq!(deleted.status, 200, "{}", deleted.body);
    let same_name = server.call("POST", "/addressbook/groups").key(&key);
    assert_eq!(same_name.json(r#"{"name":"all"}"#).send().status, 200);
    let mut created = 0;
    while left(&database).is_some() {
        let begun = Instant::now();
        let call = server.call("POST", "/contacts").by(&agent).key(&key);
        assert_eq!(call.json(body(created)).send().status, 200);
        assert!(
            begun.elapsed() < Duration::from_secs(2),
            "{:?}",
            begun.elapsed()
        );
        created += 1;
    }
    assert!(created >= CREATED_MIN, "{created}");
}

#[test]
fn a_stop_does_not_wait_for_the_sweep() {
    let (_directory, database, key) = stored_group();
    let mut server = Server::start_on(&database);
    let path = format!("/addressbook/groups/{GROUP}");
    assert_eq!(server.call("DELETE", &path).key(&key).send().status, 200);
    assert_eq!(server.stop().code(), Some(0));
    assert!(left(&database).is_some_and(|members| members > 0));
    let _server = Server::start_on(&database);
    until(|| left(&database).is_none().then_some(()));
}
