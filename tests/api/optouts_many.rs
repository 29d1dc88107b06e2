//! Opt-outs found one by one, opted out many at once, and walked by cursor.

use std::collections::HashSet;

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::book::Book;
use crate::harness::Reply;
use crate::optouts::{PATH, book};

const REQUIRED: &str = "Msisdn is required";
const FORMAT: &str = "Msisdn must be a phone number in international format";
const TRUNK_ZERO: &str = "Msisdn must not have a 0 behind the country code";
const COUNT: &str = "Msisdns must be an array of 1 to 10000 strings";

impl Book {
    fn optout_of(&self, msisdn: &str) -> Reply {
        let path = format!("{PATH}/{msisdn}");
        self.server.call("GET", &path).key(&self.key).send()
    }

    fn opt_out_all(&self, body: &str) -> Reply {
        let path = format!("{PATH}/bulk");
        let call = self.server.call("POST", &path).key(&self.key);
        call.json(body).send()
    }

    /// Stores an opt-out as older rules may have.
    fn opted_out_before(&self, msisdn: &str) {
        let one = self.server.in_sql("", " AND slot = 0");
        self.server.change(&format!(
            "INSERT INTO optouts (msisdn, created_on) VALUES ('{msisdn}', 1762805712000);
            UPDATE counters SET value = value + 1 WHERE name = 'optouts'{one}"
        ));
    }

    /// The counter of opt-outs, held against them.
    fn counted(&self) -> i64 {
        let counted = self.optouts("").json()["total"].as_i64().unwrap();
        assert_eq!(self.server.number("SELECT count(*) FROM optouts"), counted);
        counted
    }

    /// The pages of a walk, from its beginning to its end.
    fn optout_pages(&self, limit: usize) -> Vec<Value> {
        let page = |cursor: &str| {
            let reply = self.optouts(&format!("limit={limit}&cursor={cursor}"));
            assert_eq!(reply.status, 200, "{}", reply.body);
            reply.json()
        };
        let mut pages = vec![page("")];
        while let Some(next) = pages.last().unwrap()["next"].as_str() {
            let following = page(next);
            pages.push(following);
            assert!(pages.len() < 10_000, "the walk has no end");
        }
        pages
    }
}

fn msisdns(pages: &[Value]) -> Vec<String> {
    let records = pages
        .iter()
        .flat_map(|page| page["records"].as_array().unwrap());
    let msisdn = |record: &Value| record["msisdn"].as_str().unwrap().to_owned();
    records.map(msisdn).collect()
}

