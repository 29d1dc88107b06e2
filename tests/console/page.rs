//! The console in a browser: signed in, and what its screens have in common.

use serde_json::Value;

use crate::browser::{Browser, DESK};
use crate::harness::{PERMISSIONS, Server};

/// The line at the top, which concerns every screen.
pub const NOTICE: &str = ".notice";
/// What lies beside the page.
pub const DRAWER: &str = ".drawer";

/// A server on a new book, and a browser that is signed in to it with these permissions;
/// none where there is no browser.
pub fn signed_in(permissions: &[&str]) -> Option<(Server, Browser)> {
    let server = Server::start();
    let page = Browser::start(DESK)?;
    let key = server.key(permissions);
    page.visit(&server, "");
    page.sign_in(&key);
    page.sees("h1", "Contacts");
    Some((server, page))
}

/// The same with every permission, whose key calls as well.
pub fn signed_in_with_all() -> Option<(Server, Browser, String)> {
    let (server, page) = signed_in(&PERMISSIONS)?;
    let key = server.key(&PERMISSIONS);
    Some((server, page, key))
}

impl Browser {
    /// Goes to an address of the console, such as `#/contacts`.
    pub fn visit(&self, server: &Server, hash: &str) {
        self.go(&format!("http://{}/console/{hash}", server.address));
    }

    /// Goes to another address within the console.
    pub fn go_to(&self, hash: &str) {
        self.run("location.hash = arguments[0]", vec![hash.into()]);
    }

    /// Signs in with a key, on the page or in the dialog that asks for it.
    pub fn sign_in(&self, key: &str) {
        self.fill("API key", key);
        self.click("Sign in");
    }

    /// Waits until the table's first column has these words.
    pub fn shows(&self, words: &[&str]) {
        let rows = "[...document.querySelectorAll('.rows .row')]
            .filter((row) => row.checkVisibility())
            .sort((one, other) => one.getAttribute('aria-rowindex') - other.getAttribute('aria-rowindex'))
            .map((row) => row.querySelector('.cell:not(.mark)').textContent)";
        let words = serde_json::to_string(words).unwrap();
        self.until(&format!(
            "JSON.stringify({rows}) === JSON.stringify({words})"
        ));
    }

    /// Waits until nothing is asked for any more, and nothing came for a while.
    pub fn settles(&self) {
        let quiet = "
            let quiet = 0;
            let known = 0;
            performance.clearResourceTimings();
            while (quiet < 20) {
              await new Promise(requestAnimationFrame);
              const came = performance.getEntriesByType('resource').length;
              const runs = document.querySelector('.running')?.hidden === false;
              quiet = came === known && !runs ? quiet + 1 : 0;
              known = came;
            }";
        self.run_slowly(quiet, Vec::new());
    }

    /// What has the focus: its words, or its label.
    pub fn focused(&self) -> String {
        self.text_of(
            "const at = document.activeElement;
             return at.labels?.[0]?.textContent ?? at.getAttribute('aria-label') ?? at.textContent.trim()",
        )
    }
}

/// The ids of contacts by their alias.
pub fn contact(server: &Server, key: &str, alias: &str) -> Value {
    let path = format!("/addressbook/contacts/alias/{alias}");
    let found = server.call("GET", &path).key(key).send();
    assert_eq!(found.status, 200, "{}", found.body);
    found.json()["record"].clone()
}
