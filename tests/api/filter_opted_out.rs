//! `optedOut=true|false` on the list of contacts, and on what deletes by a filter.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::book::Book;
use crate::bulk_delete::book;
use crate::list::{contact, texts};

const WRONG: &str = "Parameter optedOut must be true or false";

/// Twelve contacts of four numbers, two of which are opted out.
fn filled() -> Book {
    let book = book();
    let numbers = ["4479000000001", "21000000", "99000000", "4479000000002"];
    let body = |number: usize| contact(&format!("c{number:02}"), numbers[number % 4]);
    book.fill((0..12).map(body));
    for msisdn in ["4479000000001", "99000000"] {
        assert_eq!(book.opt_out(msisdn).status, 200);
    }
    book
}

/// The aliases of a list, held against its total and against a walk.
fn listed(book: &Book, query: &str) -> Vec<String> {
    let list = book.list(&format!("{query}&limit=1000"));
    let aliases = texts(&list, "alias");
    assert_eq!(list["total"], aliases.len(), "{query}");
    let mut walked = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = book.list(&format!("{query}&limit=2&cursor={cursor}"));
        walked.extend(texts(&page, "alias"));
        match page["next"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => break,
        }
    }
    assert_eq!(walked, aliases, "{query}");
    aliases
}

#[test]
fn it_selects_those_whose_number_is_opted_out_or_is_not() {
    let book = filled();
    let all = listed(&book, "sortDir=asc");
    let is_out = |alias: &&String| alias[1..].parse::<usize>().unwrap().is_multiple_of(2);
    let (out, not): (Vec<_>, Vec<_>) = all.iter().partition(is_out);
    for sort in ["sortField=created_on", "sortField=alias"] {
        let found = listed(&book, &format!("optedOut=true&{sort}"));
        assert_eq!(found.iter().collect::<Vec<_>>(), out);
        let found = listed(&book, &format!("optedOut=false&{sort}"));
        assert_eq!(found.iter().collect::<Vec<_>>(), not);
    }
    assert_eq!(book.opt_in("99000000").status, 200);
    assert_eq!(listed(&book, "optedOut=true"), ["c00", "c04", "c08"]);
    assert_eq!(book.opt_in("4479000000001").status, 200);
    assert_eq!(listed(&book, "optedOut=true").len(), 0);
    assert_eq!(listed(&book, "optedOut=false"), all);
}

#[test]
fn it_combines_with_the_others() {
    let book = filled();
    let group = book.group_of("some", &["c00", "c01", "c02"]);
    for (query, expected) in [
        (format!("group={group}&optedOut=true"), vec!["c00", "c02"]),
        (format!("group={group}&optedOut=false"), vec!["c01"]),
        (
            format!("group={group}&optedOut=true&sortField=alias"),
            vec!["c00", "c02"],
        ),
        (
            format!("group={group}&optedOut=true&alias=c02"),
            vec!["c02"],
        ),
        ("msisdn=21000000&optedOut=true".to_owned(), vec![]),
        ("search=c1&optedOut=true".to_owned(), vec!["c10"]),
        (
            "aliasPrefix=c0&msisdn=99000000&optedOut=true".to_owned(),
            vec!["c02", "c06"],
        ),
    ] {
        assert_eq!(listed(&book, &query), expected, "{query}");
    }
    let cursor = book.list("optedOut=true&cursor=&limit=1");
    let cursor = cursor["next"].as_str().unwrap();
    for other in ["optedOut=false&", ""] {
        let unknown = "Parameter cursor does not belong to this list";
        book.refused(&format!("{other}cursor={cursor}"), unknown);
    }
    for wrong in ["", "1", "TRUE", "yes", "true%20"] {
        book.refused(&format!("optedOut={wrong}"), WRONG);
    }
}

#[test]
fn an_opt_out_holds_for_the_older_spelling_of_a_number_and_for_the_newer() {
    let book = filled();
    // As older rules would have stored them.
    let unchecked = book.server.in_sql(", checksum = 0", "");
    let one = book.server.in_sql("", " AND slot = 0");
    book.server.change(&format!(
        "UPDATE contacts SET msisdn = '44079000000001'{unchecked} WHERE alias = 'c00';
        INSERT INTO optouts (msisdn, created_on) VALUES ('44079000000002', 0);
        UPDATE counters SET value = value + 1 WHERE name = 'optouts'{one}"
    ));
    let out: HashSet<String> = listed(&book, "optedOut=true").into_iter().collect();
    let not: HashSet<String> = listed(&book, "optedOut=false").into_iter().collect();
    assert!(out.contains("c00") && out.contains("c03"), "{out:?}");
    assert_eq!((out.len(), not.len()), (9, 3));
    assert!(out.is_disjoint(&not));
    // As resolving has it.
    let recipients: Vec<&String> = out.iter().chain(&not).collect();
    let resolved = book.resolve(&json!({ "recipients": recipients }));
    for result in resolved["results"].as_array().unwrap() {
        let is_out = out.contains(result["recipient"].as_str().unwrap());
        assert_eq!(result["status"] == "opted_out", is_out, "{result}");
    }
}

#[test]
fn those_who_opted_out_can_be_deleted() {
    let book = filled();
    let filter = |value: &str| json!({"filter": {"optedOut": value}, "expect": 6});
    let reply = book.bulk_delete(&filter("yes"));
    assert_eq!((reply.status, reply.message().as_str()), (400, WRONG));
    let flag: Value = json!({"filter": {"optedOut": true}, "expect": 6});
    assert_eq!(book.bulk_delete(&flag).status, 400, "values are strings");
    let reply = book.bulk_delete(&filter("true"));
    assert_eq!(reply.json()["summary"]["deleted"], 6, "{}", reply.body);
    book.assert_counted(6);
    assert_eq!(listed(&book, "optedOut=true").len(), 0);
    assert_eq!(book.opted_out("").len(), 2, "opt-outs stay");
}
