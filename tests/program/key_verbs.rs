//! `key show`, `update` and `rotate`: also while a server runs, which heeds them
//! at its next request.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use addressbook::moment::Moment;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{PERMISSIONS, Server, id_of, make_key, run};

/// A file with one key that may read contacts.
struct File {
    database: PathBuf,
    key: String,
    _directory: TempDir,
}

fn file() -> File {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("book.db");
    let key = make_key(&database, &["read:Contacts"], &[]);
    File {
        database,
        key,
        _directory: directory,
    }
}

fn key(database: &Path, arguments: &[&str]) -> Output {
    let named = ["--database", database.to_str().unwrap()];
    run(&[&["key"], arguments, &named].concat())
}

/// What a verb prints that does its work.
fn printed(database: &Path, arguments: &[&str]) -> String {
    let output = key(database, arguments);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn show(database: &Path, token: &str) -> Value {
    serde_json::from_str(&printed(database, &["show", id_of(token)])).unwrap()
}

/// Changes the key and returns what is printed: what `show` then prints as well,
/// but for the last use, which a server may write down at any moment.
fn update(database: &Path, token: &str, flags: &[&str]) -> Value {
    let but_for_the_use = |mut key: Value| {
        key["last_used_on"].take();
        key
    };
    let shown = printed(database, &[&["update", id_of(token)], flags].concat());
    let updated: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(
        but_for_the_use(updated.clone()),
        but_for_the_use(show(database, token))
    );
    updated
}

/// Milliseconds from now until a time.
fn until_ms(time: &Value) -> i64 {
    Moment::parse(time.as_str().unwrap()).unwrap().millis() - Moment::now().millis()
}

fn status(server: &Server, token: &str) -> u16 {
    let call = server.call("GET", "/contacts");
    call.key(token).send().status
}

#[test]
fn key_show_prints_one_key_as_json() {
    let file = file();
    let shown = printed(&file.database, &["show", id_of(&file.key)]);
    let value: Value = serde_json::from_str(&shown).unwrap();
    let (id, created_on) = (id_of(&file.key), value["created_on"].as_str().unwrap());
    assert_eq!(
        shown,
        format!(
            r#"{{"id":"{id}","name":"test","permissions":["read:Contacts"],"expires_on":null,"allowed_ips":[],"rate_limit":null,"created_on":"{created_on}","created_by":null,"last_used_on":null,"revoked_on":null,"replaced_by":null,"state":"active"}}"#
        ) + "\n"
    );
    printed(&file.database, &["revoke", id]);
    let revoked = show(&file.database, &file.key);
    assert_eq!(revoked["state"], "revoked");
    assert!(until_ms(&revoked["revoked_on"]) <= 0);
}

#[test]
fn key_update_changes_what_its_flags_name() {
    let file = file();
    let mut expected = show(&file.database, &file.key);
    let steps: [(&[&str], &str, Value); 8] = [
        (&["--name", " sender "], "name", json!("sender")),
        (
            &[
                "--permission",
                "read:Audit",
                "--permission",
                "create:Contacts",
            ],
            "permissions",
            json!(["create:Contacts", "read:Audit"]),
        ),
        (
            &["--allowed-ip", "10.1.2.3/8", "--allowed-ip", "::1"],
            "allowed_ips",
            json!(["10.0.0.0/8", "::1/128"]),
        ),
        (&["--rate-limit", "1000000"], "rate_limit", json!(1_000_000)),
        (&["--rate-limit", "1"], "rate_limit", json!(1)),
        (&["--any-ip"], "allowed_ips", json!([])),
        (&["--no-rate-limit"], "rate_limit", json!(null)),
        (&["--no-expiry"], "expires_on", json!(null)),
    ];
    for (flags, member, value) in steps {
        expected[member] = value;
        assert_eq!(
            update(&file.database, &file.key, flags),
            expected,
            "{flags:?}"
        );
    }
    let expiring = update(&file.database, &file.key, &["--expires-in", "90d"]);
    let left_ms = until_ms(&expiring["expires_on"]);
    assert!(
        (7_775_940_000..=7_776_000_000).contains(&left_ms),
        "{left_ms}"
    );
    let ended = update(&file.database, &file.key, &["--expires-in", "0s"]);
    assert_eq!(ended["state"], "expired");
    let at_once = [
        "--no-expiry",
        "--name",
        "b",
        "--rate-limit",
        "7",
        "--allowed-ip",
        "::/0",
    ];
    let all = update(&file.database, &file.key, &at_once);
    assert_eq!(all["state"], "active");
    let members = ["expires_on", "name", "rate_limit", "allowed_ips"].map(|member| &all[member]);
    assert_eq!(
        members,
        [&json!(null), &json!("b"), &json!(7), &json!(["::/0"])]
    );
}

#[test]
fn an_update_acts_at_the_next_request() {
    let server = Server::start();
    let key = server.key(&["read:Contacts"]);
    assert_eq!(status(&server, &key), 200);
    for (flags, expected) in [
        (["--permission", "read:Audit"], 403),
        (["--permission", "read:Contacts"], 200),
        (["--allowed-ip", "10.0.0.0/8"], 403),
        (["--allowed-ip", "127.0.0.1"], 200),
        (["--expires-in", "0s"], 401),
        (["--expires-in", "1h"], 200),
    ] {
        update(&server.database, &key, &flags);
        assert_eq!(status(&server, &key), expected, "{flags:?}");
    }
    update(&server.database, &key, &["--rate-limit", "9"]);
    let reply = server.call("GET", "/contacts").key(&key).send();
    assert_eq!(reply.header("ratelimit-policy"), r#""key";q=9;w=1"#);
    update(&server.database, &key, &["--no-rate-limit"]);
    let reply = server.call("GET", "/contacts").key(&key).send();
    assert!(!reply.headers.contains_key("ratelimit-policy"));
}

#[test]
fn key_rotate_prints_the_successors_token_alone() {
    let file = file();
    let before = show(&file.database, &file.key);
    let token = printed(&file.database, &["rotate", id_of(&file.key)]);
    assert_eq!(token.len(), 67, "66 characters and a newline");
    let token = token.trim_end();
    assert!(addressbook::token::Token::parse(token).is_some());
    let old = show(&file.database, &file.key);
    assert_eq!(old["replaced_by"], id_of(token));
    assert_eq!(old["state"], "active");
    let left_ms = until_ms(&old["expires_on"]);
    assert!(
        (86_340_000..=86_400_000).contains(&left_ms),
        "a day, unless told: {left_ms}"
    );
    let new = show(&file.database, token);
    for member in [
        "name",
        "permissions",
        "expires_on",
        "allowed_ips",
        "rate_limit",
    ] {
        assert_eq!(new[member], before[member], "{member}");
    }
    let longest = printed(
        &file.database,
        &["rotate", id_of(token), "--overlap", "30d"],
    );
    let left_ms = until_ms(&show(&file.database, token)["expires_on"]);
    assert!(
        (2_591_940_000..=2_592_000_000).contains(&left_ms),
        "{left_ms}"
    );
    assert_ne!(longest.trim_end(), token);
}

#[test]
fn a_rotation_acts_at_the_next_request() {
    let server = Server::start();
    let first = server.key(&["read:Contacts"]);
    assert_eq!(status(&server, &first), 200);
    let rotate = |token: &str, overlap: &str| {
        let arguments = ["rotate", id_of(token), "--overlap", overlap];
        printed(&server.database, &arguments).trim_end().to_owned()
    };
    let second = rotate(&first, "0s");
    assert_eq!(
        [&first, &second].map(|token| status(&server, token)),
        [401, 200]
    );
    let third = rotate(&second, "1h");
    assert_eq!(
        [&second, &third].map(|token| status(&server, token)),
        [200, 200]
    );
    let fourth = rotate(&third, "1s");
    let begun = std::time::Instant::now();
    while status(&server, &third) == 200 {
        assert!(begun.elapsed() < Duration::from_secs(4), "still let in");
    }
    assert_eq!(status(&server, &fourth), 200);
}

/// The whole of `api_keys` and of `audit`, as text.
fn rows(database: &Path) -> Vec<String> {
    let file = rusqlite::Connection::open(database).unwrap();
    let mut rows = Vec::new();
    for table in ["api_keys", "audit"] {
        let mut statement = file.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns = statement.column_count();
        let found = statement.query_map([], |row| {
            let values = (0..columns).map(|at| Ok(format!("{:?}", row.get_ref(at)?)));
            values.collect::<Result<String, rusqlite::Error>>()
        });
        rows.extend(found.unwrap().map(Result::unwrap));
    }
    rows
}

#[test]
fn what_cannot_be_done_is_told_in_one_line_and_changes_nothing() {
    let file = file();
    let (good, database) = (id_of(&file.key), &file.database);
    let revoked = make_key(database, &["read:Contacts"], &[]);
    printed(database, &["revoke", id_of(&revoked)]);
    let expired = make_key(database, &["read:Contacts"], &["--expires-in", "0s"]);
    let rotated = make_key(database, &["read:Contacts"], &[]);
    printed(database, &["rotate", id_of(&rotated)]);
    let [revoked, expired, rotated] = [&revoked, &expired, &rotated].map(|token| id_of(token));
    let nobody = "000000000000";
    let no_id = "an id has 12 letters and digits, those after abk_ in the token";
    let no_token = "a token does not belong on the command line, name the key by its id: the 12 letters and digits after abk_";
    let token = &*file.key;
    let before = rows(database);
    let refusals: [(&[&str], &str); 16] = [
        (&["show", nobody], "API key not found"),
        (&["update", nobody, "--name", "b"], "API key not found"),
        (&["rotate", nobody], "API key not found"),
        (&["show", token], no_token),
        (&["update", token, "--name", "b"], no_token),
        (&["rotate", token], no_token),
        (&["show", "short"], no_id),
        (&["update", good], "Nothing to update"),
        (&["update", revoked, "--name", "b"], "API key is revoked"),
        (&["rotate", revoked], "API key is not active"),
        (&["rotate", expired], "API key is not active"),
        (&["rotate", rotated], "API key was rotated already"),
        (
            &["rotate", good, "--overlap", "31d"],
            "--overlap must be at most 30d",
        ),
        (
            &["rotate", good, "--overlap", "30d 1s"],
            "--overlap must be at most 30d",
        ),
        (
            &["update", good, "--expires-in", "99999y"],
            "--expires-in leads beyond the year 9999",
        ),
        (
            &["update", good, "--allowed-ip", "10.0.0.0/33"],
            "Allowed_ips has an entry that is no address range: 10.0.0.0/33",
        ),
    ];
    for (arguments, message) in refusals {
        let output = key(database, arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(errors, format!("addressbook: {message}\n"), "{arguments:?}");
    }
    assert_eq!(rows(database), before);
}

#[test]
fn wrong_usage_is_refused_and_changes_nothing() {
    let file = file();
    let good = id_of(&file.key);
    let before = rows(&file.database);
    let usages: [&[&str]; 15] = [
        &["show"],
        &["update"],
        &["rotate"],
        &["show", good, good],
        &["show", good, "--json"],
        &["update", good, "--name", " "],
        &["update", good, "--name", "a\u{202e}b"],
        &["update", good, "--permission", "read:contacts"],
        &["update", good, "--rate-limit", "0"],
        &["update", good, "--rate-limit", "1000001"],
        &["update", good, "--expires-in", "1h", "--no-expiry"],
        &["update", good, "--allowed-ip", "::1", "--any-ip"],
        &["update", good, "--rate-limit", "1", "--no-rate-limit"],
        &["rotate", good, "--overlap", "soon"],
        &["rotate", good, "--overlap", "-1s"],
    ];
    for arguments in usages {
        let output = key(&file.database, arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(errors.starts_with("error: "), "{errors}");
    }
    assert_eq!(rows(&file.database), before);
}

#[test]
fn a_token_in_the_wrong_place_is_not_repeated() {
    let file = file();
    let (good, token) = (id_of(&file.key), &*file.key);
    let before = rows(&file.database);
    let usages: [&[&str]; 7] = [
        &["show", token],
        &["revoke", token],
        &["rotate", token, "--overlap", "1d"],
        &["show", good, token],
        &["update", good, "--permission", token],
        &["update", good, "--allowed-ip", token],
        &["rotate", good, "--overlap", token],
    ];
    let repeating: Vec<_> = usages
        .into_iter()
        .filter(|arguments| {
            let output = key(&file.database, arguments);
            assert!(!output.status.success(), "{arguments:?}");
            let printed = [output.stdout, output.stderr].concat();
            let secret = &token[17..40];
            String::from_utf8(printed).unwrap().contains(secret)
        })
        .collect();
    assert_eq!(rows(&file.database), before);
    assert_eq!(repeating, Vec::<&[&str]>::new(), "these print the token");
}

#[test]
fn a_rotation_whose_token_cannot_be_printed_is_taken_back() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("book.db");
    let token = crate::harness::make_key(&database, &["create:Contacts"], &[]);
    let rotate = || {
        let mut command = crate::harness::program();
        command.args(["key", "rotate", "--overlap", "0s", "--database"]);
        command.arg(&database).arg(id_of(&token));
        command
    };
    let lost = rotate()
        .stdout(std::fs::File::create("/dev/full").unwrap())
        .output()
        .unwrap();
    assert_eq!(lost.status.code(), Some(1));
    let server = crate::harness::Server::start_on(&database);
    assert_eq!(
        server.create(&token, "{}").message(),
        "Alias is required",
        "the old key is good"
    );
    let rotated = rotate().output().unwrap();
    assert!(rotated.status.success(), "and can be rotated: {rotated:?}");
    let listed = run(&["key", "list", "--database", database.to_str().unwrap()]);
    let listed = String::from_utf8(listed.stdout).unwrap();
    let states: Vec<&str> = listed
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().nth(1).unwrap())
        .collect();
    assert_eq!(
        states,
        ["expired", "revoked", "active"],
        "the lost successor is revoked"
    );
}

#[test]
fn a_role_is_its_permissions_and_goes_with_others() {
    let file = file();
    let permissions = |arguments: &[&str]| {
        let create = ["create", "--name", "a"];
        let token = printed(&file.database, &[&create, arguments].concat());
        let shown = show(&file.database, token.trim_end());
        let permissions = shown["permissions"].as_array().unwrap().clone();
        let texts = permissions
            .iter()
            .map(|one| one.as_str().unwrap().to_owned());
        texts.collect::<Vec<String>>().join(" ")
    };
    assert_eq!(permissions(&["--role", "admin"]), PERMISSIONS.join(" "));
    assert_eq!(
        permissions(&["--role", "sender"]),
        "read:Contacts read:Groups read:Optouts"
    );
    assert_eq!(
        permissions(&["--role", "importer"]),
        "create:Contacts read:Contacts update:Contacts create:Groups read:Groups update:Groups create:Optouts read:Optouts"
    );
    assert_eq!(
        permissions(&["--role", "reader"]),
        "read:Contacts read:Groups read:Optouts read:ApiKeys read:Audit read:Metrics read:Backups"
    );
    assert_eq!(
        permissions(&["--role", "sender", "--permission", "delete:Contacts"]),
        "read:Contacts delete:Contacts read:Groups read:Optouts"
    );
    for wrong in [&["--role", "owner"][..], &[]] {
        let output = key(
            &file.database,
            &[&["create", "--name", "a"], wrong].concat(),
        );
        assert_eq!(output.status.code(), Some(2), "{output:?}");
    }
}
