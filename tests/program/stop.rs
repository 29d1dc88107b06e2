//! SIGTERM and SIGINT: what runs is finished, what is acknowledged is stored.

use std::io::{BufRead, BufReader, Read, Write};
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::{Server, agent};

#[test]
fn both_signals_finish_a_running_request_and_exit_0() {
    for signal in ["TERM", "INT"] {
        let mut server = Server::start();
        let key = server.key(&["create:Contacts"]);
        let body = r#"{"alias":"john","msisdn":"4479000000001"}"#;
        let mut stream = server.connect();
        write!(
            stream,
            "POST /contacts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nExpect: 100-continue\r\n\r\n",
            body.len()
        )
        .unwrap();
        let mut answer = BufReader::new(stream.try_clone().unwrap());
        let mut line = String::new();
        answer.read_line(&mut line).unwrap();
        assert_eq!(line, "HTTP/1.1 100 Continue\r\n");
        // The request runs now; the signal finds it waiting for its body.
        server.signal(signal);
        stream.write_all(body.as_bytes()).unwrap();
        let mut rest = String::new();
        answer.read_to_string(&mut rest).unwrap();
        assert!(rest.contains("HTTP/1.1 200 OK"), "{rest}");
        assert_eq!(server.wait().code(), Some(0), "{signal}");
        assert_eq!(server.stored(), 1);
    }
}

#[test]
fn a_stop_under_load_keeps_every_acknowledged_contact() {
    let mut server = Server::start();
    let key = server.key(&["create:Contacts"]);
    let acknowledged: usize = thread::scope(|scope| {
        let clients: Vec<_> = (0..8)
            .map(|client| {
                let (server, key) = (&server, &key);
                scope.spawn(move || {
                    let agent = agent();
                    let create = |number: &usize| {
                        let body =
                            format!(r#"{{"alias":"{client}.{number}","msisdn":"4479000000001"}}"#);
                        let call = server
                            .call("POST", "/contacts")
                            .by(&agent)
                            .key(key)
                            .json(body);
                        call.try_send().is_ok_and(|reply| reply.status == 200)
                    };
                    (0..).take_while(create).count()
                })
            })
            .collect();
        while server.stored() < 200 {
            thread::yield_now();
        }
        server.signal("TERM");
        clients
            .into_iter()
            .map(|client| client.join().unwrap())
            .sum()
    });
    let begun = Instant::now();
    assert_eq!(server.wait().code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(9));
    let wal = std::fs::metadata(server.database.with_extension("db-wal"));
    assert!(
        wal.map_or(0, |wal| wal.len()) == 0,
        "the WAL is checkpointed"
    );
    let stored = usize::try_from(server.stored()).unwrap();
    assert!(
        stored >= acknowledged,
        "{stored} stored, {acknowledged} acknowledged"
    );
    assert!(
        stored <= acknowledged + 8,
        "at most one unanswered for each client"
    );
}

#[test]
fn a_stop_right_after_the_start_is_graceful() {
    for _ in 0..10 {
        let mut server = Server::start();
        assert_eq!(server.stop().code(), Some(0));
    }
}

#[test]
fn another_process_on_the_file_does_not_hold_up_the_stop() {
    let mut server = Server::start();
    let key = server.key(&["create:Contacts"]);
    let other = server.open_file();
    other
        .execute_batch("BEGIN; SELECT * FROM contacts")
        .unwrap();
    assert_eq!(
        server
            .create(&key, r#"{"alias":"john","msisdn":"4479000000001"}"#)
            .status,
        200
    );
    let locker = server.open_file();
    locker.execute_batch("BEGIN IMMEDIATE").unwrap();
    let begun = Instant::now();
    thread::scope(|scope| {
        let shared = &server;
        let waiting = scope
            .spawn(move || shared.create(&key, r#"{"alias":"jane","msisdn":"4479000000001"}"#));
        assert_eq!(waiting.join().unwrap().status, 503);
    });
    assert_eq!(server.stop().code(), Some(0));
    assert!(
        begun.elapsed() < Duration::from_secs(9),
        "{:?}",
        begun.elapsed()
    );
    drop((other, locker));
    assert_eq!(
        server.stored(),
        1,
        "the WAL that could not be checkpointed is still beside the file"
    );
}

#[test]
fn an_idle_connection_does_not_hold_up_the_stop() {
    let mut server = Server::start();
    let agent = agent();
    assert_eq!(server.call("GET", "/healthz").by(&agent).send().status, 200);
    let begun = Instant::now();
    assert_eq!(server.stop().code(), Some(0));
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
}
