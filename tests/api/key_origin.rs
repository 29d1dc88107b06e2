//! Where a key comes from, and what became of it: `created_by`, and the audit's
//! `address` and `changes`.

use serde_json::{Value, json};

use super::key_ring::Ring;
use crate::harness::{id_of, run, until};

/// The newest events, each as its action, address and changes.
fn newest(ring: &Ring, count: usize) -> Vec<Value> {
    let path = format!("/auth/audit?limit={count}");
    let read = ring.server.call("GET", &path).key(&ring.admin).send();
    let events = read.json()["records"].as_array().unwrap().clone();
    let events = events.iter();
    let parts = |event: &Value| json!([event["action"], event["address"], event["changes"]]);
    events.map(parts).collect()
}

#[test]
fn a_key_names_the_key_that_made_it_for_ever() {
    let ring = Ring::start();
    let managers = ["create:ApiKeys", "update:ApiKeys", "read:Contacts"];
    let manager = ring.make("manager", &managers);
    let body = json!({"name": "child", "permissions": ["read:Contacts"]});
    let child = ring.create_by(&manager, &body).json()["record"].clone();
    assert_eq!(child["created_by"], id_of(&manager));
    let child = child["id"].as_str().unwrap();
    let renamed = ring.patch_by(&ring.admin, child, &json!({"name": "other"}));
    assert_eq!(renamed.json()["record"]["created_by"], id_of(&manager));
    // A successor is made by whoever rotates.
    let successor = ring.rotate_by(&ring.admin, child, 60).json()["record"].clone();
    assert_eq!(successor["created_by"], id_of(&ring.admin));
    ring.delete(id_of(&manager), "");
    assert_eq!(ring.record(child)["created_by"], id_of(&manager));
    assert_eq!(ring.record(id_of(&ring.admin))["created_by"], Value::Null);
}

#[test]
fn the_audit_says_what_became_what_and_from_where() {
    let ring = Ring::start();
    let body = json!({"name": "a", "permissions": ["read:Contacts"], "rate_limit": 5});
    let key = ring.create_by(&ring.admin, &body).json()["record"].clone();
    let key = key["id"].as_str().unwrap();
    let change = json!({"name": "b", "rate_limit": null, "allowed_ips": ["10.0.0.0/8"]});
    ring.patch_by(&ring.admin, key, &change);
    // What changes nothing is no event.
    ring.patch_by(&ring.admin, key, &json!({"name": "b"}));
    ring.rotate_by(&ring.admin, key, 60);
    let expires_on = ring.record(key)["expires_on"].clone();
    ring.delete(key, "");
    let terms = |ranges: Value, limit: Value| {
        json!({
            "permissions": {"from": null, "to": ["read:Contacts"]},
            "expires_on": {"from": null, "to": null},
            "allowed_ips": {"from": null, "to": ranges},
            "rate_limit": {"from": null, "to": limit},
        })
    };
    let changed = json!({
        "name": {},
        "allowed_ips": {"from": [], "to": ["10.0.0.0/8"]},
        "rate_limit": {"from": 5, "to": null},
    });
    let here = "127.0.0.1";
    let expected = [
        json!(["key.revoked", here, null]),
        json!(["key.rotated", here, {"expires_on": {"from": null, "to": expires_on}}]),
        json!([
            "key.created",
            here,
            terms(json!(["10.0.0.0/8"]), Value::Null)
        ]),
        json!(["key.updated", here, changed]),
        json!(["key.created", here, terms(json!([]), json!(5))]),
    ];
    assert_eq!(newest(&ring, 5), expected);
    let database = ring.server.database.to_str().unwrap();
    let renamed = ["key", "update", key, "--database", database, "--name", "c"];
    assert!(!run(&renamed).status.success(), "it is revoked");
    let admin = id_of(&ring.admin);
    let renamed = [
        "key",
        "update",
        admin,
        "--database",
        database,
        "--name",
        "c",
    ];
    assert!(run(&renamed).status.success());
    let changed = json!({"name": {}});
    assert_eq!(newest(&ring, 1), [json!(["key.updated", null, changed])]);
}

#[test]
fn a_forwarded_address_counts_from_a_trusted_proxy_alone() {
    for (arguments, expected) in [
        (&[][..], "127.0.0.1"),
        (&["--trusted-proxy", "127.0.0.1/32"][..], "2001:db8::7"),
    ] {
        let ring = Ring::start_with(arguments);
        let body = json!({"name": "a", "permissions": ["read:Contacts"]});
        let call = ring
            .call("POST", "")
            .header("X-Forwarded-For", "2001:db8::7");
        let made = call.json(body.to_string()).send().json();
        assert_eq!(newest(&ring, 1)[0][1], expected);
        let token = made["record"]["token"].as_str().unwrap();
        let call = ring.server.call("GET", "/auth/audit").key(token);
        call.header("X-Forwarded-For", "2001:db8::7").send();
        let refused = until(|| {
            let event = newest(&ring, 1).remove(0);
            (event[0] == "permission.refused").then_some(event)
        });
        assert_eq!(refused, json!(["permission.refused", expected, null]));
    }
}
