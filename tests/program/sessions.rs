//! Sessions beside what the command line does with a book.

use std::fs;
use std::path::Path;

use addressbook::session::SessionSecret;

use crate::harness::{Call, PERMISSIONS, Server, make_key, run};

fn by_cookie(server: &Server, cookie: &str) -> Call {
    let call = server.call("GET", "/auth/test").header("Cookie", cookie);
    call.header("Sec-Fetch-Site", "same-origin")
}

fn sessions(file: &Path) -> u32 {
    let file = rusqlite::Connection::open(file).unwrap();
    let count = "SELECT count(*) FROM sessions";
    file.query_row(count, [], |row| row.get(0)).unwrap()
}

#[test]
fn a_backup_has_no_session_and_what_was_ended_since_stays_so() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("book.db");
    let key = make_key(&database, &PERMISSIONS, &[]);
    let mut server = Server::start_on(&database);
    let opened = server.call("POST", "/auth/session").key(&key).send();
    let cookie = opened.header("set-cookie").split(';').next().unwrap();
    assert_eq!(by_cookie(&server, cookie).send().status, 200);
    let copy = directory.path().join("copy");
    let (database, copy) = (database.to_str().unwrap(), copy.to_str().unwrap());
    let made = run(&["backup", copy, "--database", database]);
    assert!(made.status.success(), "{made:?}");
    assert_eq!(sessions(Path::new(copy)), 0);
    assert_eq!(sessions(Path::new(database)), 1);
    assert!(server.stop().success());
    let restored = run(&["restore", copy, "--database", database]);
    assert!(restored.status.success(), "{restored:?}");
    let server = Server::start_on(Path::new(database));
    let reply = by_cookie(&server, cookie).send();
    assert_eq!(
        (reply.status, reply.message().as_str()),
        (401, "Session has ended")
    );
    let opened = server.call("POST", "/auth/session").key(&key).send();
    assert_eq!(opened.status, 200);
}

#[test]
fn a_backups_free_bytes_have_no_session() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("book.db");
    let key = make_key(&database, &PERMISSIONS, &[]);
    let mut server = Server::start_on(&database);
    let opened = server.call("POST", "/auth/session").key(&key).send();
    let cookie = opened.header("set-cookie").split(';').next().unwrap();
    let (_, secret) = cookie.split_once('=').unwrap();
    let hash = SessionSecret::parse(secret.as_bytes()).unwrap().hash();
    let has_it = |file: &Path| {
        let bytes = fs::read(file).unwrap();
        bytes.windows(32).any(|some| some == hash.as_bytes())
    };
    assert!(server.stop().success());
    assert!(has_it(&database));
    let paths = ["copy", "raw", "restored"].map(|name| directory.path().join(name));
    let [copy, raw, restored] = &paths;
    let run = |command: &str, file: &Path, database: &Path| {
        let [file, database] = [file, database].map(|path| path.to_str().unwrap());
        let ran = run(&[command, file, "--database", database]);
        assert!(ran.status.success(), "{ran:?}");
    };
    run("backup", copy, &database);
    assert!(!has_it(copy));
    // What was copied by other means has its sessions, until it is put back.
    fs::copy(&database, raw).unwrap();
    run("restore", raw, restored);
    assert_eq!(sessions(restored), 0);
    assert!(has_it(raw) && !has_it(restored));
}

#[test]
fn a_check_finds_a_session_of_no_key() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("book.db");
    make_key(&database, &["read:Contacts"], &[]);
    let orphan = "PRAGMA foreign_keys = OFF;
        INSERT INTO sessions VALUES (zeroblob(32), 'nobody', '', 0, 0)";
    let file = rusqlite::Connection::open(&database).unwrap();
    file.execute_batch(orphan).unwrap();
    let checked = run(&["check", "--database", database.to_str().unwrap()]);
    assert_eq!(checked.status.code(), Some(1));
    let told = String::from_utf8(checked.stdout).unwrap();
    let told = format!("{told}{}", String::from_utf8(checked.stderr).unwrap());
    assert!(
        told.contains("sessions has rows that belong to no api_keys"),
        "{told}"
    );
}
