//! Opt-outs: the three documented calls, and that they belong to the number.

use std::sync::Barrier;
use std::thread;

use insta::{allow_duplicates, assert_snapshot};
use serde_json::{Value, json};

use crate::book::Book;
use crate::harness::{Reply, Server};

pub(super) const PATH: &str = "/addressbook/optouts";
const CLIENTS: usize = 64;

/// What the tests of opt-outs do.
const PERMISSIONS: [&str; 5] = [
    "create:Optouts",
    "read:Optouts",
    "delete:Optouts",
    "create:Contacts",
    "delete:Contacts",
];

pub(super) fn book() -> Book {
    Book::of(Server::start(), &PERMISSIONS)
}

impl Book {
    pub(super) fn opt_out(&self, msisdn: &str) -> Reply {
        self.opt_out_by(&json!({"msisdn": msisdn}).to_string())
    }

    pub(super) fn opt_out_by(&self, body: &str) -> Reply {
        self.server
            .call("POST", PATH)
            .key(&self.key)
            .json(body)
            .send()
    }

    pub(super) fn optouts(&self, query: &str) -> Reply {
        let path = format!("{PATH}?{query}");
        self.server.call("GET", &path).key(&self.key).send()
    }

    pub(super) fn opt_in(&self, msisdn: &str) -> Reply {
        let path = format!("{PATH}/{msisdn}");
        self.server.call("DELETE", &path).key(&self.key).send()
    }

    pub(super) fn opted_out(&self, query: &str) -> Vec<String> {
        let reply = self.optouts(query);
        assert_eq!(reply.status, 200, "{query}: {}", reply.body);
        let list = reply.json();
        let records = list["records"].as_array().unwrap();
        let msisdn = |record: &Value| record["msisdn"].as_str().unwrap().to_owned();
        records.iter().map(msisdn).collect()
    }

    /// Opts numbers out, the first the longest ago. The file is told the times:
    /// two within a millisecond have no order.
    pub(super) fn opted_out_in_order(&self, msisdns: &[&str]) {
        for (position, msisdn) in msisdns.iter().enumerate() {
            assert_eq!(self.opt_out(msisdn).status, 200);
            let millis = 1_762_805_712_000 + i64::try_from(position).unwrap();
            let update =
                format!("UPDATE optouts SET created_on = {millis} WHERE msisdn = '{msisdn}'");
            assert_eq!(self.server.change(&update), 1);
        }
    }
}

/// Status and body with the one time in it checked and replaced.
fn redacted(reply: &Reply) -> String {
    let begins = r#""created_on":""#;
    let at = reply.body.find(begins).unwrap() + begins.len();
    let time = &reply.body[at..at + 24];
    let digit_places = time.replace(|one: char| one.is_ascii_digit(), "0");
    assert_eq!(digit_places, "0000-00-00T00:00:00.000Z", "{time}");
    let millis: i64 = time[20..23].parse().unwrap();
    let year: i64 = time[..4].parse().unwrap();
    assert!((0..1000).contains(&millis) && year >= 2025, "{time}");
    format!("{} {}", reply.status, reply.body.replace(time, "[time]"))
}

