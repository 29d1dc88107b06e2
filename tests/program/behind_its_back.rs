//! What is done behind the server's back: a file that is removed, replaced or
//! served twice, and a clock that goes back. Nothing acknowledged is lost.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use addressbook::moment::Moment;
use serde_json::{Value, json};

use crate::harness::{Server, make_key, program, run, until};

const LOST: i32 = 4;
/// Longer than the clock of a file system needs to tell two changes apart.
const SETTLED: Duration = Duration::from_millis(200);

pub(super) fn beside(database: &Path, end: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(end);
    name.into()
}

fn cut_off_index(database: &Path) {
    let mut options = fs::OpenOptions::new();
    let index = options.write(true).open(beside(database, "-shm"));
    index.unwrap().set_len(0).unwrap();
}

pub(super) fn contact(number: usize) -> String {
    json!({"alias": number.to_string(), "msisdn": "15550000000"}).to_string()
}

/// Starts a server that is expected to refuse, and returns what it said; one that serves
/// after all fails at once.
pub(super) fn refused(database: &Path) -> String {
    let mut command = program();
    command.args(["serve", "--listen", "127.0.0.1:0", "--database"]);
    let pipes = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut server = pipes.arg(database).spawn().unwrap();
    let mut line = String::new();
    let stdout = server.stdout.take().unwrap();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    if !line.is_empty() {
        server.kill().unwrap();
    }
    assert_eq!(line, "", "it serves");
    let output = server.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn once_a_file_is_lost_nothing_is_acknowledged_and_the_process_ends() {
    type Lose = fn(&Path);
    let ways: [(&str, Lose); 7] = [
        ("removed", |file| fs::remove_file(file).unwrap()),
        ("renamed", |file| {
            fs::rename(file, beside(file, ".old")).unwrap()
        }),
        ("replaced", |file| {
            let copy = beside(file, ".copy");
            fs::copy(file, &copy).unwrap();
            fs::rename(copy, file).unwrap();
        }),
        ("moved with its directory", |file| {
            let directory = file.parent().unwrap();
            fs::rename(directory, directory.with_extension("moved")).unwrap();
        }),
        ("without its WAL", |file| {
            fs::remove_file(beside(file, "-wal")).unwrap()
        }),
        ("with another WAL", |file| {
            let wal = beside(file, "-wal");
            fs::remove_file(&wal).unwrap();
            fs::write(wal, "").unwrap();
        }),
        ("without its index", |file| {
            fs::remove_file(beside(file, "-shm")).unwrap()
        }),
    ];
    for (how, lose) in ways {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("book");
        fs::create_dir(&directory).unwrap();
        let database = directory.join("book.db");
        let key = make_key(&database, &["create:Contacts"], &[]);
        let mut server = Server::start_on(&database);
        assert_eq!(server.create(&key, contact(0)).status, 200, "{how}");
        // What the server knows of an unchanged directory, it may remember.
        thread::sleep(SETTLED);
        assert_eq!(server.create(&key, contact(1)).status, 200, "{how}");
        lose(&database);
        let after = server
            .call("POST", "/contacts")
            .key(&key)
            .json(contact(2))
            .try_send();
        let answered = after.map(|reply| reply.status);
        assert!(!matches!(answered, Ok(200)), "{how}: acknowledged");
        assert_eq!(server.wait().code(), Some(LOST), "{how}");
        let logged = server.logged();
        assert!(
            logged.contains("removed, renamed, replaced or cut off"),
            "{how}: {logged}"
        );
    }
}

#[test]
fn a_quiet_server_notices_that_its_file_is_lost() {
    let mut server = Server::start();
    fs::remove_file(&server.database).unwrap();
    assert_eq!(server.wait().code(), Some(LOST));
}

#[test]
fn a_quiet_server_notices_that_its_index_is_cut_off() {
    let mut server = Server::start();
    cut_off_index(&server.database);
    assert_eq!(server.wait().code(), Some(LOST));
}

#[test]
fn one_server_has_a_file_under_all_of_its_names() {
    let server = Server::start();
    let key = server.key(&["create:Contacts"]);
    let other = server.database.with_file_name("other.db");
    fs::hard_link(&server.database, &other).unwrap();
    let said = refused(&other);
    assert!(said.contains("under another name"), "{said}");
    let other = other.to_str().unwrap();
    for verb in [
        vec!["key", "list", "--database", other],
        vec!["export", "-", "--database", other],
        vec![
            "key",
            "create",
            "--name",
            "a",
            "--permission",
            "read:Contacts",
            "--database",
            other,
        ],
    ] {
        let output = run(&verb);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{verb:?}");
        assert!(said.contains("under another name"), "{verb:?}: {said}");
    }
    // Under its own name they work beside it, and under a link that is no other name.
    let link = server.database.with_file_name("link.db");
    std::os::unix::fs::symlink(&server.database, &link).unwrap();
    for name in [&server.database, &link] {
        let listed = run(&["key", "list", "--database", name.to_str().unwrap()]);
        assert!(listed.status.success(), "{listed:?}");
    }
    assert_eq!(server.create(&key, contact(0)).status, 200);
    assert!(!fs::exists(beside(Path::new(other), "-wal")).unwrap());
}

#[test]
fn an_older_file_keeps_its_locks_while_it_is_migrated() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("book.db");
    fs::copy(data.join("schema-1.db"), &database).unwrap();
    // Whoever reads beside it holds the WAL in its place.
    let beside_it = rusqlite::Connection::open(&database).unwrap();
    let count = "SELECT count(*) FROM contacts";
    let counted: i64 = beside_it.query_row(count, [], |row| row.get(0)).unwrap();
    let path = database.to_str().unwrap();
    assert!(run(&["key", "list", "--database", path]).status.success());
    let server = Server::start_on(&database);
    let key = server.key(&["create:Contacts"]);
    drop(beside_it);
    assert_eq!(server.create(&key, contact(0)).status, 200);
    assert!(fs::exists(beside(&database, "-wal")).unwrap());
    assert_eq!(server.stored(), counted + 1);
}

