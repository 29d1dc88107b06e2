//! What strangers do with connections: nothing of it holds one for ever.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use crate::harness::Server;

/// Writes until the server has ended the connection, and says after how long.
fn pour(server: &Server, head: &str) -> Duration {
    let mut stream = server.connect();
    stream
        .set_write_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    let begun = Instant::now();
    let chunk = format!("2000\r\n{}\r\n", "x".repeat(0x2000));
    while begun.elapsed() < Duration::from_secs(15) {
        match stream.write_all(chunk.as_bytes()) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("neither read nor ended"),
            Err(_) => return begun.elapsed(),
        }
    }
    panic!("still read after 15 s");
}

#[test]
fn an_endless_body_behind_a_refusal_is_not_read() {
    let server = Server::start();
    for path in ["/nowhere", "/contacts", "/healthz"] {
        let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
        pour(&server, &head);
    }
    let key = server.key(&["create:Contacts"]);
    let too_large = format!(
        "POST /contacts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    pour(&server, &too_large);
    assert_eq!(server.call("GET", "/healthz").send().status, 200);
}

#[test]
fn a_refusal_before_the_body_is_read_says_that_it_closes() {
    let server = Server::start();
    let refused = server.call("POST", "/contacts").json("{}").send();
    assert_eq!(
        (refused.status, refused.header("connection")),
        (401, "close")
    );
    let key = server.key(&["create:Contacts"]);
    let read = server.create(&key, "{}");
    assert_eq!((read.status, read.header("connection")), (400, ""));
}

#[test]
fn a_second_head_that_never_ends_is_cut_off() {
    let server = Server::start();
    let mut stream = server.connect();
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(br#"{"success":true}"#) {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        answer.push(byte[0]);
    }
    stream.write_all(b"GET /healthz HT").unwrap();
    let begun = Instant::now();
    let mut more = Vec::new();
    // A reset is an end as well; only a time-out would not be.
    let ended = stream.read_to_end(&mut more);
    let timed_out = ended.is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
    assert!(
        !timed_out && begun.elapsed() < Duration::from_secs(25),
        "the connection ends"
    );
    assert!(more.is_empty(), "half a head has no answer");
}

#[test]
fn a_first_head_that_never_ends_is_cut_off() {
    let server = Server::start();
    let begun = Instant::now();
    let answer = server.raw(b"GET /healthz HTTP/1.1\r\nHost:");
    assert!(begun.elapsed() < Duration::from_secs(15));
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[test]
fn an_answer_that_nobody_reads_does_not_hold_its_connection() {
    let server = Server::start();
    let key = server.key(&["create:Contacts", "read:Contacts"]);
    let meta = "x".repeat(16_000);
    let contacts: Vec<String> = (0..400)
        .map(|number| {
            format!(r#"{{"alias":"{number}","msisdn":"15550000000","meta":{{"a":"{meta}"}}}}"#)
        })
        .collect();
    let body = format!(r#"{{"contacts":[{}]}}"#, contacts.join(","));
    assert_eq!(
        server
            .call("POST", "/contacts/bulk")
            .key(&key)
            .json(body)
            .send()
            .status,
        200
    );
    let list = "GET /contacts?limit=1000&include=meta HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer";
    let mut stream = server.connect();
    stream
        .write_all(format!("{list} {key}\r\n\r\n").as_bytes())
        .unwrap();
    // Six megabytes are more than the sockets' buffers: the server is left with some.
    std::thread::sleep(Duration::from_secs(23));
    let mut answer = Vec::new();
    let ended = stream.read_to_end(&mut answer);
    let reset = ended.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset);
    assert!(reset, "nothing of it is kept for the client");
    assert!(answer.starts_with(b"HTTP/1.1 200 OK"));
    assert!(
        answer.len() < 6_000_000,
        "{} bytes are what the buffers held",
        answer.len()
    );
}
