//! Many requests on one connection, written before any answer is read.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::harness::{Server, WAIT_MAX, peak_memory_kib};

const HEALTHZ: &str = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK";
/// Ends a run of requests.
const LAST: &str = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

/// Writes requests and reads nothing, until the server does not take any more or
/// ends the connection; how many bytes it took.
fn flood(stream: &mut TcpStream) -> usize {
    stream
        .set_write_timeout(Some(Duration::from_millis(50)))
        .unwrap();
    let many = HEALTHZ.repeat(1000);
    let mut written = 0;
    loop {
        match stream.write(many.as_bytes()) {
            Ok(bytes) => written += bytes,
            Err(_) => return written,
        }
    }
}

#[test]
fn requests_whose_answers_nobody_reads_are_not_read_either() {
    let server = Server::start();
    assert_eq!(server.call("GET", "/healthz").send().status, 200);
    let before = peak_memory_kib(server.pid());
    let mut streams: Vec<_> = (0..20).map(|_| server.connect()).collect();
    for stream in &mut streams {
        flood(stream);
    }
    let grown = peak_memory_kib(server.pid()) - before;
    assert!(grown < 8 * 1024, "{grown} KiB");
    assert_eq!(server.call("GET", "/healthz").send().status, 200);
}

#[test]
fn who_does_not_read_is_cut_off_and_costs_no_processor_time() {
    let server = Server::start_with(&["--limit", "answer_wait=400ms"]);
    let mut stream = server.connect();
    flood(&mut stream);
    let begun = Instant::now();
    // A write says it first: the reset has thrown away what could be read.
    while begun.elapsed() < WAIT_MAX {
        match stream.write(b"G") {
            Err(error) if error.kind() != ErrorKind::WouldBlock => return,
            _ => {}
        }
    }
    panic!("it is still open");
}

#[test]
fn every_one_of_many_requests_gets_its_answer_in_order() {
    let server = Server::start();
    let key = server.key(&["create:Contacts"]);
    let mut requests = String::new();
    for number in 0..200 {
        requests.push_str(HEALTHZ);
        let body = format!(r#"{{"alias":"c{number}","msisdn":"15550001111"}}"#);
        let head = format!(
            "POST /contacts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"
        );
        if number % 2 == 0 {
            requests.push_str(&format!(
                "{head}Content-Length: {}\r\n\r\n{body}",
                body.len()
            ));
        } else {
            let (one, other) = body.split_at(body.len() / 2);
            requests.push_str(&format!(
                "{head}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{one}\r\n{:X};a=b\r\n{other}\r\n0\r\nTrailer: 1\r\n\r\n",
                one.len(),
                other.len()
            ));
        }
    }
    requests.push_str(LAST);
    // Behind a `Connection: close` nothing is answered (RFC 9112, section 9.6).
    requests.push_str(HEALTHZ);
    let mut stream = server.connect();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let mut writing = stream.try_clone().unwrap();
    let sent = std::thread::spawn(move || {
        for piece in requests.as_bytes().chunks(777) {
            writing.write_all(piece).unwrap();
        }
    });
    let mut answers = String::new();
    let _ = stream.read_to_string(&mut answers);
    sent.join().unwrap();
    assert_eq!(answers.matches(OK).count(), 401);
    let mut from = 0;
    for number in 0..200 {
        let alias = format!("\"alias\":\"c{number}\"");
        from += answers[from..].find(&alias).unwrap();
    }
    assert_eq!(server.stored(), 200);
}

#[test]
fn a_head_that_comes_byte_by_byte_is_answered() {
    let server = Server::start();
    let mut stream = server.connect();
    for byte in LAST.as_bytes() {
        stream.write_all(&[*byte]).unwrap();
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with(OK), "{answer}");
}

/// Sends a head and then a body, each at once; what is answered.
fn answers(server: &Server, head: &str, body: &str) -> String {
    let mut stream = server.connect();
    let length = format!(
        "Connection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream
        .write_all(format!("{head}{length}").as_bytes())
        .unwrap();
    stream.write_all(body.as_bytes()).unwrap();
    let mut answers = String::new();
    let _ = stream.read_to_string(&mut answers);
    answers
}

#[test]
fn a_body_is_asked_for_once_the_key_is_checked() {
    let server = Server::start();
    let key = server.key(&["create:Contacts"]);
    let head = |key: &str| {
        format!(
            "POST /contacts HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Type: application/json\r\nAuthorization: Bearer {key}\r\n"
        )
    };
    let body = r#"{"alias":"a","msisdn":"15550001111"}"#;
    let asked = answers(&server, &head(&key), body);
    assert!(
        asked.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK"),
        "{asked}"
    );
    let refused = answers(&server, &head("abk_"), body);
    assert!(refused.starts_with("HTTP/1.1 401 "), "{refused}");
}

#[test]
fn an_upgrade_is_ignored_and_the_body_keeps_its_length() {
    let server = Server::start();
    let key = server.key(&["create:Contacts"]);
    let head = format!(
        "POST /contacts HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nContent-Type: application/json\r\nAuthorization: Bearer {key}\r\n"
    );
    let answer = answers(&server, &head, r#"{"alias":"a","msisdn":"15550001111"}"#);
    assert!(answer.starts_with(OK), "{answer}");
}
