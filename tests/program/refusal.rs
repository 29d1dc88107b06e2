//! What the program refuses to start on: one line, exit code 1, nothing touched.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::TcpListener;
use std::path::Path;

use crate::harness::{Server, make_key, program, run};

/// The line with which `serve` refuses.
fn refusal(database: &Path, listen: &str) -> String {
    let output = program()
        .args([
            "serve",
            "--no-initial-key",
            "--listen",
            listen,
            "--database",
        ])
        .arg(database)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty(), "nothing listens");
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(errors.lines().count(), 1, "{errors}");
    errors
}

/// Every file of a directory with its bytes.
fn contents(directory: &Path) -> BTreeMap<OsString, Vec<u8>> {
    std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            (entry.file_name(), std::fs::read(entry.path()).unwrap())
        })
        .collect()
}

/// Every verb refuses the file with these words and leaves the directory as it was.
fn refused_untouched(database: &Path, words: &str) {
    let directory = database.parent().unwrap();
    let before = contents(directory);
    let line = refusal(database, "127.0.0.1:0");
    assert!(line.contains(words), "{line}");
    let output = run(&["key", "list", "--database", database.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains(words));
    assert_eq!(contents(directory), before);
}

#[test]
fn a_port_in_use() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let directory = tempfile::tempdir().unwrap();
    let line = refusal(&directory.path().join("book.db"), &address);
    assert!(
        line.contains(&format!("cannot listen on {address}")),
        "{line}"
    );
    assert!(contents(directory.path()).is_empty());
}

#[test]
fn a_directory_that_cannot_be_written() {
    let line = refusal(Path::new("/proc/addressbook/book.db"), "127.0.0.1:0");
    assert!(line.contains("cannot open /proc/addressbook"), "{line}");
}

#[test]
fn a_file_that_is_no_database() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("book.db");
    for content in [
        String::new(),
        "short".to_owned(),
        "some text\n".repeat(5000),
    ] {
        std::fs::write(&database, content).unwrap();
        refused_untouched(&database, "is not a database");
    }
    std::fs::remove_file(&database).unwrap();
    std::fs::create_dir(&database).unwrap();
    assert!(refusal(&database, "127.0.0.1:0").contains("is not a database"));
}

#[test]
fn a_database_of_another_program() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("book.db");
    rusqlite::Connection::open(&database)
        .unwrap()
        .execute_batch("CREATE TABLE contacts (id); INSERT INTO contacts VALUES (1);")
        .unwrap();
    refused_untouched(&database, "is a database, but not an address book");
}

#[test]
fn a_newer_address_book() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("book.db");
    make_key(&database, &["read:Contacts"], &[]);
    let connection = rusqlite::Connection::open(&database).unwrap();
    connection
        .pragma_update(None, "user_version", 1000)
        .unwrap();
    connection.close().unwrap();
    refused_untouched(&database, "has schema 1000, newer than");
}

#[test]
fn a_newer_address_book_whose_version_is_still_in_the_log() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("book.db");
    make_key(&database, &["read:Contacts"], &[]);
    let connection = rusqlite::Connection::open(&database).unwrap();
    connection
        .pragma_update(None, "user_version", 1000)
        .unwrap();
    // As a crash leaves it: the file, and a WAL that was never checkpointed.
    let crashed = directory.path().join("crashed");
    std::fs::create_dir(&crashed).unwrap();
    for name in ["book.db", "book.db-wal"] {
        std::fs::copy(directory.path().join(name), crashed.join(name)).unwrap();
    }
    let copy = crashed.join("book.db");
    let (file, wal) = (
        std::fs::read(&copy).unwrap(),
        std::fs::read(crashed.join("book.db-wal")).unwrap(),
    );
    assert!(refusal(&copy, "127.0.0.1:0").contains("has schema 1000, newer than"));
    assert_eq!(std::fs::read(&copy).unwrap(), file);
    assert_eq!(std::fs::read(crashed.join("book.db-wal")).unwrap(), wal);
}

#[test]
fn a_second_server_on_the_same_file_by_another_name() {
    let first = Server::start();
    let directory = tempfile::tempdir().unwrap();
    let link = directory.path().join("link.db");
    std::os::unix::fs::symlink(&first.database, &link).unwrap();
    let line = refusal(&link, "127.0.0.1:0");
    assert!(
        line.contains("is already being served by another process"),
        "{line}"
    );
}

#[test]
fn a_second_server_on_the_same_file() {
    let first = Server::start();
    let line = refusal(&first.database, "127.0.0.1:0");
    assert!(
        line.contains("is already being served by another process"),
        "{line}"
    );
    assert_eq!(first.call("GET", "/healthz").send().status, 200);
}

#[test]
fn an_address_book_whose_schema_was_altered() {
    for (alter, named) in [
        (
            "CREATE TRIGGER gift AFTER INSERT ON contacts BEGIN DELETE FROM api_keys; END",
            "trigger gift",
        ),
        ("CREATE VIEW gift AS SELECT * FROM contacts", "view gift"),
        ("CREATE TABLE gift (a)", "table gift"),
        ("CREATE INDEX gift ON contacts (meta)", "index gift"),
        ("DROP INDEX contacts_by_msisdn", "index contacts_by_msisdn"),
        ("ALTER TABLE audit ADD COLUMN gift TEXT", "table audit"),
        // Litestream makes two tables, and nothing else by its name.
        (
            "CREATE TABLE _litestream_gift (a)",
            "table _litestream_gift",
        ),
        (
            "CREATE VIEW _litestream_seq AS SELECT * FROM contacts",
            "view _litestream_seq",
        ),
        (
            "CREATE TRIGGER _litestream_lock AFTER INSERT ON contacts BEGIN SELECT 1; END",
            "trigger _litestream_lock",
        ),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let database = directory.path().join("book.db");
        make_key(&database, &["read:Contacts"], &[]);
        let file = rusqlite::Connection::open(&database).unwrap();
        file.execute_batch(alter).unwrap();
        file.close().unwrap();
        let before = std::fs::read(&database).unwrap();
        let errors = refusal(&database, "127.0.0.1:0");
        assert!(errors.contains(&format!("altered: {named}")), "{errors}");
        assert_eq!(std::fs::read(&database).unwrap(), before, "{named}");
    }
}

#[test]
fn tables_of_a_replicator_are_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("book.db");
    make_key(&database, &["read:Contacts"], &[]);
    let file = rusqlite::Connection::open(&database).unwrap();
    let theirs = "CREATE TABLE IF NOT EXISTS _litestream_seq (id INTEGER PRIMARY KEY, seq INTEGER);
        CREATE TABLE IF NOT EXISTS _litestream_lock (id INTEGER);
        INSERT INTO _litestream_seq VALUES (1, 1);
        ANALYZE";
    file.execute_batch(theirs).unwrap();
    file.close().unwrap();
    let server = Server::start_on(&database);
    let key = server.key(&["read:Contacts"]);
    let list = server.call("GET", "/contacts").key(&key).send();
    assert_eq!(list.status, 200);
}
