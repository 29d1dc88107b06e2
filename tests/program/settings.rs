//! Where settings come from: flag over variable over file over default.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use insta::assert_snapshot;

use crate::harness::{Server, program};

const TOKEN: &str = "abk_Hq3T0bJm91Xa_Zk2pV7sYw0QdL4nR8tUe6cBf1GhJ5mXo9aKiPvNzTqS4bQlpH";

/// The program in a directory with this configuration file.
fn in_directory(directory: &Path, config: &str) -> Command {
    fs::write(directory.join("addressbook.toml"), config).unwrap();
    let mut command = program();
    command.current_dir(directory);
    command
}

fn shown(command: &mut Command, arguments: &[&str]) -> String {
    let output = command.args(["config", "show"]).args(arguments).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", errors(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_password_of_a_url_is_not_shown() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = in_directory(directory.path(), "");
    command.env("ADDRESSBOOK_DATABASE", "postgres://me:geheim@host/book");
    let shown = shown(&mut command, &[]);
    assert!(shown.contains("postgres://me@host/book"), "{shown}");
    assert!(!shown.contains("geheim"), "{shown}");
}

#[test]
fn a_url_is_refused_by_what_is_about_files_and_its_password_not_told() {
    let url = "postgres://me:geheim@127.0.0.1:1/book";
    for verb in [&["key", "list"][..], &["restore", "Cargo.toml"], &["serve"]] {
        let output = program()
            .args(verb)
            .args(["--database", url])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        let told = errors(&output);
        assert!(!told.contains("geheim") && !told.is_empty(), "{told}");
    }
}

#[test]
fn a_flag_wins_over_a_variable_over_the_file_over_the_default() {
    let directory = tempfile::tempdir().unwrap();
    let config = r#"
        # what we serve
        listen = "127.0.0.1:9001"
        log = "error"
        backup-keep = 3
        no-initial-key = true
        trusted-proxy = ["10.0.0.0/8", "127.0.0.1"]
    "#;
    let mut command = in_directory(directory.path(), config);
    command.env("ADDRESSBOOK_LISTEN", "127.0.0.1:9002");
    command.env("ADDRESSBOOK_LOG", "warn");
    let shown = shown(&mut command, &["--log", "debug"]);
    let find = |name: &str| shown.lines().find(|line| line.starts_with(name)).unwrap();
    let squeezed = |name| find(name).split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(squeezed("log"), r#"log = "debug" # --log"#);
    let listen = r#"listen = "127.0.0.1:9002" # ADDRESSBOOK_LISTEN"#;
    assert_eq!(squeezed("listen"), listen);
    let keep = r#"backup-keep = "3" # addressbook.toml"#;
    assert_eq!(squeezed("backup-keep"), keep);
    let flag = r#"no-initial-key = "true" # addressbook.toml"#;
    assert_eq!(squeezed("no-initial-key"), flag);
    let list = r#"trusted-proxy = ["10.0.0.0/8", "127.0.0.1"] # addressbook.toml"#;
    assert_eq!(squeezed("trusted-proxy"), list);
    assert_eq!(
        squeezed("backup-every"),
        r#"backup-every = "24h" # default"#
    );
    assert_eq!(squeezed("# backup-dir"), "# backup-dir # not set");
}

#[test]
fn what_is_shown_is_a_configuration_file_and_the_server_takes_it() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("named.db");
    let config = format!("database = {database:?}\nbackup-keep = 2\n");
    let first = shown(&mut in_directory(directory.path(), &config), &[]);
    let elsewhere = directory.path().join("elsewhere.toml");
    fs::write(&elsewhere, &first).unwrap();
    let elsewhere = elsewhere.to_str().unwrap();
    let second = shown(&mut program(), &["--config", elsewhere]);
    assert!(second.contains("backup-keep = \"2\""), "{second}");
    let third = shown(program().env("ADDRESSBOOK_CONFIG", elsewhere), &[]);
    assert_eq!(second, third);

    let key = ["key", "create", "--name", "a", "--role", "reader"];
    let made = in_directory(directory.path(), &config).args(key).output();
    assert!(made.unwrap().status.success());
    assert!(database.exists(), "every verb reads the file");
}

