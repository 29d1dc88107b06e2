//! `GET` and `POST /auth/test`: a key asks about itself.

use std::time::{SystemTime, UNIX_EPOCH};

use insta::assert_snapshot;
use serde_json::json;

use crate::harness::{PERMISSIONS, Server, id_of, make_key};

const PATH: &str = "/auth/test";

fn now_millis() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since_epoch.as_millis()).unwrap()
}

#[test]
fn get_and_post_tell_a_key_what_it_is() {
    let server = Server::start();
    let key = server.key(&["create:Contacts", "read:Contacts"]);
    for method in ["GET", "POST"] {
        let reply = server.call(method, PATH).key(&key).send();
        let body = reply.body.replace(id_of(&key), "[id]");
        insta::allow_duplicates!(
            assert_snapshot!(format!("{} {body}", reply.status), @r#"200 {"success":true,"record":{"id":"[id]","name":"test","permissions":["create:Contacts","read:Contacts"],"expires_on":null}}"#)
        );
        assert_eq!(reply.header("content-type"), "application/json");
        assert_eq!(reply.header("cache-control"), "no-store");
    }
}

#[test]
fn an_expiry_is_shown_in_the_format_of_the_contract() {
    let server = Server::start();
    let before = now_millis();
    let more = ["--expires-in", "90d"];
    let key = make_key(&server.database, &["read:Contacts"], &more);
    let after = now_millis();
    let reply = server.call("GET", PATH).key(&key).send();
    let expires_on = reply.json()["record"]["expires_on"]
        .as_str()
        .unwrap()
        .to_owned();
    let body = reply
        .body
        .replace(id_of(&key), "[id]")
        .replace(&expires_on, "[time]");
    assert_snapshot!(body, @r#"{"success":true,"record":{"id":"[id]","name":"test","permissions":["read:Contacts"],"expires_on":"[time]"}}"#);
    let days_90 = 90 * 86_400_000;
    let possible = (before + days_90)..=(after + days_90);
    let written = |millis| addressbook::moment::Moment::from_millis(millis).to_string();
    assert!(
        possible.map(written).any(|moment| moment == expires_on),
        "{expires_on}"
    );
}

#[test]
fn any_valid_key_may_ask_whatever_it_may_do() {
    let server = Server::start();
    for permission in PERMISSIONS {
        let key = server.key(&[permission]);
        for method in ["GET", "POST"] {
            let reply = server.call(method, PATH).key(&key).send();
            let record = json!({
                "id": id_of(&key), "name": "test", "permissions": [permission], "expires_on": null
            });
            assert_eq!(reply.status, 200, "{method} {permission}");
            assert_eq!(reply.json(), json!({"success": true, "record": record}));
        }
    }
}

#[test]
fn a_key_with_every_permission_shows_each_once() {
    let server = Server::start();
    let key = server.key(&PERMISSIONS);
    let reply = server.call("GET", PATH).key(&key).send();
    let json = reply.json();
    let shown = json["record"]["permissions"].as_array().unwrap();
    assert_eq!(shown.len(), PERMISSIONS.len(), "{}", reply.body);
    for permission in PERMISSIONS {
        assert!(shown.contains(&json!(permission)), "{permission}");
    }
}

#[test]
fn post_takes_any_body_or_none() {
    let server = Server::start();
    let key = server.key(&["read:Contacts"]);
    let plain = server.call("POST", PATH).key(&key).send().body;
    for body in ["{}", "not json", r#"{"colour":"red"}"#] {
        let reply = server.call("POST", PATH).key(&key).json(body).send();
        assert_eq!((reply.status, reply.body), (200, plain.clone()), "{body}");
    }
    let text = server
        .call("POST", PATH)
        .key(&key)
        .header("Content-Type", "text/plain");
    assert_eq!(text.body("x").send().body, plain);
}

#[test]
fn without_a_valid_key_nothing_is_told() {
    let server = Server::start();
    let expired = make_key(
        &server.database,
        &["read:Contacts"],
        &["--expires-in", "0s"],
    );
    let of_another_book = Server::start().key(&["read:Contacts"]);
    for method in ["GET", "POST"] {
        let without = server.call(method, PATH).send();
        assert_eq!(
            (without.status, without.message().as_str()),
            (401, "API key is missing")
        );
        let challenge = without.header("www-authenticate");
        assert_eq!(challenge, r#"Bearer realm="addressbook""#);
        for invalid in [&expired, &of_another_book] {
            let reply = server.call(method, PATH).key(invalid).send();
            let found = (reply.status, reply.message());
            assert_eq!(found, (401, "API key is invalid or has expired".to_owned()));
        }
    }
}

#[test]
fn other_methods_are_told_which_ones_there_are() {
    let server = Server::start();
    let key = server.key(&["read:Contacts"]);
    for method in ["PUT", "PATCH", "DELETE", "OPTIONS"] {
        let reply = server.call(method, PATH).key(&key).send();
        assert_eq!(reply.status, 405, "{method}");
        let allow: Vec<&str> = reply.header("allow").split(", ").collect();
        assert!(
            allow.contains(&"GET") && allow.contains(&"POST"),
            "{allow:?}"
        );
    }
}
