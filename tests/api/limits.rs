//! From where and how fast: what a good key is limited to, and when its use is
//! written down.

use std::time::Instant;

use serde_json::{Value, json};

use crate::book::assert_refused;
use crate::harness::{Reply, id_of, until};
use crate::key_ring::{Ring, in_seconds, millis, test_from};

const NOT_FROM_HERE: (u16, &str, &str) = (
    403,
    "ForbiddenError",
    "API key is not allowed from this address",
);

/// A key that is good from these ranges.
fn key_from(ring: &Ring, ranges: &Value) -> String {
    ring.make_of(&json!({
        "name": "bound", "permissions": ["create:Contacts"], "allowed_ips": ranges,
    }))
}

/// A key of this rate.
fn key_of_rate(ring: &Ring, per_second: u32) -> String {
    ring.make_of(&json!({
        "name": "limited", "permissions": ["create:Contacts"], "rate_limit": per_second,
    }))
}

#[track_caller]
fn assert_not_from_here(reply: &Reply) {
    assert_refused(reply, NOT_FROM_HERE);
    let challenge = reply.header("www-authenticate");
    assert!(!challenge.contains("insufficient_scope"), "{challenge}");
}

#[test]
fn a_key_is_good_from_its_addresses_alone() {
    let ring = Ring::start();
    for ranges in [
        json!(["127.0.0.0/8"]),
        json!(["127.0.0.1"]),
        json!(["10.0.0.0/8", "127.0.0.1/32"]),
        json!(["0.0.0.0/0"]),
        json!(["::ffff:127.0.0.1"]),
    ] {
        let reply = ring.test(&key_from(&ring, &ranges));
        assert_eq!(reply.status, 200, "{ranges}: {}", reply.body);
    }
    for ranges in [
        json!(["10.0.0.0/8"]),
        json!(["127.0.0.2"]),
        json!(["128.0.0.0/1"]),
        json!(["::1"]),
        json!(["2001:db8::/32", "192.0.2.1"]),
    ] {
        let key = key_from(&ring, &ranges);
        assert_not_from_here(&ring.test(&key));
        let contact = r#"{"alias":"john","msisdn":"4479000000001"}"#;
        assert_not_from_here(&ring.server.create(&key, contact));
        let record = ring.record(id_of(&key));
        assert_eq!(record["last_used_on"], Value::Null, "it was not let in");
    }
    assert_eq!(ring.server.stored(), 0);
}

#[test]
fn other_addresses_act_at_the_next_request() {
    let ring = Ring::start();
    let key = key_from(&ring, &json!(["127.0.0.0/8"]));
    for (ranges, status) in [
        (json!(["10.0.0.0/8"]), 403),
        (json!(["127.0.0.1"]), 200),
        (json!(["::1"]), 403),
        (json!(null), 200),
    ] {
        let change = json!({"allowed_ips": ranges});
        let changed = ring.patch_by(&ring.admin, id_of(&key), &change);
        assert_eq!(changed.status, 200);
        assert_eq!(ring.status_of(&key), status, "{ranges}");
    }
}

#[test]
fn without_a_trusted_proxy_nobody_is_believed() {
    for arguments in [vec![], vec!["--trusted-proxy", "10.0.0.0/8"]] {
        let ring = Ring::start_with(&arguments);
        let elsewhere = key_from(&ring, &json!(["198.51.100.0/24"]));
        let here = key_from(&ring, &json!(["127.0.0.0/8"]));
        for forwarded in [
            &["198.51.100.7"][..],
            &["198.51.100.7", "127.0.0.1"],
            &["x"],
        ] {
            assert_not_from_here(&test_from(&ring.server, &elsewhere, forwarded));
            assert_eq!(test_from(&ring.server, &here, forwarded).status, 200);
        }
    }
}

