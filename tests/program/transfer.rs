//! `addressbook import` and `addressbook export`.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Server, make_key, program};

/// A directory with an address book in it, or none.
pub(super) struct Desk {
    directory: TempDir,
}

impl Desk {
    pub(super) fn new() -> Self {
        let desk = Self::without_book();
        make_key(&desk.path("book.db"), &["read:Contacts"], &[]);
        desk
    }

    fn without_book() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(super) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), content).unwrap();
    }

    pub(super) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// Runs a verb in the directory, on `book.db`.
    pub(super) fn run(&self, arguments: &[&str]) -> Output {
        self.run_with(arguments, b"")
    }

    /// The same with this on its standard input.
    pub(super) fn run_with(&self, arguments: &[&str], input: &[u8]) -> Output {
        let mut child = program()
            .args(arguments)
            .env("ADDRESSBOOK_DATABASE", self.path("book.db"))
            .current_dir(self.directory.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let _ = stdin.write_all(input);
            });
            child.wait_with_output().unwrap()
        })
    }

    fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.directory.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| !name.starts_with("book.db-")).collect();
        names.sort();
        names
    }
}

pub(super) fn errors(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn printed(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[track_caller]
pub(super) fn assert_summary(output: &Output, code: i32, counts: [u64; 5]) {
    assert_eq!(output.status.code(), Some(code), "{}", errors(output));
    let [total, created, updated, unchanged, failed] = counts;
    let mut summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    let messages = summary.as_object_mut().unwrap().remove("messages").unwrap();
    let told: u64 = messages
        .as_object()
        .unwrap()
        .values()
        .filter_map(Value::as_u64)
        .sum();
    assert_eq!(told, failed, "{messages}");
    let expected = json!({"total": total, "created": created, "updated": updated, "unchanged": unchanged, "failed": failed});
    assert_eq!(summary, expected, "{}", errors(output));
}

const FILE: &str = "alias;msisdn;CITY\r\njohn;4479000000001;London\r\n\r\njane;12;\"Leeds\r\nUK\"\r\njoe;x\r\njim;55555555555;\r\n";

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn bad_rows_are_told_by_line_and_kept_to_be_mended_and_fed_again() {
    let desk = Desk::new();
    desk.write("in.csv", FILE);
    let first = desk.run(&["import", "in.csv", "--rejects", "bad.csv"]);
    assert_summary(&first, 3, [4, 2, 0, 0, 2]);
    assert_eq!(
        errors(&first),
        "line 4: msisdn: Msisdn must be a phone number in international format\n\
         line 6: Row must have 3 cells, as the first line has, not 2\n\
         addressbook: 2 of 4 rows failed\n"
    );
    assert_eq!(
        desk.read("bad.csv"),
        "alias;msisdn;CITY\r\njane;12;\"Leeds\r\nUK\"\r\njoe;x\r\n"
    );
    assert_eq!(mode(&desk.path("bad.csv")), 0o600);
    let again = desk.run(&["import", "in.csv", "--rejects", "bad.csv"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(errors(&again).contains("bad.csv"), "an older one is kept");
    let mended = desk
        .read("bad.csv")
        .replace(";12;", ";4479000000002;")
        .replace("joe;x", "joe;4479000000003;");
    desk.write("mended.csv", mended);
    let second = desk.run(&["import", "mended.csv", "--rejects", "worse.csv"]);
    assert_summary(&second, 0, [2, 2, 0, 0, 0]);
    assert_eq!(errors(&second), "");
    assert_eq!(desk.files(), ["bad.csv", "book.db", "in.csv", "mended.csv"]);
    let taken = desk.run(&["import", "in.csv", "--rejects", "taken.csv"]);
    assert_summary(&taken, 3, [4, 0, 0, 0, 4]);
    assert!(errors(&taken).starts_with("line 2: alias: Alias already exists\n"));
    let rows = |text: &str| text.replace("\r\n\r\n", "\r\n");
    assert_eq!(desk.read("taken.csv"), rows(FILE));
}

#[test]
fn an_export_goes_to_a_file_of_its_owner_alone_or_to_standard_output() {
    let desk = Desk::new();
    desk.run_with(&["import", "-"], FILE.as_bytes());
    let csv = "alias,msisdn,meta,CITY\r\njohn,4479000000001,,London\r\njim,55555555555,,\r\n";
    desk.write("out.csv", "what was there before");
    for (arguments, expected) in [
        (["export", "out.csv", "--format", "csv"], csv),
        (
            ["export", "out.ndjson", "--format", "ndjson"],
            "{\"alias\":\"john\",\"msisdn\":\"4479000000001\",\"meta\":{\"CITY\":\"London\"}}\n{\"alias\":\"jim\",\"msisdn\":\"55555555555\",\"meta\":{}}\n",
        ),
    ] {
        let to_file = desk.run(&arguments);
        assert_eq!(
            (to_file.status.code(), printed(&to_file).as_str()),
            (Some(0), "")
        );
        assert_eq!(desk.read(arguments[1]), expected);
        assert_eq!(mode(&desk.path(arguments[1])), 0o600);
        let to_stream = desk.run(&["export", "-", "--format", arguments[3]]);
        assert_eq!(
            (printed(&to_stream).as_str(), errors(&to_stream).as_str()),
            (expected, "")
        );
        let again = desk.run(&[
            "import",
            arguments[1],
            "--format",
            arguments[3],
            "--mode",
            "upsert",
        ]);
        assert_summary(&again, 0, [2, 0, 0, 2, 0]);
    }
    assert_eq!(desk.files(), ["book.db", "out.csv", "out.ndjson"]);
    for nowhere in ["no/such/directory.csv", "."] {
        assert_eq!(desk.run(&["export", nowhere]).status.code(), Some(1));
    }
    assert_eq!(desk.files(), ["book.db", "out.csv", "out.ndjson"]);
}

#[test]
fn an_export_never_takes_the_place_of_the_address_book() {
    let desk = Desk::new();
    desk.run_with(&["import", "-"], FILE.as_bytes());
    std::os::unix::fs::symlink("book.db", desk.path("link.db")).unwrap();
    for own in ["book.db", "./book.db", "link.db"] {
        let refused = desk.run(&["export", own]);
        let told = format!("addressbook: {own} is the address book itself\n");
        assert_eq!((refused.status.code(), errors(&refused)), (Some(1), told));
    }
    assert!(printed(&desk.run(&["export", "-"])).contains("john"));
}

#[test]
fn nothing_is_made_where_nothing_is_to_be_stored() {
    let desk = Desk::without_book();
    desk.write("in.csv", FILE);
    for arguments in [
        ["export", "-", "--format=csv"],
        ["import", "in.csv", "--dry-run"],
        ["import", "in.csv", "--mode=upsert"],
    ] {
        let output = desk.run(&arguments);
        assert_eq!(output.status.code(), Some(1));
        assert!(
            errors(&output).contains("there is no address book at"),
            "{output:?}"
        );
    }
    assert_eq!(desk.files(), ["in.csv"]);
    let desk = Desk::new();
    desk.write("in.csv", FILE);
    for (arguments, message) in [
        (
            vec!["import", "nowhere.csv"],
            "addressbook: nowhere.csv: No such file or directory (os error 2)\n",
        ),
        (vec!["import", "in.csv", "--format", "ndjson"], ""),
    ] {
        let output = desk.run(&arguments);
        assert!(
            !output.status.success() && errors(&output).contains(message),
            "{output:?}"
        );
    }
    desk.write("empty.csv", "alias,msisdn\r\n,\r\n");
    let empty = desk.run(&["import", "empty.csv"]);
    assert_eq!(empty.status.code(), Some(1));
    assert_eq!(errors(&empty), "addressbook: The file has no rows\n");
    desk.write("bad.csv", "alias\n");
    let header = desk.run(&["import", "bad.csv", "--rejects", "rejects.csv"]);
    assert_eq!(header.status.code(), Some(1));
    assert_eq!(
        errors(&header),
        "addressbook: Line 1: The first line must name the columns alias and msisdn, missing: msisdn, found: alias\n"
    );
    assert!(!desk.path("rejects.csv").exists());
}

#[test]
fn a_dry_run_says_what_the_real_run_says_and_stores_nothing() {
    let desk = Desk::new();
    desk.run_with(&["import", "-"], b"alias,msisdn\njohn,4479000000009\n");
    let before = desk.run(&["export", "-"]).stdout;
    for mode in ["create", "upsert"] {
        let import = ["import", "-", "--mode", mode];
        let dry = desk.run_with(
            &[import.as_slice(), &["--dry-run"]].concat(),
            FILE.as_bytes(),
        );
        assert_eq!(desk.run(&["export", "-"]).stdout, before);
        let desk = Desk::new();
        desk.run_with(&["import", "-"], b"alias,msisdn\njohn,4479000000009\n");
        let real = desk.run_with(&import, FILE.as_bytes());
        let summary =
            |output: &Output| -> Value { serde_json::from_slice(&output.stdout).unwrap() };
        let mut foretold = summary(&dry);
        let cleared = foretold.as_object_mut().unwrap().remove("cleared");
        assert_eq!(cleared.is_some(), mode == "upsert");
        assert_eq!(
            (dry.status, foretold, &dry.stderr),
            (real.status, summary(&real), &real.stderr)
        );
    }
    assert_eq!(desk.files(), ["book.db"]);
}

#[test]
fn both_work_while_a_server_serves_the_file() {
    let server = Server::start();
    let key = server.key(&["create:Contacts", "read:Contacts"]);
    let path = server.database.to_str().unwrap();
    let desk = Desk::new();
    let rows: String = (0..3_000).map(|n| format!("c{n},15550000000\n")).collect();
    let file = format!("alias,msisdn\n{rows}");
    let import = desk.run_with(&["import", "-", "--database", path], file.as_bytes());
    assert_summary(&import, 0, [3_000, 3_000, 0, 0, 0]);
    assert_eq!(
        server
            .create(&key, r#"{"alias":"john","msisdn":"4479000000001"}"#)
            .status,
        200
    );
    let list = server
        .call("GET", "/contacts?limit=1")
        .key(&key)
        .send()
        .json();
    assert_eq!(list["total"], 3_001);
    let exported = desk.run(&["export", "-", "--database", path]);
    assert_eq!(
        printed(&exported),
        server.call("GET", "/contacts/export").key(&key).send().body
    );
}

#[test]
fn a_reader_that_leaves_ends_an_export_quietly() {
    let desk = Desk::new();
    let rows: String = (0..5_000)
        .map(|n| format!("c{n},15550000000,{}\n", "x".repeat(500)))
        .collect();
    desk.run_with(
        &["import", "-"],
        format!("alias,msisdn,x\n{rows}").as_bytes(),
    );
    let mut child = program()
        .args(["export", "-", "--database"])
        .arg(desk.path("book.db"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        (output.status.code(), errors(&output).as_str()),
        (Some(141), "")
    );
    assert_eq!(desk.files(), ["book.db"]);
}

#[test]
fn a_locked_file_ends_an_import_with_what_is_stored() {
    let desk = Desk::new();
    desk.run_with(&["import", "-"], b"alias,msisdn\nz,1234567\n");
    let other = rusqlite::Connection::open(desk.path("book.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let output = desk.run_with(&["import", "-"], b"alias,msisdn\na,1234567\n");
    assert_eq!(output.status.code(), Some(1));
    assert!(errors(&output).ends_with(
        "addressbook: another process kept the address book locked, nothing was changed\n"
    ));
    assert_eq!(
        printed(&output),
        "{\"total\":0,\"created\":0,\"updated\":0,\"unchanged\":0,\"failed\":0,\"messages\":{}}\n"
    );
}

#[test]
fn rejects_of_another_encoding_are_imported_by_the_same_command() {
    let desk = Desk::new();
    let western: &[u8] = b"alias;msisdn\r\nAnn\xe9;12\r\nZo\xeb;12\r\n";
    desk.write("west.csv", western);
    let import = ["--encoding", "windows-1252", "--rejects"];
    let output = desk.run(&[&["import", "west.csv"], &import[..], &["bad.csv"]].concat());
    assert_summary(&output, 3, [2, 0, 0, 0, 2]);
    let kept = desk.read("bad.csv");
    assert_eq!(kept, "\u{feff}alias;msisdn\r\nAnné;12\r\nZoë;12\r\n");
    desk.write("bad.csv", kept.replace("12", "447700900101"));
    let output = desk.run(&[&["import", "bad.csv"], &import[..], &["more.csv"]].concat());
    assert_summary(&output, 0, [2, 2, 0, 0, 0]);
    let exported = printed(&desk.run(&["export", "-", "--bom"]));
    assert!(exported.starts_with("\u{feff}alias,"), "{exported}");
    assert!(exported.contains("Zoë,447700900101"), "{exported}");
}

#[test]
fn a_row_too_large_to_keep_is_told_and_never_kept_in_part() {
    let desk = Desk::new();
    let long = "x".repeat(1_000_000);
    let file = format!("alias,msisdn\n{long},1234567\na,12\nb,\"{long}");
    let output = desk.run_with(&["import", "-", "--rejects", "bad.csv"], file.as_bytes());
    assert_summary(&output, 3, [3, 0, 0, 0, 3]);
    assert_eq!(
        errors(&output),
        "line 2: Row must be at most 65536 bytes\n\
         line 2: Row is too large for --rejects and is left out of it\n\
         line 3: msisdn: Msisdn must be a phone number in international format\n\
         line 4: Row must be at most 65536 bytes\n\
         line 4: Row is too large for --rejects and is left out of it\n\
         addressbook: 3 of 3 rows failed\n"
    );
    assert_eq!(desk.read("bad.csv"), "alias,msisdn\na,12\n");
}
