//! A contact mended: what the server refuses stands at its field, and two people who change
//! the same contact both see what the other one has.

use serde_json::json;

use crate::page::{DRAWER, contact, signed_in_with_all};

#[test]
fn a_taken_alias_is_said_at_its_field_and_leads_to_who_has_it() {
    let Some((server, page, key)) = signed_in_with_all() else {
        return;
    };
    let john = r#"{"alias": "john", "msisdn": "447900900001"}"#;
    assert_eq!(server.create(&key, john).status, 200);
    let id = contact(&server, &key, "john")["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let said = server.create(&key, john).message();

    page.click("New contact");
    page.fill("Alias", "john");
    page.fill("Number", "447900900002");
    page.expects("the server responded with a status of 400");
    page.click("Create contact");
    assert_eq!(page.error_at("Alias"), format!("{said}. Open john"));
    assert_eq!(page.focused(), "Alias");
    assert_eq!(server.stored(), 1);

    page.click("Open john");
    page.sees("dialog", "Leave without saving?");
    page.click("Leave");
    page.sees("h2", "john");
    assert_eq!(page.hash(), format!("#/contacts/{id}"));
}

#[test]
fn a_wrong_number_is_said_at_its_field_in_the_words_of_the_server() {
    let Some((server, page, key)) = signed_in_with_all() else {
        return;
    };
    page.click("New contact");
    page.fill("Alias", "john");
    page.expects("the server responded with a status of 400");
    for wrong in ["12", "not a number", "0000000000000000"] {
        let body = json!({ "alias": "john", "msisdn": wrong }).to_string();
        let said = server.create(&key, body).message();
        page.fill("Number", wrong);
        page.click("Create contact");
        assert!(page.error_at("Number").starts_with(&said), "{said}");
    }
    assert_eq!(server.stored(), 0);
}

#[test]
fn of_two_changes_at_once_each_member_is_chosen_and_saved() {
    let Some((server, page, key)) = signed_in_with_all() else {
        return;
    };
    let john = r#"{"alias": "john", "msisdn": "447900900001",
        "meta": {"CITY": "London", "NAME": "John", "balance": 1.50}}"#;
    server.create(&key, john);
    let id = contact(&server, &key, "john")["id"]
        .as_str()
        .unwrap()
        .to_owned();
    page.go_to(&format!("#/contacts/{id}"));
    page.fill("Value of CITY", "Paris");
    page.fill("Value of NAME", "Johnny");

    let path = format!("/addressbook/contacts/{id}");
    let theirs = r#"{"msisdn": "447900900009", "meta": {"CITY": "Berlin"}}"#;
    let changed = server.call("PATCH", &path).key(&key).json(theirs).send();
    assert_eq!(changed.status, 200, "{}", changed.body);
    page.expects("the server responded with a status of 412");
    page.click("Save");
    page.sees(DRAWER, "Somebody else changed this contact meanwhile");
    for version in ["Paris", "Berlin", "447900900001", "447900900009", "Johnny"] {
        page.sees(".conflict td", version);
    }
    // What only one of both has changed is chosen already.
    let chosen = "return [...document.querySelectorAll('.conflict input:checked')]
        .map((one) => one.getAttribute('aria-label')).join(', ')";
    assert_eq!(
        page.text_of(chosen),
        "Number, stored, CITY, yours, NAME, yours"
    );
    page.click_on("[aria-label='CITY, stored']");
    page.click("Save what I chose");

    page.sees(".drawer footer", "Saved");
    let stored = server.call("GET", &path).key(&key).send();
    assert!(stored.body.contains("447900900009"), "{}", stored.body);
    let meta = r#"{"CITY":"Berlin","NAME":"Johnny","balance":1.50}"#;
    assert!(stored.body.contains(meta), "{}", stored.body);
    assert_eq!(page.value("Value of CITY"), "Berlin");
    assert_eq!(page.value("Number"), "447900900009");
}

#[test]
fn a_number_in_a_meta_is_saved_to_the_digit() {
    let Some((server, page, key)) = signed_in_with_all() else {
        return;
    };
    let meta = r#"{"id":12345678901234567890123,"price":1.50,"CITY":"London"}"#;
    let body = format!(r#"{{"alias": "john", "msisdn": "447900900001", "meta": {meta}}}"#);
    server.create(&key, body);
    let id = contact(&server, &key, "john")["id"]
        .as_str()
        .unwrap()
        .to_owned();
    page.go_to(&format!("#/contacts/{id}"));
    page.click("JSON");
    let text = page.value("Meta as JSON");
    page.fill("Meta as JSON", &text.replace("London", "Paris"));
    page.click("Save");
    page.sees(".drawer footer", "Saved");
    let stored = server.call("GET", &format!("/addressbook/contacts/{id}"));
    let stored = stored.key(&key).send().body;
    assert!(
        stored.contains(&meta.replace("London", "Paris")),
        "{stored}"
    );
}