#[test]
fn a_trusted_proxy_is_believed_as_far_as_the_last_hop_that_is_none() {
    let ring = Ring::start_with(&["--trusted-proxy", "127.0.0.0/8"]);
    let four = key_from(&ring, &json!(["198.51.100.7"]));
    let six = key_from(&ring, &json!(["2001:db8::/32"]));
    let proxy = key_from(&ring, &json!(["127.0.0.0/8"]));
    let rows: [(&[&str], [u16; 3]); 14] = [
        (&["198.51.100.7"], [200, 403, 403]),
        (&[" 198.51.100.7 "], [200, 403, 403]),
        (&["::ffff:198.51.100.7"], [200, 403, 403]),
        (&["1.1.1.1, 198.51.100.7"], [200, 403, 403]),
        (&["1.1.1.1,198.51.100.7, 127.0.0.9"], [200, 403, 403]),
        (&["1.1.1.1", "198.51.100.7"], [200, 403, 403]),
        (&["198.51.100.7", "127.0.0.9"], [200, 403, 403]),
        (&["2001:db8::7"], [403, 200, 403]),
        (&["198.51.100.7, 1.1.1.1"], [403, 403, 403]),
        (&["198.51.100.7", "1.1.1.1"], [403, 403, 403]),
        (&["127.0.0.1, 1.1.1.1"], [403, 403, 403]),
        (&["nonsense, 198.51.100.7"], [200, 403, 403]),
        // What cannot be read hides what stands before it.
        (&["198.51.100.7, nonsense"], [403, 403, 200]),
        (&[], [403, 403, 200]),
    ];
    for (forwarded, expected) in rows {
        let statuses = [&four, &six, &proxy].map(|key| test_from(&ring.server, key, forwarded));
        assert_eq!(
            statuses.map(|reply| reply.status),
            expected,
            "{forwarded:?}"
        );
    }
}

