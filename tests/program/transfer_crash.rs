//! Imports that are killed, and what imports and exports take of memory and disk.

use std::io::Write;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;

use crate::fault::limited_to;
use crate::harness::{Server, make_key, peak_memory_kib, program, signal};
use crate::transfer::{Desk, assert_summary, errors};

const ROWS: usize = 20_000;

fn file_of(rows: usize) -> String {
    let rows = (0..rows).map(|n| format!("c{n},15550000000,{n}\n"));
    format!("alias,msisdn,n\n{}", rows.collect::<String>())
}

fn stored(database: &Path) -> i64 {
    let file = rusqlite::Connection::open(database).unwrap();
    file.query_row("SELECT count(*) FROM contacts", [], |row| row.get(0))
        .unwrap()
}

/// What a killed import leaves: whole batches, the beginning of the file.
fn assert_beginning(database: &Path) {
    let file = rusqlite::Connection::open(database).unwrap();
    let integrity: String = file
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(integrity, "ok");
    let rows = stored(database);
    assert!(rows >= 500 && rows % 500 == 0, "{rows}");
    let counter = "SELECT value FROM counters WHERE name = 'contacts'";
    assert_eq!(file.query_row(counter, [], |row| row.get(0)), Ok(rows));
    let beginning =
        "SELECT count(*) FROM contacts WHERE CAST(json_extract(meta, '$.n') AS INTEGER) < ?1";
    assert_eq!(
        file.query_row(beginning, [rows], |row| row.get(0)),
        Ok(rows)
    );
}

fn wait_for_rows(database: &Path) {
    while stored(database) < 500 {
        thread::yield_now();
    }
}

#[test]
fn a_killed_import_leaves_whole_batches_and_an_upsert_finishes_it() {
    for name in ["KILL", "TERM"] {
        let desk = Desk::new();
        desk.write("in.csv", file_of(ROWS));
        desk.run_with(&["import", "-"], b"alias,msisdn\n");
        let database = desk.path("book.db");
        // Half of the file comes, so that it is surely in its middle.
        let mut child = import_of_half(&desk);
        wait_for_rows(&database);
        signal(child.id(), name);
        assert!(!child.wait().unwrap().success());
        assert_beginning(&database);
        let rows = u64::try_from(stored(&database)).unwrap();
        let again = desk.run(&["import", "in.csv", "--mode", "upsert"]);
        assert_summary(&again, 0, [ROWS as u64, ROWS as u64 - rows, 0, rows, 0]);
    }
}

fn import_of_half(desk: &Desk) -> Child {
    let mut child = program()
        .args(["import", "-", "--database"])
        .arg(desk.path("book.db"))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let file = desk.read("in.csv");
    let stdin = child.stdin.as_mut().unwrap();
    stdin.write_all(&file.as_bytes()[..file.len() / 2]).unwrap();
    child
}

#[test]
fn a_killed_server_leaves_whole_batches_of_an_import_and_an_upsert_finishes_it() {
    let mut server = Server::start();
    let key = server.key(&["create:Contacts", "update:Contacts"]);
    let file = file_of(ROWS);
    let mut stream = server.connect();
    write!(
        stream,
        "POST /contacts/import HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Type: text/csv\r\nContent-Length: {}\r\n\r\n",
        file.len()
    )
    .unwrap();
    stream
        .write_all(&file.as_bytes()[..file.len() / 2])
        .unwrap();
    wait_for_rows(&server.database);
    server.kill();
    let server = Server::start_on(&server.database);
    assert_beginning(&server.database);
    let rows = server.stored();
    let call = server
        .call("POST", "/contacts/import?mode=upsert")
        .key(&key);
    let again = call
        .header("Content-Type", "text/csv")
        .body(file)
        .send()
        .json();
    assert_eq!(again["summary"]["unchanged"], rows);
    assert_eq!(server.stored(), i64::try_from(ROWS).unwrap());
}

#[test]
fn a_stop_does_not_wait_for_an_import_without_end() {
    let mut server = Server::start();
    let key = server.key(&["create:Contacts"]);
    let file = file_of(600);
    let mut stream = server.connect();
    write!(
        stream,
        "POST /contacts/import HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Type: text/csv\r\nContent-Length: 100000\r\n\r\n{file}"
    )
    .unwrap();
    wait_for_rows(&server.database);
    let begun = std::time::Instant::now();
    assert_eq!(server.stop().code(), Some(0));
    assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
    assert_beginning(&server.database);
}

#[test]
fn an_export_that_finds_no_room_is_refused_and_leaves_nothing() {
    let desk = Desk::new();
    let rows: String = (0..60)
        .map(|n| format!("c{n},15550000000,{}\n", "x".repeat(9_000)))
        .collect();
    let import = desk.run_with(
        &["import", "-"],
        format!("alias,msisdn,x\n{rows}").as_bytes(),
    );
    assert_summary(&import, 0, [60, 60, 0, 0, 0]);
    let database = desk.path("book.db");
    let key = make_key(&database, &["read:Contacts"], &[]);
    let server = Server::start_command(limited_to(800), &database, &[]);
    let refused = server.call("GET", "/contacts/export").key(&key).send();
    assert_eq!(
        (refused.status, refused.message().as_str()),
        (507, "There is no room for the export on the disk")
    );
    desk.write("out.csv", "before");
    let output = limited_to(800)
        .args(["export", "out.csv", "--database"])
        .arg(&database)
        .current_dir(database.parent().unwrap())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", errors(&output));
    assert_eq!(desk.read("out.csv"), "before");
    let left = std::fs::read_dir(database.parent().unwrap()).unwrap();
    assert!(
        left.map(|file| file.unwrap().file_name())
            .all(|name| !name.to_string_lossy().contains("temporary"))
    );
}

#[test]
fn memory_does_not_grow_with_the_file() {
    let server = Server::start();
    let key = server.key(&["create:Contacts", "update:Contacts", "read:Contacts"]);
    let agent = crate::harness::agent();
    let round_trip = |rows: usize| {
        let call = server
            .call("POST", "/contacts/import?mode=upsert")
            .by(&agent)
            .key(&key);
        let file = format!(
            "{}joe,15550000000,\"{}",
            file_of(rows),
            "x".repeat(100 * rows)
        );
        let imported = call
            .header("Content-Type", "text/csv")
            .body(file)
            .send()
            .json();
        assert_eq!(imported["summary"]["total"], rows + 1);
        assert_eq!(
            imported["errors"][0]["message"],
            "Row must be at most 65536 bytes"
        );
        let export = server
            .call("GET", "/contacts/export")
            .by(&agent)
            .key(&key)
            .send();
        assert_eq!(export.body.lines().count(), rows + 1);
    };
    round_trip(2_000);
    let small = peak_memory_kib(server.pid());
    round_trip(60_000);
    let large = peak_memory_kib(server.pid());
    assert!(large < small + 8 * 1024, "{small} KiB, then {large} KiB");
}
