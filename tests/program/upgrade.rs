//! Files of older schemas: today's program opens each, after a copy.

use std::path::{Path, PathBuf};

use serde_json::json;
use tempfile::TempDir;

use crate::harness::{Server, make_key, run};

/// Where the stored files are, with the tokens of their keys.
fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

/// The schema that today's program writes.
fn newest() -> u32 {
    let schema = include_str!("../../schema.sql");
    let (_, version) = schema.split_once("user_version = ").unwrap();
    version.split_once(';').unwrap().0.parse().unwrap()
}

/// A stored file of an older schema with three contacts, and the token of its key.
fn stored_file_of(schema: u32) -> (TempDir, PathBuf, String) {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("book.db");
    std::fs::copy(data().join(format!("schema-{schema}.db")), &database).unwrap();
    let token = std::fs::read_to_string(data().join(format!("schema-{schema}.key"))).unwrap();
    (directory, database, token.trim_end().to_owned())
}

/// A stored file of the first schema.
fn stored_file() -> (TempDir, PathBuf, String) {
    stored_file_of(1)
}

fn version(database: &Path) -> u32 {
    rusqlite::Connection::open(database)
        .unwrap()
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .unwrap()
}

#[test]
fn every_older_schema_has_a_stored_file() {
    for schema in 1..newest() {
        for end in ["db", "key"] {
            let file = data().join(format!("schema-{schema}.{end}"));
            assert!(file.exists(), "{file:?} is missing: tests/data/README.md");
        }
    }
}

#[test]
fn a_file_of_every_older_schema_is_served_with_all_it_holds() {
    for schema in 1..newest() {
        let (directory, database, token) = stored_file_of(schema);
        assert_eq!(version(&database), schema);
        let mut server = Server::start_on(&database);
        assert_holds_what_was_stored(&server, &token, schema);
        let added = server.create(&token, r#"{"alias":"new","msisdn":"4479000000001"}"#);
        assert_eq!(added.status, 200, "{schema}");
        assert_eq!(server.stop().code(), Some(0), "{schema}");
        assert_eq!(version(&database), newest());
        let checked = run(&["check", "--database", database.to_str().unwrap()]);
        assert!(checked.status.success(), "{schema}: {checked:?}");
        let copy = directory.path().join(format!("book.db.schema-{schema}"));
        assert_eq!(version(&copy), schema);
    }
}

/// Looks for all that `tests/data/make` stores in a book of a schema.
fn assert_holds_what_was_stored(server: &Server, token: &str, schema: u32) {
    let get = |path: &str| server.call("GET", path).key(token).send().json();
    let list = get("/contacts?include=meta");
    let contacts: Vec<_> = list["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|record| (record["alias"].clone(), record["msisdn"].clone()))
        .collect();
    let stored = [
        ("john", "4479000000001"),
        ("jané", "4479000000001"),
        ("zed", "55555555555"),
    ];
    assert_eq!(
        contacts,
        stored.map(|(alias, msisdn)| (json!(alias), json!(msisdn))),
        "{schema}"
    );
    assert_eq!(list["total"], 3, "{schema}");
    let meta = &list["records"][0]["meta"];
    assert_eq!(*meta, json!({"NAME": "John", "n": 1.0}), "{schema}");
    if schema >= 2 {
        let optouts = get("/addressbook/optouts");
        assert_eq!(optouts["total"], 1, "{schema}");
        assert_eq!(optouts["records"][0]["msisdn"], "55555555555", "{schema}");
    }
    let keys = run(&[
        "key",
        "list",
        "--json",
        "--database",
        server.database.to_str().unwrap(),
    ]);
    let keys: serde_json::Value = serde_json::from_slice(&keys.stdout).unwrap();
    let key = |name: &str| {
        let mut keys = keys.as_array().unwrap().iter();
        keys.find(|key| key["name"] == name).unwrap()
    };
    assert_eq!(key("revoked")["state"], "revoked", "{schema}");
    if schema >= 3 {
        let limited = key("limited");
        assert_eq!(limited["allowed_ips"], json!(["10.0.0.0/8"]), "{schema}");
        assert_eq!(limited["rate_limit"], 50, "{schema}");
    }
    if schema >= 5 {
        let groups = get("/addressbook/groups");
        assert_eq!(groups["total"], 1, "{schema}: {groups}");
        assert_eq!(groups["records"][0]["name"], "friends", "{schema}");
        let id = groups["records"][0]["id"].as_str().unwrap();
        let members = get(&format!("/contacts?group={id}"));
        assert_eq!(members["total"], 2, "{schema}");
    }
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
