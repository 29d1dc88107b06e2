//! Only what a key may do is offered; the rest is there, dimmed, with the permission that
//! it needs.

use serde_json::Value;

use crate::browser::Browser;
use crate::harness::FOR_CONTACTS;
use crate::page::signed_in;

/// The screens, and what a key needs to see them.
const SCREENS: [(&str, &str); 7] = [
    ("groups", "read:Groups"),
    ("optouts", "read:Optouts"),
    ("import", "create:Contacts"),
    ("keys", "read:ApiKeys"),
    ("activity", "read:Audit"),
    ("health", "read:Metrics"),
    ("contacts", "read:Contacts"),
];

/// The buttons that are dimmed in a part of the page, with what they need.
fn dimmed(page: &Browser, part: &str) -> Vec<String> {
    let script = "return [...document.querySelector(arguments[0]).querySelectorAll('button[aria-disabled=true]')]
        .map((one) => `${one.firstChild.textContent}: ${one.dataset.needs}`)";
    serde_json::from_value(page.run(script, vec![part.into()])).unwrap()
}

#[test]
fn a_key_that_reads_contacts_is_offered_to_read_them_alone() {
    let Some((server, page)) = signed_in(&["read:Contacts"]) else {
        return;
    };
    let other = server.key(FOR_CONTACTS);
    let john = server.create(
        &other,
        r#"{"alias": "john", "msisdn": "447900900001", "meta": {"CITY": "London"}}"#,
    );
    let id = john.json()["record"]["id"].as_str().unwrap().to_owned();
    page.reload();
    page.shows(&["john"]);
    assert_eq!(
        dimmed(&page, ".top"),
        ["New contact: Needs create:Contacts"]
    );
    page.click_on(".rows .row .mark");
    assert_eq!(
        dimmed(&page, ".selection"),
        [
            "Add to a group: Needs update:Groups",
            "Opt out 1 number: Needs create:Optouts",
            "Delete 1 contact: Needs delete:Contacts",
        ]
    );
    page.go_to(&format!("#/contacts/{id}"));
    page.sees(".drawer h2", "john");
    let offered = dimmed(&page, ".drawer");
    for needed in [
        "Save: Needs update:Contacts",
        "Delete john: Needs delete:Contacts",
        "Opt this number out: Needs create:Optouts",
    ] {
        assert!(
            offered.iter().any(|one| one == needed),
            "{needed} of {offered:?}"
        );
    }
    page.click_on(".drawer footer .first");
    let asked = page.run(
        "return performance.getEntriesByType('resource').filter((one) => one.name.includes(arguments[0])).length",
        vec![Value::from(id)],
    );
    assert_eq!(asked, 1, "a dimmed button asks for nothing");
}

#[test]
fn a_screen_that_the_key_may_not_see_says_what_it_needs() {
    let Some((_server, page)) = signed_in(&["read:Contacts"]) else {
        return;
    };
    for (screen, needed) in SCREENS {
        page.go_to(&format!("#/{screen}"));
        page.until(&format!("document.querySelector('[data-screen={screen}]').getAttribute('aria-current') === 'page'"));
        if needed == "read:Contacts" || screen == "health" {
            page.sees("h1", "");
        } else {
            page.sees(".main .lesson", needed);
        }
    }
}
