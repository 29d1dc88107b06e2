//! Files with flipped bits, and files beside what does not belong to them.

use std::fs;

use serde_json::json;

use crate::behind_its_back::{beside, contact, refused};
use crate::harness::{PERMISSIONS, Server, make_key, run, until};

#[test]
fn a_damaged_file_is_no_reason_to_try_again_and_is_not_written_to() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("book.db");
    let key = make_key(&database, &["create:Contacts", "read:Contacts"], &[]);
    let mut server = Server::start_on(&database);
    let contacts: Vec<String> = (0..2_000).map(contact).collect();
    let body = format!(r#"{{"contacts":[{}]}}"#, contacts.join(","));
    let bulk = server.call("POST", "/contacts/bulk").key(&key).json(body);
    assert_eq!(bulk.send().status, 200);
    server.stop();
    // The page of one contact among many becomes bytes that are no page.
    let bytes = fs::read(&database).unwrap();
    let row = b"100015550000000{}";
    let at = bytes
        .windows(row.len())
        .position(|some| some == row)
        .unwrap() as u64;
    let file = fs::OpenOptions::new().write(true).open(&database).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &[0xAA; 4096], at / 4096 * 4096).unwrap();
    drop(file);
    let server = Server::start_on(&database);
    let read = server
        .call("GET", "/contacts?limit=1000&offset=800")
        .key(&key)
        .send();
    assert_eq!(
        (read.status, read.message().as_str()),
        (500, "The address book is damaged, nothing was stored")
    );
    assert_eq!(read.header("retry-after"), "");
    let other = r#"{"alias":"new","msisdn":"15550000000"}"#;
    for _ in 0..2 {
        let write = server.create(&key, other);
        assert_eq!(
            (write.status, write.message().as_str()),
            (500, "The address book is damaged, nothing was stored")
        );
    }
    assert!(server.logged().contains("nothing more is written"));
    let ready = server.call("GET", "/readyz").send();
    assert_eq!(
        (ready.status, ready.message().as_str()),
        (503, "Not ready: writes, integrity")
    );
    assert_eq!(ready.json()["checks"]["reads"], "ok");
    let asked = |more: &[&str]| {
        let address = server.address.to_string();
        run(&[&["healthcheck", "--listen", &address], more].concat())
            .status
            .code()
    };
    assert_eq!((asked(&[]), asked(&["--ready"])), (Some(0), Some(1)));
}

#[test]
fn a_flipped_bit_in_a_row_is_told_where_it_is_read_and_nowhere_else() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("book.db");
    let key = make_key(&database, &PERMISSIONS, &[]);
    let mut server = Server::start_on(&database);
    let mut ids = Vec::new();
    let fields = [
        ("an-alias", "15550000001", "a"),
        ("b", "15550009999", "b"),
        ("c", "15550000003", "a-meta"),
        ("whole", "15550000004", "d"),
    ];
    for (alias, msisdn, text) in fields {
        let body = json!({"alias": alias, "msisdn": msisdn, "meta": {"m": text}});
        let created = server.create(&key, body.to_string());
        ids.push(created.json()["record"]["id"].as_str().unwrap().to_owned());
    }
    server.stop();
    let mut bytes = fs::read(&database).unwrap();
    // Of each the row itself, in front of what stands behind it there; no index.
    for (row, flipped) in [
        ("an-alias15550000001", 0),
        ("b15550009999{", 11),
        ("{\"m\":\"a-meta\"}", 8),
    ] {
        let found = bytes.windows(row.len());
        let found = found.enumerate().filter(|(_, at)| *at == row.as_bytes());
        let found: Vec<usize> = found.map(|(at, _)| at).collect();
        assert_eq!(found.len(), 1, "{row}");
        bytes[found[0] + flipped] ^= 1;
    }
    fs::write(&database, bytes).unwrap();
    let server = Server::start_on(&database);
    let call = |method: &str, path: &str| server.call(method, path).key(&key).send();
    let damaged = "A contact that this needs is damaged, nothing was stored";
    for id in &ids[..3] {
        let read = call("GET", &format!("/addressbook/contacts/{id}"));
        assert_eq!((read.status, read.message().as_str()), (500, damaged));
    }
    for path in [
        "/contacts",
        "/contacts?include=meta",
        "/addressbook/contacts/export",
    ] {
        let read = call("GET", path);
        assert_eq!(
            (read.status, read.message().as_str()),
            (500, damaged),
            "{path}"
        );
    }
    let patched = server.call("PATCH", &format!("/addressbook/contacts/{}", ids[2]));
    let patched = patched.key(&key).json(r#"{"msisdn":"15550000009"}"#).send();
    assert_eq!((patched.status, patched.message().as_str()), (500, damaged));
    let metrics_key = server.key(&["read:Metrics"]);
    let metrics = server.call("GET", "/metrics").key(&metrics_key).send().body;
    let counted = metrics.contains("addressbook_damaged_rows_total 7\n");
    assert!(counted, "{metrics}");
    assert!(server.logged().contains("a row is damaged"));
    // The others are read and written, and the damaged one can be taken away.
    let whole = call("GET", &format!("/addressbook/contacts/{}", ids[3]));
    assert_eq!(whole.status, 200);
    assert_eq!(server.create(&key, contact(5)).status, 200);
    let deleted = call("DELETE", &format!("/addressbook/contacts/{}", ids[2]));
    assert_eq!(deleted.status, 200, "{}", deleted.body);
    assert_eq!(server.stored(), 4);
}

