//! One table of every call that needs a key, and what it needs.

use insta::assert_snapshot;

use crate::harness::{PERMISSIONS, Server};

/// Method, path, permission.
const CALLS: [(&str, &str, &str); 2] = [
    ("POST", "/addressbook/contacts", "create:Contacts"),
    ("POST", "/contacts", "create:Contacts"),
];

#[test]
fn without_a_key_every_call_is_refused() {
    let server = Server::start();
    for (method, path, _) in CALLS {
        let reply = server.call(method, path).json("{}").send();
        assert_eq!(
            (reply.status, reply.message().as_str()),
            (401, "API key is missing"),
            "{method} {path}"
        );
    }
}

#[test]
fn every_other_permission_is_refused_by_name() {
    let server = Server::start();
    for (method, path, permission) in CALLS {
        let others: Vec<&str> = PERMISSIONS
            .into_iter()
            .filter(|other| *other != permission)
            .collect();
        let key = server.key(&others);
        let reply = server.call(method, path).key(&key).json("{}").send();
        assert_eq!(reply.status, 403, "{method} {path}");
        assert_eq!(
            reply.message(),
            format!("API Key is not permitted to perform this action. ({permission})")
        );
        let challenge = format!(
            r#"Bearer realm="addressbook", error="insufficient_scope", scope="{permission}""#
        );
        assert_eq!(reply.header("www-authenticate"), challenge);
    }
}

#[test]
fn its_one_permission_is_enough() {
    let server = Server::start();
    for (method, path, permission) in CALLS {
        let key = server.key(&[permission]);
        let reply = server.call(method, path).key(&key).json("{}").send();
        assert!(
            ![401, 403, 404, 405].contains(&reply.status),
            "{method} {path}: {}",
            reply.body
        );
    }
}

#[test]
fn each_single_permission_but_its_own_is_refused() {
    let server = Server::start();
    let keys = PERMISSIONS.map(|permission| (permission, server.key(&[permission])));
    for (method, path, needed) in CALLS {
        for (permission, key) in keys.iter().filter(|(permission, _)| *permission != needed) {
            let reply = server.call(method, path).key(key).json("{}").send();
            assert_eq!(reply.status, 403, "{method} {path} with {permission}");
        }
    }
}

#[test]
fn a_refusal_has_the_envelope() {
    let server = Server::start();
    let key = server.key(&["read:Optouts"]);
    let reply = server.create(&key, "{}");
    assert_snapshot!(reply.redacted(), @r#"403 {"success":false,"error":{"name":"ForbiddenError","statusCode":403,"message":"API Key is not permitted to perform this action. (create:Contacts)"}}"#);
}
