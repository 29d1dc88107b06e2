//! Real addresses: Back, reload, and a link to a colleague.

use crate::browser::{Browser, DESK};
use crate::harness::{PERMISSIONS, Server};
use crate::page::{DRAWER, contact, signed_in_with_all};

#[test]
fn back_closes_the_drawer_and_a_reload_keeps_it() {
    let Some((server, page, key)) = signed_in_with_all() else {
        return;
    };
    for (alias, number) in [("john", 1), ("jane", 2)] {
        let body = format!(r#"{{"alias": "{alias}", "msisdn": "44790090000{number}"}}"#);
        server.create(&key, body);
    }
    let id = contact(&server, &key, "john")["id"]
        .as_str()
        .unwrap()
        .to_owned();
    page.go_to("#/contacts?search=jo");
    page.shows(&["john"]);
    page.click_on(".rows .row");
    page.sees(".drawer h2", "john");
    assert_eq!(page.hash(), format!("#/contacts/{id}?search=jo"));

    page.reload();
    page.sees(".drawer h2", "john");
    page.shows(&["john"]);
    assert_eq!(page.value("Search"), "jo");

    page.back();
    page.lacks(DRAWER);
    assert_eq!(page.hash(), "#/contacts?search=jo");
    page.shows(&["john"]);
}

#[test]
fn a_link_leads_to_what_it_names_once_somebody_has_signed_in() {
    let server = Server::start();
    let Some(page) = Browser::start(DESK) else {
        return;
    };
    let key = server.key(&PERMISSIONS);
    server.create(&key, r#"{"alias": "john", "msisdn": "447900900001"}"#);
    let id = contact(&server, &key, "john")["id"]
        .as_str()
        .unwrap()
        .to_owned();
    page.visit(&server, &format!("#/contacts/{id}"));
    page.sign_in(&key);
    page.sees(".drawer h2", "john");
}

#[test]
fn what_is_not_there_is_said_and_the_rest_goes_on() {
    let Some((_server, page, _)) = signed_in_with_all() else {
        return;
    };
    page.expects("the server responded with a status of 404");
    page.expects("the server responded with a status of 400");
    page.go_to("#/contacts/0198c0de-0000-7000-8000-000000000000");
    page.sees(".drawer h2", "Contact not found");
    page.go_to("#/no-such-screen");
    page.until("location.hash === '#/contacts'");
    page.sees("h2", "No contacts yet");
}
