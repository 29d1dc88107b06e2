//! `addressbook backup`, `restore` and `check`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{PERMISSIONS, Server, make_key, run, until};

struct Book {
    directory: TempDir,
    database: PathBuf,
    key: String,
}

impl Book {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let database = directory.path().join("book.db");
        let key = make_key(&database, &PERMISSIONS, &[]);
        Self {
            directory,
            database,
            key,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn serve(&self) -> Server {
        Server::start_on(&self.database)
    }

    fn fill(&self, server: &Server, name: &str, count: usize) {
        for number in 0..count {
            let body = json!({"alias": format!("{name}{number}"), "msisdn": "15550000000"});
            assert_eq!(server.create(&self.key, body.to_string()).status, 200);
        }
    }

    fn run(&self, verb: &str, file: Option<&Path>) -> Output {
        let mut arguments = vec![verb];
        arguments.extend(file.map(|file| file.to_str().unwrap()));
        arguments.extend(["--database", self.database.to_str().unwrap()]);
        run(&arguments)
    }

    fn backup(&self, name: &str) -> PathBuf {
        let file = self.path(name);
        let made = self.run("backup", Some(&file));
        assert!(made.status.success(), "{made:?}");
        file
    }

    /// The files beside the book, but for its own.
    fn beside(&self) -> Vec<String> {
        let files = fs::read_dir(self.directory.path()).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| !name.ends_with(".lock")).collect();
        names.sort();
        names
    }
}

fn stored(file: &Path) -> i64 {
    let file = rusqlite::Connection::open(file).unwrap();
    let count = "SELECT count(*) FROM contacts";
    file.query_row(count, [], |row| row.get(0)).unwrap()
}

fn printed(output: &Output) -> Value {
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn a_backup_ends_beside_writes_and_has_all_that_was_acknowledged_before() {
    let book = Book::new();
    let server = book.serve();
    book.fill(&server, "before", 50);
    let file = book.path("backup.db");
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let writing = scope.spawn(|| {
            let mut round = 0;
            while !done.load(Ordering::Relaxed) {
                book.fill(&server, &format!("during{round}."), 5);
                round += 1;
            }
            round
        });
        let made: Vec<Output> = (0..3).map(|_| book.run("backup", Some(&file))).collect();
        done.store(true, Ordering::Relaxed);
        assert!(writing.join().unwrap() > 0);
        for made in &made {
            let made = printed(made);
            assert!(
                made["size_bytes"].is_u64() && made["took_ms"].is_u64(),
                "{made}"
            );
            assert!(made["contacts"].as_u64().unwrap() >= 50, "{made}");
        }
    });
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert!(stored(&file) >= 50);
    let copy = Server::start_on(&file);
    assert_eq!(
        copy.call("GET", "/contacts").key(&book.key).send().status,
        200
    );
    drop((copy, server));
    let named = book.beside();
    let left = named.iter().filter(|name| name.contains("temporary"));
    assert_eq!(left.count(), 0, "{named:?}");
}

#[test]
fn a_backup_goes_to_standard_output_and_never_over_the_book() {
    let book = Book::new();
    let streamed = book.run("backup", Some(Path::new("-")));
    assert!(streamed.status.success());
    let file = book.path("streamed.db");
    fs::write(&file, &streamed.stdout).unwrap();
    assert_eq!(stored(&file), 0);
    assert!(refused(&book.run("backup", Some(&book.database))).contains("the address book itself"));
    assert!(refused(&book.run("backup", Some(book.directory.path()))).contains("is no file"));
    let nowhere = book.path("nowhere.db");
    let output = run(&["backup", "b.db", "--database", nowhere.to_str().unwrap()]);
    assert!(refused(&output).contains("there is no address book"));
    assert!(!nowhere.exists());
}

#[test]
fn a_backup_that_is_put_back_is_what_it_was_and_the_old_book_stays_aside() {
    let book = Book::new();
    let mut server = book.serve();
    book.fill(&server, "a", 20);
    let backup = book.backup("backup.db");
    let kept = fs::read(&backup).unwrap();
    book.fill(&server, "b", 30);
    let said = refused(&book.run("restore", Some(&backup)));
    assert!(said.contains("already being served"), "{said}");
    let itself = refused(&book.run("restore", Some(&book.database)));
    assert!(itself.contains("the address book itself"), "{itself}");
    // What was acknowledged stands in the -wal alone.
    server.kill();
    let restored = printed(&book.run("restore", Some(&backup)));
    let old = PathBuf::from(restored["old"].as_str().unwrap());
    assert!(
        old.to_str().unwrap().contains("book.db.before-2"),
        "{old:?}"
    );
    assert_eq!(fs::read(&backup).unwrap(), kept);
    let mut server = book.serve();
    assert_eq!(server.stored(), 20);
    book.fill(&server, "b", 1);
    server.stop();
    assert_eq!(stored(&old), 50);
    // Where there is no book, one is made of it.
    fs::remove_file(&book.database).unwrap();
    let restored = printed(&book.run("restore", Some(&backup)));
    assert_eq!(restored["old"], Value::Null);
    assert_eq!(book.serve().stored(), 20);
}

