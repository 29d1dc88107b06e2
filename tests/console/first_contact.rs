//! From the first start to the first contact.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::browser::{Browser, DESK};
use crate::harness::{Server, program, signal};
use crate::page::{DRAWER, contact};

#[test]
fn whoever_has_the_initial_key_signs_in_and_creates_the_first_contact() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("book.db");
    // It tells where the key is, and how it is used: what no other start may write.
    let mut first = program();
    first.args(["serve", "--listen", "127.0.0.1:0", "--database"]);
    first.arg(&database);
    let mut first = first
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut listening = String::new();
    let mut output = BufReader::new(first.stdout.take().unwrap());
    output.read_line(&mut listening).unwrap();
    signal(first.id(), "TERM");
    assert!(first.wait().unwrap().success());
    let key = std::fs::read_to_string(directory.path().join("initial-api-key")).unwrap();
    let server = Server::start_on(&database);
    let Some(page) = Browser::start(DESK) else {
        return;
    };

    page.visit(&server, "");
    page.sign_in(key.trim());
    page.sees("h2", "No contacts yet");
    page.click("Create the first contact");
    page.fill("Alias", "john");
    page.fill("Number", "+44 7900 900123");
    page.click("Add a member");
    page.fill("Name of the new member", "CITY");
    page.fill("Value of the new member", "London");
    page.click("Create contact");

    page.shows(&["john"]);
    page.sees(DRAWER, "john");
    page.sees(".top .count", "1 contact");
    let stored = contact(&server, key.trim(), "john");
    assert_eq!(stored["msisdn"], "447900900123");
    assert_eq!(stored["meta"]["CITY"], "London");
}

#[test]
fn a_wrong_key_is_answered_at_its_field_in_the_words_of_the_server() {
    let server = Server::start();
    let Some(page) = Browser::start(DESK) else {
        return;
    };
    page.visit(&server, "");
    page.expects("the server responded with a status of 401");
    for wrong in ["abk_000000000000_nonsense", "nonsense"] {
        let said = server
            .call("POST", "/auth/session")
            .key(wrong)
            .send()
            .message();
        page.sign_in(wrong);
        assert_eq!(page.error_at("API key"), said);
        assert_eq!(page.value("API key"), wrong);
        assert_eq!(page.focused(), "API key");
    }
    page.fill("API key", "\u{437}");
    page.click("Sign in");
    assert_eq!(
        page.error_at("API key"),
        "An API key has letters, digits and _ alone"
    );
}

#[test]
fn the_page_keeps_neither_the_key_nor_the_session() {
    let server = Server::start();
    let Some(page) = Browser::start(DESK) else {
        return;
    };
    let key = server.key(&["read:Contacts"]);
    page.visit(&server, "");
    page.sign_in(&key);
    page.sees("h1", "Contacts");
    let kept = "return JSON.stringify([{ ...localStorage }, { ...sessionStorage }, location.href])
        + document.documentElement.outerHTML";
    assert!(!page.text_of(kept).contains(&key));
    assert_eq!(page.text_of("return document.cookie"), "");
}
