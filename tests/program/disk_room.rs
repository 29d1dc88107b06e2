//! A disk that the book filled is freed through the book.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::harness::{PERMISSIONS, Server, id_of, make_key, run};

/// A small disk of its own, unmounted when it is dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// None where this process may not mount one, which is said.
    fn mount(mebibytes: u32) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let size = format!("size={mebibytes}m");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "none"])
            .arg(directory.path())
            .output();
        if mounted.is_ok_and(|mounted| mounted.status.success()) {
            return Some(Self(directory));
        }
        let skipped = "skipped: a small disk, which only root may mount\n";
        std::io::stderr().write_all(skipped.as_bytes()).unwrap();
        None
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

fn create(server: &Server, key: &str, number: usize) -> u16 {
    let meta = json!({"a": "x".repeat(10_000)});
    let body = json!({"alias": number.to_string(), "msisdn": "15550000000", "meta": meta});
    let created = server.create(key, body.to_string());
    if created.status != 200 {
        assert_eq!(created.status, 507, "{}", created.body);
        assert_eq!(created.message(), "The disk is full, nothing was stored");
    }
    created.status
}

fn delete(server: &Server, key: &str, number: usize) {
    let read = server
        .call("GET", &format!("/addressbook/contacts/alias/{number}"))
        .key(key)
        .send();
    let id = read.json()["record"]["id"].as_str().unwrap().to_owned();
    let path = format!("/addressbook/contacts/{id}");
    let deleted = server.call("DELETE", &path).key(key).send();
    assert_eq!(deleted.status, 200, "{}", deleted.body);
}

#[test]
fn a_disk_that_the_book_filled_is_freed_through_it() {
    let Some(disk) = SmallDisk::mount(24) else {
        return;
    };
    let database = disk.path().join("book.db");
    let key = make_key(&database, &PERMISSIONS, &[]);
    let mut server = Server::start_on(&database);
    let mut stored = 0;
    let mut fill = |server: &Server| {
        while create(server, &key, stored) == 200 {
            stored += 1;
            assert!(stored < 3_000, "it never filled");
        }
        stored
    };
    let filled = fill(&server);
    assert!(filled > 500, "{filled}: room was left");
    let ready = server.call("GET", "/readyz").send();
    assert_eq!(
        (ready.status, ready.message().as_str()),
        (503, "Not ready: disk")
    );
    for round in 0..2 {
        // Keys are made, changed and revoked, and numbers opted out.
        let body = r#"{"name":"a","permissions":["read:Contacts"]}"#;
        let made = server
            .call("POST", "/auth/keys")
            .key(&key)
            .json(body)
            .send();
        assert_eq!(made.status, 200, "{}", made.body);
        let made = made.json()["record"]["token"].as_str().unwrap().to_owned();
        let path = format!("/auth/keys/{}", id_of(&made));
        let renamed = server
            .call("PATCH", &path)
            .key(&key)
            .json(r#"{"name":"b"}"#);
        assert_eq!(renamed.send().status, 200);
        assert_eq!(server.call("DELETE", &path).key(&key).send().status, 200);
        let optout = format!(r#"{{"msisdn":"1555000000{round}"}}"#);
        let optout = server
            .call("POST", "/addressbook/optouts")
            .key(&key)
            .json(optout);
        assert_eq!(optout.send().status, 200);
        let numbers: Vec<String> = (0..600)
            .map(|number| format!("\"1556{round}{number:06}\""))
            .collect();
        let optouts = server
            .call("POST", "/addressbook/optouts/bulk")
            .key(&key)
            .json(format!(r#"{{"msisdns":[{}]}}"#, numbers.join(",")));
        assert_eq!(optouts.send().json()["summary"]["created"], 600);
        // And so after a start that finds no room.
        let filled = fill(&server);
        server.kill();
        server = Server::start_on(&database);
        assert_eq!(server.stored(), i64::try_from(filled).unwrap());
    }
    for number in 0..100 {
        delete(&server, &key, number);
    }
    let aliases: Vec<String> = (100..200).map(|number| format!("\"{number}\"")).collect();
    let deleted = server
        .call("POST", "/addressbook/contacts/bulk-delete")
        .key(&key)
        .json(format!(r#"{{"aliases":[{}]}}"#, aliases.join(",")));
    assert_eq!(deleted.send().json()["summary"]["deleted"], 100);
    // What the deleted ones had is room for others.
    for number in 0..50 {
        assert_eq!(create(&server, &key, 20_000 + number), 200, "{number}");
    }
    assert!(server.stop().success());
}

#[test]
fn an_import_by_the_command_line_leaves_room_for_deletes() {
    let Some(disk) = SmallDisk::mount(24) else {
        return;
    };
    let database = disk.path().join("book.db");
    let key = make_key(&database, &PERMISSIONS, &[]);
    let row = |number: usize| {
        let meta = json!({"a": "x".repeat(10_000)});
        json!({"alias": number.to_string(), "msisdn": "15550000000", "meta": meta}).to_string()
    };
    let rows: Vec<String> = (0..2_000).map(row).collect();
    let elsewhere = tempfile::tempdir().unwrap();
    let file = elsewhere.path().join("many.ndjson");
    std::fs::write(&file, rows.join("\n")).unwrap();
    let database_given = database.to_str().unwrap();
    let import = run(&[
        "import",
        file.to_str().unwrap(),
        "--format",
        "ndjson",
        "--database",
        database_given,
    ]);
    let said = String::from_utf8_lossy(&import.stderr);
    assert!(!import.status.success());
    assert!(said.contains("The disk is full"), "{said}");
    let server = Server::start_on(&database);
    assert!(server.stored() > 500, "{}", server.stored());
    for number in 0..200 {
        delete(&server, &key, number);
    }
    assert_eq!(create(&server, &key, 20_000), 200);
}