#[test]
fn the_three_documented_calls_answer_to_the_letter() {
    let book = book();
    let empty = book.optouts("").body;
    assert_snapshot!(empty, @r#"{"success":true,"records":[],"offset":0,"limit":10,"total":0}"#);
    let created = book.opt_out("4479000000001");
    assert_snapshot!(redacted(&created), @r#"200 {"success":true,"record":{"msisdn":"4479000000001","created_on":"[time]"}}"#);
    let list = book.optouts("");
    assert_snapshot!(redacted(&list), @r#"200 {"success":true,"records":[{"msisdn":"4479000000001","created_on":"[time]"}],"offset":0,"limit":10,"total":1}"#);
    assert_eq!(list.json()["records"][0], created.json()["record"]);
    let deleted = book.opt_in("4479000000001");
    assert_snapshot!(format!("{} {}", deleted.status, deleted.body), @r#"200 {"success":true}"#);
    assert_eq!(book.optouts("").body, empty);
    for reply in [created, list, deleted] {
        assert_eq!(reply.header("content-type"), "application/json");
    }
}

#[test]
fn a_number_that_is_not_opted_out_cannot_be_taken_back() {
    let book = book();
    book.opt_out("4479000000001");
    assert_eq!(book.opt_in("4479000000001").status, 200);
    let format = "Msisdn must be a phone number in international format";
    for (msisdn, message) in [
        ("john", format),
        ("123", format),
        ("%20", "Msisdn is required"),
        (
            "44079000000001",
            "Msisdn must not have a 0 behind the country code",
        ),
    ] {
        let reply = book.opt_in(msisdn);
        assert_eq!((reply.status, reply.message().as_str()), (400, message));
    }
    for msisdn in ["4479000000001", "4479000000002"] {
        let reply = book.opt_in(msisdn);
        allow_duplicates!(
            assert_snapshot!(format!("{} {}", reply.status, reply.body), @r#"404 {"success":false,"error":{"name":"NotFoundError","statusCode":404,"message":"Opt-out not found"}}"#)
        );
    }
}

#[test]
fn numbers_are_normalised_on_their_way_in_and_out() {
    let book = book();
    for written in [
        "+44 (79) 000-000.001",
        "0044 79000000 001",
        " 4479000000001\n",
    ] {
        let record = book.opt_out(written).json()["record"].clone();
        assert_eq!(record["msisdn"], "4479000000001", "{written}");
    }
    assert_eq!(book.optouts("").json()["total"], 1);
    assert_eq!(book.opt_in("+44%20(79)%20000-000.001").status, 200);
    assert_eq!(book.optouts("").json()["total"], 0);
}

#[test]
fn opting_out_twice_answers_the_first_record() {
    let book = book();
    book.opted_out_in_order(&["4479000000001"]);
    let again = book.opt_out("+44 7900 0000 001");
    assert_snapshot!(format!("{} {}", again.status, again.body), @r#"200 {"success":true,"record":{"msisdn":"4479000000001","created_on":"2025-11-10T20:15:12.000Z"}}"#);
    assert_eq!(book.optouts("").json()["total"], 1);
}

#[test]
fn opting_out_again_after_taking_it_back_is_a_new_record() {
    let book = book();
    book.opted_out_in_order(&["4479000000001"]);
    assert_eq!(book.opt_in("4479000000001").status, 200);
    let new = book.opt_out("4479000000001").json();
    let created_on = new["record"]["created_on"].as_str().unwrap();
    assert!(created_on > "2025-11-10T20:15:12.000Z", "{created_on}");
}

#[test]
fn the_list_begins_with_the_oldest() {
    let book = book();
    let order = ["99000000", "10000000", "50000000", "1000000000", "21000000"];
    book.opted_out_in_order(&order);
    assert_eq!(book.opted_out(""), order);
    for offset in 0..=6_usize {
        let reply = book.optouts(&format!("offset={offset}&limit=2")).json();
        let frame = (&reply["offset"], &reply["limit"], &reply["total"]);
        assert_eq!(frame, (&json!(offset), &json!(2), &json!(5)));
        let expected = &order[offset.min(5)..(offset + 2).min(5)];
        assert_eq!(
            book.opted_out(&format!("offset={offset}&limit=2")),
            expected
        );
    }
    assert_eq!(book.opt_in("50000000").status, 200);
    assert_eq!(book.opted_out("offset=2"), ["1000000000", "21000000"]);
}

#[test]
fn a_page_has_ten_unless_another_limit_is_asked_for() {
    let book = book();
    let msisdns: Vec<String> = (0..12)
        .map(|number| format!("44790000{number:03}"))
        .collect();
    for msisdn in &msisdns {
        assert_eq!(book.opt_out(msisdn).status, 200);
    }
    assert_eq!(book.opted_out("").len(), 10);
    for (limit, records) in [("1", 1), ("11", 11), ("1000", 12)] {
        assert_eq!(book.opted_out(&format!("limit={limit}")).len(), records);
    }
    let mut all = book.opted_out("limit=1000");
    all.sort();
    assert_eq!(all, msisdns);
    assert_eq!(book.optouts("").json()["total"], 12);
}

#[test]
fn a_list_refuses_what_it_does_not_know() {
    let book = book();
    let limit = "Parameter limit must be a whole number from 1 to 1000";
    let offset = "Parameter offset must be a whole number, 0 or more";
    for (query, message) in [
        ("limit=0", limit),
        ("limit=1001", limit),
        ("limit=", limit),
        ("limit=+5", limit),
        ("offset=-1", offset),
        ("offset=1.5", offset),
        ("offset=", offset),
        ("colour=red", "Unknown parameter: colour"),
        ("sortField=msisdn", "Unknown parameter: sortField"),
        ("sortDir=DESC", "Unknown parameter: sortDir"),
        (
            "msisdn=x",
            "Msisdn must be a phone number in international format",
        ),
        ("msisdn=", "Msisdn is required"),
        (
            "msisdn=44079000000001",
            "Msisdn must not have a 0 behind the country code",
        ),
        ("cursor=x", "Parameter cursor does not belong to this list"),
        (
            "cursor=&offset=0",
            "Parameter cursor cannot be combined with offset",
        ),
        ("limit=5&limit=5", "Duplicate parameter: limit"),
        ("colour=red&colour=red", "Duplicate parameter: colour"),
    ] {
        let reply = book.optouts(query);
        let found = (reply.status, reply.message());
        assert_eq!(found, (400, message.to_owned()), "{query}");
        assert_eq!(reply.json()["error"]["name"], "ValidationError");
    }
}

#[test]
fn a_body_that_is_wrong_is_refused_with_its_reason() {
    let book = book();
    let required = "Msisdn is required";
    let format = "Msisdn must be a phone number in international format";
    for (body, message) in [
        ("{}", required),
        (r#"{"msisdn":null}"#, required),
        (r#"{"msisdn":""}"#, required),
        (r#"{"msisdn":" \t"}"#, required),
        (r#"{"msisdn":4479000000001}"#, "Msisdn must be a string"),
        (r#"{"msisdn":["4479000000001"]}"#, "Msisdn must be a string"),
        (r#"{"msisdn":"123456"}"#, format),
        (r#"{"msisdn":"1234567890123456"}"#, format),
        (r#"{"msisdn":"0790000000"}"#, format),
        (r#"{"msisdn":"++4479000000"}"#, format),
        (r#"{"msisdn":"447900000x"}"#, format),
        (r#"{"msisdn":"٤٤٧٩٠٠٠٠٠٠"}"#, format),
        (r#"{"msisdn":"john"}"#, format),
        (
            r#"{"msisdn":"1234567","alias":"john"}"#,
            "Unknown field: alias",
        ),
        (
            r#"{"msisdn":"1234567","msisdn":"1234567"}"#,
            "Duplicate field: msisdn",
        ),
        (
            r#"{"msisdn":"1234567""#,
            "Request body is not valid JSON: line 1, column 20",
        ),
        ("", "Request body is not valid JSON: line 1, column 1"),
        (r#"["1234567"]"#, "Request body must be a JSON object"),
        (r#""1234567""#, "Request body must be a JSON object"),
    ] {
        let reply = book.opt_out_by(body);
        let found = (reply.status, reply.message());
        assert_eq!(found, (400, message.to_owned()), "{body}");
        assert_eq!(reply.json()["error"]["name"], "ValidationError");
    }
    assert_eq!(book.optouts("").json()["total"], 0, "nothing was stored");
    for at_the_limit in ["1234567", "123456789012345"] {
        assert_eq!(book.opt_out(at_the_limit).status, 200);
    }
}

#[test]
fn an_opt_out_belongs_to_the_number_and_not_to_the_contact() {
    let book = book();
    let before_the_contact = book.opt_out("4479000000001").json()["record"].clone();
    let contact = r#"{"alias":"john","msisdn":"4479000000001"}"#;
    assert_eq!(book.server.create(&book.key, contact).status, 200);
    let path = "/contacts/4479000000001";
    let deleted = book.server.call("DELETE", path).key(&book.key).send();
    assert_eq!((deleted.status, book.server.stored()), (200, 0));
    assert_eq!(
        book.optouts("").json()["records"],
        json!([before_the_contact])
    );
    assert_eq!(book.server.create(&book.key, contact).status, 200);
    assert_eq!(book.opt_in("4479000000001").status, 200);
    assert_eq!(book.server.stored(), 1, "the contact stays");
}

#[test]
fn each_call_needs_its_permission() {
    let server = Server::start();
    let nobody = server.key(&["read:Contacts"]);
    let one = format!("{PATH}/4479000000001");
    for (method, path, permission) in [
        ("POST", PATH, "create:Optouts"),
        ("GET", PATH, "read:Optouts"),
        ("DELETE", one.as_str(), "delete:Optouts"),
        ("GET", one.as_str(), "read:Optouts"),
    ] {
        assert_eq!(
            server.call(method, path).send().message(),
            "API key is missing"
        );
        let reply = server.call(method, path).key(&nobody).send();
        let message = format!("API Key is not permitted to perform this action. ({permission})");
        assert_eq!((reply.status, reply.message()), (403, message));
    }
}

#[test]
fn of_64_opt_outs_of_one_number_one_record_is_left() {
    let book = book();
    let barrier = Barrier::new(CLIENTS);
    let records: Vec<Value> = thread::scope(|scope| {
        let opt_out = || {
            barrier.wait();
            let reply = book.opt_out("4479000000001");
            assert_eq!(reply.status, 200, "{}", reply.body);
            reply.json()["record"].clone()
        };
        let threads: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(opt_out)).collect();
        threads.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let list = book.optouts("").json();
    assert_eq!(
        (&list["total"], &list["records"]),
        (&json!(1), &json!([records[0]]))
    );
    assert!(
        records.iter().all(|record| *record == records[0]),
        "{records:?}"
    );
    assert_eq!(book.opt_in("4479000000001").status, 200);
    assert_eq!(book.optouts("").json()["total"], 0);
}
