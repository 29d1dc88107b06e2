//! `GET /addressbook/contacts`: the envelope, sorting, and paging by offset.

use std::fmt::Write;

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::book::Book;
use crate::harness::{FOR_CONTACTS, Reply, Server, agent, redact};

impl Book {
    /// Creates contacts one after the other; returns their records.
    pub(super) fn fill(&self, bodies: impl IntoIterator<Item = Value>) -> Vec<Value> {
        let agent = agent();
        let create = |body: Value| {
            let call = self.server.call("POST", "/contacts").by(&agent);
            let reply = call.key(&self.key).json(body.to_string()).send();
            assert_eq!(reply.status, 200, "{body}: {}", reply.body);
            reply.json()["record"].clone()
        };
        bodies.into_iter().map(create).collect()
    }

    pub(super) fn page(&self, query: &str) -> Reply {
        let path = format!("/addressbook/contacts?{query}");
        self.server.call("GET", &path).key(&self.key).send()
    }

    /// The answer to a list that must succeed.
    pub(super) fn list(&self, query: &str) -> Value {
        let reply = self.page(query);
        assert_eq!(reply.status, 200, "{query}: {}", reply.body);
        reply.json()
    }

    /// The aliases that a list shows, in its order.
    pub(super) fn aliases(&self, query: &str) -> Vec<String> {
        texts(&self.list(query), "alias")
    }

    /// Asserts that a list is refused as a whole, and why.
    pub(super) fn refused(&self, query: &str, message: &str) {
        let reply = self.page(query);
        let found = (reply.status, reply.message());
        assert_eq!(found, (400, message.to_owned()), "{query}");
        assert_eq!(reply.json()["error"]["name"], "ValidationError", "{query}");
    }

    fn delete(&self, id: &Value) {
        let path = format!("/contacts/{}", id.as_str().unwrap());
        let reply = self.server.call("DELETE", &path).key(&self.key).send();
        assert_eq!(reply.status, 200, "{}", reply.body);
    }
}

/// One member of every record.
pub(super) fn texts(list: &Value, member: &str) -> Vec<String> {
    let records = list["records"].as_array().unwrap();
    let text = |record: &Value| record[member].as_str().unwrap().to_owned();
    records.iter().map(text).collect()
}

pub(super) fn contact(alias: &str, msisdn: &str) -> Value {
    json!({"alias": alias, "msisdn": msisdn})
}

fn numbered(count: usize) -> impl Iterator<Item = Value> {
    (0..count).map(|number| contact(&format!("contact {number:04}"), "4479000000001"))
}

