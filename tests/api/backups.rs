//! `POST` and `GET /backups`.

use std::path::Path;

use crate::harness::{Server, is_skipped, run, until};

const ALL: &[&str] = &["create:Contacts", "create:Backups", "read:Backups"];

fn started(directory: &Path) -> Server {
    let backups = directory.to_str().unwrap();
    Server::start_with(&["--backup-dir", backups, "--backup-keep", "3"])
}

fn contact(server: &Server, key: &str, alias: &str) {
    let body = format!(r#"{{"alias":"{alias}","msisdn":"4479000000001"}}"#);
    assert_eq!(server.create(key, body).status, 200);
}

#[test]
fn a_backup_that_is_asked_for_is_whole_when_it_is_answered() {
    if is_skipped("backup of ours") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let server = started(directory.path());
    let key = server.key(ALL);
    for n in 0..5 {
        contact(&server, &key, &format!("c{n}"));
    }
    let reply = server.call("POST", "/backups").key(&key).send();
    assert_eq!(reply.status, 200, "{}", reply.body);
    let made = reply.json()["record"].clone();
    assert_eq!(made["contacts"], 5);
    let file = directory.path().join(made["name"].as_str().unwrap());
    let size = std::fs::metadata(&file).unwrap().len();
    assert_eq!(made["size_bytes"], size);
    let checked = run(&["check", "--database", file.to_str().unwrap()]);
    assert!(checked.status.success(), "{checked:?}");
    let second = made["created_on"].as_str().unwrap();
    assert!(second.ends_with(".000Z"), "{second}");
    let named = second.replace(".000Z", "Z").replace(':', "-");
    assert_eq!(made["name"], format!("addressbook-{named}.db"));
}

#[test]
fn backups_are_listed_newest_first_and_only_the_latest_stay() {
    if is_skipped("backup of ours") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let server = started(directory.path());
    let key = server.key(ALL);
    std::fs::write(directory.path().join("notes.txt"), "mine").unwrap();
    let mut names = Vec::new();
    for n in 0..4 {
        contact(&server, &key, &format!("c{n}"));
        let reply = server.call("POST", "/backups").key(&key).send();
        // The server's own first one may be under way.
        if reply.status == 200 {
            let made = reply.json();
            names.push(made["record"]["name"].as_str().unwrap().to_owned());
        }
    }
    let reply = server.call("GET", "/backups?limit=2").key(&key).send();
    let listed = reply.json();
    assert_eq!((&listed["total"], &listed["limit"]), (&3.into(), &2.into()));
    let records = listed["records"].as_array().unwrap();
    assert_eq!(records.len(), 2);
    assert_eq!(records[0]["name"], *names.last().unwrap());
    assert_eq!(records[0]["contacts"], 4);
    assert_eq!(
        std::fs::read(directory.path().join("notes.txt")).unwrap(),
        b"mine"
    );
}

#[test]
fn what_only_has_the_name_of_a_backup_is_none() {
    if is_skipped("backup of ours") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let named = |second: u32| {
        let name = format!("addressbook-2026-01-01T00-00-{second:02}Z.db");
        directory.path().join(name)
    };
    std::fs::create_dir(named(1)).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", named(2)).unwrap();
    std::fs::write(named(3), "no database").unwrap();
    let pipe = std::process::Command::new("mkfifo").arg(named(4)).status();
    assert!(pipe.unwrap().success());
    let server = started(directory.path());
    let key = server.key(ALL);
    let listed = until(|| {
        let listed = server.call("GET", "/backups").key(&key).send().json();
        (listed["total"] == 2).then_some(listed)
    });
    assert_eq!(listed["records"][0]["contacts"], 0);
    assert_eq!(listed["records"][1]["contacts"], serde_json::Value::Null);
    for second in [1, 2, 4] {
        assert!(named(second).symlink_metadata().is_ok(), "it is left alone");
    }
}

#[test]
fn one_is_made_at_a_time_and_none_without_a_directory() {
    if is_skipped("backup of ours") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let server = started(directory.path());
    let key = server.key(ALL);
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let asking = || server.call("POST", "/backups").key(&key).send();
        let asked: Vec<_> = (0..4).map(|_| scope.spawn(asking)).collect();
        asked
            .into_iter()
            .map(|one| {
                let reply = one.join().unwrap();
                if reply.status == 409 {
                    assert_eq!(reply.message(), "Another backup is being made");
                }
                reply.status
            })
            .collect()
    });
    assert!(statuses.contains(&409), "{statuses:?}");
    assert!(
        statuses.iter().all(|one| [200, 409].contains(one)),
        "{statuses:?}"
    );

    let without = Server::start();
    let key = without.key(ALL);
    for method in ["GET", "POST"] {
        let reply = without.call(method, "/backups").key(&key).send();
        assert_eq!(reply.status, 404);
        assert_eq!(reply.message(), "The server has no directory for backups");
    }
}

#[test]
fn a_directory_that_is_gone_is_told_without_its_name() {
    if is_skipped("backup of ours") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("backups");
    let server = started(&path);
    let key = server.key(ALL);
    until(|| (path.read_dir().unwrap().count() > 0).then_some(()));
    std::fs::remove_dir_all(&path).unwrap();
    for method in ["GET", "POST"] {
        let reply = server.call(method, "/backups").key(&key).send();
        assert_eq!(reply.status, 503, "{}", reply.body);
        assert!(!reply.body.contains("tmp"), "{}", reply.body);
    }
    assert!(
        server
            .logged()
            .contains("a backup was not made, or not listed")
    );
}

#[test]
fn a_directory_is_for_one_server() {
    if is_skipped("backup of ours") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let first = started(directory.path());
    let other = tempfile::tempdir().unwrap();
    let database = other.path().join("book.db");
    let backups = directory.path().to_str().unwrap();
    let second = run(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--no-initial-key",
        "--database",
        database.to_str().unwrap(),
        "--backup-dir",
        backups,
    ]);
    assert_eq!(second.status.code(), Some(1));
    let told = String::from_utf8(second.stderr).unwrap();
    assert!(
        told.contains("another server makes its backups in"),
        "{told}"
    );
    drop(first);
    drop(started(directory.path()));
}
