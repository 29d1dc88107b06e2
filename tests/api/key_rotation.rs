//! `POST /auth/keys/{id}/rotate`: a successor of the same terms, and the old
//! key good beside it until the overlap ends.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::book::{assert_refused, invalid, together};
use crate::harness::{Reply, id_of, make_key};
use crate::key_ring::{Ring, in_seconds, millis};

/// Rotates by the admin and returns the successor's token.
fn rotate(ring: &Ring, token: &str, overlap_s: u32) -> String {
    let reply = ring.rotate_by(&ring.admin, id_of(token), overlap_s);
    assert_eq!(reply.status, 200, "{}", reply.body);
    let successor = &reply.json()["record"]["token"];
    successor.as_str().unwrap().to_owned()
}

/// Sends a body to the rotation of a key.
fn send(ring: &Ring, token: &str, body: &str) -> Reply {
    let path = format!("/{}/rotate", id_of(token));
    ring.call("POST", &path).json(body).send()
}

fn conflict(message: &str) -> (u16, &str, &str) {
    (409, "ConflictError", message)
}

#[test]
fn a_rotated_key_has_a_successor_of_the_same_terms() {
    let ring = Ring::start();
    let expires_on = in_seconds(86_400);
    let old = ring.make_of(&json!({
        "name": "sender",
        "permissions": ["create:Contacts", "read:Contacts"],
        "expires_on": expires_on,
        "allowed_ips": ["127.0.0.0/8"],
        "rate_limit": 100,
    }));
    let mut before = ring.record(id_of(&old));
    let reply = ring.rotate_by(&ring.admin, id_of(&old), 3600);
    let record = reply.json()["record"].clone();
    let text = |member: &str| record[member].as_str().unwrap().to_owned();
    let (id, created_on, token) = (text("id"), text("created_on"), text("token"));
    let admin = id_of(&ring.admin);
    assert_eq!(
        reply.body,
        format!(
            r#"{{"success":true,"record":{{"id":"{id}","name":"sender","permissions":["create:Contacts","read:Contacts"],"expires_on":"{expires_on}","allowed_ips":["127.0.0.0/8"],"rate_limit":100,"created_on":"{created_on}","created_by":"{admin}","last_used_on":null,"revoked_on":null,"replaced_by":null,"token":"{token}"}}}}"#
        )
    );
    assert_eq!(id_of(&token), id);
    assert_ne!(id, id_of(&old));
    assert_ne!(token[17..60], old[17..60], "the secret is another one");
    assert!(millis(&record["created_on"]) >= millis(&before["created_on"]));
    let after = ring.record(id_of(&old));
    before["replaced_by"] = json!(id);
    before["expires_on"] = after["expires_on"].clone();
    assert_eq!(after, before, "nothing else of the old key changes");
    for good in [&old, &token] {
        assert_eq!(ring.status_of(good), 200);
    }
}

#[test]
fn without_an_overlap_the_old_key_is_refused_at_once() {
    let ring = Ring::start();
    let old = ring.make("sender", &["read:Contacts"]);
    assert_eq!(ring.status_of(&old), 200);
    let new = rotate(&ring, &old, 0);
    assert_eq!(
        ring.test(&old).message(),
        "API key is invalid or has expired"
    );
    assert_eq!(ring.status_of(&new), 200);
}

#[test]
fn the_old_key_is_good_until_the_overlap_ends() {
    let ring = Ring::start();
    let old = ring.make("sender", &["read:Contacts"]);
    let begun = Instant::now();
    let new = rotate(&ring, &old, 1);
    while ring.status_of(&old) == 200 {
        assert!(begun.elapsed() < Duration::from_secs(4), "still let in");
    }
    assert!(
        begun.elapsed() >= Duration::from_millis(990),
        "refused too early"
    );
    assert_eq!(ring.status_of(&old), 401);
    assert_eq!(ring.status_of(&new), 200);
}

