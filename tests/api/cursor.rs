//! `GET /addressbook/contacts?cursor=`: walking a list page by page, also while
//! it changes.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::book::Book;
use crate::harness::agent;
use crate::list::{contact, texts};

const SORTS: [&str; 6] = [
    "sortField=created_on&sortDir=ASC",
    "sortField=created_on&sortDir=DESC",
    "sortField=alias&sortDir=ASC",
    "sortField=alias&sortDir=DESC",
    "sortField=msisdn&sortDir=ASC",
    "sortField=msisdn&sortDir=DESC",
];
const UNKNOWN: &str = "Parameter cursor does not belong to this list";

/// 21 contacts: three full pages of 7, four numbers among them.
fn filled() -> Book {
    let book = Book::start();
    let body = |number: usize| {
        let alias = format!("{}{number}é", ["b", "a", "Z", "😀"][number % 4]);
        contact(
            &alias,
            ["9900000", "10000000", "4479000000001", "21000000"][number % 4],
        )
    };
    book.fill((0..21).map(body));
    book
}

/// The cursor of the following page, checked to be safe in a URL.
fn next(page: &Value) -> Option<String> {
    let next = page["next"].as_str().map(str::to_owned);
    assert!(next.is_some() || page["next"].is_null(), "{page}");
    let safe = |one: char| one.is_ascii_alphanumeric() || "-_.~".contains(one);
    assert!(
        next.iter()
            .all(|cursor| !cursor.is_empty() && cursor.chars().all(safe))
    );
    next
}

/// Walks a list from its beginning to its end; returns its pages.
fn walk(book: &Book, query: &str) -> Vec<Value> {
    let mut pages = vec![book.list(&format!("{query}&cursor="))];
    while let Some(cursor) = next(pages.last().unwrap()) {
        pages.push(book.list(&format!("{query}&cursor={cursor}")));
        assert!(pages.len() < 10_000, "the walk has no end");
    }
    pages
}

fn ids(pages: &[Value]) -> Vec<String> {
    pages.iter().flat_map(|page| texts(page, "id")).collect()
}