#[test]
fn what_no_setting_has_is_refused_with_the_nearest_that_there_is() {
    let directory = tempfile::tempdir().unwrap();
    let refused = |config: &str, variables: &[(&str, &str)]| {
        let mut command = in_directory(directory.path(), config);
        command.envs(variables.iter().copied());
        let output = command.args(["config", "show"]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{config} {variables:?}");
        assert!(output.stdout.is_empty());
        errors(&output)
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    assert_snapshot!(refused("lisen = 'localhost:1'", &[]), @"addressbook: unknown setting lisen in addressbook.toml, did you mean listen?");
    assert_snapshot!(refused("[server]\nlisten = 'a'", &[]), @"addressbook: unknown setting server in addressbook.toml, did you mean listen?");
    assert_snapshot!(refused("log = 'info'\nlisten = localhost", &[]), @"addressbook: addressbook.toml: line 2: string values must be quoted, expected literal string");
    assert_snapshot!(refused("listen = [[1]]", &[]), @"addressbook: listen in addressbook.toml must be a string, a number, true or false, and only what may be given several times a list of them");
    assert_snapshot!(refused("", &[("ADDRESSBOOK_LISTN", "a")]), @"addressbook: unknown variable ADDRESSBOOK_LISTN, did you mean ADDRESSBOOK_LISTEN?");
    assert_snapshot!(refused("", &[("ADDRESSBOOK_CONFIG", "none.toml")]), @"addressbook: none.toml: No such file or directory (os error 2)");
    assert_snapshot!(refused("listen = 'nowhere'", &[]), @"error: invalid value 'nowhere' for listen in addressbook.toml: invalid socket address, such as 127.0.0.1:8080 or localhost:8080");
    assert_snapshot!(refused("log = 'loud'", &[]), @"error: invalid value 'loud' for log in addressbook.toml");
    assert_snapshot!(refused("log = 'loud'", &[("ADDRESSBOOK_LOG", "shrill")]), @"error: invalid value 'shrill' for ADDRESSBOOK_LOG");
    assert_snapshot!(refused("", &[("ADDRESSBOOK_TRUSTED_PROXIES", "10.0.0.0/8,x")]), @"error: invalid value 'x' for ADDRESSBOOK_TRUSTED_PROXIES: no address range such as 10.0.0.0/8");
    assert_snapshot!(refused("backup-keep = 0", &[]), @"error: invalid value '0' for backup-keep in addressbook.toml: 0 is not in 1..=10000");
}

#[test]
fn a_list_is_for_what_may_be_given_several_times_alone() {
    let directory = tempfile::tempdir().unwrap();
    let config = "listen = ['127.0.0.1:1', '127.0.0.1:2']";
    let output = in_directory(directory.path(), config)
        .args(["config", "show"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(errors(&output).contains("listen in addressbook.toml must be"));
}

#[test]
fn help_and_version_are_told_whatever_is_wrong_with_the_settings() {
    let directory = tempfile::tempdir().unwrap();
    for flag in [&["--help"][..], &["serve", "--help"], &["--version"]] {
        let output = in_directory(directory.path(), "nonsense")
            .args(flag)
            .output()
            .unwrap();
        assert!(output.status.success(), "{flag:?}: {}", errors(&output));
    }
}

#[test]
fn an_initial_key_and_none_exclude_each_other_wherever_they_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let serve = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--initial-key-file",
        "token",
    ];
    let refused = |command: &mut Command| {
        let output = command.args(serve).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        errors(&output)
    };
    let told = "addressbook: initial-key-file and no-initial-key exclude each other, name one\n";
    let by_file = refused(&mut in_directory(directory.path(), "no-initial-key = true"));
    assert_eq!(by_file, told);
    let by_variable = |value| {
        let mut command = in_directory(directory.path(), "");
        refused(command.env("ADDRESSBOOK_NO_INITIAL_KEY", value))
    };
    assert_eq!(by_variable("true"), told);
    // What is off excludes nothing: only the file is missing.
    let missing = by_variable("false");
    assert!(missing.contains("token: No such file"), "{missing}");
}

#[test]
fn a_token_where_a_setting_belongs_is_not_repeated() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    fs::write(&file, format!("{TOKEN}\n")).unwrap();
    let refused = |config: &str, variable: &str, value: &str| {
        let mut command = in_directory(directory.path(), config);
        command.env(variable, value);
        let output = command.args(["config", "show"]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{config} {variable}");
        let told = format!(
            "{}{}",
            errors(&output),
            String::from_utf8_lossy(&output.stdout)
        );
        assert!(!told.contains(&TOKEN[17..60]), "{told}");
        assert!(told.contains("holds a token"), "{told}");
    };
    refused("", "ADDRESSBOOK_INITIAL_KEY_FILE", TOKEN);
    refused("", "ADDRESSBOOK_CONFIG", TOKEN);
    refused("", "ADDRESSBOOK_DATABASE_FILE", file.to_str().unwrap());
    refused(&format!("listen = \"{TOKEN}\""), "ANY", "");
}

#[test]
fn a_variable_that_is_set_to_nothing_is_not_set() {
    let directory = tempfile::tempdir().unwrap();
    let with = |config: &str, empty: bool| {
        let mut command = in_directory(directory.path(), config);
        for name in [
            "LISTEN",
            "TLS_CERT",
            "BACKUP_DIR",
            "INITIAL_KEY_FILE",
            "LOG_ADDRESSES",
        ] {
            if empty {
                command.env(format!("ADDRESSBOOK_{name}"), "");
            }
        }
        shown(&mut command, &[])
    };
    assert_eq!(with("", true), with("", false));
    let config = "listen = '127.0.0.1:4'\nlog-addresses = true";
    assert_eq!(with(config, true), with(config, false));
    let output = in_directory(directory.path(), "no-initial-key = 'maybe'")
        .args(["config", "show"])
        .output()
        .unwrap();
    assert!(errors(&output).contains("no-initial-key in addressbook.toml: write true or false"));
}

#[test]
fn a_value_may_stand_in_a_file_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("where");
    fs::write(&file, "/nowhere/secret.db\n").unwrap();
    let of_file = |command: &mut Command| {
        command.env("ADDRESSBOOK_DATABASE_FILE", &file);
        shown(command, &[])
    };
    let line = of_file(&mut in_directory(directory.path(), "database = 'a.db'"));
    let line = line.lines().next().unwrap();
    assert!(line.contains("\"/nowhere/secret.db\""), "{line}");
    assert!(line.ends_with("# ADDRESSBOOK_DATABASE_FILE"), "{line}");
    let both = program()
        .args(["config", "show"])
        .env("ADDRESSBOOK_DATABASE", "a.db")
        .env("ADDRESSBOOK_DATABASE_FILE", &file)
        .output()
        .unwrap();
    assert_eq!(both.status.code(), Some(2));
    assert_snapshot!(errors(&both), @"addressbook: ADDRESSBOOK_DATABASE and ADDRESSBOOK_DATABASE_FILE are both set, one is enough");
}

#[test]
fn variables_that_an_orchestrator_makes_are_one_warning() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = program();
    for (name, value) in [
        ("ADDRESSBOOK_PORT", "tcp://10.0.0.1:80"),
        ("ADDRESSBOOK_SERVICE_HOST", "10.0.0.1"),
        ("ADDRESSBOOK_PORT_80_TCP_PROTO", "tcp"),
    ] {
        command.env(name, value);
    }
    let server = Server::start_command(command, &directory.path().join("book.db"), &[]);
    let logged = server.logged();
    let warned = logged.lines().filter(|line| line.contains("\"WARN\""));
    let warned: Vec<&str> = warned.filter(|line| line.contains("ADDRESSBOOK")).collect();
    assert_eq!(warned.len(), 1, "{logged}");
    for name in ["PORT ", "PORT_80_TCP_PROTO ", "SERVICE_HOST"] {
        assert!(
            warned[0].contains(&format!("ADDRESSBOOK_{name}")),
            "{logged}"
        );
    }
}

