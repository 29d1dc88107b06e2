//! Bodies that are no contact: not JSON, too large, too slow, of another type.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use insta::assert_snapshot;

use crate::harness::{Server, until};

const CONTACT: &str = r#"{"alias":"john","msisdn":"4479000000001"}"#;

#[test]
fn bad_json_in_all_its_forms_is_one_clear_message() {
    let server = Server::start();
    let key = server.key(&["create:Contacts"]);
    let deep = "[".repeat(10_000);
    let bodies: [&[u8]; 14] = [
        b"",
        b" ",
        b"{",
        br#"{"alias":"john""#,
        br#"{"alias":"john",}"#,
        br#"{"alias":"john"} x"#,
        br#"{"alias":"john"}{}"#,
        br#"{'alias':'john'}"#,
        br#"{"alias":"jo
hn"}"#,
        br#"{"alias":01}"#,
        br#"{"alias":NaN}"#,
        b"\xef\xbb\xbf\xef\xbb\xbf{}",
        b"{\"alias\":\"\xff\"}",
        deep.as_bytes(),
    ];
    for body in bodies {
        let reply = server.create(&key, body);
        let shown = String::from_utf8_lossy(body);
        assert_eq!(reply.status, 400, "{shown}");
        let begins = "Request body is not valid JSON: line ";
        assert!(reply.message().starts_with(begins), "{shown}");
    }
    let deep_and_closed = format!("{deep}{}", "]".repeat(10_000));
    for body in ["[]", "null", "1", "\"alias\"", "true", &deep_and_closed] {
        let reply = server.create(&key, body);
        assert_eq!(
            (reply.status, reply.message().as_str()),
            (400, "Request body must be a JSON object")
        );
    }
    assert_eq!(server.stored(), 0);
}