#[test]
fn a_page_by_cursor_has_next_in_place_of_offset_and_total() {
    let book = Book::start();
    let empty = book.page("cursor=");
    assert_snapshot!(format!("{} {}", empty.status, empty.body), @r#"200 {"success":true,"records":[],"limit":10,"next":null}"#);
    book.fill([
        contact("john", "4479000000001"),
        contact("jane", "4479000000001"),
    ]);
    let page = book.page("cursor=&limit=1");
    let json = page.json();
    let record = json["records"][0].to_string();
    assert_eq!(json["records"], book.list("limit=1")["records"]);
    // The record's members are in the documented order, serde_json sorts them.
    let text = &page.body[page.body.find('[').unwrap()..=page.body.find(']').unwrap()];
    assert_eq!(text.len(), record.len() + 2);
    let body = page.body.replace(text, "[john]");
    let body = body.replace(&next(&json).unwrap(), "[cursor]");
    assert_snapshot!(body, @r#"{"success":true,"records":[john],"limit":1,"next":"[cursor]"}"#);
}

#[test]
fn a_walk_meets_each_contact_once_in_the_order_of_the_list() {
    let book = filled();
    for sort in SORTS {
        let list = book.list(&format!("{sort}&limit=1000"));
        let expected = texts(&list, "id");
        assert_eq!(expected.len(), 21);
        for (limit, pages_expected) in [(1, 21), (2, 11), (7, 3), (20, 2), (21, 1), (1000, 1)] {
            let pages = walk(&book, &format!("{sort}&limit={limit}"));
            assert_eq!(ids(&pages), expected, "{sort} {limit}");
            assert_eq!(pages.len(), pages_expected, "{sort} {limit}");
            assert!(pages.iter().all(|page| page["limit"] == limit));
        }
    }
}

#[test]
fn a_walk_keeps_to_its_filters() {
    let book = filled();
    for filter in [
        "msisdn=4479000000001",
        "aliasPrefix=b",
        "search=1&msisdn=10000000",
    ] {
        for sort in SORTS {
            let query = format!("{filter}&{sort}");
            let expected = texts(&book.list(&format!("{query}&limit=1000")), "id");
            assert!((2..21).contains(&expected.len()), "{query}");
            assert_eq!(
                ids(&walk(&book, &format!("{query}&limit=1"))),
                expected,
                "{query}"
            );
        }
    }
}

#[test]
fn a_full_last_page_knows_that_it_is_the_last() {
    let book = filled();
    let page = book.list("cursor=&limit=20");
    let last = book.list(&format!("cursor={}&limit=1", next(&page).unwrap()));
    assert_eq!(
        (last["records"].as_array().unwrap().len(), &last["next"]),
        (1, &Value::Null)
    );
    assert_eq!(book.list("cursor=&limit=21")["next"], Value::Null);
    assert_ne!(book.list("cursor=&limit=20")["next"], Value::Null);
    book.fill([contact("later", "4479000000001")]);
    assert_ne!(book.list("cursor=&limit=21")["next"], Value::Null);
}

#[test]
fn limit_and_include_may_change_between_two_pages() {
    let book = filled();
    for sort in SORTS {
        let all = book.list(&format!("{sort}&limit=1000&include=meta"));
        let first = book.list(&format!("{sort}&cursor=&limit=3"));
        let cursor = next(&first).unwrap();
        let second = book.list(&format!("limit=5&{sort}&include=meta&cursor={cursor}"));
        assert_eq!(
            second["records"],
            json!(all["records"].as_array().unwrap()[3..8])
        );
        let cursor = next(&second).unwrap();
        let third = book.list(&format!("{sort}&cursor={cursor}"));
        assert_eq!(texts(&third, "id"), texts(&all, "id")[8..18]);
        assert!(third["records"][0].get("meta").is_none());
    }
}

#[test]
fn a_page_can_be_asked_for_again() {
    let book = filled();
    let cursor = next(&book.list("cursor=&limit=7")).unwrap();
    let query = format!("limit=7&cursor={cursor}");
    assert_eq!(book.page(&query).body, book.page(&query).body);
}

#[test]
fn filters_and_default_sort_may_be_written_in_another_way() {
    let book = filled();
    let first = book.list("aliasPrefix=b&msisdn=9900000&cursor=&limit=2");
    let cursor = next(&first).unwrap();
    let plain = book.list(&format!("aliasPrefix=b&msisdn=9900000&cursor={cursor}"));
    assert_eq!(plain["records"].as_array().unwrap().len(), 4);
    for same in [
        "msisdn=9900000&aliasPrefix=b",
        "aliasPrefix=%62&msisdn=%2B990-0000",
        "aliasPrefix=b&msisdn=9900000&sortField=created_on&sortDir=asc",
    ] {
        assert_eq!(
            book.list(&format!("cursor={cursor}&{same}")),
            plain,
            "{same}"
        );
    }
}

#[test]
fn a_cursor_of_another_list_is_refused() {
    let book = filled();
    let lists = [
        "",
        "search=b",
        "search=B",
        "aliasPrefix=b",
        "msisdn=9900000",
        "search=b&aliasPrefix=b",
        "sortDir=desc",
        "sortField=alias",
        "sortField=alias&sortDir=desc",
        "sortField=msisdn",
        "sortField=msisdn&sortDir=desc",
    ];
    for of in lists {
        let cursor = next(&book.list(&format!("{of}&cursor=&limit=1"))).unwrap();
        for other in lists {
            let query = format!("{other}&cursor={cursor}");
            if other == of {
                assert_eq!(book.page(&query).status, 200, "{of}");
            } else {
                book.refused(&query, UNKNOWN);
            }
        }
    }
    let meta = |name: &str, value: &str| format!("meta.{name}={value}");
    book.fill((0..2).map(|number| {
        json!({"alias": format!("meta {number}"), "msisdn": "1234567", "meta": {"A": 1, "B": 1}})
    }));
    let cursor = next(&book.list(&format!("{}&cursor=&limit=1", meta("A", "1")))).unwrap();
    book.refused(&format!("{}&cursor={cursor}", meta("B", "1")), UNKNOWN);
    book.refused(&format!("{}&cursor={cursor}", meta("A", "2")), UNKNOWN);
}

#[test]
fn what_is_no_cursor_is_refused() {
    let book = filled();
    for garbage in [
        "0",
        "x",
        "null",
        "AAAA",
        "%00",
        "%20",
        "%C3%A9",
        "%F0%9F%98%80",
        "../..",
        "%27%20OR%201=1--",
    ] {
        book.refused(&format!("cursor={garbage}"), UNKNOWN);
    }
    book.refused(&format!("cursor={}", "A".repeat(4000)), UNKNOWN);
    for sort in SORTS {
        let cursor = next(&book.list(&format!("{sort}&cursor=&limit=1"))).unwrap();
        book.refused(&format!("{sort}&cursor=%20{cursor}"), UNKNOWN);
        book.refused(&format!("{sort}&cursor={cursor}="), UNKNOWN);
    }
}

#[test]
fn a_cursor_that_lost_its_end_or_gained_one_is_refused() {
    let book = filled();
    for sort in SORTS {
        let cursor = next(&book.list(&format!("{sort}&cursor=&limit=1"))).unwrap();
        for length in 1..cursor.len() {
            book.refused(&format!("{sort}&cursor={}", &cursor[..length]), UNKNOWN);
        }
        for more in ["A", "AA", "AAA", "AAAA"] {
            book.refused(&format!("{sort}&cursor={cursor}{more}"), UNKNOWN);
        }
    }
}

#[test]
fn cursor_and_offset_exclude_each_other() {
    let book = filled();
    let cursor = next(&book.list("cursor=&limit=1")).unwrap();
    let message = "Parameter cursor cannot be combined with offset";
    for query in ["cursor=&offset=0", "offset=5&cursor="] {
        book.refused(query, message);
    }
    book.refused(&format!("cursor={cursor}&offset=0"), message);
}

#[test]
fn the_contact_that_a_cursor_points_behind_may_be_deleted() {
    for sort in SORTS {
        let book = filled();
        let expected = texts(&book.list(&format!("{sort}&limit=1000")), "id");
        let mut page = book.list(&format!("{sort}&cursor=&limit=4"));
        let mut met = texts(&page, "id");
        while let Some(cursor) = next(&page) {
            for id in texts(&page, "id") {
                let path = format!("/contacts/{id}");
                let reply = book.server.call("DELETE", &path).key(&book.key).send();
                assert_eq!(reply.status, 200);
            }
            page = book.list(&format!("{sort}&limit=4&cursor={cursor}"));
            met.extend(texts(&page, "id"));
        }
        assert_eq!(met, expected, "{sort}");
    }
}

/// Creates and deletes contacts until `done`; returns how many.
fn churn(book: &Book, client: usize, done: &AtomicBool) -> usize {
    let agent = agent();
    let mut created = 0;
    while !done.load(Ordering::Relaxed) {
        let alias = format!("{}{client} {created}", ["a", "b", "Z"][created % 3]);
        let body = contact(&alias, ["10000000", "9900000"][created % 2]).to_string();
        let create = book
            .server
            .call("POST", "/contacts")
            .by(&agent)
            .key(&book.key);
        let reply = create.json(body).send();
        assert_eq!(reply.status, 200, "{}", reply.body);
        let path = format!(
            "/contacts/{}",
            reply.json()["record"]["id"].as_str().unwrap()
        );
        let delete = book.server.call("DELETE", &path).by(&agent).key(&book.key);
        assert_eq!(delete.send().status, 200);
        created += 1;
    }
    created
}

#[test]
fn a_walk_through_a_changing_list_meets_what_stays_exactly_once() {
    let book = filled();
    let staying: HashSet<String> = texts(&book.list("limit=1000"), "id").into_iter().collect();
    let done = AtomicBool::new(false);
    let met_strangers = thread::scope(|scope| {
        let (book, done) = (&book, &done);
        let churners: Vec<_> = (0..4)
            .map(|client| scope.spawn(move || churn(book, client, done)))
            .collect();
        let walks = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let rounds = (0..5).flat_map(|_| SORTS);
            let walk = |sort| check_walk(book, sort, &staying);
            rounds.map(walk).sum::<usize>()
        }));
        // Before any panic goes on: the scope waits for the others.
        done.store(true, Ordering::Relaxed);
        let changes: usize = churners.into_iter().map(|one| one.join().unwrap()).sum();
        assert!(changes > 0, "nothing changed meanwhile");
        walks.unwrap()
    });
    assert!(met_strangers > 0, "no walk met what comes and goes");
    assert_eq!(book.server.stored(), 21);
}

/// Walks once; returns how many contacts it met that do not stay.
fn check_walk(book: &Book, sort: &str, staying: &HashSet<String>) -> usize {
    let mut met: HashMap<String, usize> = HashMap::new();
    for id in ids(&walk(book, &format!("{sort}&limit=2"))) {
        *met.entry(id).or_default() += 1;
    }
    assert!(met.values().all(|times| *times == 1), "{sort}: {met:?}");
    let missed: Vec<_> = staying.iter().filter(|id| !met.contains_key(*id)).collect();
    assert!(missed.is_empty(), "{sort}: {missed:?}");
    met.len() - staying.len()
}
