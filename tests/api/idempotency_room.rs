//! What is remembered for retries has room: a key that fills its own is refused,
//! and loses nothing of what it was promised.

use serde_json::json;

use crate::harness::{Reply, Server, id_of};

const KIB: i64 = 1024;

/// The most that the stored responses of one key take.
const ROOM: i64 = 32 * 1024 * KIB;

fn bulk(server: &Server, key: &str, name: &str, body: &str) -> Reply {
    let call = server.call("POST", "/contacts/bulk").key(key);
    call.header("Idempotency-Key", name).json(body).send()
}

/// What a key's responses take by what is stored, which has to be what was counted.
fn stored(server: &Server, key: &str) -> i64 {
    let id = id_of(key);
    let stored = server.number(&format!(
        "SELECT coalesce(sum(160 + 2 * length(name) + length(body)), 0) FROM idempotency
        WHERE key_id = '{id}'"
    ));
    let counted = server.in_sql(
        "SELECT responses_bytes FROM api_keys WHERE id = ",
        "SELECT coalesce(sum(bytes), 0) FROM response_counts WHERE key_id = ",
    );
    assert_eq!(stored, server.number(&format!("{counted}'{id}'")));
    stored
}

#[test]
fn a_response_to_a_small_request_takes_little_room() {
    let server = Server::start();
    let key = server.key(&["create:Contacts"]);
    // 20 KB that are answered by 10,000 errors.
    let body = format!(r#"{{"contacts":[{}1]}}"#, "1,".repeat(9_999));
    let first = bulk(&server, &key, "first", &body);
    assert_eq!(first.json()["summary"]["failed"], 10_000);
    assert!(first.body.len() > 1_000_000);
    assert!(
        stored(&server, &key) < 100 * KIB,
        "{}",
        stored(&server, &key)
    );
    let again = bulk(&server, &key, "first", &body);
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.body, first.body);
}

#[test]
fn a_key_whose_room_is_full_is_refused_and_stores_nothing() {
    let server = Server::start();
    let (key, other) = (
        server.key(&["create:Contacts"]),
        server.key(&["create:Contacts"]),
    );
    let contacts: Vec<_> = (0..500)
        .map(|number| json!({"alias": number.to_string(), "msisdn": "15550000000"}))
        .collect();
    let body = json!({"contacts": contacts, "atomic": true}).to_string();
    assert_eq!(bulk(&server, &key, "kept", &body).status, 200);
    let taken = stored(&server, &key);
    // As if it had sent others until so much of its room is left.
    let leave = |room: i64| {
        let filler = ROOM - taken - room - 160 - 2 * 6;
        let zeros = server.in_sql("zeroblob(SO_MANY)", "decode(repeat('00', SO_MANY), 'hex')");
        let zeros = zeros.replace("SO_MANY", &filler.to_string());
        let counted = server.in_sql(
            "UPDATE api_keys SET responses_bytes = ROOM
                WHERE id = (SELECT key_id FROM idempotency WHERE name = 'kept')",
            "DELETE FROM response_counts WHERE key_id =
                (SELECT key_id FROM idempotency WHERE name = 'kept');
            INSERT INTO response_counts (key_id, slot, bytes)
                SELECT key_id, 0, ROOM FROM idempotency WHERE name = 'kept'",
        );
        let counted = counted.replace("ROOM", &(ROOM - room).to_string());
        let begin = server.in_sql("BEGIN IMMEDIATE", "BEGIN");
        server.change(&format!(
            "{begin};
            DELETE FROM idempotency WHERE name = 'filler';
            INSERT INTO idempotency (key_id, name, fingerprint, created_on, status, body)
                SELECT key_id, 'filler', fingerprint, created_on, 200, {zeros}
                FROM idempotency WHERE name = 'kept';
            {counted};
            COMMIT;"
        ));
    };
    let fresh = body.replace(r#""alias":""#, r#""alias":"n"#);
    leave(taken / 2);
    let refused = bulk(&server, &key, "full", &fresh);
    assert_eq!(
        (refused.status, refused.message().as_str()),
        (
            429,
            "The stored responses of this API key are full, nothing was stored, try again later"
        )
    );
    assert_eq!(refused.header("retry-after"), "3600");
    assert_eq!(server.stored(), 500, "nothing of it is stored");
    stored(&server, &key);
    // What was promised is kept; what is not remembered, and another key, go on.
    let replay = bulk(&server, &key, "kept", &body);
    assert_eq!(replay.header("idempotency-replayed"), "true");
    let one = r#"{"alias":"one","msisdn":"15550000000"}"#;
    assert_eq!(server.create(&key, one).status, 200);
    let others = body.replace(r#""alias":""#, r#""alias":"o"#);
    assert_eq!(bulk(&server, &other, "full", &others).status, 200);
    // With room for exactly this, it fits; the counters of contacts are true.
    leave(2 * taken);
    assert_eq!(bulk(&server, &key, "full", &fresh).status, 200);
    assert_eq!(server.stored(), 1_501);
    let counted = "SELECT sum(value) FROM counters WHERE name = 'contacts'";
    assert_eq!(server.number(counted), 1_501);
    assert!(stored(&server, &key) <= ROOM);
}

#[test]
fn what_is_over_makes_room() {
    let server = Server::start();
    let key = server.key(&["create:Contacts"]);
    let body = r#"{"contacts":[{"alias":"a","msisdn":"15550000000"}]}"#;
    for name in ["one", "two"] {
        assert_eq!(bulk(&server, &key, name, body).status, 200);
    }
    let both = stored(&server, &key);
    server.change("UPDATE idempotency SET created_on = 0");
    // Of the same name, and of another: both are forgotten.
    let again = bulk(&server, &key, "two", body);
    assert_eq!(again.header("idempotency-replayed"), "");
    assert!(stored(&server, &key) < both);
    assert_eq!(server.number("SELECT count(*) FROM idempotency"), 1);
}
