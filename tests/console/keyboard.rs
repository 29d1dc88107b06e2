//! Every job by the keyboard alone: nothing here is clicked.

use fantoccini::key::Key;

use crate::browser::{Browser, DESK};
use crate::harness::{PERMISSIONS, Server};
use crate::page::{DRAWER, contact};

/// How many steps of Tab it takes at most to be anywhere.
const TABS_MAX: usize = 60;

impl Browser {
    /// Presses Tab until something has the focus.
    fn tab_to(&self, words: &str) {
        for _ in 0..TABS_MAX {
            if self.focused().starts_with(words) {
                return;
            }
            self.press(Key::Tab);
        }
        panic!("Tab never comes to {words}");
    }

    /// The same, backwards.
    fn tab_back_to(&self, words: &str) {
        for _ in 0..TABS_MAX {
            if self.focused().starts_with(words) {
                return;
            }
            self.press_with(Key::Shift, Key::Tab);
        }
        panic!("Tab never comes back to {words}");
    }

    /// Waits until something has the focus, which can be seen.
    fn has_focus(&self, words: &str) {
        self.until(&format!(
            "((at) => at.matches(':focus-visible') && (at.labels?.[0]?.textContent ?? at.getAttribute('aria-label') ?? at.textContent.trim()).startsWith({words:?}))(document.activeElement)"
        ));
    }
}

fn book(count: usize) -> Option<(Server, Browser, String)> {
    let server = Server::start();
    let page = Browser::start(DESK)?;
    let key = server.key(&PERMISSIONS);
    for number in 0..count {
        let body = format!(r#"{{"alias": "order-{number}", "msisdn": "44790090000{number}"}}"#);
        assert_eq!(server.create(&key, body).status, 200);
    }
    page.visit(&server, "");
    page.has_focus("API key");
    page.type_text(&key);
    page.press(Key::Enter);
    page.sees("h1", "Contacts");
    Some((server, page, key))
}

#[test]
fn a_contact_is_created_found_opened_and_mended_by_the_keyboard() {
    let Some((server, page, key)) = book(2) else {
        return;
    };
    page.sees(".rows .row", "order-1");
    page.type_text("n");
    page.has_focus("Alias");
    page.type_text("john");
    page.press(Key::Tab);
    page.has_focus("Number");
    page.type_text("+44 7900 900123");
    page.tab_to("Add a member");
    page.press(Key::Enter);
    page.has_focus("Name of the new member");
    page.type_text("CITY");
    page.press(Key::Tab);
    page.type_text("London");
    page.press(Key::Enter);
    page.sees(".drawer h2", "john");
    page.press(Key::Escape);
    page.lacks(DRAWER);

    page.type_text("/");
    page.has_focus("Search");
    page.type_text("joh");
    page.shows(&["john"]);
    page.tab_to("john");
    page.press(Key::Enter);
    page.has_focus("john");
    page.tab_to("Number");
    page.press(Key::End);
    page.type_text("4");
    page.press(Key::Enter);
    page.sees(".drawer footer", "Saved");
    assert_eq!(contact(&server, &key, "john")["msisdn"], "4479009001234");
    page.press(Key::Escape);
    page.lacks(DRAWER);
    page.has_focus("john");
}

#[test]
fn several_contacts_are_selected_and_deleted_by_the_keyboard_once_their_number_is_typed() {
    let Some((server, page, _key)) = book(5) else {
        return;
    };
    page.sees(".rows .row", "order-4");
    page.type_text("j");
    page.has_focus("order-4");
    page.press(Key::Down);
    page.has_focus("order-3");
    page.press_with(Key::Shift, Key::Down);
    page.press_with(Key::Shift, Key::Down);
    page.has_focus("order-1");
    page.sees(".selection", "3 selected");
    page.tab_back_to("Delete 3 contacts");
    page.press(Key::Enter);
    page.has_focus("Type the number of contacts, 3");
    page.type_text("4");
    page.press(Key::Enter);
    assert_eq!(
        page.error_at("Type the number of contacts, 3"),
        "Type 3, or cancel"
    );
    assert_eq!(server.stored(), 5);
    page.press(Key::Backspace);
    page.type_text("3");
    assert_eq!(page.value("Type the number of contacts, 3"), "3");
    page.press(Key::Enter);
    page.sees(".selection", "3 contacts deleted");
    page.shows(&["order-4", "order-0"]);
    assert_eq!(server.stored(), 2);
}

#[test]
fn the_page_of_keys_and_the_screens_are_a_key_away() {
    let Some((_server, page, _key)) = book(1) else {
        return;
    };
    page.sees(".rows .row", "order-0");
    page.type_text("?");
    page.sees("dialog h2", "Keyboard");
    page.press(Key::Escape);
    page.lacks("dialog");
    let places = [
        ("gr", "Groups"),
        ("go", "Opt-outs"),
        ("gi", "Import"),
        ("gk", "Keys"),
        ("ga", "Activity"),
        ("gh", "Health"),
        ("gc", "Contacts"),
    ];
    for (keys, screen) in places {
        page.type_text(keys);
        page.until(&format!("document.title.startsWith({screen:?})"));
    }
    page.sees(".rows .row", "order-0");
    page.reload();
    page.sees(".rows .row", "order-0");
    page.press(Key::Tab);
    page.has_focus("Skip to the content");
}