#[test]
fn bad_json_is_told_by_its_place_as_an_editor_counts() {
    let server = Server::start();
    let key = server.key(&["create:Contacts"]);
    let after_an_e = "{\"alias\":\"\u{e9}\u{1f600}\" x}";
    for (body, place) in [
        (&b""[..], "line 1, column 1"),
        (b"{", "line 1, column 2"),
        (b"{\n  \"alias\": john\n}", "line 2, column 12"),
        (b"{\r\n\"alias\": \"john\",\r\n}", "line 3, column 1"),
        (after_an_e.as_bytes(), "line 1, column 15"),
        (b"\xef\xbb\xbf{x", "line 1, column 2"),
        (b"{\"alias\":\n\"\xc3\xa9\xff\"}", "line 2, column 3"),
        (b"{\"alias\":\"a\"}\n\n]", "line 3, column 1"),
    ] {
        let reply = server.create(&key, body);
        let shown = String::from_utf8_lossy(body);
        let message = format!("Request body is not valid JSON: {place}");
        assert_eq!((reply.status, reply.message()), (400, message), "{shown}");
    }
    let reply = server.create(&key, r#"{"\ud800":1}"#);
    let wanted = "Field names must not contain a lone surrogate";
    assert_eq!((reply.status, reply.message().as_str()), (400, wanted));
}

#[test]
fn unknown_and_repeated_fields_are_named() {
    let server = Server::start();
    let key = server.key(&["create:Contacts"]);
    let reply = server.create(
        &key,
        r#"{"alias":"john","msisdn":"4479000000001","Meta":{}}"#,
    );
    assert_snapshot!(reply.redacted(), @r#"400 {"success":false,"error":{"name":"ValidationError","statusCode":400,"message":"Unknown field: Meta"}}"#);
    let reply = server.create(
        &key,
        r#"{"alias":"john","alias":"jane","msisdn":"4479000000001"}"#,
    );
    assert_snapshot!(reply.redacted(), @r#"400 {"success":false,"error":{"name":"ValidationError","statusCode":400,"message":"Duplicate field: alias"}}"#);
    let reply = server.create(
        &key,
        r#"{"alias":"john","\u0061lias":"john","msisdn":"4479000000001"}"#,
    );
    assert_eq!(reply.message(), "Duplicate field: alias");
    let endless = format!(r#"{{"{}":1}}"#, "x".repeat(60_000));
    assert_eq!(
        server.create(&key, endless).message(),
        format!("Unknown field: {}", "x".repeat(64))
    );
}

#[test]
fn only_json_in_utf_8_is_a_contact() {
    let server = Server::start();
    let key = server.key(&["create:Contacts"]);
    let send = |content_type: Option<&str>, alias: &str| {
        let body = CONTACT.replace("john", alias);
        let call = server.call("POST", "/contacts").key(&key).body(body);
        match content_type {
            Some(content_type) => call.header("Content-Type", content_type).send(),
            None => call.send(),
        }
    };
    for refused in [
        None,
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
        Some("application/json; charset=latin1"),
        Some("application/problem+json"),
        Some("json"),
    ] {
        let reply = send(refused, "john");
        assert_eq!(reply.status, 415, "{refused:?}");
        let came = refused.map_or("is missing".to_owned(), |came| format!("is {came}"));
        assert_eq!(
            reply.message(),
            format!("Content-Type must be application/json, in UTF-8, but {came}")
        );
    }
    for (alias, accepted) in [
        ("plain", "application/json"),
        ("loud", "Application/JSON; charset=UTF-8"),
        ("quoted", "application/json;charset=\"utf-8\""),
    ] {
        assert_eq!(send(Some(accepted), alias).status, 200, "{accepted}");
    }
    let twice = server
        .call("POST", "/contacts")
        .key(&key)
        .header("Content-Type", "text/plain")
        .json(CONTACT)
        .send();
    assert_eq!(twice.status, 415);
    let encoded = server
        .call("POST", "/contacts")
        .key(&key)
        .header("Content-Encoding", "gzip")
        .json(CONTACT)
        .send();
    assert_snapshot!(encoded.redacted(), @r#"415 {"success":false,"error":{"name":"UnsupportedMediaTypeError","statusCode":415,"message":"Content-Encoding is not supported"}}"#);
}

#[test]
fn a_body_of_64_kib_is_read_and_a_larger_one_is_not() {
    let server = Server::start();
    let key = server.key(&["create:Contacts"]);
    let padded = |bytes: usize| format!("{CONTACT}{}", " ".repeat(bytes - CONTACT.len()));
    let too_large = server.create(&key, padded(65_537));
    assert_snapshot!(too_large.redacted(), @r#"413 {"success":false,"error":{"name":"PayloadTooLargeError","statusCode":413,"message":"Request body must be at most 65536 bytes"}}"#);
    let chunked = format!(
        "POST /contacts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n10001\r\n{}\r\n0\r\n\r\n",
        padded(65_537)
    );
    assert!(server.raw(chunked.as_bytes()).starts_with("HTTP/1.1 413 "));
    assert_eq!(server.stored(), 0);
    assert_eq!(server.create(&key, padded(65_536)).status, 200);
}

#[test]
fn a_body_that_does_not_arrive_in_time_is_cut_off() {
    let server = Server::start_with(&["--limit", "body_wait=500ms"]);
    let body_wait = Duration::from_millis(500);
    let key = server.key(&["create:Contacts"]);
    let begun = Instant::now();
    let mut stream = server.connect();
    let head = format!(
        "POST /contacts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\nContent-Length: 41\r\n\r\n{{"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(
        answer.contains(r#""name":"RequestTimeoutError""#),
        "{answer}"
    );
    assert!(begun.elapsed() >= body_wait, "a slow client has its time");
}

#[test]
fn large_bodies_that_arrive_slowly_keep_nobody_else_waiting() {
    const BODY_BYTES: usize = 8 * 1024 * 1024;
    let server = Server::start_with(&["--limit", "body_wait=60s"]);
    let (slow, other) = (
        server.key(&["create:Contacts"]),
        server.key(&["create:Contacts"]),
    );
    let head = format!(
        "POST /contacts/bulk HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {slow}\r\n\
         Content-Type: application/json\r\nContent-Length: {BODY_BYTES}\r\n\r\n"
    );
    // More than a key may have in memory, but for a last byte each.
    let unfinished: Vec<_> = (0..5)
        .map(|_| {
            let mut stream = server.connect();
            stream.write_all(head.as_bytes()).unwrap();
            // One of them is reset.
            let _ = stream.write_all(&vec![b' '; BODY_BYTES - 1]);
            stream.set_nonblocking(true).unwrap();
            stream
        })
        .collect();
    let refused = until(|| {
        unfinished.iter().find_map(|mut stream| {
            let mut answer = [0; 1024];
            let bytes = stream.read(&mut answer).ok()?;
            Some(String::from_utf8_lossy(&answer[..bytes]).into_owned())
        })
    });
    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
    assert!(refused.contains("retry-after: 1\r\n"), "{refused}");
    assert!(
        refused.contains("The server is busy, nothing was stored, try again"),
        "{refused}"
    );
    let body = format!(r#"{{"contacts":[{CONTACT}]}}{}"#, " ".repeat(64 * 1024));
    let bulk = |key: &str| {
        let call = server.call("POST", "/contacts/bulk").key(key);
        call.json(body.as_str()).send()
    };
    for _ in 0..8 {
        assert_eq!(bulk(&other).status, 200);
    }
    // A small body is not counted.
    let reply = server.create(&slow, r#"{"alias":"jane","msisdn":"4479000000001"}"#);
    assert_eq!(reply.status, 200);
    drop(unfinished);
    until(|| Some(bulk(&slow)).filter(|reply| reply.status == 200));
}

#[test]
fn several_large_bodies_of_one_key_are_all_answered() {
    let server = Server::start();
    let key = server.key(&["create:Contacts"]);
    let padding = " ".repeat(2 * 1024 * 1024);
    std::thread::scope(|scope| {
        let (server, key, padding) = (&server, &key, &padding);
        let sent = [0, 1, 2, 3, 4, 5].map(|number| {
            scope.spawn(move || {
                let contact = format!(r#"{{"alias":"{number}","msisdn":"15550000000"}}"#);
                let body = format!(r#"{{"contacts":[{contact}]}}{padding}"#);
                let call = server.call("POST", "/contacts/bulk").key(key);
                call.json(body).send().status
            })
        });
        assert_eq!(sent.map(|one| one.join().unwrap()), [200; 6]);
    });
    assert_eq!(server.stored(), 6);
}
