//! `key`, `healthcheck` and the variables.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use crate::harness::{Server, id_of, make_key, program, run};

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn list(database: &Path) -> String {
    let output = run(&["key", "list", "--database", database.to_str().unwrap()]);
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn key_create_makes_a_missing_database_and_prints_the_token_alone() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("new/deep/book.db");
    let arguments = ["--name", "sender", "--permission", "create:Contacts"];
    let output = run(&[
        &["key", "create", "--database", database.to_str().unwrap()],
        arguments.as_slice(),
    ]
    .concat());
    assert!(output.status.success());
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(printed.len(), 67, "66 characters and a newline");
    assert!(addressbook::token::Token::parse(printed.trim_end()).is_some());
    assert!(output.stderr.is_empty());
    assert_eq!(mode(&database), 0o600);
    assert_eq!(mode(database.parent().unwrap()), 0o700);
    assert_eq!(mode(&directory.path().join("new")), 0o700);
}

#[test]
fn the_version_says_what_the_program_is_made_of() {
    let said = |flag| String::from_utf8(run(&[flag]).stdout).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(said("-V"), format!("addressbook {version}\n"));
    let whole = said("--version");
    let lines: Vec<&str> = whole.lines().collect();
    let sqlite = format!("SQLite: {}", rusqlite::version());
    assert_eq!(lines[0], format!("addressbook {version}"));
    assert!(lines[1].starts_with("commit: "), "{whole}");
    assert_eq!(lines[2..], [&sqlite, "features: postgres sqlite tls"]);
}

#[test]
fn key_list_shows_everything_but_the_secret() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("book.db");
    let active = make_key(&database, &["read:Audit", "create:Contacts"], &[]);
    let expired = make_key(&database, &["read:Contacts"], &["--expires-in", "0s"]);
    let revoked = make_key(&database, &["read:Contacts"], &["--expires-in", "90d"]);
    let path = database.to_str().unwrap();
    assert!(
        run(&["key", "revoke", "--database", path, id_of(&revoked)])
            .status
            .success()
    );
    let listed = list(&database);
    let lines: Vec<Vec<&str>> = listed
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(lines[0], ["ID", "STATE", "EXPIRES", "NAME", "PERMISSIONS"]);
    assert_eq!(
        lines[1],
        [
            id_of(&active),
            "active",
            "never",
            "test",
            "create:Contacts",
            "read:Audit"
        ]
    );
    assert_eq!(lines[2][..2], [id_of(&expired), "expired"]);
    assert_eq!(lines[3][..2], [id_of(&revoked), "revoked"]);
    assert!(lines[3][2].ends_with('Z'));
    for token in [active, expired, revoked] {
        assert!(!listed.contains(&token[17..]));
    }
}

#[test]
fn key_list_as_json_is_for_programs() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("book.db");
    let path = database.to_str().unwrap();
    let without = run(&["key", "list", "--json", "--database", path]);
    assert_eq!(without.status.code(), Some(1));
    assert!(without.stdout.is_empty() && !database.exists());
    let key = make_key(&database, &["create:Contacts", "read:Audit"], &[]);
    let output = run(&["key", "list", "--json", "--database", path]);
    let listed: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let created_on = listed[0]["created_on"].as_str().unwrap();
    assert_eq!(created_on.len(), 24);
    let expected = serde_json::json!([{
        "id": id_of(&key),
        "name": "test",
        "permissions": ["create:Contacts", "read:Audit"],
        "expires_on": null,
        "allowed_ips": [],
        "rate_limit": null,
        "created_on": created_on,
        "created_by": null,
        "last_used_on": null,
        "revoked_on": null,
        "replaced_by": null,
        "state": "active",
    }]);
    assert_eq!(listed, expected);
}

#[test]
fn revoking_twice_is_fine_and_revoking_nothing_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("book.db");
    let key = make_key(&database, &["read:Contacts"], &[]);
    let path = database.to_str().unwrap();
    for _ in 0..2 {
        assert!(
            run(&["key", "revoke", "--database", path, id_of(&key)])
                .status
                .success()
        );
    }
    let unknown = run(&["key", "revoke", "--database", path, "000000000000"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert_eq!(
        String::from_utf8(unknown.stderr).unwrap(),
        "addressbook: API key not found\n"
    );
    let a_whole_token = run(&["key", "revoke", "--database", path, &key]);
    assert_eq!(a_whole_token.status.code(), Some(1));
    let errors = String::from_utf8(a_whole_token.stderr).unwrap();
    assert_eq!(
        errors,
        "addressbook: a token does not belong on the command line, name the key by its id: the 12 letters and digits after abk_\n"
    );
}

#[test]
fn a_key_whose_token_cannot_be_printed_is_revoked() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("book.db");
    let output = program()
        .args([
            "key",
            "create",
            "--name",
            "lost",
            "--permission",
            "read:Contacts",
            "--database",
        ])
        .arg(&database)
        .stdout(std::fs::File::create("/dev/full").unwrap())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(
        errors.contains("cannot print the token, the new key is revoked"),
        "{errors}"
    );
    assert!(list(&database).contains("revoked"));
}

