//! Every screen: nothing is complained of, nothing runs out of the window, and axe-core
//! finds nothing serious.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::book::Book;
use crate::browser::{Browser, DESK};
use crate::harness::{PERMISSIONS, Server};

/// Where `.ci/run` puts axe-core, unless the variable names another file.
const AXE: &str = "target/validators/node_modules/axe-core/axe.min.js";
const AXE_VARIABLE: &str = "ADDRESSBOOK_AXE";
/// Windows as they are: a phone, a tablet, a desk.
pub const SIZES: [(u32, u32); 3] = [(320, 640), (768, 900), DESK];
pub const THEMES: [&str; 2] = ["light", "dark"];

/// What axe finds that would keep somebody out, with where it is.
const FIND: &str = "
    const { violations } = await axe.run(document, { preload: false, resultTypes: ['violations'] });
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, help, nodes }) => `${id}, ${help}: ${nodes.slice(0, 3).map(({ html }) => html.slice(0, 200)).join(' | ')}`);";

/// What has more in it than it is wide, of what people would have to push sideways.
const WIDER: &str = "
    const parts = document.querySelectorAll('body, .rail, .middle, .main, .page, .table, .drawer, dialog, .door');
    return [...parts]
      .filter((part) => part.checkVisibility() && part.scrollWidth > part.clientWidth)
      .map((part) => `${part.className || part.localName}: ${part.scrollWidth} in ${part.clientWidth}`)
      .join(', ');";

/// The script itself; none, and words that say so, where it is missing.
fn axe() -> Option<String> {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join(AXE);
    let path = std::env::var_os(AXE_VARIABLE).map_or(ours, PathBuf::from);
    let script = std::fs::read_to_string(&path);
    if script.is_err() {
        eprintln!("skipped: axe-core is not at {}", path.display());
    }
    script.ok()
}

/// What axe finds on the page as it is.
fn found(page: &Browser, axe: &str) -> Vec<String> {
    page.run(axe, Vec::new());
    let found = page.run_slowly(FIND, Vec::new());
    serde_json::from_value(found).unwrap()
}

#[test]
fn axe_finds_nothing_serious_on_any_screen_in_any_theme() {
    let Some(axe) = axe() else {
        return;
    };
    let book = Book::new();
    let Some(page) = Browser::start(DESK) else {
        return;
    };
    let mut all = Vec::new();
    book.walk(&page, |place| {
        for theme in THEMES {
            page.prefers(theme);
            let found = found(&page, &axe);
            all.extend(
                found
                    .into_iter()
                    .map(|what| format!("{place}, {theme}: {what}")),
            );
        }
    });
    assert!(all.is_empty(), "{all:#?}");
}

#[test]
fn no_screen_is_wider_than_the_window() {
    let book = Book::new();
    let Some(page) = Browser::start(DESK) else {
        return;
    };
    book.walk(&page, |place| {
        for (width, height) in SIZES {
            page.resize(width, height);
            let wider = page.text_of(WIDER);
            assert_eq!(wider, "", "{place} at {width}");
        }
    });
}

#[test]
fn an_empty_book_teaches_on_every_screen() {
    let server = Server::start();
    let Some(page) = Browser::start(DESK) else {
        return;
    };
    page.visit(&server, "");
    page.sign_in(&server.key(&PERMISSIONS));
    for (screen, lesson) in [
        ("contacts", "No contacts yet"),
        ("groups", "No groups yet"),
        ("optouts", "Nobody has opted out"),
    ] {
        page.go_to(&format!("#/{screen}"));
        page.sees(".main .lesson h2", lesson);
        page.sees(".main .lesson pre", "curl");
    }
}

#[test]
fn a_theme_that_was_chosen_is_remembered() {
    let Some((_server, page)) = crate::page::signed_in(&["read:Contacts"]) else {
        return;
    };
    let ground = |page: &Browser| -> Value {
        page.run(
            "return getComputedStyle(document.body).backgroundColor",
            Vec::new(),
        )
    };
    page.prefers("light");
    let light = ground(&page);
    page.prefers("dark");
    let dark = ground(&page);
    assert_ne!(light, dark);
    page.click("Theme");
    page.sees(crate::page::NOTICE, "Theme: light.");
    assert_eq!(ground(&page), light);
    page.reload();
    page.sees("h1", "Contacts");
    assert_eq!(ground(&page), light);
}
