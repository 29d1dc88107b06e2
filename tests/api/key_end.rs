//! What runs when its key is revoked: it ends at its next slice.

use std::io::{Read, Write};
use std::thread;
use std::time::Duration;

use crate::book::Book;
use crate::harness::{Server, id_of, until};
use crate::transfer::NDJSON;
use crate::transfer_streams::Upload;
use crate::waiting_answers::filled;

fn revoke(server: &Server, key: &str) {
    let manager = server.key(&["delete:ApiKeys", "read:Contacts", "create:Contacts"]);
    let path = format!("/auth/keys/{}", id_of(key));
    let revoked = server.call("DELETE", &path).key(&manager).send();
    assert_eq!(revoked.status, 200, "{}", revoked.body);
}

#[test]
fn an_answer_that_is_being_taken_ends() {
    let server = filled();
    for path in ["/contacts?limit=1000&include=meta", "/contacts/export"] {
        let key = server.key(&["read:Contacts"]);
        // A small window: little of the answer is on its way.
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        let socket = socket.unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let address: std::net::SocketAddr = server.connect().peer_addr().unwrap();
        socket.connect(&address.into()).unwrap();
        let mut stream = std::net::TcpStream::from(socket);
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n"
        )
        .unwrap();
        let mut some = vec![0; 64 * 1024];
        stream.read_exact(&mut some).unwrap();
        assert!(some.starts_with(b"HTTP/1.1 200 "), "{path}");
        revoke(&server, &key);
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
        let key = book.server.key(&["create:Contacts"]);
        let mut upload = Upload::begin(&book, &key, NDJSON, query);
        upload.send("{\"alias\":\"a\",\"msisdn\":\"1234567\"}\n");
        revoke(&book.server, &key);
        let answer = upload.read();
        assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
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
