//! Answers that come late, and those that nobody waits for any more.

use fantoccini::key::Key;

use crate::browser::Browser;
use crate::harness::Server;
use crate::page::signed_in_with_all;

/// Holds back what a search for one text is answered, until `window.release()`.
const HOLD: &str = "
    const really = window.fetch;
    const held = [];
    window.release = () => held.forEach((go) => go());
    window.arrived = 0;
    window.fetch = async (url, how) => {
      const searched = new URL(url).searchParams.get('search');
      if (searched !== arguments[0]) return really(url, how);
      const answer = await really(url, { ...how, signal: undefined });
      window.arrived += 1;
      await new Promise((go) => held.push(go));
      return answer;
    };";

fn book(page: &Browser, server: &Server, key: &str) {
    for (alias, number) in [("joan", 1), ("john", 2), ("maria", 3)] {
        let body = format!(r#"{{"alias": "{alias}", "msisdn": "44790090000{number}"}}"#);
        server.create(key, body);
    }
    page.reload();
    page.shows(&["maria", "john", "joan"]);
}

#[test]
fn an_answer_that_comes_late_never_overwrites_a_newer_one() {
    let Some((server, page, key)) = signed_in_with_all() else {
        return;
    };
    book(&page, &server, &key);
    page.run(HOLD, vec!["jo".into()]);
    page.fill("Search", "jo");
    page.until("window.arrived > 0");
    page.type_text("h");
    page.shows(&["john"]);
    page.run("window.release()", Vec::new());
    // What came is worked on before the frame after the next.
    let frames =
        "for (let frame = 0; frame < 3; frame += 1) await new Promise(requestAnimationFrame)";
    page.run_slowly(frames, Vec::new());
    page.shows(&["john"]);
    page.sees(".top .count", "1 of 3");
}

#[test]
fn typing_fast_ends_with_what_was_typed_last() {
    let Some((server, page, key)) = signed_in_with_all() else {
        return;
    };
    book(&page, &server, &key);
    page.type_text("/");
    for _ in 0..3 {
        page.type_text("maria");
        page.press(Key::Escape);
    }
    page.type_text("joh");
    page.shows(&["john"]);
    assert_eq!(page.hash(), "#/contacts?search=joh");
}

#[test]
fn a_search_that_nobody_waits_for_is_given_up_on_the_wire() {
    let Some((server, page, key)) = signed_in_with_all() else {
        return;
    };
    book(&page, &server, &key);
    server.signal("STOP");
    page.fill("Search", "jo");
    page.until("location.hash.includes('search=jo')");
    page.type_text("h");
    page.until("location.hash.includes('search=joh')");
    page.gives_up("search=jo&");
    server.signal("CONT");
    page.shows(&["john"]);
}