#[test]
fn a_token_in_a_file_becomes_the_first_key_and_no_later_one() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("book.db");
    let file = directory.path().join("token");
    let serve = || {
        let mut command = program();
        command.args(["serve", "--listen", "127.0.0.1:0", "--initial-key-file"]);
        command.arg(&file).arg("--database").arg(&database);
        command
    };
    for wrong in ["", "abk_short", &TOKEN[..65], &format!("{TOKEN} {TOKEN}")] {
        fs::write(&file, wrong).unwrap();
        let output = serve().output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{wrong}");
        let told = errors(&output);
        assert!(told.contains("holds no API key"), "{told}");
        assert!(!told.contains(&TOKEN[17..60]), "{told}");
    }
    fs::write(&file, format!("{TOKEN}\n")).unwrap();
    let server = Server::start_plain(serve(), &database);
    let test = server.call("GET", "/auth/test").key(TOKEN).send();
    assert_eq!(test.json()["record"]["name"], "initial");
    assert!(!directory.path().join("initial-api-key").exists());
    drop(server);
    // The book has a key: the file is not looked at any more.
    fs::remove_file(&file).unwrap();
    let server = Server::start_plain(serve(), &database);
    assert_eq!(
        server.call("GET", "/auth/test").key(TOKEN).send().status,
        200
    );
}
