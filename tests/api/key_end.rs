//! What runs when its key is revoked, or its session ends: it ends at its next slice.

use std::io::{Read, Write};
use std::thread;
use std::time::Duration;

use crate::book::Book;
use crate::harness::{Server, id_of, until};
use crate::sessions::{by_cookie, session};
use crate::transfer::{CSV, NDJSON, file_of};
use crate::transfer_streams::Upload;
use crate::waiting_answers::filled;

fn revoke(server: &Server, key: &str) {
    let manager = server.key(&["delete:ApiKeys", "read:Contacts", "create:Contacts"]);
    let path = format!("/auth/keys/{}", id_of(key));
    let revoked = server.call("DELETE", &path).key(&manager).send();
    assert_eq!(revoked.status, 200, "{}", revoked.body);
}

/// What lets a request in, as lines of its head, and what ends that.
type Pass<'a> = (String, Box<dyn Fn() + 'a>);

/// A key that is revoked, a session that is ended and one that is over.
fn passes<'a>(server: &'a Server, permissions: &[&str]) -> [Pass<'a>; 3] {
    let key = server.key(permissions);
    let by_key = format!("Authorization: Bearer {key}");
    let sessions = [0; 2].map(|_| session(server, &server.key(permissions)));
    let [ended, over] = sessions;
    let lines = |cookie: &str| format!("Cookie: {cookie}\r\nSec-Fetch-Site: same-origin");
    let (by_ended, by_over) = (lines(&ended), lines(&over));
    let end = move || {
        let reply = by_cookie(server, "DELETE", "/auth/session", &ended).send();
        assert_eq!(reply.status, 200, "{}", reply.body);
    };
    let expire = move || {
        let over = "UPDATE sessions SET expires_on = created_on";
        server.change(over);
    };
    [
        (by_key, Box::new(move || revoke(server, &key))),
        (by_ended, Box::new(end)),
        (by_over, Box::new(expire)),
    ]
}

#[test]
fn an_answer_that_is_being_taken_ends() {
    let server = filled();
    let paths = ["/contacts?limit=1000&include=meta", "/contacts/export"];
    let passes = |path| passes(&server, &["read:Contacts"]).map(|pass| (path, pass));
    for (path, (pass, end)) in paths.into_iter().flat_map(passes) {
        // A small window: little of the answer is on its way.
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        let socket = socket.unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let address: std::net::SocketAddr = server.connect().peer_addr().unwrap();
        socket.connect(&address.into()).unwrap();
        let mut stream = std::net::TcpStream::from(socket);
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n{pass}\r\n\r\n").unwrap();
        let mut some = vec![0; 64 * 1024];
        stream.read_exact(&mut some).unwrap();
        assert!(some.starts_with(b"HTTP/1.1 200 "), "{path}");
        end();
        let mut rest = Vec::new();
        // Broken off, which is no whole answer.
        let _ = stream.read_to_end(&mut rest);
        let head = String::from_utf8_lossy(&some).to_lowercase();
        let length = head.split_once("content-length: ").unwrap().1;
        let length: usize = length.split_once("\r\n").unwrap().0.parse().unwrap();
        assert!(length > 6_000_000, "{path}: {length}");
        assert!(some.len() + rest.len() < length, "{path}: all came");
    }
}

#[test]
fn an_import_that_waits_for_its_client_ends() {
    let book = Book::start_with(&["--limit", "chunk_wait=60s"]);
    for query in ["", "?dryRun=true"] {
        for (pass, end) in passes(&book.server, &["create:Contacts"]) {
            let mut upload = Upload::begin_by(&book, &pass, NDJSON, query);
            upload.send("{\"alias\":\"a\",\"msisdn\":\"1234567\"}\n");
            end();
            let answer = upload.read();
            assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
        }
    }
}

#[test]
fn of_an_import_nothing_more_is_stored() {
    for case in 0..3 {
        let book = Book::start();
        let mut passes = passes(&book.server, &["create:Contacts"]);
        let (pass, end) = &mut passes[case];
        let mut upload = Upload::begin_by(&book, pass, CSV, "");
        upload.send(&file_of("c", 500));
        // Begins the row that ends the batch.
        upload.send("more,");
        until(|| (book.server.stored() == 500).then_some(()));
        end();
        upload.send("1234567,1\r\n");
        let answer = upload.answer();
        assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
        let dealt_with = "Rows up to line 501 are dealt with, for those behind them: ";
        let told = ["API key is invalid or has expired", "Session has ended"][case.min(1)];
        assert!(answer.contains(&format!("{dealt_with}{told}")), "{answer}");
        assert_eq!(book.server.stored(), 500);
    }
}

#[test]
fn a_read_that_takes_long_ends() {
    let server = Server::start();
    let key = server.key(&["read:Contacts"]);
    // Seconds of work: 16 members are looked for in 60 MB of metas.
    let members: String = (0..15).map(|name| format!(r#""m{name}":1,"#)).collect();
    let padding = "x".repeat(15_000);
    let id = server.in_sql("CAST(printf('%016d', n) AS BLOB)", "gen_random_uuid()");
    server.change(&format!(
        r#"WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 4000)
        INSERT INTO contacts (id, alias, msisdn, meta, updated_on)
        SELECT {id}, 'a' || n, '15550000000', '{{"p":"{padding}",{members}"z":0}}', 0 FROM number"#
    ));
    let filters: String = (0..15).map(|name| format!("meta.m{name}=1&")).collect();
    let path = format!("/contacts?{filters}meta.z=1");
    thread::scope(|scope| {
        let read = scope.spawn(|| server.call("GET", &path).key(&key).send());
        let used = server.in_sql(
            "SELECT count(*) FROM api_keys WHERE last_used_on IS NOT NULL",
            "SELECT count(*) FROM key_uses",
        );
        until(|| (server.number(used) == 1).then_some(()));
        thread::sleep(Duration::from_millis(100));
        revoke(&server, &key);
        let read = read.join().unwrap();
        assert_eq!(read.status, 401, "{}", read.body);
    });
}
