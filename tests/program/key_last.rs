//! The command line and the last key that can make others; what an unknown permission
//! and a missing address book are told.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::harness::{id_of, make_key, program, run};

fn revoke(database: &Path, token: &str, more: &[&str]) -> Output {
    let database = database.to_str().unwrap();
    let revoke = ["key", "revoke", id_of(token), "--database", database];
    run(&[revoke.as_slice(), more].concat())
}

fn state(database: &Path, token: &str) -> String {
    let database = database.to_str().unwrap();
    let shown = run(&["key", "show", id_of(token), "--database", database]);
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    shown["state"].as_str().unwrap().to_owned()
}

#[test]
fn the_last_key_that_makes_others_is_revoked_by_force_alone() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("book.db");
    let first = make_key(&database, &["create:ApiKeys"], &[]);
    let second = make_key(&database, &["create:ApiKeys"], &[]);
    assert!(revoke(&database, &first, &[]).status.success());
    let refused = revoke(&database, &second, &[]);
    assert_eq!(refused.status.code(), Some(1));
    assert_eq!(
        String::from_utf8(refused.stderr).unwrap(),
        "addressbook: this is the last key that can make others, it stays: --force revokes it all the same\n"
    );
    assert_eq!(state(&database, &second), "active");
    assert!(revoke(&database, &second, &["--force"]).status.success());
    assert_eq!(state(&database, &second), "revoked");
}

#[test]
fn a_key_that_is_limited_makes_no_others_and_does_not_count() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("book.db");
    let first = make_key(&database, &["create:ApiKeys"], &[]);
    let limited = make_key(&database, &["create:ApiKeys"], &["--rate-limit", "5"]);
    assert!(!revoke(&database, &first, &[]).status.success());
    assert_eq!(state(&database, &first), "active");
    assert!(revoke(&database, &limited, &[]).status.success());
}

/// Answers what a person is asked on a terminal.
fn on_a_terminal(command: &str, answer: &str) -> Option<Output> {
    let script = Command::new("script")
        .args(["--quiet", "--return", "--command", command, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let Ok(mut script) = script else {
        eprintln!("skipped: there is no script(1)");
        return None;
    };
    script
        .stdin
        .take()
        .unwrap()
        .write_all(answer.as_bytes())
        .unwrap();
    Some(script.wait_with_output().unwrap())
}

#[test]
fn a_person_is_asked_and_only_yes_is_yes() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("book.db");
    let key = make_key(&database, &["create:ApiKeys"], &[]);
    let command = format!(
        "'{}' key revoke {} --database '{}'",
        program().get_program().display(),
        id_of(&key),
        database.display()
    );
    for (answer, becomes) in [("n\n", "active"), ("\n", "active"), ("y\n", "revoked")] {
        let Some(output) = on_a_terminal(&command, answer) else {
            return;
        };
        let shown = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(shown.contains("Revoke it? [y/N]"), "{shown}");
        assert_eq!(output.status.success(), becomes == "revoked", "{shown}");
        assert_eq!(state(&database, &key), becomes, "{answer:?}");
    }
}

#[test]
fn an_unknown_permission_is_told_the_known_ones() {
    let output = run(&[
        "key",
        "create",
        "--name",
        "a",
        "--permission",
        "read:Contact",
    ]);
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("'read:Contact'"), "{told}");
    assert!(
        told.contains("known are create:Contacts, read:Contacts,"),
        "{told}"
    );
}

#[test]
fn what_only_looks_or_changes_makes_no_address_book() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("new/book.db");
    let path = database.to_str().unwrap();
    let id = "000000000000";
    for arguments in [
        &["key", "list"][..],
        &["key", "show", id],
        &["key", "update", id, "--name", "a"],
        &["key", "rotate", id],
        &["key", "revoke", id],
        &["import", "-"],
        &["export", "-"],
        &["backup", "-"],
        &["check"],
    ] {
        let output = run(&[arguments, &["--database", path]].concat());
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {told}");
        assert!(
            told.contains("there is no address book at"),
            "{arguments:?}: {told}"
        );
        assert!(!database.parent().unwrap().exists(), "{arguments:?}");
    }
}
