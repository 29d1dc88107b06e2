//! A file of the first schema: today's program opens it, after a copy.

use std::path::{Path, PathBuf};

use serde_json::json;
use tempfile::TempDir;

use crate::harness::{Server, make_key, run};

/// A stored file of schema 1 with three contacts, and the token of its key.
fn stored_file() -> (TempDir, PathBuf, String) {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("book.db");
    std::fs::copy(data.join("schema-1.db"), &database).unwrap();
    let token = std::fs::read_to_string(data.join("schema-1.key")).unwrap();
    (directory, database, token.trim_end().to_owned())
}

fn version(database: &Path) -> u32 {
    rusqlite::Connection::open(database)
        .unwrap()
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .unwrap()
}

#[test]
fn a_file_of_the_first_schema_is_served_with_all_it_holds() {
    let (_directory, database, token) = stored_file();
    let server = Server::start_on(&database);
    let list = server
        .call("GET", "/contacts?include=meta")
        .key(&token)
        .send()
        .json();
    assert_eq!(list["total"], 3, "{list}");
    let aliases: Vec<&str> = list["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|record| record["alias"].as_str().unwrap())
        .collect();
    assert_eq!(aliases, ["john", "jané", "zed"]);
    assert_eq!(
        list["records"][0]["meta"],
        json!({"NAME": "John", "n": 1.0})
    );
    let added = server.create(&token, r#"{"alias":"new","msisdn":"4479000000001"}"#);
    assert_eq!(added.status, 200);
    let list = server.call("GET", "/contacts").key(&token).send().json();
    assert_eq!(list["total"], 4);
}

#[test]
fn what_older_rules_stored_is_counted_and_served() {
    let (_directory, database, token) = stored_file();
    let old = "UPDATE contacts SET alias = 'zed' || char(8203) WHERE alias = 'zed';
        UPDATE contacts SET msisdn = '4407700900101'";
    rusqlite::Connection::open(&database)
        .unwrap()
        .execute_batch(old)
        .unwrap();
    let server = Server::start_on(&database);
    let logged = server.logged();
    let told = r#""aliases":1,"numbers":3"#;
    assert!(
        logged.contains(told) && logged.contains("today's rules"),
        "{logged}"
    );
    let query = "/contacts?msisdn=4407700900101";
    let list = server.call("GET", query).key(&token).send().json();
    assert_eq!(list["total"], 3, "{list}");
}

#[test]
fn the_contacts_of_a_file_of_the_first_schema_go_into_groups() {
    let (_directory, database, token) = stored_file();
    let key = make_key(&database, &["create:Groups", "update:Groups"], &[]);
    let server = Server::start_on(&database);
    let post =
        |path: &str, body: &str| server.call("POST", path).key(&key).json(body).send().json();
    let group = post("/addressbook/groups", r#"{"name":"all"}"#);
    let id = group["record"]["id"].as_str().unwrap();
    let members = format!("/addressbook/groups/{id}/members");
    let changed = post(&members, r#"{"add":["john","jané"]}"#);
    assert_eq!(changed["results"][1]["status"], "added", "{changed}");
    let query = format!("/contacts?group={id}");
    let list = server.call("GET", &query).key(&token).send().json();
    assert_eq!(list["total"], 2, "{list}");
}

#[test]
fn the_file_is_copied_before_it_is_changed() {
    let (directory, database, _) = stored_file();
    let listed = run(&["key", "list", "--database", database.to_str().unwrap()]);
    assert!(listed.status.success(), "{listed:?}");
    assert!(version(&database) > 1);
    let copy = directory.path().join("book.db.schema-1");
    assert_eq!(version(&copy), 1);
    let contacts: u32 = rusqlite::Connection::open(&copy)
        .unwrap()
        .query_row("SELECT count(*) FROM contacts", [], |row| row.get(0))
        .unwrap();
    assert_eq!(contacts, 3);
}

#[test]
fn an_older_file_that_is_being_served_is_not_changed_from_the_side() {
    let (_directory, database, _) = stored_file();
    // The lock of a server, an older one.
    let lock = std::fs::File::create(database.with_extension("db.lock")).unwrap();
    lock.lock().unwrap();
    let listed = run(&["key", "list", "--database", database.to_str().unwrap()]);
    assert_eq!(listed.status.code(), Some(1));
    assert_eq!(version(&database), 1);
    drop(lock);
    let listed = run(&["key", "list", "--database", database.to_str().unwrap()]);
    assert!(listed.status.success());
}
