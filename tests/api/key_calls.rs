//! `/auth/keys` and `/auth/keys/{id}`: what a key is made of, and what is
//! refused. Who may give what stands in `key_escalation`.

use serde_json::{Value, json};

use crate::book::{assert_refused, invalid};
use crate::harness::{PERMISSIONS, id_of};
use crate::key_ring::{NO_KEY, Ring, in_seconds, millis};

/// A valid body with one field more, or another one.
fn body_with(field: &str, value: Value) -> Value {
    let mut body = json!({"name": "sender", "permissions": ["create:Contacts"]});
    body[field] = value;
    body
}

#[test]
fn a_new_key_is_answered_once_with_its_token_and_later_without() {
    let ring = Ring::start();
    let reply = ring.create_by(
        &ring.admin,
        &json!({"name": "sender", "permissions": ["create:Contacts"]}),
    );
    assert_eq!(reply.status, 200, "{}", reply.body);
    let record = reply.json()["record"].clone();
    let text = |member: &str| record[member].as_str().unwrap().to_owned();
    let (id, created_on, token) = (text("id"), text("created_on"), text("token"));
    millis(&record["created_on"]);
    assert!(addressbook::token::Token::parse(&token).is_some());
    assert_eq!(id, id_of(&token));
    let admin = id_of(&ring.admin);
    let members = format!(
        r#""id":"{id}","name":"sender","permissions":["create:Contacts"],"expires_on":null,"allowed_ips":[],"rate_limit":null,"created_on":"{created_on}","created_by":"{admin}","last_used_on":null,"revoked_on":null,"replaced_by":null"#
    );
    assert_eq!(
        reply.body,
        format!(r#"{{"success":true,"record":{{{members},"token":"{token}"}}}}"#)
    );
    let read = ring.call("GET", &format!("/{id}")).send();
    assert_eq!(
        read.body,
        format!(r#"{{"success":true,"record":{{{members}}}}}"#)
    );
    assert_eq!(read.header("cache-control"), "no-store");
    let tested = ring.test(&token);
    assert_eq!(
        tested.body,
        format!(
            r#"{{"success":true,"record":{{"id":"{id}","name":"sender","permissions":["create:Contacts"],"expires_on":null}}}}"#
        )
    );
    let contact = r#"{"alias":"john","msisdn":"4479000000001"}"#;
    assert_eq!(ring.server.create(&token, contact).status, 200);
    assert_eq!(ring.call_by(&token, "GET", "").send().status, 403);
}

#[test]
fn every_term_of_a_key_comes_back_in_its_stored_form() {
    let ring = Ring::start();
    let expires_on = in_seconds(3600);
    let token = ring.make_of(&json!({
        "name": "  Cafe\u{301} ",
        "permissions": ["read:Audit", "create:Contacts", "read:Audit"],
        "expires_on": expires_on,
        "allowed_ips": ["127.1.2.3/8", "192.0.2.7", "2001:db8::1/32", "::ffff:192.0.2.8"],
        "rate_limit": 250,
    }));
    let record = ring.record(id_of(&token));
    assert_eq!(record["name"], "Caf\u{e9}", "trimmed, in NFC");
    assert_eq!(
        record["permissions"],
        json!(["create:Contacts", "read:Audit"]),
        "each once, in the order of the contract"
    );
    assert_eq!(record["expires_on"], expires_on.as_str());
    assert_eq!(
        record["allowed_ips"],
        json!([
            "127.0.0.0/8",
            "192.0.2.7/32",
            "2001:db8::/32",
            "192.0.2.8/32"
        ])
    );
    assert_eq!(record["rate_limit"], 250);
    assert_eq!(ring.status_of(&token), 200);
}

#[test]
fn keys_are_listed_oldest_first_and_by_pages() {
    let ring = Ring::start();
    let mut ids = vec![id_of(&ring.admin).to_owned()];
    for name in ["b", "a", "c"] {
        let token = ring.make(name, &["read:Contacts"]);
        ids.push(id_of(&token).to_owned());
    }
    assert_eq!(ring.delete(&ids[2], "").status, 200);
    let page = |query: &str| {
        let reply = ring.call("GET", query).send();
        assert_eq!(reply.status, 200, "{query}: {}", reply.body);
        assert!(!reply.body.contains("token"), "{}", reply.body);
        let body = reply.json();
        let listed: Vec<String> = body["records"]
            .as_array()
            .unwrap()
            .iter()
            .map(|record| {
                assert_eq!(record.as_object().unwrap().len(), 11, "{record}");
                record["id"].as_str().unwrap().to_owned()
            })
            .collect();
        let numbers = ["offset", "limit", "total"].map(|name| body[name].as_u64().unwrap());
        (listed, numbers)
    };
    assert_eq!(page(""), (ids.clone(), [0, 10, 4]), "a revoked one stays");
    assert_eq!(page("?offset=1&limit=2"), (ids[1..3].to_vec(), [1, 2, 4]));
    assert_eq!(page("?offset=4&limit=1000"), (vec![], [4, 1000, 4]));
    for (query, message) in [
        (
            "?limit=0",
            "Parameter limit must be a whole number from 1 to 1000",
        ),
        (
            "?limit=1001",
            "Parameter limit must be a whole number from 1 to 1000",
        ),
        (
            "?offset=-1",
            "Parameter offset must be a whole number, 0 or more",
        ),
        ("?sortField=name", "Unknown parameter: sortField"),
        ("?limit=1&limit=1", "Duplicate parameter: limit"),
    ] {
        assert_refused(&ring.call("GET", query).send(), invalid(message));
    }
}

#[test]
fn each_field_is_held_to_its_limits() {
    const NAME_LONG: &str = "Key name must be at most 128 characters";
    const NAME_CHARACTERS: &str = "Key name contains characters that are not allowed";
    const PERMISSIONS_STRINGS: &str = "Permissions must be an array of strings";
    const EXPIRY_TIME: &str = "Expires_on must be a time such as 2025-11-10T20:15:12.000Z";
    const EXPIRY_PAST: &str = "Expires_on must be in the future";
    const RANGES_STRINGS: &str = "Allowed_ips must be an array of strings";
    const RATE: &str = "Rate_limit must be a whole number from 1 to 1000000";
    let ring = Ring::start();
    let target = ring.make("target", &["read:Contacts"]);
    let before = (ring.record(id_of(&target)), ring.total());
    let refused = [
        ("name", json!("  "), "Key name is required"),
        ("name", json!(null), "Key name is required"),
        ("name", json!(7), "Key name must be a string"),
        ("name", json!("x".repeat(129)), NAME_LONG),
        ("name", json!("a\u{202e}b"), NAME_CHARACTERS),
        ("name", json!("a\u{0}b"), NAME_CHARACTERS),
        (
            "permissions",
            json!([]),
            "At least one permission is required",
        ),
        ("permissions", json!("read:Audit"), PERMISSIONS_STRINGS),
        ("permissions", json!([1]), PERMISSIONS_STRINGS),
        ("permissions", json!(["*"]), "Unknown permission: *"),
        (
            "permissions",
            json!(["read:Audit", "read:audit"]),
            "Unknown permission: read:audit",
        ),
        ("expires_on", json!("soon"), EXPIRY_TIME),
        ("expires_on", json!("2035-11-10"), EXPIRY_TIME),
        ("expires_on", json!("2035-11-10T20:15:12"), EXPIRY_TIME),
        ("expires_on", json!(2_000_000_000), EXPIRY_TIME),
        ("expires_on", json!("2025-11-10T20:15:12.000Z"), EXPIRY_PAST),
        ("expires_on", json!(in_seconds(0)), EXPIRY_PAST),
        ("allowed_ips", json!("127.0.0.1"), RANGES_STRINGS),
        ("allowed_ips", json!([127]), RANGES_STRINGS),
        (
            "allowed_ips",
            json!(["127.0.0.1", "10.0.0.0/33"]),
            "Allowed_ips has an entry that is no address range: 10.0.0.0/33",
        ),
        (
            "allowed_ips",
            json!(["localhost"]),
            "Allowed_ips has an entry that is no address range: localhost",
        ),
        (
            "allowed_ips",
            json!(vec!["127.0.0.1"; 65]),
            "Allowed_ips must have at most 64 entries",
        ),
        ("rate_limit", json!(0), RATE),
        ("rate_limit", json!(-1), RATE),
        ("rate_limit", json!(1_000_001), RATE),
        ("rate_limit", json!(1.5), RATE),
        ("rate_limit", json!("5"), RATE),
        ("token", json!("x"), "Unknown field: token"),
        ("id", json!("000000000000"), "Unknown field: id"),
    ];
    for (field, value, message) in refused {
        let created = ring.create_by(&ring.admin, &body_with(field, value.clone()));
        assert_refused(&created, invalid(message));
        let patched = ring.patch_by(&ring.admin, id_of(&target), &json!({field: value}));
        assert_refused(&patched, invalid(message));
    }
    assert_eq!((ring.record(id_of(&target)), ring.total()), before);
    for (field, value) in [
        ("name", json!("x".repeat(128))),
        ("name", json!("x")),
        ("permissions", json!(PERMISSIONS)),
        ("expires_on", json!(in_seconds(60))),
        ("expires_on", json!("9999-12-31T23:59:59.999Z")),
        ("allowed_ips", json!(vec!["127.0.0.1/32"; 64])),
        ("rate_limit", json!(1)),
        ("rate_limit", json!(1_000_000)),
    ] {
        let created = ring.create_by(&ring.admin, &body_with(field, value.clone()));
        assert_eq!(created.json()["record"][field], value, "{}", created.body);
        let patched = ring.patch_by(&ring.admin, id_of(&target), &json!({field: value}));
        assert_eq!(patched.json()["record"][field], value, "{}", patched.body);
        assert_eq!(ring.record(id_of(&target))[field], value);
    }
}

#[test]
fn an_expiry_is_answered_as_the_moment_it_is_or_refused() {
    let ring = Ring::start();
    let offset = ring.make_of(&body_with(
        "expires_on",
        json!("2035-11-10T21:15:12.5+01:00"),
    ));
    let shown = ring.record(id_of(&offset))["expires_on"].clone();
    assert_eq!(shown, "2035-11-10T20:15:12.500Z");
    // In UTC this is in the year 10000, which RFC 3339 cannot write.
    let beyond = body_with("expires_on", json!("9999-12-31T23:59:59-12:00"));
    assert_refused(
        &ring.create_by(&ring.admin, &beyond),
        invalid("Expires_on must be a time such as 2025-11-10T20:15:12.000Z"),
    );
}

#[test]
fn what_is_missing_or_no_object_is_told_and_nothing_is_stored() {
    let ring = Ring::start();
    let before = ring.total();
    let large = format!(r#"{{"name":"{}"}}"#, "x".repeat(65_536));
    for (body, message) in [
        (r#"{"permissions":["read:Audit"]}"#, "Key name is required"),
        (r#"{"name":"a"}"#, "At least one permission is required"),
        ("{}", "Key name is required"),
        ("[]", "Request body must be a JSON object"),
        ("{", "Request body is not valid JSON: line 1, column 2"),
        (r#"{"name":"a","name":"b"}"#, "Duplicate field: name"),
    ] {
        let reply = ring.call("POST", "").json(body).send();
        assert_refused(&reply, invalid(message));
    }
    assert_eq!(ring.call("POST", "").json(large).send().status, 413);
    assert_eq!(ring.call("POST", "").body("{}").send().status, 415);
    assert_eq!(ring.total(), before);
}

#[test]
fn a_key_that_is_not_there_is_not_found_by_any_call() {
    let ring = Ring::start();
    let token = ring.make("other", &["read:Contacts"]);
    // A whole token in the place of an id is none; the log must not hold it.
    for id in [
        "000000000000",
        "short",
        "0000000000000",
        "%FF",
        "%2e%2e",
        &token,
    ] {
        let path = format!("/{id}");
        assert_refused(&ring.call("GET", &path).send(), NO_KEY);
        assert_refused(&ring.call("DELETE", &path).send(), NO_KEY);
        let renamed = ring.patch_by(&ring.admin, id, &json!({"name": "b"}));
        assert_refused(&renamed, NO_KEY);
        assert_refused(&ring.rotate_by(&ring.admin, id, 0), NO_KEY);
    }
    assert_eq!(ring.record(id_of(&token))["name"], "other");
}

#[test]
fn a_patch_changes_what_it_names_and_null_takes_limits_away() {
    let ring = Ring::start();
    let token = ring.make_of(&json!({
        "name": "sender",
        "permissions": ["read:Contacts"],
        "expires_on": in_seconds(3600),
        "allowed_ips": ["127.0.0.0/8"],
        "rate_limit": 100,
    }));
    let id = id_of(&token);
    let patch = |body: &Value| {
        let reply = ring.patch_by(&ring.admin, id, body);
        assert_eq!(reply.status, 200, "{}", reply.body);
        assert!(!reply.body.contains("token"), "{}", reply.body);
        reply.json()["record"].clone()
    };
    let mut expected = ring.record(id);
    for (field, value, shown) in [
        ("name", json!("mailer"), json!("mailer")),
        ("permissions", json!(["read:Audit"]), json!(["read:Audit"])),
        ("expires_on", json!(null), json!(null)),
        ("allowed_ips", json!(null), json!([])),
        ("rate_limit", json!(null), json!(null)),
        ("allowed_ips", json!(["::1"]), json!(["::1/128"])),
        ("allowed_ips", json!([]), json!([])),
    ] {
        expected[field] = shown;
        assert_eq!(patch(&json!({field: value})), expected, "{field}");
        assert_eq!(ring.record(id), expected, "{field}");
    }
    let nothing = ring.patch_by(&ring.admin, id, &json!({}));
    assert_refused(&nothing, invalid("Nothing to update"));
    assert_eq!(
        ring.server
            .call("GET", "/contacts")
            .key(&token)
            .send()
            .status,
        403,
        "the token stays, the permission is gone"
    );
    let audit = ring.server.call("GET", "/auth/audit").key(&token).send();
    assert_eq!(audit.status, 200);
}

#[test]
fn a_deleted_key_is_refused_at_once_and_its_row_stays() {
    let ring = Ring::start();
    let token = ring.make("sender", &["read:Contacts"]);
    let id = id_of(&token);
    assert_eq!(ring.status_of(&token), 200);
    let deleted = ring.delete(id, "");
    assert_eq!(
        (deleted.status, deleted.body.as_str()),
        (200, r#"{"success":true}"#)
    );
    assert_eq!(ring.status_of(&token), 401);
    let record = ring.record(id);
    millis(&record["revoked_on"]);
    let again = ring.delete(id, "?force=false");
    assert_eq!(
        (again.status, again.body.as_str()),
        (200, r#"{"success":true}"#)
    );
    assert_eq!(ring.record(id)["revoked_on"], record["revoked_on"]);
    assert_refused(
        &ring.patch_by(&ring.admin, id, &json!({"name": "b"})),
        (409, "ConflictError", "API key is revoked"),
    );
    assert_eq!(ring.record(id)["name"], "sender");
    assert_eq!(ring.status_of(&token), 401);
}

#[test]
fn the_last_key_that_manages_keys_is_deleted_by_force_alone() {
    let ring = Ring::start();
    let admin = id_of(&ring.admin);
    // None of these can make keys, or not any more.
    ring.make(
        "reader",
        &["read:ApiKeys", "update:ApiKeys", "delete:ApiKeys"],
    );
    let gone = ring.make("gone", &["create:ApiKeys"]);
    assert_eq!(
        ring.delete(id_of(&gone), "").status,
        200,
        "there is another"
    );
    for query in ["", "?force=false"] {
        let refused = ring.delete(admin, query);
        let expected = "This is the last API key that manages API keys, revoke it with force=true";
        assert_refused(&refused, (409, "ConflictError", expected));
        assert_eq!(ring.status_of(&ring.admin), 200);
    }
    for query in ["?force=maybe", "?force=", "?force=TRUE"] {
        let refused = ring.delete(admin, query);
        assert_refused(&refused, invalid("Parameter force must be true or false"));
    }
    let unknown = ring.delete(admin, "?forced=true");
    assert_refused(&unknown, invalid("Unknown parameter: forced"));
    assert_eq!(ring.status_of(&ring.admin), 200);
    assert_eq!(ring.delete(admin, "?force=true").status, 200);
    assert_eq!(ring.status_of(&ring.admin), 401);
}
