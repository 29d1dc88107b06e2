//! No key gives more than it has: create, PATCH and rotate hold the terms of the
//! target against those of the acting key, before and after.

use proptest::prelude::*;
use proptest::sample::subsequence;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};

use crate::book::assert_refused;
use crate::harness::{PERMISSIONS, Reply, id_of, make_key};
use crate::key_ring::{Ring, in_seconds};

/// What a key needs to try.
const MANAGER: [&str; 3] = ["create:ApiKeys", "update:ApiKeys", "read:Contacts"];

fn lacking(permission: &str) -> String {
    format!("API Key is not permitted to perform this action. ({permission})")
}

#[track_caller]
fn assert_lacking(reply: &Reply, permission: &str) {
    assert_refused(reply, (403, "ForbiddenError", &lacking(permission)));
    let challenge =
        format!(r#"Bearer realm="addressbook", error="insufficient_scope", scope="{permission}""#);
    assert_eq!(reply.header("www-authenticate"), challenge);
}

#[track_caller]
fn assert_wider(reply: &Reply, limit: &str) {
    let message = format!("API key cannot give more than it has ({limit})");
    assert_refused(reply, (403, "ForbiddenError", &message));
}

/// Every key as it is stored, but for when it was last used.
fn stored(ring: &Ring) -> Vec<String> {
    let rows = ring.server.rows(
        "SELECT id, name, hash, permissions, expires_on, allowed_ips, rate_limit, revoked_on,
            replaced_by
        FROM api_keys ORDER BY id",
    );
    rows.into_iter().map(|row| row.join("|")).collect()
}

#[test]
fn a_key_cannot_make_one_that_may_more() {
    let ring = Ring::start();
    let actor = ring.make("actor", &MANAGER);
    let before = stored(&ring);
    for (permissions, first) in [
        (json!(["create:Contacts"]), "create:Contacts"),
        (json!(["read:Contacts", "read:Audit"]), "read:Audit"),
        (json!(["read:Audit", "delete:Contacts"]), "delete:Contacts"),
        (json!(PERMISSIONS), "create:Contacts"),
    ] {
        let body = json!({"name": "more", "permissions": permissions});
        assert_lacking(&ring.create_by(&actor, &body), first);
    }
    assert_eq!(stored(&ring), before);
    let same = json!({"name": "same", "permissions": MANAGER});
    assert_eq!(ring.create_by(&actor, &same).status, 200);
}

#[test]
fn a_key_can_neither_change_nor_rotate_one_that_may_more() {
    let ring = Ring::start();
    let actor = ring.make("actor", &MANAGER);
    let stronger = ring.make(
        "stronger",
        &["read:Contacts", "delete:Contacts", "read:Audit"],
    );
    let before = stored(&ring);
    for change in [
        json!({"name": "mine"}),
        json!({"permissions": ["read:Contacts"]}),
        json!({"rate_limit": 1}),
    ] {
        let reply = ring.patch_by(&actor, id_of(&stronger), &change);
        assert_lacking(&reply, "delete:Contacts");
    }
    assert_lacking(
        &ring.rotate_by(&actor, id_of(&stronger), 60),
        "delete:Contacts",
    );
    assert_lacking(
        &ring.rotate_by(&actor, id_of(&ring.admin), 60),
        "create:Contacts",
    );
    assert_eq!(stored(&ring), before);
    assert_eq!(ring.status_of(&stronger), 200);
}

#[test]
fn a_key_cannot_widen_another_or_itself() {
    let ring = Ring::start();
    let actor = ring.make("actor", &MANAGER);
    let weaker = ring.make("weaker", &["read:Contacts"]);
    let before = stored(&ring);
    for id in [id_of(&weaker), id_of(&actor)] {
        let wider = json!({"permissions": ["read:Contacts", "update:Contacts"]});
        assert_lacking(&ring.patch_by(&actor, id, &wider), "update:Contacts");
    }
    assert_eq!(stored(&ring), before);
    let given = json!({"permissions": MANAGER});
    assert_eq!(ring.patch_by(&actor, id_of(&weaker), &given).status, 200);
    let narrower = json!({"permissions": ["update:ApiKeys"]});
    assert_eq!(ring.patch_by(&actor, id_of(&actor), &narrower).status, 200);
    // What was given up does not come back.
    let back = ring.patch_by(&actor, id_of(&actor), &given);
    assert_lacking(&back, "read:Contacts");
}

/// A limit that the acting key has: refused are a key without it, wider ones,
/// and the limit's removal.
struct Limit {
    field: &'static str,
    own: Value,
    wider: Vec<Value>,
    within: Vec<Value>,
}

fn hold_to(limit: &Limit) {
    let ring = Ring::start();
    let (field, own) = (limit.field, limit.own.clone());
    let of = |value: &Value| json!({"name": "key", "permissions": ["read:Contacts"], field: value});
    let actor = ring.make_of(&json!({"name": "actor", "permissions": MANAGER, field: own}));
    let unlimited = ring.make("unlimited", &["read:Contacts"]);
    let inside = ring.make_of(&of(&limit.within[0]));
    let outside: Vec<String> = limit
        .wider
        .iter()
        .map(|one| ring.make_of(&of(one)))
        .collect();
    let before = stored(&ring);
    let without = json!({"name": "key", "permissions": ["read:Contacts"]});
    assert_wider(&ring.create_by(&actor, &without), field);
    for wider in &limit.wider {
        assert_wider(&ring.create_by(&actor, &of(wider)), field);
        for target in [&inside, &actor, &unlimited] {
            let reply = ring.patch_by(&actor, id_of(target), &json!({field: wider}));
            assert_wider(&reply, field);
        }
    }
    for target in outside.iter().chain([&unlimited]) {
        let narrowed = ring.patch_by(&actor, id_of(target), &json!({field: limit.own}));
        assert_wider(&narrowed, field);
        let renamed = ring.patch_by(&actor, id_of(target), &json!({"name": "b"}));
        assert_wider(&renamed, field);
        assert_wider(&ring.rotate_by(&actor, id_of(target), 60), field);
    }
    assert_eq!(stored(&ring), before, "nothing was stored or changed");
    for within in &limit.within {
        assert_eq!(ring.create_by(&actor, &of(within)).status, 200, "{within}");
        for target in [&inside, &actor] {
            let reply = ring.patch_by(&actor, id_of(target), &json!({field: limit.own}));
            assert_eq!(reply.status, 200, "{}", reply.body);
        }
    }
    let expected = ring.record(id_of(&inside))[field].clone();
    let rotated = ring.rotate_by(&actor, id_of(&inside), 60);
    assert_eq!(rotated.json()["record"][field], expected);
    assert_eq!(ring.rotate_by(&actor, id_of(&actor), 60).status, 200);
}

#[test]
fn a_key_that_expires_gives_nobody_a_longer_time() {
    let own = in_seconds(3600);
    let (earlier, later) = (in_seconds(600), in_seconds(3700));
    hold_to(&Limit {
        field: "expires_on",
        own: json!(own),
        wider: vec![json!(later), json!(null), json!("9999-12-31T23:59:59.999Z")],
        within: vec![json!(own), json!(earlier)],
    });
}

#[test]
fn a_key_that_is_bound_to_addresses_gives_nobody_others() {
    hold_to(&Limit {
        field: "allowed_ips",
        own: json!(["127.0.0.0/8", "2001:db8::/32"]),
        wider: vec![
            json!(null),
            json!([]),
            json!(["127.0.0.0/7"]),
            json!(["0.0.0.0/0"]),
            json!(["127.0.0.1", "10.0.0.1"]),
            json!(["2001:db8::/31"]),
            json!(["::/0"]),
        ],
        within: vec![
            json!(["127.0.0.0/8", "2001:db8::/32"]),
            json!(["127.0.0.1"]),
            json!(["2001:db8:1::/48", "127.255.0.0/16"]),
        ],
    });
}

/// What the model expects of a call: the permission that it is refused for.
fn expected(actor: &[&str], needed: &str, before: &[&str], after: &[&str]) -> Option<String> {
    let first = |asked: &[&str]| {
        let mut ordered = PERMISSIONS.iter().filter(|one| asked.contains(one));
        ordered.find(|one| !actor.contains(one)).copied()
    };
    let refused = first(&[needed]).or_else(|| first(before));
    refused.or_else(|| first(after)).map(str::to_owned)
}

fn check(reply: &Reply, refused: Option<String>) {
    match refused {
        Some(permission) => assert_lacking(reply, &permission),
        None => assert_eq!(reply.status, 200, "{}", reply.body),
    }
}

#[test]
fn whatever_is_asked_a_key_gives_only_what_it_has() {
    let ring = Ring::start();
    let some = |least| subsequence(PERMISSIONS.to_vec(), least..=PERMISSIONS.len());
    // Half of the targets are made from the actor's own, so that some are covered.
    let cases = (some(2), some(1), some(1), any::<[bool; 2]>());
    let config = Config {
        cases: 40,
        failure_persistence: None,
        ..Config::default()
    };
    let covered = |actor: &[&'static str], set: Vec<&'static str>, narrow: bool| {
        let inside: Vec<&str> = set
            .iter()
            .copied()
            .filter(|one| actor.contains(one))
            .collect();
        if narrow && !inside.is_empty() {
            inside
        } else {
            set
        }
    };
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
        .run(&cases, |(mut actor, before, after, narrow)| {
            // Those without any of the two are another test's, in `permissions`.
            actor.extend(["create:ApiKeys", "update:ApiKeys"]);
            let before = covered(&actor, before, narrow[0]);
            let after = covered(&actor, after, narrow[1]);
            let token = ring.make("actor", &actor);
            let target = ring.make("target", &before);
            let rows = stored(&ring);
            let body = json!({"name": "made", "permissions": before});
            let made = expected(&actor, "create:ApiKeys", &[], &before);
            check(&ring.create_by(&token, &body), made.clone());
            let patched = expected(&actor, "update:ApiKeys", &before, &after);
            let change = json!({"name": "changed", "permissions": after});
            let reply = ring.patch_by(&token, id_of(&target), &change);
            check(&reply, patched.clone());
            let now = if patched.is_none() { &after } else { &before };
            let has: Vec<&str> = PERMISSIONS
                .into_iter()
                .filter(|one| now.contains(one))
                .collect();
            let record = ring.record(id_of(&target));
            prop_assert_eq!(&record["permissions"], &json!(has));
            let rotated = expected(&actor, "update:ApiKeys", now, &[]);
            check(&ring.rotate_by(&token, id_of(&target), 0), rotated.clone());
            let replaced_by = ring.record(id_of(&target))["replaced_by"].clone();
            prop_assert_eq!(replaced_by.is_null(), rotated.is_some());
            if made.is_some() && patched.is_some() && rotated.is_some() {
                prop_assert_eq!(stored(&ring), rows, "nothing was stored or changed");
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_key_with_a_rate_makes_no_keys() {
    let ring = Ring::start();
    let token = make_key(&ring.server.database, &MANAGER, &["--rate-limit", "5"]);
    let before = stored(&ring).len();
    let body = json!({"name": "child", "permissions": ["read:Contacts"], "rate_limit": 5});
    let message = "API key with a rate_limit cannot make API keys";
    assert_refused(
        &ring.create_by(&token, &body),
        (403, "ForbiddenError", message),
    );
    let rotated = ring.rotate_by(&token, id_of(&token), 60);
    assert_refused(&rotated, (403, "ForbiddenError", message));
    assert_eq!(stored(&ring).len(), before);
}

#[test]
fn a_key_revokes_only_keys_whose_permissions_it_holds_and_itself() {
    let ring = Ring::start();
    let revoker = ring.make("revoker", &["delete:ApiKeys", "read:Contacts"]);
    let alike = ring.make("alike", &["read:Contacts"]);
    let wider = ring.make("wider", &["read:Contacts", "read:Audit"]);
    let revoke = |target: &str| {
        let path = format!("/auth/keys/{}", id_of(target));
        ring.server.call("DELETE", &path).key(&revoker).send()
    };
    let before = stored(&ring);
    assert_lacking(&revoke(&wider), "read:Audit");
    assert_eq!(stored(&ring), before);
    assert_eq!(revoke(&alike).status, 200);
    assert_eq!(revoke(&revoker).status, 200, "itself");
    let test = ring.server.call("GET", "/auth/test").key(&revoker).send();
    assert_eq!(test.status, 401);
}

#[test]
fn an_unknown_id_is_rotated_without_argon2() {
    let ring = Ring::start();
    let actor = ring.make("actor", &MANAGER);
    let rotate = || {
        let path = "/auth/keys/000000000000/rotate";
        let call = ring.server.call("POST", path).key(&actor);
        call.json(r#"{"overlapSeconds":60}"#).send().status
    };
    assert_eq!(rotate(), 404);
    let begun = std::time::Instant::now();
    let unknown: Vec<u16> = (0..100).map(|_| rotate()).collect();
    let unknown_took = begun.elapsed();
    assert!(unknown.iter().all(|status| *status == 404));
    // One hash takes as long as many looks into the file.
    let begun = std::time::Instant::now();
    for number in 0..10 {
        let body = json!({"name": format!("{number}"), "permissions": ["read:Contacts"]});
        assert_eq!(ring.create_by(&actor, &body).status, 200);
    }
    assert!(
        unknown_took < 5 * begun.elapsed(),
        "{unknown_took:?} for 100"
    );
}