#[test]
fn a_backup_that_is_copied_beside_the_wal_of_its_own_time_is_refused() {
    let book = Book::new();
    let mut server = book.serve();
    book.fill(&server, "a", 20);
    let backup = book.backup("backup.db");
    let marks = |file: &Path| -> (i64, i64) {
        let file = rusqlite::Connection::open(file).unwrap();
        let marks = "SELECT base, mark FROM wal_marks";
        let read = file.query_row(marks, [], |row| Ok((row.get(0)?, row.get(1)?)));
        read.unwrap()
    };
    let (base, mark) = marks(&backup);
    let (live_base, live_mark) = marks(&book.database);
    assert!(![live_base, live_mark].contains(&mark) && base != live_base);
    book.fill(&server, "b", 20);
    server.kill();
    fs::copy(&backup, &book.database).unwrap();
    let said = refused(&book.run("check", None));
    assert!(said.contains("does not belong to"), "{said}");
}

#[test]
fn a_wal_that_another_process_began_anew_is_refused_beside_an_earlier_copy() {
    let book = Book::new();
    let mut server = book.serve();
    book.fill(&server, "a", 20);
    server.stop();
    let copy = fs::read(&book.database).unwrap();
    let mut server = book.serve();
    book.fill(&server, "b", 20);
    let other = rusqlite::Connection::open(&book.database).unwrap();
    // The server's own reads are in the way for a moment.
    until(|| {
        let checkpoint = "PRAGMA wal_checkpoint(RESTART)";
        let held = other.query_row(checkpoint, [], |row| row.get::<_, bool>(0));
        (!held.unwrap()).then_some(())
    });
    // The last one to close it would empty it.
    drop(other);
    book.fill(&server, "c", 3);
    server.kill();
    fs::write(&book.database, copy).unwrap();
    let said = refused(&book.run("check", None));
    assert!(said.contains("does not belong to"), "{said}");
}

#[test]
fn what_is_no_whole_backup_is_refused_and_the_book_stays() {
    let book = Book::new();
    let mut server = book.serve();
    book.fill(&server, "a", 500);
    let backup = book.backup("backup.db");
    server.stop();
    let before = fs::read(&book.database).unwrap();
    let with = |change: &dyn Fn(&Path)| {
        let file = book.path("changed.db");
        fs::copy(&backup, &file).unwrap();
        change(&file);
        refused(&book.run("restore", Some(&file)))
    };
    let sql = |statement: &'static str| {
        move |file: &Path| {
            let file = rusqlite::Connection::open(file).unwrap();
            file.execute_batch(statement).unwrap();
        }
    };
    for (change, said) in [
        (
            &sql("PRAGMA user_version = 99") as &dyn Fn(&Path),
            "newer than",
        ),
        (&sql("PRAGMA application_id = 1"), "not an address book"),
        (&sql("CREATE TABLE more (a)"), "was altered"),
        (
            &sql("UPDATE counters SET value = 7 WHERE name = 'contacts'"),
            "the counter of contacts says 7",
        ),
        (
            &sql("DELETE FROM counters WHERE name = 'optouts'"),
            "there is no counter of optouts",
        ),
        (
            &sql("INSERT INTO counters (name, value) VALUES ('odd', 1)"),
            "the counter of odd says 1, and there are no such rows",
        ),
        (
            &sql("UPDATE contacts SET msisdn = '15550000001' WHERE alias = 'a7'"),
            "is not what was stored",
        ),
        (
            &|file| fs::write(file, "no database").unwrap(),
            "is not a database",
        ),
        (
            &|file| {
                let bytes = fs::read(file).unwrap();
                fs::write(file, &bytes[..bytes.len() / 2]).unwrap();
            },
            "changed.db: database disk image is malformed",
        ),
        (
            &|file| fs::write(file.with_file_name("changed.db-wal"), [7; 100]).unwrap(),
            "is no backup",
        ),
    ] {
        let found = with(change);
        assert!(found.contains(said), "{said}: {found}");
        assert_eq!(fs::read(&book.database).unwrap(), before);
        let names = book.beside();
        assert!(
            !names
                .iter()
                .any(|name| name.contains(".new-") || name.contains("before")),
            "{names:?}"
        );
    }
}