/// Puts the only record where [`redact`] checks it, and back.
fn redacted(reply: &Reply) -> String {
    let one = reply.body.replace(r#""records":[{"#, r#""record":{"#);
    let one = one.replace("}],", "},");
    let redacted = redact(&one).replace(r#""record":{"#, r#""records":[{"#);
    format!("{} {}", reply.status, redacted.replace("},", "}],"))
}

#[test]
fn an_empty_address_book_is_an_empty_list() {
    let book = Book::start();
    for path in ["/addressbook/contacts", "/contacts"] {
        let reply = book.server.call("GET", path).key(&book.key).send();
        insta::allow_duplicates!(
            assert_snapshot!(format!("{} {}", reply.status, reply.body), @r#"200 {"success":true,"records":[],"offset":0,"limit":10,"total":0}"#)
        );
        assert_eq!(reply.header("content-type"), "application/json");
    }
}

#[test]
fn a_list_shows_each_contact_as_create_answered_it() {
    let book = Book::start();
    let created = book.fill([json!({"alias":"john","msisdn":"+44 79 0000 00001","meta":{"A":1}})]);
    for path in ["/addressbook/contacts", "/contacts"] {
        let reply = book.server.call("GET", path).key(&book.key).send();
        assert_eq!(reply.json()["records"], json!(created));
        insta::allow_duplicates!(
            assert_snapshot!(redacted(&reply), @r#"200 {"success":true,"records":[{"id":"[id]","alias":"john","msisdn":"4479000000001","created_on":"[time]"}],"offset":0,"limit":10,"total":1}"#)
        );
    }
}

#[test]
fn include_meta_shows_the_metas_to_the_digit_and_in_their_order() {
    let book = Book::start();
    let meta = r#"{"z":1.0,"a":[1e400,123456789012345678901234567890],"A":"é😀","n":null}"#;
    let body = format!(r#"{{"alias":"john","msisdn":"4479000000001","meta":{meta}}}"#);
    assert_eq!(book.server.create(&book.key, body).status, 200);
    let without = book.page("");
    assert!(!without.body.contains("meta"), "{}", without.body);
    let with_meta = book.page("include=meta").body;
    let expected = without
        .body
        .replace("}],", &format!(r#","meta":{meta}}}],"#));
    assert_eq!(with_meta, expected);
    let by_cursor = book.page("include=meta&cursor=").body;
    assert!(
        by_cursor.contains(&format!(r#""meta":{meta}}}"#)),
        "{by_cursor}"
    );
    for wrong in [
        "include=",
        "include=Meta",
        "include=meta,id",
        "include=true",
    ] {
        book.refused(wrong, "Parameter include must be meta");
    }
}

#[test]
fn a_contact_without_meta_is_listed_with_an_empty_one() {
    let book = Book::start();
    book.fill([contact("john", "4479000000001")]);
    assert_eq!(book.list("include=meta")["records"][0]["meta"], json!({}));
}

#[test]
fn a_list_begins_with_the_ten_oldest() {
    let book = Book::start();
    let created = book.fill(numbered(11));
    let list = book.list("");
    assert_eq!(list["records"], json!(created[..10]));
    assert_eq!((&list["offset"], &list["limit"]), (&json!(0), &json!(10)));
    assert_eq!(list["total"], 11);
}

#[test]
fn every_sort_goes_both_ways_and_breaks_ties_by_id() {
    let book = Book::start();
    let created = book.fill([
        contact("b", "9900000"),
        contact("é", "1000000000"),
        contact("a", "9900000"),
        contact("B", "44790000000"),
        contact("😀", "9900000"),
        contact("b 2", "1000000"),
        contact("\u{ffee}", "9900000"),
    ]);
    for field in ["created_on", "alias", "msisdn"] {
        let mut sorted = created.clone();
        sorted.sort_by_key(|record| {
            let text = |member: &str| record[member].as_str().unwrap().to_owned();
            (text(field), text("id"))
        });
        for ascending in ["ASC", "asc", "Asc", "aSC"] {
            let list = book.list(&format!("sortField={field}&sortDir={ascending}"));
            assert_eq!(list["records"], json!(sorted), "{field} {ascending}");
        }
        let list = book.list(&format!("sortField={field}"));
        assert_eq!(list["records"], json!(sorted), "{field}");
        sorted.reverse();
        for descending in ["DESC", "desc", "Desc", "dESC"] {
            let list = book.list(&format!("sortField={field}&sortDir={descending}"));
            assert_eq!(list["records"], json!(sorted), "{field} {descending}");
        }
    }
    let newest_first = texts(&book.list("sortDir=desc"), "id");
    let ids: Vec<&str> = created
        .iter()
        .rev()
        .map(|one| one["id"].as_str().unwrap())
        .collect();
    assert_eq!(newest_first, ids, "one after the other, so by creation");
}

#[test]
fn limit_is_1_to_1000_and_written_in_digits() {
    let book = Book::start();
    book.fill(numbered(1001));
    for (limit, records) in [("1", 1), ("2", 2), ("999", 999), ("1000", 1000), ("007", 7)] {
        let list = book.list(&format!("limit={limit}"));
        assert_eq!(list["records"].as_array().unwrap().len(), records);
        assert_eq!(
            (&list["limit"], &list["total"]),
            (&json!(records), &json!(1001))
        );
    }
    let message = "Parameter limit must be a whole number from 1 to 1000";
    for wrong in [
        "0",
        "1001",
        "-1",
        "1.5",
        "",
        "+5",
        "%2B5",
        "5%20",
        "1e1",
        "ten",
        "0x5",
        "%D9%A3",
        "4294967297",
        "18446744073709551617",
    ] {
        book.refused(&format!("limit={wrong}"), message);
        book.refused(&format!("cursor=&limit={wrong}"), message);
    }
}

#[test]
fn offset_skips_and_beyond_the_end_nothing_is_left() {
    let book = Book::start();
    let created = book.fill(numbered(5));
    for offset in 0..=6_usize {
        let list = book.list(&format!("offset={offset}&limit=2"));
        let expected = &created[offset.min(5)..(offset + 2).min(5)];
        assert_eq!(list["records"], json!(expected), "{offset}");
        assert_eq!(
            (&list["offset"], &list["total"]),
            (&json!(offset), &json!(5))
        );
    }
    for far in [u64::from(u32::MAX), i64::MAX as u64, 1 << 63, u64::MAX] {
        let list = book.list(&format!("offset={far}&limit=1000"));
        let expected =
            json!({"success": true, "records": [], "offset": far, "limit": 1000, "total": 5});
        assert_eq!(list, expected);
    }
    for wrong in ["-1", "1.5", "", "+5", "%2B5", "1e1", "five", "-0"] {
        let query = format!("offset={wrong}");
        book.refused(&query, "Parameter offset must be a whole number, 0 or more");
    }
}

#[test]
fn total_counts_what_is_there_after_creates_deletes_and_refusals() {
    let book = Book::start();
    let check = |expected: i64| {
        assert_eq!(book.list("limit=1")["total"], expected);
        assert_eq!(book.list("aliasPrefix=contact")["total"], expected);
        assert_eq!(book.server.stored(), expected);
    };
    let created = book.fill(numbered(12));
    check(12);
    for (deleted, record) in created.iter().take(5).enumerate() {
        book.delete(&record["id"]);
        check(11 - i64::try_from(deleted).unwrap());
    }
    let taken = book.server.create(&book.key, created[7].to_string());
    assert_eq!(taken.status, 400);
    let gone = format!("/contacts/{}", created[0]["id"].as_str().unwrap());
    let again = book.server.call("DELETE", &gone).key(&book.key).send();
    assert_eq!(again.status, 404);
    check(7);
    book.fill(numbered(5));
    check(12);
}

#[test]
fn total_outlives_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("book.db");
    let mut server = Server::start_on(&database);
    let key = server.key(FOR_CONTACTS);
    let mut book = Book { server, key };
    book.fill(numbered(3));
    book.server.kill();
    server = Server::start_on(&database);
    book.server = server;
    assert_eq!(book.list("")["total"], 3);
}

#[test]
fn what_a_list_does_not_know_is_named() {
    let book = Book::start();
    let long = "x".repeat(65);
    for (query, message) in [
        ("colour=red", "Unknown parameter: colour"),
        ("colour", "Unknown parameter: colour"),
        ("limit=5&col%6fur=red", "Unknown parameter: colour"),
        ("Limit=5", "Unknown parameter: Limit"),
        ("sort_field=alias", "Unknown parameter: sort_field"),
        ("meta=1", "Unknown parameter: meta"),
        ("meta.=1", "Unknown parameter: meta."),
        ("cursor=&next=1", "Unknown parameter: next"),
        ("limit=5&limit=5", "Duplicate parameter: limit"),
        ("limit=5&lim%69t=6", "Duplicate parameter: limit"),
        ("alias=a&alias=b", "Duplicate parameter: alias"),
        ("meta.A=1&meta.B=1&meta.A=2", "Duplicate parameter: meta.A"),
        ("cursor=&cursor=", "Duplicate parameter: cursor"),
        ("colour=red&colour=blue", "Duplicate parameter: colour"),
    ] {
        book.refused(query, message);
    }
    let shown = format!("Unknown parameter: {}", &long[..64]);
    book.refused(&format!("{long}=1"), &shown);
}

#[test]
fn a_sort_that_does_not_exist_is_refused() {
    let book = Book::start();
    for wrong in [
        "",
        "id",
        "Alias",
        "CREATED_ON",
        "meta",
        "alias,msisdn",
        "alias%20",
    ] {
        let query = format!("sortField={wrong}");
        book.refused(
            &query,
            "Parameter sortField must be created_on, alias or msisdn",
        );
    }
    for wrong in ["", "up", "descending", "DESC%20", "ASC;DESC", "-1"] {
        let query = format!("sortDir={wrong}");
        book.refused(&query, "Parameter sortDir must be ASC or DESC");
    }
}

#[test]
fn head_answers_as_get_without_the_body() {
    let book = Book::start();
    book.fill(numbered(2));
    for query in ["limit=1", "cursor=&limit=1", "colour=red"] {
        let get = book.page(query);
        let mut request = format!("HEAD /addressbook/contacts?{query} HTTP/1.1\r\nHost: x\r\n");
        write!(request, "Authorization: Bearer {}\r\n", book.key).unwrap();
        request.push_str("Connection: close\r\n\r\n");
        let answer = book.server.raw(request.as_bytes()).to_lowercase();
        assert!(
            answer.starts_with(&format!("http/1.1 {} ", get.status)),
            "{answer}"
        );
        assert!(answer.ends_with("\r\n\r\n"), "no body: {answer}");
        assert!(
            answer.contains("\r\ncontent-type: application/json\r\n"),
            "{answer}"
        );
        let length = format!("\r\ncontent-length: {}\r\n", get.body.len());
        assert!(answer.contains(&length), "{answer}");
    }
}

#[test]
fn a_list_needs_a_key_that_may_read() {
    let book = Book::start();
    let without = book.server.call("GET", "/addressbook/contacts").send();
    assert_eq!(
        (without.status, without.message().as_str()),
        (401, "API key is missing")
    );
    let other = book.server.key(&["create:Contacts"]);
    let path = "/contacts?colour=red";
    let refused = book.server.call("GET", path).key(&other).send();
    let message = "API Key is not permitted to perform this action. (read:Contacts)";
    assert_eq!((refused.status, refused.message().as_str()), (403, message));
}
