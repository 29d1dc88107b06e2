//! What strangers do with connections: nothing of it holds one for ever. The
//! servers have short limits; a test that ends in time has seen them act.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::harness::{Server, agent, program, until};

/// What a limit of a tenth of this may take here; less than any default.
const SOON: Duration = Duration::from_secs(4);

/// Writes until the server has ended the connection.
fn pour(server: &Server, head: &str) {
    let mut stream = server.connect();
    stream.set_write_timeout(Some(SOON)).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    let begun = Instant::now();
    let chunk = format!("2000\r\n{}\r\n", "x".repeat(0x2000));
    while begun.elapsed() < SOON {
        match stream.write_all(chunk.as_bytes()) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("neither read nor ended"),
            Err(_) => return,
        }
    }
    panic!("still read after {SOON:?}");
}

#[test]
fn an_endless_body_behind_a_refusal_is_not_read() {
    let server = Server::start_with(&["--limit", "refused=100ms"]);
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
fn an_upload_that_is_refused_in_its_middle_leaves_no_connection_behind() {
    let server = Server::start();
    let key = server.key(&["create:Contacts"]);
    let head = format!(
        "POST /contacts/import HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Type: text/csv\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    let files = || {
        let files = format!("/proc/{}/fd", server.pid());
        std::fs::read_dir(files).unwrap().count()
    };
    assert_eq!(server.create(&key, "{}").status, 400);
    let before = files();
    for _ in 0..20 {
        let mut stream = server.connect();
        stream.write_all(head.as_bytes()).unwrap();
        let piece = format!("400\r\n{}\r\n", "\"\n".repeat(512));
        // Its first line is no head: the rest is not wanted, and the answer not read.
        let sent = (0..1000).try_for_each(|_| stream.write_all(piece.as_bytes()));
        drop((sent, stream));
    }
    // Of its book the server may have opened some; of 20 connections it had 40.
    until(|| (files() < before + 20).then_some(()));
}

#[test]
fn a_second_head_that_never_ends_is_cut_off() {
    let server = Server::start_with(&["--limit", "idle=400ms", "--limit", "answer_wait=400ms"]);
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
    assert!(!timed_out && begun.elapsed() < SOON, "the connection ends");
    assert!(more.is_empty(), "half a head has no answer");
}

#[test]
fn a_first_head_that_never_ends_is_cut_off() {
    let server = Server::start_with(&["--limit", "head_wait=400ms"]);
    let begun = Instant::now();
    let answer = server.raw(b"GET /healthz HTTP/1.1\r\nHost:");
    assert!(begun.elapsed() < SOON);
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[test]
fn an_answer_that_nobody_reads_does_not_hold_its_connection() {
    let server = Server::start_with(&["--limit", "idle=400ms", "--limit", "answer_wait=400ms"]);
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
    let begun = Instant::now();
    let ended = until(|| stream.take_error().unwrap());
    assert!(begun.elapsed() < SOON);
    let reset = ended.kind() == ErrorKind::ConnectionReset;
    assert!(reset, "nothing of it is kept for the client");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200 OK"));
    assert!(
        answer.len() < 6_000_000,
        "{} bytes are what the buffers held",
        answer.len()
    );
}

/// A server that may have 400 files open: 72 connections, of which an address has 9
/// once 36 are open.
pub(crate) fn with_few_files(more: &[&str]) -> (tempfile::TempDir, Server) {
    let directory = tempfile::tempdir().unwrap();
    let mut limited = std::process::Command::new("sh");
    let limit = "ulimit -n 400 && exec \"$0\" \"$@\"";
    limited.args(["-c", limit, program().get_program().to_str().unwrap()]);
    let server = Server::start_command(limited, &directory.path().join("book.db"), more);
    (directory, server)
}

#[test]
fn connections_leave_files_to_everything_else() {
    let (_directory, server) = with_few_files(&[]);
    let key = server.key(&["read:Contacts"]);
    let agent = agent();
    let list = || {
        let call = server.call("GET", "/contacts?search=a").key(&key);
        call.by(&agent).send().status
    };
    let export = || {
        let call = server.call("GET", "/contacts/export").key(&key);
        call.by(&agent).send().status
    };
    assert_eq!(list(), 200);
    let crowd: Vec<_> = (0..150).map(|_| server.connect()).collect();
    assert_eq!(
        (list(), export()),
        (200, 200),
        "on a connection that is there"
    );
    drop(crowd);
    assert_eq!(server.call("GET", "/healthz").send().status, 200);
}

#[test]
fn a_crowd_from_one_address_leaves_connections_to_others() {
    let (_directory, server) = with_few_files(&[]);
    let crowd: Vec<_> = (0..150).map(|_| server.connect()).collect();
    let ended = |stream: &TcpStream| {
        let mut byte = [0];
        stream.set_nonblocking(true).unwrap();
        matches!(stream.peek(&mut byte), Ok(0))
            || stream.take_error().is_ok_and(|error| error.is_some())
    };
    // Those beyond half of 72.
    until(|| (crowd.iter().filter(|stream| ended(stream)).count() == 150 - 36).then_some(()));
    let here = server.connect().peer_addr().unwrap();
    let other = || {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        let socket = socket.unwrap();
        let address: SocketAddr = "127.0.0.2:0".parse().unwrap();
        socket.bind(&address.into()).unwrap();
        socket.connect(&here.into()).unwrap();
        let mut stream = TcpStream::from(socket);
        write!(
            stream,
            "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    assert!(other().starts_with("HTTP/1.1 200 "), "{}", other());
    assert!(server.logged().contains("an address has its share"));
}

#[test]
fn behind_a_trusted_proxy_a_client_is_known_by_its_forwarded_address() {
    let (_directory, server) = with_few_files(&["--trusted-proxy", "127.0.0.1/32"]);
    let key = server.key(&["create:Contacts", "read:Contacts"]);
    // A proxy keeps connections open, as many as it likes.
    let idle: Vec<_> = (0..40).map(|_| server.connect()).collect();
    let running: Vec<_> = (0..10)
        .map(|_| {
            let mut stream = server.connect();
            write!(
                stream,
                "POST /contacts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nX-Forwarded-For: 192.0.2.1\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"
            )
            .unwrap();
            stream.set_nonblocking(true).unwrap();
            stream
        })
        .collect();
    // The tenth is refused.
    until(|| running.iter().find(|stream| stream.peek(&mut [0]).is_ok()));
    let agent = agent();
    let list = |client: &str| {
        let call = server.call("GET", "/contacts").key(&key).by(&agent);
        call.header("X-Forwarded-For", client).send()
    };
    let refused = list("192.0.2.1");
    assert_eq!(
        (refused.status, refused.message().as_str()),
        (503, "The server is busy, nothing was stored, try again")
    );
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(list("192.0.2.2").status, 200);
    drop(running);
    until(|| Some(list("192.0.2.1")).filter(|reply| reply.status == 200));
    drop(idle);
}
