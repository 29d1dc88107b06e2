//! Invalid keys: how often one address may try, and how far each gets.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::book::assert_refused;
use crate::harness::{Reply, Server, id_of, until};
use crate::key_ring::{Ring, test_from};

const TOO_MANY: (u16, &str, &str) = (
    429,
    "TooManyRequestsError",
    "Too many invalid API keys from this address",
);
/// Right by its grammar and checksum, and nobody's.
const UNKNOWN: &str = "abk_Hq3T0bJm91Xa_Zk2pV7sYw0QdL4nR8tUe6cBf1GhJ5mXo9aKiPvNzTqS4bQlpH";
/// How many invalid keys one address may try at once.
const FAILURES_MAX: u64 = 100;

/// Calls with something invalid until it is refused as too many; how many were
/// answered before.
fn flood(send: impl Fn() -> Reply) -> (u64, Reply) {
    let mut answered = 0;
    loop {
        let reply = send();
        if reply.status != 401 {
            return (answered, reply);
        }
        assert_eq!(reply.message(), "API key is invalid or has expired");
        answered += 1;
        assert!(answered < 1000, "never refused");
    }
}

#[test]
fn too_many_invalid_keys_are_refused_and_a_good_one_passes() {
    let ring = Ring::start();
    let nobody = ring.make("nobody", &["read:Contacts"]);
    for _ in 0..FAILURES_MAX + 50 {
        let missing = ring.server.call("GET", "/auth/test").send();
        assert_eq!(missing.message(), "API key is missing");
        let refused = ring.server.call("GET", "/auth/keys").key(&nobody).send();
        assert_eq!(refused.status, 403);
    }
    let begun = Instant::now();
    let (answered, refused) = flood(|| ring.test(UNKNOWN));
    let most = FAILURES_MAX + begun.elapsed().as_secs() + 1;
    assert!(
        (FAILURES_MAX..=most).contains(&answered),
        "{answered} of {most}"
    );
    assert_refused(&refused, TOO_MANY);
    assert_eq!(refused.header("retry-after"), "1");
    for _ in 0..20 {
        assert_eq!(ring.status_of(&nobody), 200);
    }
    let missing = ring.server.call("GET", "/auth/test").send();
    assert_eq!(
        (missing.status, missing.message().as_str()),
        (401, "API key is missing")
    );
}

#[test]
fn invalid_keys_are_counted_by_address_and_by_64_bits_of_a_long_one() {
    let ring = Ring::start_with(&["--trusted-proxy", "127.0.0.0/8"]);
    let from = |address: &str| test_from(&ring.server, UNKNOWN, &[address]);
    for (crowded, same, others) in [
        (
            "198.51.100.7",
            "::ffff:198.51.100.7",
            ["198.51.100.8", "127.0.0.1"],
        ),
        (
            "2001:db8:1:2::1",
            "2001:db8:1:2:ffff::9",
            ["2001:db8:1:3::1", "2001:db8:2:2::1"],
        ),
    ] {
        let (answered, refused) = flood(|| from(crowded));
        assert!(answered >= FAILURES_MAX);
        assert_refused(&refused, TOO_MANY);
        // One comes back in a second, so the next may be let in again.
        let next = [from(same).status, from(same).status];
        assert!(next.contains(&429), "{same}: {next:?}");
        for other in others {
            assert_eq!(from(other).status, 401, "{other}");
        }
    }
}

/// The counters of the checks of keys, by stage.
fn stages(server: &Server) -> BTreeMap<String, u64> {
    let reply = server.call("GET", "/metrics").send();
    assert_eq!(reply.status, 200);
    let begins = r#"addressbook_key_checks_total{stage=""#;
    let lines = reply
        .body
        .lines()
        .filter_map(|line| line.strip_prefix(begins));
    lines
        .map(|line| {
            let (stage, count) = line.split_once(r#""} "#).unwrap();
            (stage.to_owned(), count.parse().unwrap())
        })
        .collect()
}

fn forged(id: &str) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let body = format!("abk_{id}_{}", "0".repeat(43));
    let hash = crc32fast::hash(body.as_bytes()) as usize;
    let digit = |place| char::from(DIGITS[hash / 62_usize.pow(place) % 62]);
    let checksum: String = (0..6).rev().map(digit).collect();
    format!("{body}{checksum}")
}

#[test]
fn each_stage_of_a_keys_check_is_counted() {
    let ring = Ring::start();
    let [good, revoked] = ["good", "revoked"].map(|name| ring.make(name, &["read:Contacts"]));
    assert_eq!(ring.delete(id_of(&revoked), "").status, 200);
    let wrong = forged(id_of(&good));
    let expected_statuses = [
        (None, "Missing", 401),
        (Some("nonsense"), "Malformed", 401),
        (Some(UNKNOWN), "Unknown", 401),
        (Some(&*wrong), "WrongTag", 401),
        (Some(&*revoked), "Ended", 401),
        (Some(&*good), "Verified", 200),
        (Some(&*good), "Remembered", 200),
    ];
    for (token, stage, status) in expected_statuses {
        let mut expected = stages(&ring.server);
        let call = ring.server.call("GET", "/auth/test");
        let reply = token.map_or(call, |token| {
            ring.server.call("GET", "/auth/test").key(token)
        });
        assert_eq!(reply.send().status, status, "{stage}");
        *expected.entry(stage.to_owned()).or_default() += 1;
        // What was written holds for a second.
        until(|| (stages(&ring.server) == expected).then_some(()));
    }
    assert!(!stages(&ring.server).contains_key("TooManyFailures"));
    flood(|| ring.test("nonsense"));
    until(|| (stages(&ring.server).get("TooManyFailures") == Some(&1)).then_some(()));
}
