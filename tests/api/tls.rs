//! The contract over TLS, and what strangers do with handshakes.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustls::version::{TLS12, TLS13};

use super::connections::with_few_files;
use crate::harness::{Certificate, Server, TlsClient, exchange, until};

/// What a limit of a tenth of this may take here; less than any default.
const SOON: Duration = Duration::from_secs(4);
const HEALTHZ: &str = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
const LAST: &str = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

/// Reads until the bytes end with `end`.
fn read_to(client: &mut TlsClient, end: &str) -> String {
    let mut read = Vec::new();
    while !read.ends_with(end.as_bytes()) {
        let mut byte = [0];
        client.read_exact(&mut byte).unwrap();
        read.push(byte[0]);
    }
    String::from_utf8(read).unwrap()
}

/// Reads until the server has ended the connection, without an answer.
fn ends_soon(mut stream: TcpStream) {
    let begun = Instant::now();
    let mut answer = Vec::new();
    let ended = stream.read_to_end(&mut answer);
    let timed_out = ended.is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
    assert!(!timed_out && begun.elapsed() < SOON, "the connection ends");
    assert!(answer.len() < 16, "an alert at most: {answer:?}");
}

#[test]
fn calls_are_answered_over_both_versions() {
    let certificate = Certificate::new();
    let server = certificate.server(&[]);
    let key = server.key(&["create:Contacts", "read:Contacts"]);
    for (alias, version) in [("a/b", &TLS12), ("c/d", &TLS13)] {
        let config = certificate.trusting_with(&[version]);
        let mut client = server.connect_tls(config).unwrap();
        assert_eq!(client.conn.protocol_version(), Some(version.version));
        let body = format!(r#"{{"alias":"{alias}","msisdn":"4479000000001"}}"#);
        write!(
            client,
            "POST /contacts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let created = read_to(&mut client, "}}");
        assert!(created.starts_with("HTTP/1.1 200 OK"), "{created}");
        let path = alias.replace('/', "%2F");
        let get = format!(
            "GET /contacts/alias/{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n\r\n"
        );
        let found = exchange(&mut client, get.as_bytes());
        assert!(found.contains(&format!(r#""alias":"{alias}""#)), "{found}");
    }
}

#[test]
fn http_1_1_is_agreed_on_and_nothing_else() {
    let certificate = Certificate::new();
    let server = certificate.server(&[]);
    let connect = |protocols: &[&[u8]]| {
        let mut config = certificate.trusting();
        config.alpn_protocols = protocols.iter().map(|one| one.to_vec()).collect();
        server.connect_tls(config)
    };
    let both = connect(&[b"h2", b"http/1.1"]).unwrap();
    assert_eq!(both.conn.alpn_protocol(), Some(b"http/1.1".as_slice()));
    let mut none = connect(&[]).unwrap();
    assert!(exchange(&mut none, LAST.as_bytes()).starts_with("HTTP/1.1 200 OK"));
    assert!(connect(&[b"h2"]).is_err());
}

#[test]
fn requests_in_one_record_are_answered_one_after_the_other() {
    let certificate = Certificate::new();
    let server = certificate.server(&[]);
    let mut client = server.connect_tls(certificate.trusting()).unwrap();
    let requests = format!("{}{LAST}", HEALTHZ.repeat(300));
    let answers = exchange(&mut client, requests.as_bytes());
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 301);
}

#[test]
fn a_client_that_waits_is_asked_for_its_body() {
    let certificate = Certificate::new();
    let server = certificate.server(&[]);
    let key = server.key(&["create:Contacts"]);
    for media_type in ["application/json", "text/csv"] {
        let (path, body) = match media_type {
            "text/csv" => ("/contacts/import", "alias,msisdn\njane,4479000000002\n"),
            _ => ("/contacts", r#"{"alias":"john","msisdn":"4479000000001"}"#),
        };
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Type: {media_type}\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let mut client = server.connect_tls(certificate.trusting()).unwrap();
        client.write_all(head.as_bytes()).unwrap();
        assert_eq!(
            read_to(&mut client, "\r\n\r\n"),
            "HTTP/1.1 100 Continue\r\n\r\n"
        );
        let answer = exchange(&mut client, body.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    }
    assert_eq!(server.stored(), 2);
}

#[test]
fn files_pass_whole_in_both_directions() {
    const ROWS: usize = 40_000;
    let certificate = Certificate::new();
    let server = certificate.server(&[]);
    let key = server.key(&["create:Contacts", "read:Contacts"]);
    let mut file = "alias,msisdn,NAME\n".to_owned();
    for row in 0..ROWS {
        file.push_str(&format!("row {row:05},15550000000,{}\n", "x".repeat(110)));
    }
    assert!(file.len() > 5_000_000);
    let import = format!(
        "POST /contacts/import HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Type: text/csv\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{file}",
        file.len()
    );
    let mut client = server.connect_tls(certificate.trusting()).unwrap();
    let answer = exchange(&mut client, import.as_bytes());
    assert!(answer.contains(r#""created":40000"#), "{answer}");
    let export = format!(
        "GET /contacts/export HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n\r\n"
    );
    let mut client = server.connect_tls(certificate.trusting()).unwrap();
    let exported = exchange(&mut client, export.as_bytes());
    assert_eq!(exported.matches(",15550000000,").count(), ROWS);
    assert!(exported.len() > file.len());
}

#[test]
fn a_refusal_is_read_although_its_body_is_on_the_way() {
    let certificate = Certificate::new();
    let server = certificate.server(&[]);
    let body = "x".repeat(300_000);
    let import = format!(
        "POST /contacts/import HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer none\r\nContent-Type: text/csv\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut client = server.connect_tls(certificate.trusting()).unwrap();
    client.write_all(import.as_bytes()).unwrap();
    let refused = read_to(&mut client, "}}");
    assert!(refused.starts_with("HTTP/1.1 401 "), "{refused}");
    assert!(refused.contains("connection: close"), "{refused}");
}

#[test]
fn a_handshake_that_stalls_is_ended_in_its_time() {
    let certificate = Certificate::new();
    // Half a second of it is less than true: actix-http reads the clock that often.
    let server = certificate.server(&["--limit", "head_wait=1s"]);
    let mut begun = server.connect();
    // The head of a record, and of a ClientHello that never comes.
    begun.write_all(&[22, 3, 1, 1, 0, 1, 0, 0, 252, 3]).unwrap();
    for stalled in [server.connect(), begun] {
        ends_soon(stalled);
    }
    let mut client = server.connect_tls(certificate.trusting()).unwrap();
    let answer = exchange(&mut client, LAST.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
}

#[test]
fn a_request_without_tls_has_no_answer() {
    let certificate = Certificate::new();
    let server = certificate.server(&[]);
    let mut stream = server.connect();
    stream.write_all(HEALTHZ.as_bytes()).unwrap();
    ends_soon(stream);
    until(|| {
        let logged = server.logged();
        logged.contains("a TLS handshake failed").then_some(())
    });
}

#[test]
fn a_crowd_of_handshakes_counts_as_connections_of_its_address() {
    let certificate = Certificate::new();
    let arguments = certificate.arguments();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (_directory, server) = with_few_files(&arguments);
    let crowd: Vec<_> = (0..150).map(|_| server.connect()).collect();
    let ended = |stream: &&TcpStream| {
        stream.set_nonblocking(true).unwrap();
        matches!(stream.peek(&mut [0]), Ok(0))
            || stream.take_error().is_ok_and(|error| error.is_some())
    };
    // Those beyond half of 72, long before the first handshake is out of time.
    until(|| (crowd.iter().filter(ended).count() >= 150 - 36).then_some(()));
    assert!(server.logged().contains("an address has its share"));
}

#[test]
fn an_answer_that_nobody_reads_does_not_hold_its_connection() {
    let certificate = Certificate::new();
    let server = certificate.server(&["--limit", "idle=400ms", "--limit", "answer_wait=400ms"]);
    let key = server.key(&["create:Contacts", "read:Contacts"]);
    let meta = "x".repeat(16_000);
    let contacts: Vec<String> = (0..400)
        .map(|number| {
            format!(r#"{{"alias":"{number}","msisdn":"15550000000","meta":{{"a":"{meta}"}}}}"#)
        })
        .collect();
    let body = format!(r#"{{"contacts":[{}]}}"#, contacts.join(","));
    let bulk = format!(
        "POST /contacts/bulk HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut client = server.connect_tls(certificate.trusting()).unwrap();
    assert!(exchange(&mut client, bulk.as_bytes()).contains(r#""created":400"#));
    let list = format!(
        "GET /contacts?limit=1000&include=meta HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n"
    );
    let mut client = server.connect_tls(certificate.trusting()).unwrap();
    client.write_all(list.as_bytes()).unwrap();
    let begun = Instant::now();
    let ended = until(|| client.sock.take_error().unwrap());
    assert_eq!(ended.kind(), ErrorKind::ConnectionReset);
    assert!(begun.elapsed() < SOON);
}

#[test]
fn a_server_that_stops_says_so() {
    let certificate = Certificate::new();
    let mut server: Server = certificate.server(&[]);
    let mut client = server.connect_tls(certificate.trusting()).unwrap();
    client.write_all(HEALTHZ.as_bytes()).unwrap();
    read_to(&mut client, "}");
    server.signal("TERM");
    let mut rest = String::new();
    client.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
    assert!(server.wait().success());
}