#[test]
fn the_overlap_is_whole_seconds_up_to_thirty_days() {
    const MESSAGE: &str = "OverlapSeconds must be a whole number from 0 to 2592000";
    let ring = Ring::start();
    let old = ring.make("sender", &["read:Contacts"]);
    let before = (ring.record(id_of(&old)), ring.total());
    for body in [
        "{}",
        r#"{"overlapSeconds":null}"#,
        r#"{"overlapSeconds":2592001}"#,
        r#"{"overlapSeconds":-1}"#,
        r#"{"overlapSeconds":1.5}"#,
        r#"{"overlapSeconds":1.0}"#,
        r#"{"overlapSeconds":"60"}"#,
        r#"{"overlapSeconds":true}"#,
        r#"{"overlapSeconds":99999999999999999999999}"#,
    ] {
        assert_refused(&send(&ring, &old, body), invalid(MESSAGE));
    }
    let unknown = send(&ring, &old, r#"{"overlapSeconds":1,"name":"b"}"#);
    assert_refused(&unknown, invalid("Unknown field: name"));
    let no_object = send(&ring, &old, "60");
    assert_refused(&no_object, invalid("Request body must be a JSON object"));
    assert_eq!((ring.record(id_of(&old)), ring.total()), before);
    let earliest = millis(&json!(in_seconds(2_592_000)));
    rotate(&ring, &old, 2_592_000);
    let latest = millis(&json!(in_seconds(2_592_000)));
    let end = millis(&ring.record(id_of(&old))["expires_on"]);
    assert!(
        (earliest..=latest).contains(&end),
        "{earliest} {end} {latest}"
    );
}

#[test]
fn a_key_is_rotated_once_and_only_while_it_is_good() {
    let ring = Ring::start();
    let twice = ring.make("twice", &["read:Contacts"]);
    let successor = rotate(&ring, &twice, 60);
    let revoked = ring.make("revoked", &["read:Contacts"]);
    assert_eq!(ring.delete(id_of(&revoked), "").status, 200);
    let database = &ring.server.database;
    let expired = make_key(database, &["read:Contacts"], &["--expires-in", "0s"]);
    let before = ring.total();
    for (token, message) in [
        (&twice, "API key was rotated already"),
        (&revoked, "API key is not active"),
        (&expired, "API key is not active"),
    ] {
        let record = ring.record(id_of(token));
        let reply = ring.rotate_by(&ring.admin, id_of(token), 60);
        assert_refused(&reply, conflict(message));
        assert_eq!(ring.record(id_of(token)), record);
    }
    assert_eq!(ring.total(), before);
    rotate(&ring, &successor, 60);
}

#[test]
fn an_overlap_never_outlives_the_old_keys_own_expiry() {
    let ring = Ring::start();
    let expires_on = in_seconds(600);
    let of = |name| {
        ring.make_of(&json!({
            "name": name, "permissions": ["read:Contacts"], "expires_on": expires_on,
        }))
    };
    let (long, short) = (of("long"), of("short"));
    let record = |token: &str| -> Value { ring.record(id_of(token)) };
    let successors = [rotate(&ring, &long, 3600), rotate(&ring, &short, 60)];
    assert_eq!(record(&long)["expires_on"], expires_on.as_str());
    let end = millis(&record(&short)["expires_on"]);
    assert!(end <= millis(&json!(in_seconds(60))));
    assert!(end > millis(&json!(in_seconds(30))));
    for successor in successors {
        assert_eq!(record(&successor)["expires_on"], expires_on.as_str());
    }
}

#[test]
fn a_key_rotates_itself() {
    let ring = Ring::start();
    let own = ring.make("own", &["update:ApiKeys"]);
    let reply = ring.rotate_by(&own, id_of(&own), 0);
    assert_eq!(reply.status, 200, "{}", reply.body);
    let successor = reply.json()["record"]["token"].as_str().unwrap().to_owned();
    assert_eq!(ring.status_of(&own), 401);
    assert_eq!(ring.rotate_by(&own, id_of(&successor), 0).status, 401);
    assert_eq!(ring.rotate_by(&successor, id_of(&successor), 0).status, 200);
}

#[test]
fn of_many_rotations_at_once_one_wins() {
    let ring = Ring::start();
    let old = ring.make("sender", &["read:Contacts"]);
    let before = ring.total();
    let replies = together(|_| ring.rotate_by(&ring.admin, id_of(&old), 60));
    let (won, lost): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 200);
    assert_eq!(won.len(), 1);
    for reply in lost {
        // Making the successor's secret costs; a busy server may say so.
        if reply.status != 503 {
            assert_refused(reply, conflict("API key was rotated already"));
        }
    }
    assert_eq!(ring.total(), before + 1);
    let successor = &won[0].json()["record"]["id"];
    assert_eq!(&ring.record(id_of(&old))["replaced_by"], successor);
}

#[test]
fn the_end_of_a_rotated_key_cannot_be_put_off() {
    let server = crate::harness::Server::start();
    let manager = server.key(&crate::harness::PERMISSIONS);
    let old = server.key(&["read:Contacts"]);
    let path = format!("/auth/keys/{}", crate::harness::id_of(&old));
    let rotate = server.call("POST", &format!("{path}/rotate")).key(&manager);
    assert_eq!(rotate.json(r#"{"overlapSeconds":60}"#).send().status, 200);
    for (body, status) in [
        (r#"{"expires_on":null}"#, 409),
        (r#"{"expires_on":"2999-01-01T00:00:00Z"}"#, 409),
        (r#"{"name":"old"}"#, 200),
    ] {
        let patched = server.call("PATCH", &path).key(&manager).json(body).send();
        assert_eq!(patched.status, status, "{body}: {}", patched.body);
    }
}

#[test]
fn a_key_that_was_rotated_does_not_count_as_another_that_manages_keys() {
    let server = crate::harness::Server::start();
    let old = server.key(&crate::harness::PERMISSIONS);
    let path = format!("/auth/keys/{}", crate::harness::id_of(&old));
    let rotate = server.call("POST", &format!("{path}/rotate")).key(&old);
    let successor = rotate.json(r#"{"overlapSeconds":60}"#).send().json();
    let token = successor["record"]["token"].as_str().unwrap();
    let path = format!("/auth/keys/{}", crate::harness::id_of(token));
    let refused = server.call("DELETE", &path).key(&old).send();
    assert_eq!(refused.status, 409, "{}", refused.body);
}
