//! A meta changed in its form: what is stored is what the form shows, and nothing else goes.

use serde_json::Value;

use crate::browser::Browser;
use crate::harness::Server;
use crate::page::{contact, signed_in_with_all};

/// What a form must not touch: a carriage return, digits, a member's own members.
const META: &str = r#"{"A":{"a":1,"b":2},"B":"l1\r\nl2","C":1.50,"D":"x"}"#;

/// A contact with that meta, open beside the table; beside it, the key that sees it.
fn open_contact() -> Option<(Server, Browser, String)> {
    let (server, page, key) = signed_in_with_all()?;
    let body = format!(r#"{{"alias": "john", "msisdn": "447900900001", "meta": {META}}}"#);
    assert_eq!(server.create(&key, body).status, 200);
    let id = contact(&server, &key, "john")["id"].clone();
    page.go_to(&format!("#/contacts/{}", id.as_str().unwrap()));
    page.sees(".drawer h2", "john");
    Some((server, page, key))
}

/// The contact as the server sends it, to the byte.
fn stored(server: &Server, key: &str) -> String {
    let call = server.call("GET", "/addressbook/contacts/alias/john");
    call.key(key).send().body
}

fn save(page: &Browser) {
    page.click("Save");
    page.sees(".drawer footer", "Saved");
}

#[test]
fn what_was_taken_out_of_a_member_is_gone_and_the_rest_is_as_it_was() {
    let Some((server, page, key)) = open_contact() else {
        return;
    };
    page.fill("Value of A", r#"{"a":1}"#);
    save(&page);
    let left = META.replace(r#"{"a":1,"b":2}"#, r#"{"a":1}"#);
    assert!(stored(&server, &key).contains(&left), "{left}");
    page.choose("Kind of D", "JSON");
    page.fill("Value of D", "null");
    save(&page);
    let left = left.replace(r#""x""#, "null");
    assert!(stored(&server, &key).contains(&left), "{left}");
}

#[test]
fn what_was_only_looked_at_is_not_changed() {
    let Some((_server, page, _key)) = open_contact() else {
        return;
    };
    page.click("Close");
    page.lacks(".drawer");
    page.lacks("dialog");
}

#[test]
fn a_member_without_a_name_is_named_first_whatever_is_pressed() {
    let Some((server, page, key)) = open_contact() else {
        return;
    };
    let before = stored(&server, &key);
    page.click("Add a member");
    page.fill("Value of the new member", "lost?");
    for pressed in ["JSON", "Save"] {
        page.click(pressed);
        page.sees("#meta-error", "A member needs a name");
        assert_eq!(page.value("Value of the new member"), "lost?");
    }
    assert_eq!(stored(&server, &key), before);
    page.fill("Name of the new member", "__proto__");
    page.click("JSON");
    let text: Value = serde_json::from_str(&page.value("Meta as JSON")).unwrap();
    assert_eq!(text["__proto__"], "lost?");
    save(&page);
    assert!(stored(&server, &key).contains(r#""D":"x","__proto__":"lost?"}"#));
}
