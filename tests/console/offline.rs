//! A server that is gone: one line says so, and once it is back the page goes on.

use std::net::SocketAddr;
use std::path::Path;

use crate::browser::{Browser, DESK};
use crate::harness::{PERMISSIONS, Server, program};
use crate::page::NOTICE;

/// Starts a server where another one was.
fn start_at(address: SocketAddr, database: &Path) -> Server {
    let mut command = program();
    let address = address.to_string();
    command.args(["serve", "--listen", &address, "--no-initial-key"]);
    command.args(["--log", "trace", "--database"]).arg(database);
    Server::start_plain(command, database)
}

#[test]
fn a_server_that_is_gone_is_said_at_the_top_and_a_search_is_answered_once_it_is_back() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("book.db");
    let mut server = Server::start_on(&database);
    let Some(page) = Browser::start(DESK) else {
        return;
    };
    let key = server.key(&PERMISSIONS);
    for alias in ["john", "jane"] {
        server.create(
            &key,
            format!(r#"{{"alias": "{alias}", "msisdn": "447900900001"}}"#),
        );
    }
    page.visit(&server, "");
    page.sign_in(&key);
    page.shows(&["jane", "john"]);

    page.expects("net::ERR_");
    server.kill();
    page.fill("Search", "jo");
    page.sees(NOTICE, "The server does not answer. Trying again");
    let server = start_at(server.address, &database);
    page.shows(&["john"]);
    page.lacks(NOTICE);
    assert_eq!(page.value("Search"), "jo");
    assert_eq!(page.hash(), "#/contacts?search=jo");
    assert!(
        !server.logged().contains("search=jo"),
        "what is looked for is in no log"
    );
    drop(page);
}

#[test]
fn what_was_typed_outlives_a_server_that_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("book.db");
    let mut server = Server::start_on(&database);
    let Some(page) = Browser::start(DESK) else {
        return;
    };
    let key = server.key(&PERMISSIONS);
    page.visit(&server, "");
    page.sign_in(&key);
    page.click("New contact");
    page.fill("Alias", "john");
    page.fill("Number", "447900900123");
    page.expects("net::ERR_");
    server.kill();
    page.click("Create contact");
    page.sees(
        ".drawer [role=alert]",
        "It is not known whether it was done",
    );

    let server = start_at(server.address, &database);
    page.click("Create contact");
    page.shows(&["john"]);
    page.lacks(NOTICE);
    assert_eq!(server.stored(), 1);
    drop(page);
}
