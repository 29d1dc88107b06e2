//! Keys handed out and taken back.

use fantoccini::key::Key;

use crate::browser::Browser;
use crate::page::{DRAWER, signed_in_with_all};

/// Makes a key that reads contacts, and reads its token off the page.
fn make(page: &Browser) -> String {
    page.go_to("#/keys");
    page.click("New key");
    page.fill("Name", "web shop");
    page.click_on("input[aria-label='read Contacts']");
    page.click("Create key");
    page.sees(DRAWER, "never again");
    page.text_of("return document.querySelector('[aria-label=Token]').textContent")
}

#[test]
fn a_token_is_shown_once_and_the_key_may_do_what_was_chosen() {
    let Some((server, page, _key)) = signed_in_with_all() else {
        return;
    };
    let token = make(&page);
    let who = server.call("GET", "/auth/test").key(&token).send().json();
    assert_eq!(who["record"]["name"], "web shop");
    assert_eq!(
        who["record"]["permissions"],
        serde_json::json!(["read:Contacts"])
    );

    page.press(Key::Escape);
    page.sees("dialog", "You have not copied the token of web shop");
    page.click("Leave without it");
    page.lacks(DRAWER);
    page.click_on(".rows .row");
    page.sees(".drawer h2", "web shop");
    let kept = "return document.documentElement.outerHTML + JSON.stringify({ ...localStorage, ...sessionStorage })";
    assert!(!page.text_of(kept).contains(&token));
    page.reload();
    page.sees(".drawer h2", "web shop");
    assert!(!page.text_of(kept).contains(&token));
}

#[test]
fn a_key_is_revoked_once_its_name_is_typed() {
    let Some((server, page, _key)) = signed_in_with_all() else {
        return;
    };
    let token = make(&page);
    page.click("Done");
    page.click("Leave without it");
    page.lacks("[aria-label=Token]");

    page.click("Revoke web shop");
    page.sees("dialog", "It cannot be undone.");
    page.click("Revoke web shop");
    page.sees("dialog .error", "Type web shop, or cancel");
    assert_eq!(
        server.call("GET", "/auth/test").key(&token).send().status,
        200
    );
    page.fill("Type the key's name, web shop", "web shop");
    page.click("Revoke web shop");
    page.lacks("dialog");
    page.lacks(DRAWER);
    page.sees(".rows .row", "revoked");
    assert_eq!(
        server.call("GET", "/auth/test").key(&token).send().status,
        401
    );
}

#[test]
fn whoever_revokes_the_key_in_use_is_signed_out() {
    let Some((_server, page, key)) = signed_in_with_all() else {
        return;
    };
    let asked = "return (await (await fetch('../auth/test')).json()).record.id";
    let own = page.run_slowly(asked, Vec::new());
    let own = own.as_str().unwrap();
    assert!(!key.contains(own));
    page.go_to(&format!("#/keys/{own}"));
    page.click("Revoke test");
    page.sees("dialog", "this ends your session at once");
    page.fill("Type the key's name, test", "test");
    page.click("Revoke test");
    page.sees("h1", "Sign in");
}
