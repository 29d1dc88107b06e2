//! What ends a session, and what is counted and written down of it: all that holds for its
//! key.

use serde_json::{Value, json};

use super::key_ring::{Ring, in_seconds};
use super::sessions::{by_cookie, ended, is_good, session, sign_in, told};
use crate::harness::{Reply, Server, id_of, run, until};

const INVALID: &str = "API key is invalid or has expired";

fn test(ring: &Ring, cookie: &str) -> Reply {
    by_cookie(&ring.server, "GET", "/auth/test", cookie).send()
}

/// Makes a key and opens a session by it.
fn signed_in(ring: &Ring) -> (String, String) {
    let key = ring.make("browser", &["create:Contacts", "read:Contacts"]);
    let cookie = session(&ring.server, &key);
    assert_eq!(test(ring, &cookie).status, 200);
    (id_of(&key).to_owned(), cookie)
}

#[test]
fn a_revoked_key_ends_its_sessions_at_once_reads_and_writes() {
    let ring = Ring::start();
    let (key, cookie) = signed_in(&ring);
    assert_eq!(ring.delete(&key, "").status, 200);
    let invalid = (401, INVALID.to_owned());
    assert_eq!(told(&test(&ring, &cookie)), invalid);
    let john = r#"{"alias":"john","msisdn":"4479000000001"}"#;
    let write = by_cookie(&ring.server, "POST", "/contacts", &cookie).json(john);
    assert_eq!(told(&write.send()), invalid);
    assert_eq!(ring.server.stored(), 0);
}

#[test]
fn the_command_line_ends_them_as_well() {
    let ring = Ring::start();
    let (key, cookie) = signed_in(&ring);
    let database = ring.server.database.to_str().unwrap();
    let revoked = run(&["key", "revoke", &key, "--database", database]);
    assert!(revoked.status.success(), "{revoked:?}");
    assert_eq!(told(&test(&ring, &cookie)), (401, INVALID.to_owned()));
}

#[test]
fn an_expired_a_narrowed_and_a_rotated_key_hold_for_its_sessions() {
    let ring = Ring::start();
    let (key, cookie) = signed_in(&ring);
    let narrowed = json!({"permissions": ["read:Contacts"]});
    assert_eq!(ring.patch_by(&ring.admin, &key, &narrowed).status, 200);
    let write = by_cookie(&ring.server, "POST", "/contacts", &cookie);
    assert_eq!(write.json("{}").send().status, 403);
    assert_eq!(
        test(&ring, &cookie).json()["record"]["permissions"],
        json!(["read:Contacts"])
    );
    let elsewhere = json!({"allowed_ips": ["10.0.0.0/8"]});
    assert_eq!(ring.patch_by(&ring.admin, &key, &elsewhere).status, 200);
    let refused = test(&ring, &cookie);
    let message = "API key is not allowed from this address";
    assert_eq!(told(&refused), (403, message.to_owned()));
    let anywhere = json!({"allowed_ips": [], "expires_on": in_seconds(3600)});
    assert_eq!(ring.patch_by(&ring.admin, &key, &anywhere).status, 200);
    assert_eq!(test(&ring, &cookie).status, 200);
    assert_eq!(ring.rotate_by(&ring.admin, &key, 0).status, 200);
    assert_eq!(told(&test(&ring, &cookie)), (401, INVALID.to_owned()));
}

#[test]
fn another_secret_of_the_key_ends_its_sessions() {
    let ring = Ring::start();
    let (key, cookie) = signed_in(&ring);
    let other = format!(
        "UPDATE api_keys SET hash = (SELECT hash FROM api_keys WHERE id = '{}') WHERE id = '{key}'",
        id_of(&ring.admin)
    );
    ring.server.change(&other);
    assert_eq!(told(&test(&ring, &cookie)), ended());
}

