//! Who is let in, and from which request on not any more.

use std::time::Duration;

use addressbook::moment::Moment;
use insta::{allow_duplicates, assert_snapshot};

use crate::harness::{Server, agent, id_of, is_skipped, make_key, run};

fn contact(number: usize) -> String {
    format!(r#"{{"alias":"contact {number}","msisdn":"4479000000001"}}"#)
}

#[test]
fn a_request_without_a_key_is_told_how_to_bring_one() {
    let server = Server::start();
    let reply = server.call("POST", "/contacts").json(contact(0)).send();
    assert_snapshot!(reply.redacted(), @r#"401 {"success":false,"error":{"name":"UnauthorizedError","statusCode":401,"message":"API key is missing"}}"#);
    assert_eq!(
        reply.header("www-authenticate"),
        r#"Bearer realm="addressbook""#
    );
}

#[test]
fn every_way_of_being_invalid_gets_the_same_answer() {
    let server = Server::start();
    let good = server.key(&["create:Contacts"]);
    let expired = make_key(
        &server.database,
        &["create:Contacts"],
        &["--expires-in", "0s"],
    );
    let revoked = server.key(&["create:Contacts"]);
    revoke(&server, &revoked);
    let of_another_book = Server::start().key(&["create:Contacts"]);
    let well_formed = "abk_Hq3T0bJm91Xa_Zk2pV7sYw0QdL4nR8tUe6cBf1GhJ5mXo9aKiPvNzTqS4bQlpH";
    let mut wrong_checksum = good.clone();
    wrong_checksum.replace_range(65.., if good.ends_with('a') { "b" } else { "a" });
    // A right checksum and a known id: only the secret is wrong.
    let forged = with_checksum(&format!("abk_{}_{}", id_of(&good), "0".repeat(43)));
    let headers = [
        format!("Bearer {expired}"),
        format!("Bearer {revoked}"),
        format!("Bearer {of_another_book}"),
        format!("Bearer {well_formed}"),
        format!("Bearer {wrong_checksum}"),
        format!("Bearer {forged}"),
        format!("Bearer {}", good.to_lowercase()),
        format!("Bearer {good}x"),
        format!("Basic {good}"),
        good.clone(),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        "x".repeat(3000),
    ];
    for header in headers {
        let reply = server
            .call("POST", "/contacts")
            .header("Authorization", &header)
            .json(contact(0))
            .send();
        allow_duplicates!(
            assert_snapshot!(reply.redacted(), @r#"401 {"success":false,"error":{"name":"UnauthorizedError","statusCode":401,"message":"API key is invalid or has expired"}}"#)
        );
        assert_eq!(
            reply.header("www-authenticate"),
            r#"Bearer realm="addressbook", error="invalid_token""#
        );
    }
    let not_ascii = "POST /contacts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \u{e9}\r\nConnection: close\r\n\r\n";
    let answer = server.raw(not_ascii.as_bytes());
    assert!(
        answer.ends_with(r#""message":"API key is invalid or has expired"}}"#),
        "{answer}"
    );
    let twice = server
        .call("POST", "/contacts")
        .key(&good)
        .key(&good)
        .json(contact(0))
        .send();
    assert_eq!(twice.message(), "API key is invalid or has expired");
    assert_eq!(server.stored(), 0);
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let header = format!("{scheme} {good}");
        let reply = server
            .call("POST", "/contacts")
            .header("Authorization", &header)
            .json("{}")
            .send();
        assert_eq!(reply.status, 400, "{scheme} is a scheme");
    }
}

fn with_checksum(body: &str) -> String {
    let digits = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut rest = crc32fast::hash(body.as_bytes()) as usize;
    let mut checksum = Vec::new();
    for _ in 0..6 {
        checksum.insert(0, char::from(digits[rest % 62]));
        rest /= 62;
    }
    format!("{body}{}", String::from_iter(checksum))
}

fn revoke(server: &Server, token: &str) {
    let database = server.database.to_str().unwrap();
    let output = run(&["key", "revoke", "--database", database, id_of(token)]);
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn key_and_permission_are_checked_before_the_body() {
    let server = Server::start();
    let narrow = server.key(&["read:Contacts"]);
    let no_key = server
        .call("POST", "/contacts")
        .header("Content-Type", "text/plain")
        .body("{")
        .send();
    assert_eq!(no_key.status, 401);
    let no_permission = server
        .call("POST", "/contacts")
        .key(&narrow)
        .header("Content-Type", "text/plain")
        .body("{")
        .send();
    assert_eq!(no_permission.status, 403);
    let right = server.key(&["create:Contacts"]);
    let wrong_type = server
        .call("POST", "/contacts")
        .key(&right)
        .header("Content-Type", "text/plain")
        .body("{")
        .send();
    assert_eq!(wrong_type.status, 415);
    let wrong_method = server.call("PUT", "/contacts").send();
    assert_eq!(wrong_method.status, 405);
}

#[test]
fn a_revoked_key_is_refused_at_once_on_a_live_connection() {
    let server = Server::start();
    let key = server.key(&["create:Contacts"]);
    let agent = agent();
    let create = |number| {
        server
            .call("POST", "/contacts")
            .by(&agent)
            .key(&key)
            .json(contact(number))
            .send()
    };
    for number in 0..20 {
        assert_eq!(create(number).status, 200);
    }
    revoke(&server, &key);
    assert_eq!(create(20).message(), "API key is invalid or has expired");
    assert_eq!(server.stored(), 20);
}

#[test]
fn a_key_expires_while_it_is_used() {
    let server = Server::start();
    let key = server.key(&["create:Contacts"]);
    assert_eq!(server.create(&key, contact(0)).status, 200);
    let later = |from: Moment, ms| from.checked_add(Duration::from_millis(ms)).unwrap();
    let expiry = later(Moment::now(), 500);
    let sooner = format!("UPDATE api_keys SET expires_on = {}", expiry.millis());
    assert_eq!(server.change(&sooner), 1);
    let mut number = 1;
    while server.create(&key, contact(number)).status == 200 {
        assert!(Moment::now() < later(expiry, 4000), "still let in");
        number += 1;
    }
    assert!(Moment::now() >= expiry, "refused too early");
}

#[test]
fn a_narrowed_key_loses_the_permission_at_its_next_request() {
    let server = Server::start();
    let key = server.key(&["create:Contacts", "read:Contacts"]);
    assert_eq!(server.create(&key, contact(0)).status, 200);
    let narrowed = server.change("UPDATE api_keys SET permissions = 'read:Contacts'");
    assert_eq!(narrowed, 1);
    let reply = server.create(&key, contact(1));
    assert_snapshot!(reply.redacted(), @r#"403 {"success":false,"error":{"name":"ForbiddenError","statusCode":403,"message":"API Key is not permitted to perform this action. (create:Contacts)"}}"#);
    assert_eq!(server.stored(), 1);
}

#[test]
fn a_key_narrowed_to_nothing_or_by_a_newer_version_is_just_not_permitted() {
    let server = Server::start();
    let key = server.key(&["create:Contacts"]);
    for permissions in ["", "fly:Rockets"] {
        server.change(&format!(
            "UPDATE api_keys SET permissions = '{permissions}'"
        ));
        assert_eq!(server.create(&key, contact(0)).status, 403);
        let list = run(&[
            "key",
            "list",
            "--database",
            server.database.to_str().unwrap(),
        ]);
        assert!(
            String::from_utf8(list.stdout)
                .unwrap()
                .contains(id_of(&key))
        );
    }
}

#[test]
fn the_file_holds_no_part_of_a_secret() {
    let mut server = Server::start();
    let key = server.key(&["create:Contacts"]);
    assert_eq!(server.create(&key, contact(0)).status, 200);
    let rows = server.rows("SELECT hash, permissions FROM api_keys");
    let (hash, permissions) = (&rows[0][0], &rows[0][1]);
    assert!(
        hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
        "{hash}"
    );
    assert_eq!(permissions, "create:Contacts");
    server.stop();
    if is_skipped("file whose bytes could be looked at") {
        return;
    }
    let secret = &key[17..60];
    for entry in std::fs::read_dir(server.database.parent().unwrap()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        for part in [&secret[..12], &secret[16..28], &secret[31..]] {
            assert!(
                !bytes
                    .windows(part.len())
                    .any(|window| window == part.as_bytes())
            );
        }
    }
}
