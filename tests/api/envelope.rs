//! Every failure has the envelope, every answer its headers.

use insta::{allow_duplicates, assert_snapshot};

use crate::harness::Server;

#[test]
fn unknown_paths_and_wrong_methods_have_the_envelope() {
    let server = Server::start();
    for path in [
        "/",
        "/addressbook",
        "/contact",
        "/addressbook/contacts//x/y",
        "/nowhere/",
        "/%00",
        "/%ff",
    ] {
        let reply = server.call("GET", path).send();
        allow_duplicates!(
            assert_snapshot!(reply.redacted(), @r#"404 {"success":false,"error":{"name":"NotFoundError","statusCode":404,"message":"No such path"}}"#)
        );
        assert_eq!(reply.header("content-type"), "application/json");
    }
    for method in ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"] {
        let reply = server.call(method, "/addressbook/contacts").send();
        allow_duplicates!(
            assert_snapshot!(reply.redacted(), @r#"405 {"success":false,"error":{"name":"MethodNotAllowedError","statusCode":405,"message":"Method not allowed, allowed here: GET, HEAD, POST"}}"#)
        );
        assert_eq!(reply.header("allow"), "GET, HEAD, POST");
    }
    let head = server.call("HEAD", "/nowhere").send();
    assert_eq!((head.status, head.body.as_str()), (404, ""));
}

#[test]
fn a_slash_too_many_is_answered_with_the_path_that_was_meant() {
    let server = Server::start();
    let key = server.key(&["create:Contacts", "read:Contacts"]);
    let long = format!("/contacts/{}/", "a".repeat(300));
    for (path, meant) in [
        ("/contacts/", "/contacts"),
        ("//contacts", "/contacts"),
        ("/addressbook//contacts//", "/addressbook/contacts"),
        ("/contacts/alias/a%2Fb/", "/contacts/alias/a%2Fb"),
        ("/healthz/", "/healthz"),
    ] {
        for method in ["GET", "POST"] {
            let reply = server.call(method, path).key(&key).send();
            let message = format!("No such path, did you mean {meant}?");
            assert_eq!((reply.status, reply.message()), (404, message), "{path}");
        }
    }
    assert_eq!(server.call("GET", &long).send().message(), "No such path");
}

#[test]
fn health_answers_without_a_key_and_head_answers_as_get() {
    let server = Server::start();
    let get = server.call("GET", "/healthz").send();
    assert_snapshot!(get.redacted(), @r#"200 {"success":true}"#);
    let head = server.call("HEAD", "/healthz").send();
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(head.header("content-length"), get.header("content-length"));
    assert_eq!(
        server.call("POST", "/healthz").send().header("allow"),
        "GET, HEAD"
    );
}

#[test]
fn every_answer_has_its_headers() {
    let server = Server::start();
    let key = server.key(&["create:Contacts"]);
    let replies = [
        server.call("GET", "/healthz").send(),
        server.call("GET", "/nowhere").send(),
        server.call("GET", "/contacts").send(),
        server.call("POST", "/contacts").send(),
        server.create(&key, "{}"),
        server.create(&key, r#"{"alias":"john","msisdn":"4479000000001"}"#),
    ];
    for reply in replies {
        assert_eq!(reply.header("cache-control"), "no-store", "{}", reply.body);
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
        assert_eq!(reply.header("content-type"), "application/json");
        assert_eq!(reply.header("x-request-id").len(), 36);
    }
}

#[test]
fn a_request_id_is_taken_over_where_it_is_one() {
    let server = Server::start();
    let longest = "x".repeat(64);
    for id in ["a", "!~", "0d9f-42", &longest] {
        let reply = server
            .call("GET", "/healthz")
            .header("X-Request-Id", id)
            .send();
        assert_eq!(reply.header("x-request-id"), id);
    }
    let longer = "x".repeat(65);
    for id in ["", "a b", "é", &longer] {
        let reply = server
            .call("GET", "/healthz")
            .header("X-Request-Id", id)
            .send();
        assert_ne!(reply.header("x-request-id"), id);
        assert_eq!(reply.header("x-request-id").len(), 36);
    }
}
