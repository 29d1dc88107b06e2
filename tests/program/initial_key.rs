//! The first start: one key with every permission, in a file and nowhere else.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::harness::{PERMISSIONS, make_key, program, run};

struct Started {
    child: Child,
    first_line: String,
}

fn start(database: &Path, more: &[&str]) -> Started {
    let mut command = program();
    command.args(["serve", "--listen", "127.0.0.1:0", "--log", "trace"]);
    start_command(command.args(more).arg("--database").arg(database))
}

fn start_command(command: &mut Command) -> Started {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first_line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap())
        .read_line(&mut first_line)
        .unwrap();
    Started { child, first_line }
}

impl Started {
    /// Kills it and returns what it wrote on standard error.
    fn errors(mut self) -> String {
        self.child.kill().unwrap();
        let mut errors = String::new();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut errors)
            .unwrap();
        self.child.wait().unwrap();
        errors
    }
}

#[test]
fn the_first_start_leaves_one_whole_key_in_a_file_and_a_curl_that_works() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("book.db");
    let started = start(&database, &[]);
    assert!(
        started
            .first_line
            .starts_with("listening on http://127.0.0.1:")
    );
    let file = directory.path().join("initial-api-key");
    let token = std::fs::read_to_string(&file).unwrap();
    assert_eq!(
        std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );

    let address = started.first_line.trim().rsplit('/').next().unwrap();
    let reply = crate::harness::agent()
        .post(format!("http://{address}/contacts"))
        .header("Authorization", format!("Bearer {}", token.trim_end()))
        .content_type("application/json")
        .send(r#"{"alias":"john","msisdn":"4479000000001"}"#)
        .unwrap();
    assert_eq!(reply.status().as_u16(), 200);

    let errors = started.errors();
    assert!(errors.contains(file.to_str().unwrap()), "{errors}");
    assert!(errors.contains("curl 'http://127.0.0.1:"), "{errors}");
    let secret = token.trim_end().split('_').nth(2).unwrap();
    assert!(!errors.contains(secret), "the token reaches no log");

    let listed = run(&["key", "list", "--database", database.to_str().unwrap()]);
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert_eq!(listed.lines().count(), 2);
    assert!(listed.contains(&PERMISSIONS.join(" ")), "{listed}");
}

#[test]
fn a_later_start_makes_no_second_key() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("book.db");
    start(&database, &[]).errors();
    let token = std::fs::read(directory.path().join("initial-api-key")).unwrap();
    let errors = start(&database, &[]).errors();
    assert!(!errors.contains("initial-api-key"));
    assert_eq!(
        std::fs::read(directory.path().join("initial-api-key")).unwrap(),
        token
    );

    let with_a_key = directory.path().join("other/book.db");
    make_key(&with_a_key, &["read:Contacts"], &[]);
    start(&with_a_key, &[]).errors();
    assert!(!directory.path().join("other/initial-api-key").exists());
}

#[test]
fn a_bare_file_name_lies_in_the_current_directory() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = program();
    command.args(["serve", "--listen", "127.0.0.1:0", "--database", "book.db"]);
    let started = start_command(command.current_dir(directory.path()));
    assert!(
        started.first_line.starts_with("listening on "),
        "{}",
        started.first_line
    );
    started.errors();
    assert!(directory.path().join("book.db").exists());
    assert!(directory.path().join("initial-api-key").exists());
}

#[test]
fn the_variable_that_turns_the_first_key_off_takes_any_word_for_yes() {
    for (value, made) in [
        ("1", false),
        ("yes", false),
        ("true", false),
        ("", true),
        ("0", true),
        ("false", true),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let mut command = program();
        command.args(["serve", "--listen", "127.0.0.1:0", "--database"]);
        command.arg(directory.path().join("book.db"));
        start_command(command.env("ADDRESSBOOK_NO_INITIAL_KEY", value)).errors();
        let found = directory.path().join("initial-api-key").exists();
        assert_eq!(found, made, "{value:?}");
    }
}

