//! Groups and opt-outs, of one contact and of several.

use serde_json::Value;

use crate::harness::Server;
use crate::page::{DRAWER, contact, signed_in_with_all};

fn get(server: &Server, key: &str, path: &str) -> Value {
    let answer = server.call("GET", path).key(key).send();
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()
}

#[test]
fn a_group_is_made_and_a_contact_is_put_into_it_and_taken_out() {
    let Some((server, page, key)) = signed_in_with_all() else {
        return;
    };
    server.create(&key, r#"{"alias": "john", "msisdn": "447900900001"}"#);
    let id = contact(&server, &key, "john")["id"]
        .as_str()
        .unwrap()
        .to_owned();
    page.go_to("#/groups");
    page.click("Create the first group");
    page.fill("Name", "Staff");
    page.click("Create group");
    page.shows(&["Staff"]);

    let members = || get(&server, &key, "/addressbook/groups")["records"][0]["members"].clone();
    page.go_to(&format!("#/contacts/{id}"));
    page.choose("Add to a group", "Staff");
    page.sees(".drawer .chip", "Staff");
    assert_eq!(members(), 1);
    page.click("Take it out of Staff");
    page.lacks(".drawer .chip");
    assert_eq!(members(), 0);
}

#[test]
fn several_numbers_are_opted_out_and_one_is_opted_in_again() {
    let Some((server, page, key)) = signed_in_with_all() else {
        return;
    };
    for (alias, number) in [("john", 1), ("jane", 2), ("maria", 3)] {
        let body = format!(r#"{{"alias": "{alias}", "msisdn": "44790090000{number}"}}"#);
        server.create(&key, body);
    }
    page.reload();
    page.shows(&["maria", "jane", "john"]);
    page.click_on(".row[aria-rowindex='3'] .mark");
    page.click_on(".row[aria-rowindex='4'] .mark");
    page.click("Opt out 2 numbers");
    page.sees("dialog h2", "Opt out 2 numbers?");
    page.click("Opt out 2 numbers");
    page.sees(".selection", "2 numbers opted out");
    page.sees(".row[aria-rowindex='3']", "opted out");
    let total = || get(&server, &key, "/addressbook/optouts")["total"].clone();
    assert_eq!(total(), 2);

    page.click_on(".row[aria-rowindex='4']");
    page.sees(".drawer h2", "john");
    page.click("Opt this number in again");
    page.sees(DRAWER, "May be sent to.");
    assert_eq!(total(), 1);
    page.go_to("#/optouts");
    page.shows(&["447900900002"]);
}