#[test]
fn one_is_found_however_its_number_is_written() {
    let book = book();
    book.opted_out_in_order(&["4479000000001"]);
    let found = book.optout_of("4479000000001");
    assert_snapshot!(format!("{} {}", found.status, found.body), @r#"200 {"success":true,"record":{"msisdn":"4479000000001","created_on":"2025-11-10T20:15:12.000Z"}}"#);
    for written in [
        "+44%207900%200000%20001",
        "0044-7900-0000-001",
        "+4479000000001",
    ] {
        assert_eq!(book.optout_of(written).body, found.body, "{written}");
    }
    for (msisdn, message) in [
        ("john", FORMAT),
        ("123", FORMAT),
        ("%20", REQUIRED),
        ("%FF", FORMAT),
        ("44079000000001", TRUNK_ZERO),
    ] {
        let reply = book.optout_of(msisdn);
        assert_eq!((reply.status, reply.message().as_str()), (400, message));
    }
    let reply = book.optout_of("4479000000002");
    assert_snapshot!(format!("{} {}", reply.status, reply.body), @r#"404 {"success":false,"error":{"name":"NotFoundError","statusCode":404,"message":"Opt-out not found"}}"#);
    assert_eq!(
        book.server
            .call("HEAD", &format!("{PATH}/4479000000001"))
            .key(&book.key)
            .send()
            .status,
        200
    );
}

#[test]
fn an_older_spelling_is_found_by_both() {
    let book = book();
    book.opted_out_before("44079000000001");
    for written in ["4479000000001", "44079000000001"] {
        let found = book.optout_of(written);
        assert_eq!(
            found.json()["record"]["msisdn"],
            "44079000000001",
            "{}",
            found.body
        );
        assert_eq!(
            book.opted_out(&format!("msisdn={written}")),
            ["44079000000001"]
        );
    }
    let again = book.opt_out_all(r#"{"msisdns":["4479000000001","44079000000001"]}"#);
    assert_snapshot!(again.body, @r#"{"success":true,"summary":{"total":2,"created":0,"unchanged":2,"failed":0},"results":[{"index":0,"status":"unchanged","msisdn":"44079000000001"},{"index":1,"status":"unchanged","msisdn":"44079000000001"}]}"#);
    assert_eq!(book.counted(), 1);
}

#[test]
fn many_are_opted_out_at_once_each_with_a_result() {
    let book = book();
    book.opt_out("21000000");
    let sent = json!({"msisdns": [
        "+44 7900 000 0001", "21000000", "12", "4479000000001", 5, null, "", "44079000000001", "\u{663}",
    ]});
    let reply = book.opt_out_all(&sent.to_string());
    assert_snapshot!(format!("{} {}", reply.status, reply.body.replace("},{", "},\n{")), @r#"
    200 {"success":true,"summary":{"total":9,"created":1,"unchanged":2,"failed":6},"results":[{"index":0,"status":"created","msisdn":"4479000000001"},
    {"index":1,"status":"unchanged","msisdn":"21000000"},
    {"index":2,"status":"error","error":{"name":"ValidationError","statusCode":400,"message":"Msisdn must be a phone number in international format"}},
    {"index":3,"status":"unchanged","msisdn":"4479000000001"},
    {"index":4,"status":"error","error":{"name":"ValidationError","statusCode":400,"message":"Msisdn must be a string"}},
    {"index":5,"status":"error","error":{"name":"ValidationError","statusCode":400,"message":"Msisdn is required"}},
    {"index":6,"status":"error","error":{"name":"ValidationError","statusCode":400,"message":"Msisdn is required"}},
    {"index":7,"status":"error","msisdn":"44079000000001","error":{"name":"ValidationError","statusCode":400,"message":"Msisdn must not have a 0 behind the country code"}},
    {"index":8,"status":"error","error":{"name":"ValidationError","statusCode":400,"message":"Msisdn must be a phone number in international format"}}]}
    "#);
    assert_eq!(book.counted(), 2);
}

#[test]
fn ten_thousand_are_taken_and_no_more() {
    let book = book();
    let number = |number: usize| format!("4479{:08}", number % 9_000);
    let many = |count| json!({"msisdns": (0..count).map(number).collect::<Vec<_>>()}).to_string();
    let reply = book.opt_out_all(&many(10_000));
    assert_eq!(reply.status, 200);
    let answer = reply.json();
    let expected = json!({"total": 10_000, "created": 9_000, "unchanged": 1_000, "failed": 0});
    assert_eq!(answer["summary"], expected);
    for (index, result) in answer["results"].as_array().unwrap().iter().enumerate() {
        let status = if index < 9_000 {
            "created"
        } else {
            "unchanged"
        };
        let expected = json!({"index": index, "status": status, "msisdn": number(index)});
        assert_eq!(*result, expected);
    }
    assert_eq!(book.counted(), 9_000);
    let first = book.optout_of(&number(0)).json();
    assert_eq!(book.opt_out_all(&many(1)).json()["summary"]["unchanged"], 1);
    assert_eq!(
        book.optout_of(&number(0)).json(),
        first,
        "the first record stays"
    );
    let too_many = book.opt_out_all(&many(10_001));
    assert_eq!((too_many.status, too_many.message().as_str()), (400, COUNT));
}

#[test]
fn a_body_that_is_wrong_as_a_whole_opts_nobody_out() {
    let book = book();
    for (body, message) in [
        ("{}", COUNT),
        (r#"{"msisdns":null}"#, COUNT),
        (r#"{"msisdns":[]}"#, COUNT),
        (r#"{"msisdns":"4479000000001"}"#, COUNT),
        (r#"{"msisdns":{"a":"4479000000001"}}"#, COUNT),
        (
            r#"{"msisdns":["4479000000001"],"dryRun":true}"#,
            "Unknown field: dryRun",
        ),
        (
            r#"{"msisdns":["4479000000001"],"atomic":true}"#,
            "Unknown field: atomic",
        ),
        (
            r#"{"msisdns":["1234567"],"msisdns":["1234567"]}"#,
            "Duplicate field: msisdns",
        ),
        (r#"["4479000000001"]"#, "Request body must be a JSON object"),
        (
            r#"{"msisdns":["#,
            "Request body is not valid JSON: line 1, column 13",
        ),
    ] {
        let reply = book.opt_out_all(body);
        assert_eq!(
            (reply.status, reply.message().as_str()),
            (400, message),
            "{body}"
        );
    }
    assert_eq!(book.counted(), 0);
    let get = book
        .server
        .call("GET", &format!("{PATH}/bulk"))
        .key(&book.key);
    assert_eq!((get.send().status), 405, "no number is called bulk");
}

#[test]
fn a_number_selects_its_opt_out_alone() {
    let book = book();
    book.opted_out_in_order(&["99000000", "4479000000001"]);
    let found = book.optouts("msisdn=%2B44%207900%200000%20001");
    assert_snapshot!(found.body, @r#"{"success":true,"records":[{"msisdn":"4479000000001","created_on":"2025-11-10T20:15:12.001Z"}],"offset":0,"limit":10,"total":1}"#);
    let nothing = book.optouts("msisdn=4479000000009");
    assert_snapshot!(nothing.body, @r#"{"success":true,"records":[],"offset":0,"limit":10,"total":0}"#);
    let skipped = book.optouts("msisdn=99000000&offset=1");
    assert_snapshot!(skipped.body, @r#"{"success":true,"records":[],"offset":1,"limit":10,"total":1}"#);
    let walked = book.optouts("msisdn=99000000&cursor=");
    assert_snapshot!(walked.body, @r#"{"success":true,"records":[{"msisdn":"99000000","created_on":"2025-11-10T20:15:12.000Z"}],"limit":10,"next":null}"#);
    book.opted_out_before("44079000000001");
    let both = ["44079000000001", "4479000000001"];
    assert_eq!(
        book.opted_out("msisdn=4479000000001"),
        both,
        "the oldest first"
    );
    let page = book.optouts("msisdn=4479000000001&cursor=&limit=1").json();
    let next = format!(
        "msisdn=4479000000001&cursor={}",
        page["next"].as_str().unwrap()
    );
    assert_eq!(book.opted_out(&next), both[1..]);
}

#[test]
fn a_walk_meets_each_once_in_the_order_of_the_list_ties_among_them() {
    let book = book();
    let numbers: Vec<String> = (0..21)
        .map(|number| format!("{}", 9_900_000 - number))
        .collect();
    book.opt_out_all(&json!({ "msisdns": numbers }).to_string());
    // Three of each millisecond.
    let tie = "UPDATE optouts SET created_on = 1762805712000 + CAST(msisdn AS BIGINT) % 7";
    book.server.change(tie);
    let expected = book.opted_out("limit=1000");
    assert_eq!(expected.len(), 21);
    for (limit, count) in [(1, 21), (2, 11), (7, 3), (20, 2), (21, 1), (1000, 1)] {
        let pages = book.optout_pages(limit);
        assert_eq!(msisdns(&pages), expected, "{limit}");
        assert_eq!(pages.len(), count, "{limit}");
        let first = pages[0].as_object().unwrap();
        let members: Vec<&String> = first.keys().collect();
        assert_eq!(members, ["success", "records", "limit", "next"]);
    }
    // What is behind it may go.
    let page = book.optouts("cursor=&limit=5").json();
    for gone in msisdns(std::slice::from_ref(&page)) {
        assert_eq!(book.opt_in(&gone).status, 200);
    }
    let rest = format!("limit=1000&cursor={}", page["next"].as_str().unwrap());
    assert_eq!(book.opted_out(&rest), expected[5..]);
    assert_eq!(expected.iter().collect::<HashSet<_>>().len(), 21);
}

#[test]
fn a_cursor_of_another_list_is_refused() {
    let book = book();
    book.opted_out_in_order(&["99000000", "10000000"]);
    let next = |query: &str| {
        let page = book.optouts(&format!("{query}&cursor=&limit=1")).json();
        page["next"].as_str().unwrap().to_owned()
    };
    let cursor = next("");
    let unknown = "Parameter cursor does not belong to this list";
    let end = cursor.len() - 1;
    for query in [
        format!("msisdn=10000000&cursor={cursor}"),
        format!("cursor={}", &cursor[..end]),
        format!("cursor={cursor}A"),
        format!("cursor=%20{cursor}"),
        "cursor=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".to_owned(),
    ] {
        let reply = book.optouts(&query);
        assert_eq!(
            (reply.status, reply.message().as_str()),
            (400, unknown),
            "{query}"
        );
    }
    let contacts = format!("/contacts?cursor={cursor}");
    let key = book.server.key(&["read:Contacts"]);
    let reply = book.server.call("GET", &contacts).key(&key).send();
    assert_eq!((reply.status, reply.message().as_str()), (400, unknown));
}