#[test]
fn a_locked_file_fails_a_write_with_one_true_line_and_no_read() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("book.db");
    let key = make_key(&database, &["read:Contacts"], &[]);
    let other = rusqlite::Connection::open(&database).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(list(&database).contains(id_of(&key)));
    let path = database.to_str().unwrap();
    let output = run(&["key", "revoke", "--database", path, id_of(&key)]);
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(
        errors.ends_with(
            "addressbook: another process kept the address book locked, nothing was changed\n"
        ),
        "{errors}"
    );
    assert!(list(&database).contains("active"));
}

#[test]
fn a_key_needs_a_name_and_permissions_that_exist() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("book.db");
    let create = ["key", "create", "--database", database.to_str().unwrap()];
    for arguments in [
        vec!["--permission", "create:Contacts"],
        vec!["--name", "a"],
        vec!["--name", " ", "--permission", "create:Contacts"],
        vec!["--name", "a\u{202e}b", "--permission", "create:Contacts"],
        vec!["--name", "a", "--permission", "create:contacts"],
        vec!["--name", "a", "--permission", "*"],
        vec![
            "--name",
            "a",
            "--permission",
            "create:Contacts",
            "--expires-in",
            "soon",
        ],
        vec![
            "--name",
            "a",
            "--permission",
            "create:Contacts",
            "--expires-in",
            "99999y",
        ],
    ] {
        let output = run(&[create.as_slice(), &arguments].concat());
        assert!(!output.status.success(), "{arguments:?}");
        assert!(output.stdout.is_empty());
        assert!(!output.stderr.is_empty());
    }
}

#[test]
fn a_key_made_and_revoked_while_the_server_runs_acts_at_once() {
    let server = Server::start();
    for number in 0..3 {
        let key = server.key(&["create:Contacts"]);
        let body = format!(r#"{{"alias":"{number}","msisdn":"4479000000001"}}"#);
        assert_eq!(server.create(&key, body.as_str()).status, 200);
        let path = server.database.to_str().unwrap();
        assert!(
            run(&["key", "revoke", "--database", path, id_of(&key)])
                .status
                .success()
        );
        assert_eq!(server.create(&key, body).status, 401);
    }
}

#[test]
fn healthcheck_asks_the_server_where_it_listens() {
    let mut server = Server::start();
    let port = server.address.port();
    for address in [format!("127.0.0.1:{port}"), format!("0.0.0.0:{port}")] {
        let output = run(&["healthcheck", "--listen", &address]);
        assert!(output.status.success(), "{output:?}");
    }
    let by_variable = program()
        .arg("healthcheck")
        .env("ADDRESSBOOK_LISTEN", format!("0.0.0.0:{port}"))
        .status()
        .unwrap();
    assert!(by_variable.success());
    server.stop();
    let output = run(&["healthcheck", "--listen", &format!("127.0.0.1:{port}")]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8(output.stderr).unwrap().lines().count(), 1);
}

#[test]
fn the_database_may_be_named_by_its_variable() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("book.db");
    make_key(&database, &["read:Contacts"], &[]);
    let output = program()
        .args(["key", "list"])
        .env("ADDRESSBOOK_DATABASE", &database)
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), list(&database));
}

#[test]
fn the_limits_of_tests_are_no_part_of_the_help_and_an_unknown_one_is_refused() {
    let help = run(&["serve", "--help"]);
    assert!(!String::from_utf8(help.stdout).unwrap().contains("--limit"));
    for wrong in ["idle", "idle=soon", "patience=1s"] {
        let output = run(&["serve", "--limit", wrong]);
        assert_eq!(output.status.code(), Some(2), "{wrong}");
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(errors.contains("--limit"), "{errors}");
    }
}

#[test]
fn a_file_or_directory_that_is_open_to_others_is_said_in_the_log() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("book.db");
    let set = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let said = || {
        let server = Server::start_on(&database);
        let logged = server.logged();
        let lines = logged
            .lines()
            .filter(|line| line.contains("open to others"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(said(), Vec::<String>::new());
    set(&database, 0o640);
    let [file] = &said()[..] else {
        panic!("one line")
    };
    assert!(file.contains("book.db") && file.contains("0640"), "{file}");
    set(&database, 0o600);
    // Others that see its name alone do no harm.
    set(directory.path(), 0o755);
    assert_eq!(said(), Vec::<String>::new());
    set(directory.path(), 0o775);
    let [directory] = &said()[..] else {
        panic!("one line")
    };
    assert!(directory.contains("0775"), "{directory}");
}

#[test]
fn a_name_is_listened_on_by_its_address() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = program();
    command.args([
        "serve",
        "--listen",
        "localhost:0",
        "--no-initial-key",
        "--database",
    ]);
    let database = directory.path().join("book.db");
    let pipes = command.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut server = pipes.arg(&database).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert!(line.starts_with("listening on http://127.0.0.1:"), "{line}");
    let address = line
        .trim_end()
        .trim_start_matches("listening on http://127.0.0.1:");
    let asked = run(&[
        "healthcheck",
        "--ready",
        "--listen",
        &format!("localhost:{address}"),
    ]);
    server.kill().unwrap();
    server.wait().unwrap();
    assert!(asked.status.success(), "{asked:?}");
    for wrong in ["localhost", "no.such.name.invalid:1", ":", "1.2.3.4:99999"] {
        let output = run(&["healthcheck", "--listen", wrong]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
    }
}