#[test]
fn bytes_that_are_no_text_do_not_hide_the_hop_behind_them() {
    let ring = Ring::start_with(&["--trusted-proxy", "127.0.0.0/8"]);
    let proxy = key_from(&ring, &json!(["127.0.0.0/8"]));
    // The client sends a byte, its proxy adds the client's address.
    let mut request = b"GET /auth/test HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: ".to_vec();
    request.extend(b"\xe9, 198.51.100.7\r\nConnection: close\r\n");
    request.extend(format!("Authorization: Bearer {proxy}\r\n\r\n").as_bytes());
    let answer = ring.server.raw(&request);
    assert!(
        answer.ends_with(r#""message":"API key is not allowed from this address"}}"#),
        "{answer}"
    );
}

/// The number behind `name` in a header of a limited key.
fn number(header: &str, name: &str) -> u32 {
    let parts: Vec<&str> = header.split(';').collect();
    assert_eq!((parts[0], parts.len()), (r#""key""#, 3), "{header}");
    let found = parts.iter().find_map(|part| part.strip_prefix(name));
    found.unwrap().parse().unwrap()
}

#[test]
fn a_limited_key_has_its_rate_as_a_burst_and_no_more() {
    const RATE: u32 = 5;
    let ring = Ring::start();
    let key = key_of_rate(&ring, RATE);
    let first = ring.test(&key);
    assert_eq!(first.header("ratelimit-policy"), r#""key";q=5;w=1"#);
    assert_eq!(number(first.header("ratelimit"), "r="), 4);
    let begun = Instant::now();
    let mut let_in = 1;
    let refused = loop {
        let reply = ring.test(&key);
        if reply.status != 200 {
            break reply;
        }
        let_in += 1;
        assert!(let_in < 1000, "never refused");
    };
    // What came back since the first; it may have come while that was answered.
    let filled = f64::from(RATE) * begun.elapsed().as_secs_f64();
    let most = f64::from(RATE) + filled + 1.0;
    assert!(
        let_in >= RATE && f64::from(let_in) <= most,
        "{let_in} of {most}"
    );
    let message = "API key may make at most 5 requests a second";
    assert_refused(&refused, (429, "TooManyRequestsError", message));
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(refused.header("ratelimit-policy"), r#""key";q=5;w=1"#);
    assert_eq!(refused.header("ratelimit"), r#""key";r=0;t=1"#);
    until(|| (ring.status_of(&key) == 200).then_some(()));
}

#[test]
fn a_limit_is_written_with_its_window_and_the_time_that_the_rest_is_for() {
    let ring = Ring::start();
    let first = ring.test(&key_of_rate(&ring, 5));
    assert_eq!(first.header("ratelimit-policy"), r#""key";q=5;w=1"#);
    assert_eq!(first.header("ratelimit"), r#""key";r=4;t=1"#);
}

#[test]
fn every_answer_to_a_limited_key_says_what_is_left() {
    const RATE: u32 = 1000;
    let ring = Ring::start();
    let key = key_of_rate(&ring, RATE);
    let unlimited = ring.make("unlimited", &["create:Contacts"]);
    let contact = r#"{"alias":"john","msisdn":"4479000000001"}"#;
    for (method, path, body, status) in [
        ("POST", "/contacts", contact, 200),
        ("POST", "/contacts", contact, 400),
        ("POST", "/contacts", "{", 400),
        ("GET", "/contacts", "", 403),
        ("POST", "/auth/test", "", 200),
    ] {
        let send = |key: &str| ring.server.call(method, path).key(key).json(body).send();
        let reply = send(&key);
        assert_eq!(reply.status, status, "{}", reply.body);
        assert_eq!(reply.header("ratelimit-policy"), r#""key";q=1000;w=1"#);
        let ratelimit = reply.header("ratelimit");
        assert!(number(ratelimit, "r=") < RATE, "{ratelimit}");
        assert!(number(ratelimit, "t=") <= 1, "{ratelimit}");
        let free = send(&unlimited);
        for name in ["ratelimit", "ratelimit-policy", "retry-after"] {
            assert!(!free.headers.contains_key(name), "{name}");
        }
    }
    let change = json!({"rate_limit": null});
    assert_eq!(ring.patch_by(&ring.admin, id_of(&key), &change).status, 200);
    assert!(!ring.test(&key).headers.contains_key("ratelimit"));
}

#[test]
fn each_key_has_a_bucket_of_its_own_and_a_refused_request_does_nothing() {
    let ring = Ring::start();
    let [one, other] = [(); 2].map(|()| key_of_rate(&ring, 1));
    assert_eq!(ring.status_of(&other), 200);
    until(|| (ring.status_of(&other) == 200).then_some(()));
    let refused = until(|| {
        let reply = ring.server.create(&one, r#"{"alias":"","msisdn":""}"#);
        (reply.status == 429).then_some(reply)
    });
    assert_eq!(refused.header("retry-after"), "1");
    let fresh = key_of_rate(&ring, 1);
    assert_eq!(ring.status_of(&fresh), 200);
    // The bucket was read as empty a moment ago; whatever is let in is stored.
    let contact = |number: usize| format!(r#"{{"alias":"{number}","msisdn":"4479000000001"}}"#);
    let stored = (0..50)
        .filter(|&number| ring.server.create(&one, contact(number)).status == 200)
        .count();
    assert!(stored < 50);
    assert_eq!(ring.server.stored(), i64::try_from(stored).unwrap());
}

#[test]
fn the_last_use_is_written_once_a_minute() {
    let ring = Ring::start();
    let [key, fence] = ["key", "fence"].map(|name| ring.make(name, &["read:Contacts"]));
    let last_use = |token: &str| {
        let value = ring.record(id_of(token))["last_used_on"].clone();
        (!value.is_null()).then_some(value)
    };
    assert_eq!((last_use(&key), last_use(&fence)), (None, None));
    let before = millis(&json!(in_seconds(0)));
    assert_eq!(ring.status_of(&key), 200);
    let written = until(|| last_use(&key));
    let after = millis(&json!(in_seconds(0)));
    assert!((before..=after).contains(&millis(&written)), "{written}");
    // Whatever these would write is written before the fence's first use.
    for _ in 0..50 {
        assert_eq!(ring.status_of(&key), 200);
    }
    assert_eq!(ring.status_of(&fence), 200);
    until(|| last_use(&fence));
    assert_eq!(last_use(&key), Some(written));
}
