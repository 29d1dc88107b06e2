//! Pages of other origins: who may call from a browser, and what is told to whom.

use crate::harness::{Reply, Server};

const APP: &str = "https://app.example.org";
const OTHER: &str = "http://localhost:5173";
const STRANGER: &str = "https://evil.example.org";

fn server() -> Server {
    Server::start_with(&["--cors-origin", APP, "--cors-origin", OTHER])
}

fn preflight(server: &Server, path: &str, origin: &str) -> Reply {
    let call = server.call("OPTIONS", path).header("Origin", origin);
    call.header("Access-Control-Request-Method", "POST").send()
}

/// The headers of the protocol, and `Vary`.
fn told(reply: &Reply) -> Vec<String> {
    let mut told: Vec<String> = reply
        .headers
        .iter()
        .filter(|(name, _)| *name == "vary" || name.as_str().starts_with("access-control"))
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    told.sort();
    told
}

#[test]
fn a_preflight_of_a_named_origin_is_told_what_its_path_allows() {
    let server = server();
    let reply = preflight(&server, "/addressbook/contacts", APP);
    assert_eq!((reply.status, reply.body.as_str()), (204, ""));
    assert_eq!(reply.header("content-type"), "");
    assert!(!reply.header("x-request-id").is_empty());
    insta::assert_snapshot!(told(&reply).join("\n"), @r"
    access-control-allow-headers: Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-Request-Id
    access-control-allow-methods: GET, HEAD, POST
    access-control-allow-origin: https://app.example.org
    access-control-max-age: 7200
    vary: Origin
    ");
    for (path, methods) in [
        ("/contacts/john", "GET, HEAD, POST, PATCH, DELETE"),
        ("/contacts/alias/a%2Fb", "GET, HEAD, PUT"),
        ("/auth/test", "GET, HEAD, POST"),
        ("/healthz", "GET, HEAD"),
    ] {
        let reply = preflight(&server, path, OTHER);
        assert_eq!(reply.status, 204, "{path}");
        assert_eq!(reply.header("access-control-allow-methods"), methods);
        assert_eq!(reply.header("access-control-allow-origin"), OTHER);
    }
}

#[test]
fn a_connection_goes_on_behind_a_preflight() {
    let server = server();
    let preflight = "OPTIONS /contacts HTTP/1.1\r\nHost: x\r\nOrigin: https://app.example.org\r\nAccess-Control-Request-Method: POST\r\n\r\n";
    let next = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let answers = server.raw(format!("{preflight}{next}").as_bytes());
    assert!(answers.starts_with("HTTP/1.1 204 "), "{answers}");
    assert!(answers.ends_with(r#"{"success":true}"#), "{answers}");
}

#[test]
fn any_other_options_is_answered_as_ever() {
    let server = server();
    let of_stranger = preflight(&server, "/contacts", STRANGER);
    let no_preflight = server.call("OPTIONS", "/contacts").send();
    for reply in [&of_stranger, &no_preflight] {
        assert_eq!(reply.status, 405);
        assert_eq!(told(reply), ["vary: Origin"]);
        let message = "Method not allowed, allowed here: GET, HEAD, POST";
        assert_eq!(reply.message(), message);
    }
    let call = server.call("OPTIONS", "/contacts").header("Origin", APP);
    assert_eq!(call.send().status, 405, "an OPTIONS of a page's script");
    let nowhere = preflight(&server, "/nowhere", APP);
    assert_eq!(nowhere.status, 404);
    assert_eq!(nowhere.header("access-control-allow-origin"), APP);
}

#[test]
fn every_answer_is_shared_with_a_named_origin_and_no_other() {
    let server = server();
    let key = server.key(&["create:Contacts", "read:Contacts"]);
    let large = "x".repeat(65 * 1024 + 1);
    let john = r#"{"alias":"john","msisdn":"4479000000001"}"#;
    let answers = |origin: Option<&str>| {
        let call = |method, path| {
            let call = server.call(method, path);
            match origin {
                Some(origin) => call.header("Origin", origin),
                None => call,
            }
        };
        [
            (200, call("GET", "/contacts").key(&key).send()),
            (200, call("GET", "/contacts/export").key(&key).send()),
            (400, call("POST", "/contacts").key(&key).json("{}").send()),
            (401, call("POST", "/contacts").json(john).send()),
            (403, call("GET", "/auth/audit").key(&key).send()),
            (404, call("GET", "/nowhere").send()),
            (405, call("PUT", "/contacts").json("{}").send()),
            (
                413,
                call("POST", "/contacts")
                    .key(&key)
                    .json(large.as_str())
                    .send(),
            ),
            (415, call("POST", "/contacts").key(&key).body("{}").send()),
        ]
    };
    for (status, reply) in answers(Some(APP)) {
        assert_eq!(reply.status, status);
        assert_eq!(
            told(&reply),
            [
                "access-control-allow-origin: https://app.example.org",
                "access-control-expose-headers: ETag, Idempotency-Replayed, Link, RateLimit, \
                 RateLimit-Policy, Retry-After, X-Request-Id",
                "vary: Origin",
            ],
            "{status}"
        );
    }
    for origin in [
        None,
        Some(STRANGER),
        Some("null"),
        Some("https://app.example.org.evil"),
    ] {
        for (status, reply) in answers(origin) {
            assert_eq!(
                (reply.status, told(&reply)),
                (status, vec!["vary: Origin".to_owned()])
            );
        }
    }
}

#[test]
fn with_no_origin_named_nothing_is_told() {
    let server = Server::start();
    assert_eq!(preflight(&server, "/contacts", APP).status, 405);
    let reply = server.call("GET", "/healthz").header("Origin", APP).send();
    assert_eq!(told(&reply), [""; 0]);
}

#[test]
fn origins_are_named_by_a_variable_as_well_and_a_star_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("book.db");
    let mut command = crate::harness::program();
    command.env("ADDRESSBOOK_CORS_ORIGINS", format!("{APP},{OTHER}"));
    let server = Server::start_command(command, &database, &[]);
    for origin in [APP, OTHER] {
        assert_eq!(preflight(&server, "/contacts", origin).status, 204);
    }
    let refused = crate::harness::run(&["serve", "--cors-origin", "*"]);
    let errors = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(errors.contains("name each origin"), "{errors}");
}