#[test]
fn a_damaged_book_is_replaced_and_stays_aside() {
    let book = Book::new();
    let backup = book.backup("backup.db");
    fs::write(&book.database, "no database any more").unwrap();
    let restored = printed(&book.run("restore", Some(&backup)));
    let old = restored["old"].as_str().unwrap();
    assert_eq!(fs::read(old).unwrap(), b"no database any more");
    assert_eq!(book.serve().stored(), 0);
}

#[test]
fn a_check_tells_what_is_wrong_and_what_older_rules_let_in() {
    let book = Book::new();
    let mut server = book.serve();
    book.fill(&server, "a", 30);
    let found = printed(&book.run("check", None));
    let expected = json!({"contacts": 30, "damage": 0, "older_aliases": 0, "older_numbers": 0});
    assert_eq!(found, expected, "beside its server");
    server.stop();
    let sql = |statement: &str| {
        let file = rusqlite::Connection::open(&book.database).unwrap();
        file.execute_batch(statement).unwrap();
    };
    sql(
        "UPDATE contacts SET msisdn = '4407700900101', checksum = 0 WHERE alias = 'a1';
        UPDATE contacts SET alias = alias || char(8203), checksum = 0 WHERE alias = 'a2'",
    );
    let found = printed(&book.run("check", None));
    let expected = json!({"contacts": 30, "damage": 0, "older_aliases": 1, "older_numbers": 1});
    assert_eq!(found, expected);
    for (statement, said) in [
        (
            "UPDATE contacts SET meta = '{\"a\":1}' WHERE alias = 'a3'",
            "is not what was stored",
        ),
        (
            "UPDATE contacts SET alias = ' a4', checksum = 0 WHERE alias = 'a4'",
            "alias that is not in its normal form",
        ),
        (
            "UPDATE contacts SET meta = '{ }', checksum = 0 WHERE alias = 'a5'",
            "meta that is not in its normal form",
        ),
        (
            "UPDATE counters SET value = value + 1 WHERE name = 'optouts'",
            "the counter of optouts says 1, and there are 0",
        ),
        (
            "INSERT INTO groups VALUES (zeroblob(16), 'g', 3, NULL)",
            "a group says 3 members, and there are 0",
        ),
    ] {
        sql(statement);
        let output = book.run("check", None);
        let found = refused(&output);
        assert!(found.contains(said), "{said}: {found}");
        assert!(found.contains("the address book is damaged"), "{found}");
    }
}

#[test]
fn a_server_makes_backups_by_itself_and_keeps_the_latest() {
    let book = Book::new();
    let shelf = book.path("backups");
    let directory = shelf.to_str().unwrap();
    let start = || {
        let more = [
            "--backup-dir",
            directory,
            "--backup-every",
            "1s",
            "--backup-keep",
            "2",
        ];
        Server::start_command(crate::harness::program(), &book.database, &more)
    };
    let names = || {
        let files = fs::read_dir(&shelf).into_iter().flatten();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| name.ends_with("Z.db")).collect();
        names.sort();
        names
    };
    // Of a clock that was ahead: it must not outlive those that are made now.
    let ahead = shelf.join("addressbook-2999-01-01T00-00-00Z.db");
    fs::create_dir(&shelf).unwrap();
    fs::write(&ahead, "of a clock ahead").unwrap();
    let mut server = start();
    book.fill(&server, "a", 5);
    let first = until(|| (names().len() > 1).then(|| names()[0].clone()));
    fs::write(shelf.join("addressbook-notes.db"), "mine").unwrap();
    fs::write(shelf.join(format!("{first}.temporary-1")), "a part").unwrap();
    until(|| (!names().contains(&first)).then_some(()));
    assert!(names().len() <= 3 && !ahead.exists(), "{:?}", names());
    let last = shelf.join(names().last().unwrap());
    assert_eq!(
        fs::metadata(&last).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(
        fs::read(shelf.join("addressbook-notes.db")).unwrap(),
        b"mine"
    );
    assert!(!shelf.join(format!("{first}.temporary-1")).exists());
    assert!(server.logged().contains("backed up"));
    assert!(server.stop().success());
    let kept = shelf.join(names().last().unwrap());
    printed(&book.run("restore", Some(&kept)));
    assert_eq!(book.serve().stored(), 5);
}
