//! A storage that fails while the server runs: true answers, no half-stored rows.

use std::process::Command;

use crate::harness::{Server, make_key, program};

/// The program under a limit on the size of every file it writes.
pub(super) fn limited_to(blocks_of_512_bytes: u32) -> Command {
    let mut shell = Command::new("sh");
    let script = format!("ulimit -f {blocks_of_512_bytes}; exec \"$0\" \"$@\"");
    shell.arg("-c").arg(script).arg(program().get_program());
    shell
}

#[test]
fn a_full_disk_answers_507_stores_nothing_and_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("book.db");
    let key = make_key(&database, &["create:Contacts"], &[]);
    let mut server = Server::start_command(limited_to(800), &database, &[]);
    let meta = "x".repeat(10_000);
    let create = |server: &Server, number: usize| {
        let body =
            format!(r#"{{"alias":"{number}","msisdn":"4479000000001","meta":{{"a":"{meta}"}}}}"#);
        server.create(&key, body)
    };
    let mut acknowledged = 0;
    let failed = loop {
        let reply = create(&server, acknowledged);
        if reply.status != 200 {
            break reply;
        }
        acknowledged += 1;
        assert!(acknowledged < 100, "the limit was never reached");
    };
    assert_eq!(failed.status, 507, "{}", failed.body);
    assert_eq!(failed.message(), "The disk is full, nothing was stored");
    assert_eq!(failed.json()["error"]["name"], "InsufficientStorageError");
    assert!(acknowledged > 0);
    assert_eq!(
        server.call("GET", "/healthz").send().status,
        200,
        "the server lives on"
    );
    server.kill();

    let server = Server::start_on(&database);
    assert_eq!(usize::try_from(server.stored()).unwrap(), acknowledged);
    assert_eq!(
        create(&server, acknowledged).status,
        200,
        "the refused alias is free"
    );
}

#[test]
fn a_locked_file_answers_503_and_what_it_refused_is_never_stored() {
    let server = Server::start();
    let key = server.key(&["create:Contacts"]);
    let other = server.open_file();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = server.create(&key, r#"{"alias":"john","msisdn":"4479000000001"}"#);
    assert_eq!(refused.status, 503);
    assert_eq!(
        refused.message(),
        "The server is busy, nothing was stored, try again"
    );
    other.execute_batch("COMMIT").unwrap();
    let reply = server.create(&key, r#"{"alias":"jane","msisdn":"4479000000001"}"#);
    assert_eq!(reply.status, 200);
    assert_eq!(server.stored(), 1);
}
