//! One table of every call that needs a key, and what it needs.

use insta::assert_snapshot;

use crate::harness::{PERMISSIONS, Reply, Server};

/// Method, path, and the permissions in the order in which they are checked.
const CALLS: [(&str, &str, &[&str]); 45] = [
    ("POST", "/addressbook/contacts", &["create:Contacts"]),
    ("POST", "/contacts", &["create:Contacts"]),
    ("GET", "/addressbook/contacts", &["read:Contacts"]),
    ("GET", "/contacts", &["read:Contacts"]),
    ("GET", "/addressbook/contacts/1", &["read:Contacts"]),
    ("GET", "/contacts/1", &["read:Contacts"]),
    (
        "GET",
        "/addressbook/contacts/alias/john",
        &["read:Contacts"],
    ),
    ("GET", "/contacts/alias/john", &["read:Contacts"]),
    ("POST", "/addressbook/contacts/1", &["update:Contacts"]),
    ("POST", "/contacts/1", &["update:Contacts"]),
    ("PATCH", "/addressbook/contacts/1", &["update:Contacts"]),
    ("PATCH", "/contacts/1", &["update:Contacts"]),
    (
        "PUT",
        "/addressbook/contacts/alias/john",
        &["create:Contacts", "update:Contacts"],
    ),
    (
        "PUT",
        "/contacts/alias/john",
        &["create:Contacts", "update:Contacts"],
    ),
    ("DELETE", "/addressbook/contacts/1", &["delete:Contacts"]),
    ("DELETE", "/contacts/1", &["delete:Contacts"]),
    ("POST", "/addressbook/contacts/bulk", &["create:Contacts"]),
    ("POST", "/contacts/bulk", &["create:Contacts"]),
    ("POST", "/addressbook/contacts/resolve", &["read:Contacts"]),
    ("POST", "/contacts/resolve", &["read:Contacts"]),
    ("GET", "/addressbook/contacts/export", &["read:Contacts"]),
    ("GET", "/contacts/export", &["read:Contacts"]),
    ("POST", "/addressbook/contacts/import", &["create:Contacts"]),
    ("POST", "/contacts/import", &["create:Contacts"]),
    ("HEAD", "/contacts", &["read:Contacts"]),
    ("GET", "/addressbook/optouts", &["read:Optouts"]),
    ("POST", "/addressbook/optouts", &["create:Optouts"]),
    ("DELETE", "/addressbook/optouts/1", &["delete:Optouts"]),
    ("GET", "/addressbook/groups", &["read:Groups"]),
    ("POST", "/addressbook/groups", &["create:Groups"]),
    ("GET", "/addressbook/groups/1", &["read:Groups"]),
    ("PATCH", "/addressbook/groups/1", &["update:Groups"]),
    ("DELETE", "/addressbook/groups/1", &["delete:Groups"]),
    ("GET", "/addressbook/groups/1/members", &["read:Groups"]),
    ("POST", "/addressbook/groups/1/members", &["update:Groups"]),
    ("GET", "/auth/test", &[]),
    ("POST", "/auth/test", &[]),
    ("HEAD", "/auth/test", &[]),
    ("GET", "/auth/keys", &["read:ApiKeys"]),
    ("POST", "/auth/keys", &["create:ApiKeys"]),
    ("GET", "/auth/keys/000000000000", &["read:ApiKeys"]),
    ("PATCH", "/auth/keys/000000000000", &["update:ApiKeys"]),
    ("DELETE", "/auth/keys/000000000000", &["delete:ApiKeys"]),
    (
        "POST",
        "/auth/keys/000000000000/rotate",
        &["update:ApiKeys"],
    ),
    ("GET", "/auth/audit", &["read:Audit"]),
];

/// What a call answers to a key; with a body where the method takes one.
fn answer(server: &Server, method: &str, path: &str, key: Option<&str>) -> Reply {
    let mut call = server.call(method, path);
    if ["POST", "PATCH", "PUT"].contains(&method) {
        call = call.json("{}");
    }
    if let Some(key) = key {
        call = call.key(key);
    }
    call.send()
}

/// The challenge of a refusal; a HEAD has nothing but headers.
fn challenge(permission: &str) -> String {
    format!(r#"Bearer realm="addressbook", error="insufficient_scope", scope="{permission}""#)
}

#[test]
fn without_a_key_every_call_is_refused() {
    let server = Server::start();
    for (method, path, _) in CALLS {
        let reply = answer(&server, method, path, None);
        assert_eq!(reply.status, 401, "{method} {path}");
        assert_eq!(
            reply.header("www-authenticate"),
            r#"Bearer realm="addressbook""#
        );
    }
}

#[test]
fn a_key_that_lacks_one_permission_is_refused_by_its_name() {
    let server = Server::start();
    let lacking = PERMISSIONS.map(|lacked| {
        let others: Vec<&str> = PERMISSIONS
            .into_iter()
            .filter(|other| *other != lacked)
            .collect();
        (lacked, server.key(&others))
    });
    for (method, path, needed) in CALLS {
        for (lacked, key) in &lacking {
            let reply = answer(&server, method, path, Some(key));
            if needed.contains(lacked) {
                assert_eq!(reply.status, 403, "{method} {path} without {lacked}");
                assert_eq!(reply.header("www-authenticate"), challenge(lacked));
            } else {
                assert!(
                    ![401, 403, 405].contains(&reply.status),
                    "{method} {path} without {lacked}"
                );
            }
        }
    }
}

#[test]
fn its_own_permissions_alone_are_enough_and_each_other_alone_is_not() {
    let server = Server::start();
    let keys = PERMISSIONS.map(|permission| (permission, server.key(&[permission])));
    for (method, path, needed) in CALLS {
        for (permission, key) in &keys {
            let reply = answer(&server, method, path, Some(key));
            let first_lacking = needed.iter().find(|needed| *needed != permission);
            match first_lacking {
                Some(lacking) => assert_eq!(reply.header("www-authenticate"), challenge(lacking)),
                None => assert!(![401, 403, 405].contains(&reply.status), "{method} {path}"),
            }
        }
    }
    let both = server.key(&["create:Contacts", "update:Contacts"]);
    let put = answer(&server, "PUT", "/contacts/alias/john", Some(&both));
    assert_eq!(put.message(), "Msisdn is required");
}

#[test]
fn a_refusal_has_the_envelope() {
    let server = Server::start();
    let key = server.key(&["read:Optouts"]);
    let reply = server.create(&key, "{}");
    assert_snapshot!(reply.redacted(), @r#"403 {"success":false,"error":{"name":"ForbiddenError","statusCode":403,"message":"API Key is not permitted to perform this action. (create:Contacts)"}}"#);
}
