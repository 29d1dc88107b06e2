//! `GET /auth/audit`: every change of a key, every refused permission, and
//! nothing that is nobody's business.

use serde_json::{Value, json};

use crate::book::{assert_refused, invalid};
use crate::harness::{Reply, id_of, run, until};
use crate::key_ring::{Ring, in_seconds, millis};

/// Action, actor, target and permission; an empty text is null.
type Line = [String; 4];

fn line(parts: [&str; 4]) -> Line {
    parts.map(str::to_owned)
}

fn read(ring: &Ring, query: &str) -> Reply {
    let path = format!("/auth/audit{query}");
    ring.server.call("GET", &path).key(&ring.admin).send()
}

/// Every event, the newest first.
fn events(ring: &Ring) -> Vec<Value> {
    let reply = read(ring, "?limit=1000");
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.json()["records"].as_array().unwrap().clone()
}

fn lines(ring: &Ring) -> Vec<Line> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let members = ["action", "actor", "target", "permission"];
    let events = events(ring);
    let of = |event: &Value| members.map(|member| text(&event[member]));
    events.iter().map(of).collect()
}

/// Runs `key …` on the server's file and returns what it prints.
fn command(ring: &Ring, arguments: &[&str]) -> String {
    let database = ring.server.database.to_str().unwrap();
    let named = ["--database", database];
    let output = run(&[&["key"], arguments, &named].concat());
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout)
        .unwrap()
        .trim_end()
        .to_owned()
}

fn refuse(ring: &Ring, key: &str, method: &str, path: &str) {
    let reply = ring.server.call(method, path).key(key).json("{}").send();
    assert_eq!(reply.status, 403, "{}", reply.body);
}

#[test]
fn every_change_of_a_key_is_an_event_with_who_did_it() {
    let ring = Ring::start();
    let admin = id_of(&ring.admin);
    let key = ring.make("sender", &["read:Contacts"]);
    let renamed = ring.patch_by(&ring.admin, id_of(&key), &json!({"name": "b"}));
    assert_eq!(renamed.status, 200);
    let rotated = ring.rotate_by(&ring.admin, id_of(&key), 60).json();
    let successor = rotated["record"]["id"].as_str().unwrap();
    assert_eq!(ring.delete(id_of(&key), "").status, 200);
    let other = command(
        &ring,
        &["create", "--name", "o", "--permission", "read:Audit"],
    );
    command(&ring, &["update", id_of(&other), "--rate-limit", "5"]);
    let others_successor = command(&ring, &["rotate", id_of(&other)]);
    command(&ring, &["revoke", id_of(&other)]);
    let (key, other) = (id_of(&key), id_of(&other));
    let expected = [
        ["key.revoked", "", other, ""],
        ["key.rotated", "", other, ""],
        ["key.created", "", id_of(&others_successor), ""],
        ["key.updated", "", other, ""],
        ["key.created", "", other, ""],
        ["key.revoked", admin, key, ""],
        ["key.rotated", admin, key, ""],
        ["key.created", admin, successor, ""],
        ["key.updated", admin, key, ""],
        ["key.created", admin, key, ""],
        ["key.created", "", admin, ""],
    ];
    assert_eq!(lines(&ring), expected.map(line));
    let events = events(&ring);
    for pair in events.windows(2) {
        assert!(pair[0]["id"].as_u64() > pair[1]["id"].as_u64());
        assert!(millis(&pair[0]["created_on"]) >= millis(&pair[1]["created_on"]));
    }
}

#[test]
fn an_event_has_its_members_in_one_order() {
    let ring = Ring::start();
    let reply = read(&ring, "");
    let (id, created_on) = (&events(&ring)[0]["id"], &events(&ring)[0]["created_on"]);
    let admin = id_of(&ring.admin);
    let permissions = &ring.record(admin)["permissions"];
    assert_eq!(
        reply.body,
        format!(
            r#"{{"success":true,"records":[{{"id":{id},"created_on":{created_on},"action":"key.created","actor":null,"target":"{admin}","permission":null,"address":null,"changes":{{"permissions":{{"from":null,"to":{permissions}}},"expires_on":{{"from":null,"to":null}},"allowed_ips":{{"from":null,"to":[]}},"rate_limit":{{"from":null,"to":null}}}}}}],"offset":0,"limit":10,"total":1}}"#
        )
    );
}

#[test]
fn a_refused_permission_is_an_event_once_a_minute_for_each() {
    let ring = Ring::start();
    let [one, other, last] =
        ["one", "other", "last"].map(|name| ring.make(name, &["read:Optouts"]));
    for _ in 0..5 {
        refuse(&ring, &one, "POST", "/contacts");
        refuse(&ring, &one, "GET", "/auth/keys");
        refuse(&ring, &other, "POST", "/contacts");
    }
    let refused = || -> Vec<Line> {
        let mut lines = lines(&ring);
        lines.retain(|line| line[0] == "permission.refused");
        lines.sort();
        lines
    };
    until(|| (refused().len() >= 3).then_some(()));
    // What is written after all of them.
    refuse(&ring, &last, "GET", "/auth/audit");
    until(|| (refused().iter().any(|line| line[3] == "read:Audit")).then_some(()));
    let mut expected = [
        ["permission.refused", id_of(&one), "", "create:Contacts"],
        ["permission.refused", id_of(&one), "", "read:ApiKeys"],
        ["permission.refused", id_of(&other), "", "create:Contacts"],
        ["permission.refused", id_of(&last), "", "read:Audit"],
    ]
    .map(line);
    expected.sort();
    assert_eq!(refused(), expected);
}

