//! What people and programs have stored is text, wherever it is shown.

use serde_json::json;

use crate::browser::Browser;
use crate::page::{contact, signed_in_with_all};

/// Each would mark the page, were it ever read as HTML, or followed.
const HOSTILE: [&str; 4] = [
    "<script>window.struck = 1</script>",
    "<img src=x onerror='window.struck = 1'>",
    "\"><svg onload=\"window.struck = 1\">",
    "javascript:window.struck=1",
];

/// Nothing struck, and nothing of it became an element.
fn is_text(page: &Browser) {
    let found = page.text_of(
        "const made = document.querySelectorAll('body script, body img, [onerror], [onload], a[href^=\"javascript:\"]');
         return (window.struck ? 'struck ' : '') + [...made].map((one) => one.outerHTML).join('')",
    );
    assert_eq!(found, "");
}

#[test]
fn what_looks_like_a_script_stays_text_everywhere() {
    let Some((server, page, key)) = signed_in_with_all() else {
        return;
    };
    let mut aliases = Vec::new();
    for (number, text) in HOSTILE.iter().enumerate() {
        let contact = json!({ "alias": text, "msisdn": format!("44790090001{number}"), "meta": { *text: text } });
        let made = server.create(&key, contact.to_string());
        assert_eq!(made.status, 200, "{}", made.body);
        aliases.push(made.json()["record"]["alias"].as_str().unwrap().to_owned());
    }
    let group = json!({ "name": HOSTILE[0] }).to_string();
    let group = server
        .call("POST", "/addressbook/groups")
        .key(&key)
        .json(group)
        .send();
    let group = group.json()["record"]["id"].as_str().unwrap().to_owned();
    let members = json!({ "add": aliases }).to_string();
    let path = format!("/addressbook/groups/{group}/members");
    assert_eq!(
        server
            .call("POST", &path)
            .key(&key)
            .json(members)
            .send()
            .status,
        200
    );

    page.reload();
    for alias in &aliases {
        page.sees(".rows .row", alias);
    }
    is_text(&page);
    for alias in &aliases {
        let path = format!("/addressbook/contacts?search={}", percent(alias));
        let found = server.call("GET", &path).key(&key).send().json();
        let id = found["records"][0]["id"].as_str().unwrap().to_owned();
        page.go_to(&format!("#/contacts/{id}"));
        page.sees(".drawer h2", alias);
        page.sees(".drawer .chip", HOSTILE[0]);
        is_text(&page);
        page.click_on(".drawer footer .danger");
        page.sees("dialog h2", "Delete");
        is_text(&page);
        page.click("Cancel");
    }
    page.go_to(&format!(
        "#/contacts?group={group}&meta.CITY={}",
        percent(HOSTILE[1])
    ));
    page.sees(".find .chip", HOSTILE[0]);
    page.sees(".find .chip", HOSTILE[1]);
    is_text(&page);
    page.go_to("#/groups");
    page.sees(".main", HOSTILE[0]);
    is_text(&page);
    page.go_to(&format!("#/{}", percent(HOSTILE[1])));
    page.go_to(&format!("#/contacts?search={}", percent(HOSTILE[1])));
    page.shows(&[&aliases[1]]);
    is_text(&page);
    assert_eq!(
        contact(&server, &key, &percent(&aliases[3]))["alias"],
        aliases[3]
    );
}

fn percent(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes())
        .collect::<String>()
        .replace('+', "%20")
}