#[test]
fn no_initial_key_makes_none() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("book.db");
    start(&database, &["--no-initial-key"]).errors();
    assert!(!directory.path().join("initial-api-key").exists());
    let listed = run(&["key", "list", "--database", database.to_str().unwrap()]);
    assert_eq!(String::from_utf8(listed.stdout).unwrap().lines().count(), 1);
}

#[test]
fn a_file_that_is_there_is_never_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("book.db");
    let file = directory.path().join("initial-api-key");
    std::fs::write(&file, "somebody's").unwrap();
    let output = program()
        .args(["serve", "--listen", "127.0.0.1:0", "--database"])
        .arg(&database)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(errors.lines().count(), 1, "{errors}");
    assert!(errors.contains("initial-api-key exists"), "{errors}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "somebody's");
    let listed = run(&["key", "list", "--database", database.to_str().unwrap()]);
    assert_eq!(String::from_utf8(listed.stdout).unwrap().lines().count(), 1);
}

/// What is in a book's directory after a start, and how the start went.
fn start_beside(content: &[u8], mode: u32) -> (tempfile::TempDir, Option<String>) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("initial-api-key");
    std::fs::write(&file, content).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
    let started = start(&directory.path().join("book.db"), &[]);
    let is_up = started.first_line.starts_with("listening on");
    started.errors();
    let token = std::fs::read_to_string(&file).unwrap();
    (directory, is_up.then_some(token))
}

/// Whether the book has this key, and no other.
fn is_the_key(directory: &Path, token: &str) -> bool {
    let database = directory.join("book.db");
    let listed = run(&["key", "list", "--database", database.to_str().unwrap()]);
    let listed = String::from_utf8(listed.stdout).unwrap();
    listed.lines().count() == 2 && listed.contains(crate::harness::id_of(token))
}

#[test]
fn a_first_start_that_was_interrupted_is_finished_by_the_next_one() {
    let token = addressbook::token::Token::generate().unwrap();
    let whole = format!("{}\n", token.expose());
    // The key is made for the token that is there.
    let (directory, adopted) = start_beside(whole.as_bytes(), 0o600);
    assert_eq!(adopted.as_ref(), Some(&whole));
    assert!(is_the_key(directory.path(), whole.trim_end()));
    // A token of which some is missing is replaced.
    let zeros = vec![0; whole.len()];
    for torn in [
        &b""[..],
        b"a",
        &whole.as_bytes()[..40],
        &whole.as_bytes()[..60],
        &zeros,
    ] {
        let (directory, made) = start_beside(torn, 0o600);
        let made = made.expect("it starts");
        assert_ne!(made, whole);
        assert!(is_the_key(directory.path(), made.trim_end()));
    }
    // What is not ours is left as it is.
    for (content, mode) in [
        (whole.as_bytes(), 0o644),
        (b"somebody's", 0o600),
        (&[b'a'; 500][..], 0o600),
    ] {
        let (directory, made) = start_beside(content, mode);
        assert_eq!(made, None, "{mode:o}");
        let left = std::fs::read(directory.path().join("initial-api-key")).unwrap();
        assert_eq!(left, content);
    }
}

#[test]
fn drafts_of_interrupted_starts_are_swept() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("book.db");
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(2 * 60 * 60);
    let make = |name: &str, modified| {
        let file = std::fs::File::create(directory.path().join(name)).unwrap();
        file.set_modified(modified).unwrap();
    };
    let left = ["book.db.new-0", "book.db.new-0-wal", "book.db.temporary-0"];
    for name in left {
        make(name, old);
    }
    // Somebody's who works on it, another book's, and a file of another kind.
    let kept = ["book.db.new-1", "other.db.new-0", "book.db.schema-1"];
    make(kept[0], std::time::SystemTime::now());
    make(kept[1], old);
    make(kept[2], old);
    start(&database, &[]).errors();
    let exists = |name: &str| directory.path().join(name).exists();
    assert_eq!(left.map(exists), [false; 3]);
    assert_eq!(kept.map(exists), [true; 3]);
}