#[test]
fn a_permission_that_is_refused_to_an_escalation_is_an_event_too() {
    let ring = Ring::start();
    let actor = ring.make("actor", &["create:ApiKeys"]);
    let more = json!({"name": "more", "permissions": ["delete:Contacts"]});
    assert_eq!(ring.create_by(&actor, &more).status, 403);
    let expected = line(["permission.refused", id_of(&actor), "", "delete:Contacts"]);
    until(|| lines(&ring).contains(&expected).then_some(()));
}

#[test]
fn a_refused_change_is_no_change() {
    let ring = Ring::start();
    let admin = id_of(&ring.admin).to_owned();
    let revoked = ring.make("revoked", &["read:Contacts"]);
    assert_eq!(ring.delete(id_of(&revoked), "").status, 200);
    let limited = ring.make_of(&json!({
        "name": "limited", "permissions": ["create:ApiKeys"], "expires_on": in_seconds(600),
    }));
    let before = events(&ring);
    let forever = json!({"name": "wider", "permissions": ["create:ApiKeys"]});
    let by_admin = |id: &str, body: Value| ring.patch_by(&ring.admin, id, &body).status;
    let statuses = [
        by_admin(&admin, json!({})),
        by_admin(&admin, json!({"name": ""})),
        by_admin("000000000000", json!({"name": "b"})),
        by_admin(id_of(&revoked), json!({"name": "b"})),
        ring.create_by(&ring.admin, &json!({"name": "b"})).status,
        ring.create_by(&limited, &forever).status,
        ring.rotate_by(&ring.admin, id_of(&revoked), 60).status,
        ring.rotate_by(&ring.admin, &admin, 2_592_001).status,
        ring.delete("000000000000", "").status,
        // It was revoked before: nothing changes.
        ring.delete(id_of(&revoked), "").status,
    ];
    assert_eq!(statuses, [400, 400, 404, 409, 400, 403, 409, 400, 404, 200]);
    assert_eq!(events(&ring), before);
}

#[test]
fn the_audit_is_read_by_pages_and_with_leave_alone() {
    let ring = Ring::start();
    for name in ["a", "b", "c"] {
        ring.make(name, &["read:Contacts"]);
    }
    let all = events(&ring);
    assert_eq!(all.len(), 4);
    for (query, offset, limit) in [
        ("", 0, 10),
        ("?offset=1&limit=2", 1, 2),
        ("?offset=4", 4, 10),
    ] {
        let body = read(&ring, query).json();
        let expected: Vec<_> = all.iter().skip(offset).take(limit).cloned().collect();
        assert_eq!(
            body,
            json!({"success": true, "records": expected, "offset": offset, "limit": limit, "total": 4})
        );
    }
    for (query, message) in [
        ("?actor=x", "Unknown parameter: actor"),
        (
            "?limit=0",
            "Parameter limit must be a whole number from 1 to 1000",
        ),
        (
            "?limit=1001",
            "Parameter limit must be a whole number from 1 to 1000",
        ),
        (
            "?offset=x",
            "Parameter offset must be a whole number, 0 or more",
        ),
        ("?offset=1&offset=1", "Duplicate parameter: offset"),
    ] {
        assert_refused(&read(&ring, query), invalid(message));
    }
    let reader = ring.make("reader", &["read:Audit"]);
    let read = |key: &str| ring.server.call("GET", "/auth/audit").key(key).send();
    assert_eq!(read(&reader).status, 200);
    refuse(
        &ring,
        &ring.make("d", &["read:ApiKeys"]),
        "GET",
        "/auth/audit",
    );
}

#[test]
fn the_audit_holds_no_token_and_no_number() {
    const NUMBER: &str = "447900000000";
    let ring = Ring::start();
    let key = ring.make(&format!("+{NUMBER}1"), &["read:Contacts"]);
    let renamed = ring.patch_by(&ring.admin, id_of(&key), &json!({"name": key}));
    assert_eq!(renamed.status, 200);
    let contact = format!(r#"{{"alias":"john","msisdn":"{NUMBER}1"}}"#);
    assert_eq!(ring.server.create(&key, contact).status, 403);
    refuse(&ring, &key, "DELETE", &format!("/contacts/{NUMBER}1"));
    assert_eq!(ring.rotate_by(&ring.admin, id_of(&key), 60).status, 200);
    // Created twice, updated, refused twice, a successor created, rotated.
    until(|| (events(&ring).len() == 7).then_some(()));
    let answer = read(&ring, "").body;
    let stored = ring.server.rows("SELECT * FROM audit");
    assert_eq!(stored.len(), 7);
    for text in [answer, stored.concat().concat()] {
        for secret in ["abk_", &key[17..40], NUMBER] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}