#[test]
fn a_backup_beside_the_wal_of_another_time_is_refused_and_neither_is_touched() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("book.db");
    let wal = beside(&database, "-wal");
    let key = make_key(&database, &["create:Contacts"], &[]);
    let backup = directory.path().join("backup.db");
    fs::copy(&database, &backup).unwrap();
    let mut server = Server::start_on(&database);
    let mut number = 0;
    let mut create = |server: &Server, count| {
        for _ in 0..count {
            assert_eq!(server.create(&key, contact(number)).status, 200);
            number += 1;
        }
    };
    create(&server, 50);
    // Everything is in the file, and a new WAL begins.
    until(|| (fs::metadata(&wal).unwrap().len() == 0).then_some(()));
    create(&server, 50);
    server.kill();
    // As it is, and after a crash, they belong together.
    let mut server = Server::start_on(&database);
    assert_eq!(server.stored(), 100);
    until(|| (fs::metadata(&wal).unwrap().len() == 0).then_some(()));
    create(&server, 50);
    server.kill();
    let kept = fs::read(&wal).unwrap();
    let newer = fs::read(&database).unwrap();
    fs::copy(&backup, &database).unwrap();
    let said = refused(&database);
    assert!(said.contains("book.db-wal does not belong to"), "{said}");
    assert!(said.contains("move it away"), "{said}");
    let listed = run(&["key", "list", "--database", database.to_str().unwrap()]);
    assert_eq!(listed.status.code(), Some(1));
    assert_eq!(fs::read(&wal).unwrap(), kept);
    assert_eq!(fs::read(&database).unwrap(), fs::read(&backup).unwrap());
    // With its own file it starts, and nothing is lost.
    fs::write(&database, newer).unwrap();
    let server = Server::start_on(&database);
    assert_eq!(server.stored(), 150);
    drop(server);
    // Without the WAL the backup is what it was.
    fs::copy(&backup, &database).unwrap();
    for end in ["-wal", "-shm"] {
        let _ = fs::remove_file(beside(&database, end));
    }
    let server = Server::start_on(&database);
    assert_eq!(server.stored(), 0);
}

#[test]
fn what_the_command_line_wrote_since_a_copy_tells_the_copy_from_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("book.db");
    let key = make_key(&database, &["create:Contacts"], &[]);
    let copy = directory.path().join("copy.db");
    fs::copy(&database, &copy).unwrap();
    make_key(&database, &["read:Contacts"], &[]);
    let mut server = Server::start_on(&database);
    assert_eq!(server.create(&key, contact(0)).status, 200);
    server.kill();
    fs::copy(&copy, &database).unwrap();
    let said = refused(&database);
    assert!(said.contains("does not belong to"), "{said}");
}

#[test]
fn a_flipped_bit_in_the_wal_is_said_and_counted_and_the_wal_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("book.db");
    let wal = beside(&database, "-wal");
    let key = make_key(&database, &["create:Contacts"], &[]);
    let mut server = Server::start_on(&database);
    for number in 0..20 {
        assert_eq!(server.create(&key, contact(number)).status, 200);
    }
    server.kill();
    let mut bytes = fs::read(&wal).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&wal, &bytes).unwrap();
    let server = Server::start_on(&database);
    let lost = "acknowledged writes behind the damage are lost";
    assert!(server.logged().contains(lost), "{}", server.logged());
    let metrics_key = server.key(&["read:Metrics"]);
    let metrics = server.call("GET", "/metrics").key(&metrics_key).send().body;
    assert!(
        metrics.contains("addressbook_broken_wals_total 1\n"),
        "{metrics}"
    );
    let kept = fs::read_dir(directory.path()).unwrap();
    let mut kept = kept.map(|entry| entry.unwrap().path());
    let kept = kept.find(|path| path.to_str().unwrap().contains("-wal.broken-"));
    assert_eq!(fs::read(kept.unwrap()).unwrap(), bytes);
    assert!((1..20).contains(&server.stored()));
    drop(server);
    let server = Server::start_on(&database);
    assert!(!server.logged().contains(lost));
}