#[test]
fn a_sessions_requests_count_against_the_rate_of_its_key() {
    let ring = Ring::start();
    let body = json!({"name": "slow", "permissions": ["read:Contacts"], "rate_limit": 3});
    let key = ring.create_by(&ring.admin, &body).json()["record"]["token"].clone();
    let cookie = session(&ring.server, key.as_str().unwrap());
    let statuses: Vec<_> = (0..6).map(|_| test(&ring, &cookie)).collect();
    let refused = statuses.iter().find(|reply| reply.status == 429);
    let refused = refused.expect("faster than three a second");
    assert_eq!(
        refused.message(),
        "API key may make at most 3 requests a second"
    );
    assert_eq!(statuses[0].header("ratelimit-policy"), "\"key\";q=3;w=1");
}

#[test]
fn unknown_sessions_count_as_invalid_keys_of_their_address() {
    let ring = Ring::start();
    let good = session(&ring.server, &ring.admin);
    let statuses: Vec<u16> = (0..120)
        .map(|number| test(&ring, &format!("addressbook_session={number:043}")).status)
        .collect();
    assert!(statuses[..100].iter().all(|status| *status == 401));
    assert_eq!(statuses.last(), Some(&429), "{statuses:?}");
    assert!(is_good(&ring.server, &good), "a good one passes");
}

/// The events of an action, the newest first.
fn events(ring: &Ring, action: &str) -> Vec<Value> {
    let read = ring.server.call("GET", "/auth/audit?limit=1000");
    let read = read.key(&ring.admin).send().json();
    let events = read["records"].as_array().unwrap().iter();
    let mut events: Vec<_> = events
        .filter(|one| one["action"] == action)
        .cloned()
        .collect();
    for event in &mut events {
        for member in ["id", "created_on"] {
            event.as_object_mut().unwrap().remove(member);
        }
    }
    events
}

#[test]
fn a_session_is_in_the_audit_once_a_minute_for_each_key() {
    let ring = Ring::start();
    let key = ring.make("browser", &["read:Contacts"]);
    for _ in 0..3 {
        sign_in(&ring.server, &key);
    }
    sign_in(&ring.server, &ring.admin);
    let opened = |key: &str| {
        json!({
            "action": "session.opened", "actor": id_of(key), "target": null,
            "permission": null, "address": "127.0.0.1", "changes": null,
        })
    };
    assert_eq!(
        events(&ring, "session.opened"),
        [opened(&ring.admin), opened(&key)]
    );
}

#[test]
fn of_opened_sessions_the_audit_keeps_the_newest() {
    let ring = Ring::start();
    let before = events(&ring, "key.created");
    let one = ring.server.in_sql("", " AND slot = 0");
    ring.server.change(&format!(
        "WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 10000)
        INSERT INTO audit (created_on, action, actor) SELECT n, 'session.opened', 'old' FROM number;
        UPDATE counters SET value = value + 10000 WHERE name = 'audit'{one}"
    ));
    sign_in(&ring.server, &ring.admin);
    let count = |query: &str| ring.server.number(query);
    let opened = "SELECT count(*) FROM audit WHERE action = 'session.opened'";
    assert_eq!(count(opened), 10_000);
    assert_eq!(
        count("SELECT min(created_on) FROM audit"),
        2,
        "the oldest is gone"
    );
    let all = count("SELECT count(*) FROM audit");
    let counted = count("SELECT sum(value) FROM counters WHERE name = 'audit'");
    assert_eq!(counted, all);
    assert!(all > 10_000 - 1 + i64::try_from(before.len()).unwrap());
}

#[test]
fn what_a_session_is_refused_and_when_it_is_used_is_written_down_of_its_key() {
    let ring = Ring::start();
    let (key, cookie) = signed_in(&ring);
    let refused = by_cookie(&ring.server, "GET", "/auth/audit", &cookie).send();
    assert_eq!(refused.status, 403);
    let event = until(|| events(&ring, "permission.refused").pop());
    assert_eq!(
        (&event["actor"], &event["permission"]),
        (&json!(key), &json!("read:Audit"))
    );
    until(|| ring.record(&key)["last_used_on"].is_string().then_some(()));
}

