//! Every call that needs a key, and what it needs: the route table, tried.

use insta::assert_snapshot;

use crate::harness::{PERMISSIONS, Reply, Server};

/// Method, path, and the permissions in the order in which they are checked: the
/// rows of the route table that need a key, contacts under both of their paths, and
/// HEAD beside GET.
fn calls() -> Vec<(&'static str, String, Vec<&'static str>)> {
    let mut calls = Vec::new();
    for call in addressbook::http::CALLS {
        let Some(permissions) = call.permissions else {
            continue;
        };
        let needed: Vec<_> = permissions.iter().map(|one| one.as_str()).collect();
        let path = call
            .path
            .replace("{alias}", "john")
            .replace("/auth/keys/{id}", "/auth/keys/000000000000")
            .replace("{id}", "1")
            .replace("{msisdn}", "1");
        let short = path.strip_prefix("/addressbook/contacts");
        let short = short.map(|rest| format!("/contacts{rest}"));
        for path in [Some(path.clone()), short].into_iter().flatten() {
            if call.method == "GET" {
                calls.push(("HEAD", path.clone(), needed.clone()));
            }
            calls.push((call.method, path, needed.clone()));
        }
    }
    calls
}

#[test]
fn the_table_of_calls_is_the_contract() {
    let rows = addressbook::http::CALLS.iter().map(|call| {
        let needed = match call.permissions {
            None => "no key".to_owned(),
            Some([]) => "any key".to_owned(),
            Some(needed) => {
                let needed: Vec<_> = needed.iter().map(|one| one.as_str()).collect();
                needed.join(" ")
            }
        };
        format!("{} {} {needed}", call.method, call.path)
    });
    assert_snapshot!(rows.collect::<Vec<_>>().join("\n"), @r"
    GET /addressbook/contacts read:Contacts
    POST /addressbook/contacts create:Contacts
    POST /addressbook/contacts/bulk create:Contacts
    POST /addressbook/contacts/bulk-delete delete:Contacts
    POST /addressbook/contacts/import create:Contacts
    GET /addressbook/contacts/export read:Contacts
    POST /addressbook/contacts/resolve read:Contacts
    GET /addressbook/contacts/alias/{alias} read:Contacts
    PUT /addressbook/contacts/alias/{alias} create:Contacts update:Contacts
    GET /addressbook/contacts/{id} read:Contacts
    POST /addressbook/contacts/{id} update:Contacts
    PATCH /addressbook/contacts/{id} update:Contacts
    DELETE /addressbook/contacts/{id} delete:Contacts
    GET /addressbook/optouts read:Optouts
    POST /addressbook/optouts create:Optouts
    POST /addressbook/optouts/bulk create:Optouts
    GET /addressbook/optouts/{msisdn} read:Optouts
    DELETE /addressbook/optouts/{msisdn} delete:Optouts
    GET /addressbook/groups read:Groups
    POST /addressbook/groups create:Groups
    GET /addressbook/groups/{id} read:Groups
    PATCH /addressbook/groups/{id} update:Groups
    DELETE /addressbook/groups/{id} delete:Groups
    GET /addressbook/groups/{id}/members read:Groups
    POST /addressbook/groups/{id}/members update:Groups
    GET /auth/test any key
    POST /auth/test any key
    GET /auth/session no key
    POST /auth/session any key
    DELETE /auth/session any key
    POST /auth/session/code no key
    GET /auth/keys read:ApiKeys
    POST /auth/keys create:ApiKeys
    GET /auth/keys/{id} read:ApiKeys
    PATCH /auth/keys/{id} update:ApiKeys
    DELETE /auth/keys/{id} delete:ApiKeys
    POST /auth/keys/{id}/rotate update:ApiKeys
    GET /auth/audit read:Audit
    GET /backups read:Backups
    POST /backups create:Backups
    GET /status read:Metrics
    GET /healthz no key
    GET /readyz no key
    GET /metrics no key
    GET / no key
    GET /openapi.json no key
    GET /docs no key
    GET /docs/{file} no key
    GET /console no key
    GET /console/ no key
    GET /console/{file} no key
    ");
}

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
    for (method, path, _) in calls() {
        let reply = answer(&server, method, &path, None);
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
    for (method, path, needed) in &calls() {
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
    for (method, path, needed) in &calls() {
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
