//! A book of a million contacts is looked through as a small one is.

use std::fmt::Write as _;
use std::path::Path;

use fantoccini::key::Key;
use serde_json::{Value, json};

use crate::browser::{Browser, DESK};
use crate::harness::{Server, make_key, program};

const MANY: usize = 1_000_000;
const FEW: usize = 1_000;
/// How often each is measured; the best counts, as the machine does other things, too.
const ROUNDS: usize = 3;
/// How much slower the large one may be, at its median frame and at its slowest in twenty.
const MEDIAN_RATIO_MAX: f64 = 1.5;
const SLOW_RATIO_MAX: f64 = 3.0;
/// Elements of rows, however many contacts there are.
const ROWS_MAX: u64 = 100;
/// Pages that are walked; and as many as the page keeps, after which its heap grows no more.
const PAGES: u64 = 200;
const PAGES_KEPT: u64 = 65;
const HEAP_RATIO_MAX: f64 = 1.4;
const PAGE_ROWS: u64 = 200;
const ROW_PIXELS: u64 = 40;
/// Frames between an answer and its first row: 100 ms of 60 a second.
const FRAMES_MAX: u64 = 6;

/// Scrolls, and measures each frame.
const SCROLL: &str = "
    const table = document.querySelector('.table');
    const frame = () => new Promise(requestAnimationFrame);
    const took = [];
    let rows = 0;
    table.scrollTop = 0;
    let last = await frame();
    for (let step = 0; step < 240; step += 1) {
      table.scrollTop += 120;
      const now = await frame();
      took.push(now - last);
      last = now;
      rows = Math.max(rows, table.querySelectorAll('.row').length);
    }
    took.sort((one, other) => one - other);
    return { median: took[120], slow: took[228], rows };";

/// Searches, and counts the frames between the answer and its first row.
const FIRST_ROW: &str = "
    const input = document.querySelector('.find input');
    const frames = [];
    performance.clearResourceTimings();
    input.value = arguments[0];
    input.dispatchEvent(new Event('input'));
    for (;;) {
      frames.push(await new Promise(requestAnimationFrame));
      const row = document.querySelector(\".row[aria-rowindex='2']\");
      if (row?.textContent.startsWith(arguments[0])) break;
    }
    const answered = performance.getEntriesByType('resource').find((one) => one.name.includes(`search=${arguments[0]}&`) && one.name.includes('include=')).responseEnd;
    return frames.filter((at) => at > answered).length;";

/// A server on a book with so many contacts, and a browser that is signed in to it.
fn open(directory: &Path, count: usize) -> Option<(Server, Browser)> {
    let database = directory.join(format!("{count}.db"));
    let key = make_key(&database, &["read:Contacts"], &[]);
    let mut rows = "alias,msisdn\n".to_owned();
    for number in 0..count {
        let _ = writeln!(rows, "contact-{number:07},{}", 447_900_000_000 + number);
    }
    let file = directory.join("contacts.csv");
    std::fs::write(&file, rows).unwrap();
    let mut import = program();
    import.arg("import").arg(&file).arg("--database");
    let imported = import.arg(&database).output().unwrap();
    assert!(imported.status.success(), "{imported:?}");
    let server = Server::start_on(&database);
    let page = Browser::start(DESK)?;
    page.visit(&server, "#/contacts?sort=alias");
    page.sign_in(&key);
    page.sees(".rows .row", "contact-0000000");
    Some((server, page))
}

fn number(of: &Value, name: &str) -> f64 {
    of[name].as_f64().unwrap()
}

#[test]
fn a_million_contacts_scroll_as_a_thousand_do() {
    let directory = tempfile::tempdir().unwrap();
    let Some((_small_server, small)) = open(directory.path(), FEW) else {
        return;
    };
    let Some((_large_server, large)) = open(directory.path(), MANY) else {
        return;
    };
    large.sees(".top .count", "1,000,000 contacts");
    let mut best = [json!(null), json!(null)];
    for _ in 0..ROUNDS {
        for (page, best) in [&small, &large].into_iter().zip(&mut best) {
            let took = page.run_slowly(SCROLL, Vec::new());
            assert!(took["rows"].as_u64().unwrap() < ROWS_MAX, "{took}");
            if best.is_null() || number(&took, "slow") < number(best, "slow") {
                *best = took;
            }
        }
    }
    let [few, many] = best;
    eprintln!("frames in ms: {few} of {FEW} contacts, {many} of {MANY}");
    let ratio = |name| number(&many, name) / number(&few, name);
    assert!(ratio("median") < MEDIAN_RATIO_MAX, "{few} {many}");
    assert!(ratio("slow") < SLOW_RATIO_MAX, "{few} {many}");

    walks_to_the_end(&large);
    shows_the_first_row_at_once(&large);
}

/// Goes to the end again and again, and back to the beginning: what was seen is not kept.
fn walks_to_the_end(page: &Browser) {
    page.run("document.querySelector('.table').scrollTop = 0", Vec::new());
    page.click_on(".rows .row .mark");
    let mut heaps = Vec::new();
    for walked in 2..=PAGES {
        let height = walked * PAGE_ROWS * ROW_PIXELS;
        page.until(&format!(
            "document.querySelector('.rows').offsetHeight >= {height}"
        ));
        page.press(Key::End);
        if walked == PAGES_KEPT || walked == PAGES {
            page.dev_tools("HeapProfiler.collectGarbage", json!({}));
            let heap = page.dev_tools("Runtime.getHeapUsage", json!({}));
            heaps.push(number(&heap, "usedSize"));
        }
    }
    eprintln!("heap after {PAGES_KEPT} pages and after {PAGES}, in bytes: {heaps:?}");
    assert!(heaps[1] < heaps[0] * HEAP_RATIO_MAX, "{heaps:?}");
    let rows = page.run(
        "return document.querySelectorAll('.row').length",
        Vec::new(),
    );
    assert!(rows.as_u64().unwrap() < ROWS_MAX, "{rows}");
    page.press(Key::Home);
    page.until("document.activeElement.textContent.startsWith('contact-0000000')");
}

fn shows_the_first_row_at_once(page: &Browser) {
    let texts = ["contact-0999", "contact-05", "contact-0123456"];
    let frames = texts.map(|text| page.run_slowly(FIRST_ROW, vec![text.into()]));
    let fewest = frames.iter().filter_map(Value::as_u64).min().unwrap();
    eprintln!("frames until the first row: {frames:?}");
    assert!(fewest <= FRAMES_MAX, "{frames:?}");
}
