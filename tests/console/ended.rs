//! A session that ends while somebody works: one line says why, what was typed is kept, and
//! signing in again goes on.

use crate::browser::{Browser, DESK};
use crate::harness::{PERMISSIONS, Server, id_of};
use crate::page::{contact, signed_in};

/// What the browser itself logs of such an answer.
const REFUSED: &str = "the server responded with a status of 401";

/// Types a new contact.
fn type_john(page: &Browser) {
    page.click("New contact");
    page.fill("Alias", "john");
    page.fill("Number", "447900900123");
}

/// Signs in again with another key, and saves what was typed before.
fn go_on(page: &Browser, server: &Server) {
    let key = server.key(&PERMISSIONS);
    page.sign_in(&key);
    page.lacks("dialog");
    assert_eq!(page.value("Alias"), "john");
    page.click("Create contact");
    page.shows(&["john"]);
    assert_eq!(contact(server, &key, "john")["msisdn"], "447900900123");
}

#[test]
fn a_revoked_key_ends_the_session_and_another_key_goes_on_with_what_was_typed() {
    let server = Server::start();
    let Some(page) = Browser::start(DESK) else {
        return;
    };
    let key = server.key(&PERMISSIONS);
    page.visit(&server, "");
    page.sign_in(&key);
    type_john(&page);

    let path = format!("/auth/keys/{}", id_of(&key));
    let other = server.key(&PERMISSIONS);
    let revoked = server.call("DELETE", &path).key(&other).send();
    assert_eq!(revoked.status, 200, "{}", revoked.body);
    page.expects(REFUSED);
    page.click("Create contact");
    page.sees(
        "dialog",
        "API key is invalid or has expired. Sign in to go on",
    );
    assert_eq!(server.stored(), 0);
    page.sign_in(&key);
    assert_eq!(
        page.error_at("API key"),
        "API key is invalid or has expired"
    );
    go_on(&page, &server);
}

#[test]
fn a_session_that_has_ended_is_opened_again_with_what_was_typed() {
    let Some((server, page)) = signed_in(&PERMISSIONS) else {
        return;
    };
    type_john(&page);
    page.run_slowly(
        "await fetch('../auth/session', { method: 'DELETE' })",
        Vec::new(),
    );
    page.expects(REFUSED);
    page.click("Create contact");
    page.sees(
        "dialog",
        "Sign in to go on; nothing that you typed is lost.",
    );
    go_on(&page, &server);
}

#[test]
fn who_signs_out_is_asked_for_a_key_and_the_session_is_worth_nothing() {
    let Some((_server, page)) = signed_in(&PERMISSIONS) else {
        return;
    };
    page.click("Sign out");
    page.sees("h1", "Sign in");
    page.expects(REFUSED);
    let status = "return (await fetch('../addressbook/contacts')).status";
    assert_eq!(page.run_slowly(status, Vec::new()), 401);
    page.reload();
    page.sees("h1", "Sign in");
}