#[test]
fn a_quiet_book_is_its_file() {
    let mut server = Server::start();
    let key = server.key(&["create:Contacts", "read:Contacts"]);
    let wal = beside(&server.database, "-wal");
    let is_empty = || {
        let length = fs::metadata(&wal).unwrap().len();
        (length == 0).then_some(())
    };
    for number in 0..2 {
        assert_eq!(server.create(&key, contact(number)).status, 200);
        assert!(is_empty().is_none());
        until(is_empty);
        let copy = server.database.with_file_name(format!("copy-{number}.db"));
        fs::copy(&server.database, &copy).unwrap();
        let count = "SELECT count(*) FROM contacts";
        let copy = rusqlite::Connection::open(&copy).unwrap();
        let counted: usize = copy.query_row(count, [], |row| row.get(0)).unwrap();
        assert_eq!(counted, number + 1);
    }
    // What a crash left behind is brought into the file after the next start.
    assert_eq!(server.create(&key, contact(2)).status, 200);
    server.kill();
    assert!(is_empty().is_none());
    let again = Server::start_on(&server.database);
    until(is_empty);
    assert_eq!(again.stored(), 3);
}

#[test]
fn a_cursor_misses_nothing_after_a_start_in_the_past() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("book.db");
    let key = make_key(&database, &["create:Contacts", "read:Contacts"], &[]);
    let mut server = Server::start_on(&database);
    assert_eq!(server.create(&key, contact(0)).status, 200);
    server.stop();
    // As if it had been made by a clock that was two days ahead.
    let ahead_ms = Moment::now().millis() + 2 * 24 * 60 * 60 * 1000;
    let id = (u128::try_from(ahead_ms).unwrap() << 80) | (7 << 76) | (2 << 62);
    rusqlite::Connection::open(&database)
        .unwrap()
        .execute(
            "UPDATE contacts SET id = ?1, checksum = 0",
            [id.to_be_bytes()],
        )
        .unwrap();
    let server = Server::start_on(&database);
    let page = |cursor: &str| {
        let path = format!("/contacts?limit=2&cursor={cursor}");
        server.call("GET", &path).key(&key).send().json()
    };
    assert_eq!(server.create(&key, contact(1)).status, 200);
    let first = page("");
    assert_eq!(first["records"][0]["alias"], "0");
    assert_eq!(first["records"][1]["alias"], "1");
    assert_eq!(first["next"], Value::Null);
    assert_eq!(server.create(&key, contact(2)).status, 200);
    let first = page("");
    let next = page(first["next"].as_str().unwrap());
    assert_eq!(next["records"][0]["alias"], "2", "it stands behind");
}

#[test]
fn a_closed_terminal_does_not_end_it() {
    let mut server = Server::start();
    let key = server.key(&["create:Contacts"]);
    server.signal("HUP");
    assert_eq!(server.create(&key, contact(0)).status, 200);
    assert!(server.stop().success());
}

#[test]
fn standard_error_that_cannot_be_written_does_not_end_it() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("book.db");
    let key = make_key(&database, &["create:Contacts"], &[]);
    let mut command = std::process::Command::new("sh");
    let full = "exec \"$0\" \"$@\" 2>/dev/full";
    command.args(["-c", full, program().get_program().to_str().unwrap()]);
    let mut server = Server::start_command(command, &database, &[]);
    for number in 0..10 {
        assert_eq!(server.create(&key, contact(number)).status, 200);
        let refused = server.call("GET", "/contacts").key("abk_wrong").send();
        assert_eq!(refused.status, 401);
    }
    assert!(server.stop().success());
}

#[test]
fn a_use_that_was_written_down_by_a_clock_ahead_is_written_down_anew() {
    let server = Server::start();
    let key = server.key(&["read:Contacts"]);
    let ahead_ms = Moment::now().millis() + 2 * 24 * 60 * 60 * 1000;
    let file = server.open_file();
    file.execute("UPDATE api_keys SET last_used_on = ?1", [ahead_ms])
        .unwrap();
    assert_eq!(server.call("GET", "/contacts").key(&key).send().status, 200);
    until(|| {
        let last = "SELECT last_used_on FROM api_keys";
        let last_ms: i64 = file.query_row(last, [], |row| row.get(0)).unwrap();
        (last_ms < ahead_ms).then_some(())
    });
}