#[test]
fn a_request_for_another_sites_page_is_refused() {
    let server = Server::start();
    let key = server.key(&["read:Contacts", "create:Contacts"]);
    let cookie = session(&server, &key);
    let own = format!("http://{}", server.address);
    let call = |method: &str, path: &str, headers: &[(&str, &str)]| {
        let call = server.call(method, path).header("Cookie", &cookie);
        let call = headers
            .iter()
            .fold(call, |call, (name, value)| call.header(name, value));
        match method {
            "GET" => call.send(),
            _ => call
                .json(r#"{"alias":"john","msisdn":"4479000000001"}"#)
                .send(),
        }
    };
    let other = (403, "Request comes from another site".to_owned());
    for headers in [
        &[("Sec-Fetch-Site", "cross-site")][..],
        &[("Sec-Fetch-Site", "same-site")],
        &[("Sec-Fetch-Site", "same-site"), ("Origin", own.as_str())],
        &[("Origin", "https://evil.example")],
        &[("Origin", "null")],
    ] {
        assert_eq!(
            told(&call("GET", "/contacts", headers)),
            other,
            "{headers:?}"
        );
        assert_eq!(
            told(&call("POST", "/contacts", headers)),
            other,
            "{headers:?}"
        );
        // By a key, nobody's browser sends anything by itself.
        let by_key = headers.iter().fold(
            server.call("GET", "/contacts").key(&key),
            |call, (name, value)| call.header(name, value),
        );
        assert_eq!(by_key.send().status, 200, "{headers:?}");
    }
    for (headers, write) in [
        (&[][..], 403),
        (&[("Sec-Fetch-Site", "none")], 403),
        (&[("Origin", own.as_str())], 200),
        (&[("Sec-Fetch-Site", "same-origin")], 400),
    ] {
        assert_eq!(call("GET", "/contacts", headers).status, 200, "{headers:?}");
        assert_eq!(
            call("POST", "/contacts", headers).status,
            write,
            "{headers:?}"
        );
    }
    assert_eq!(server.stored(), 1);
}

#[test]
fn a_page_of_another_site_opens_no_session() {
    let server = Server::start();
    let key = server.key(&["read:Contacts"]);
    for (name, value) in [
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
        ("Origin", "https://evil.example"),
    ] {
        let call = server.call("POST", "/auth/session").key(&key);
        let reply = call.header(name, value).send();
        assert_eq!(reply.status, 403, "{name}: {value}");
        assert_eq!(reply.header("set-cookie"), "");
    }
}

#[test]
fn a_named_origin_never_uses_a_cookie() {
    const APP: &str = "https://app.example.org";
    let server = Server::start_with(&["--cors-origin", APP]);
    let key = server.key(&["read:Contacts"]);
    let cookie = session(&server, &key);
    for more in [("X-None", ""), ("Sec-Fetch-Site", "cross-site")] {
        let call = server.call("GET", "/contacts").header("Cookie", &cookie);
        let reply = call.header("Origin", APP).header(more.0, more.1).send();
        assert_eq!(reply.status, 403, "{}", reply.body);
        assert_eq!(reply.header("access-control-allow-credentials"), "");
    }
    let preflight = server.call("OPTIONS", "/contacts").header("Origin", APP);
    let preflight = preflight
        .header("Access-Control-Request-Method", "POST")
        .send();
    assert_eq!(preflight.status, 204);
    assert_eq!(preflight.header("access-control-allow-credentials"), "");
    let by_key = server
        .call("GET", "/contacts")
        .key(&key)
        .header("Origin", APP)
        .send();
    assert_eq!(by_key.status, 200);
    assert_eq!(by_key.header("access-control-allow-credentials"), "");
    let open = server
        .call("POST", "/auth/session")
        .key(&key)
        .header("Origin", APP)
        .send();
    assert_eq!((open.status, open.header("set-cookie")), (403, ""));
}
