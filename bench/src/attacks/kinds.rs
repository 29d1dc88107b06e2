//! What attackers do. An act is one connection's, from its beginning to its end;
//! its answer is how long the server let it go on, where the server ended it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::target::Target;
use crate::Outcome;
use crate::client::{Client, request};

/// One kind of attack, by so many connections at once.
#[derive(Clone, Copy)]
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    pub(crate) connections: u32,
    pub(crate) act: fn(&Target, u32) -> Outcome<Option<Duration>>,
}

/// Contacts with large metas, and groups that one contact is in.
const LARGE: usize = 400;
const GROUPS: usize = 1000;
/// Bytes of a body that never ends.
const BODY_BYTES: usize = 8 * 1024 * 1024;
const TICK: Duration = Duration::from_millis(50);

/// Fills the book that is attacked.
pub(crate) fn fill(address: SocketAddr, token: &str) -> Outcome<()> {
    let mut client = Client::connect(address)?;
    let mut post = |path: &str, body: &str| -> Outcome<Vec<u8>> {
        Ok(client
            .succeed(&request("POST", path, token, Some(body)))?
            .to_vec())
    };
    let meta = "x".repeat(16_000);
    let contacts: Vec<String> = (0..LARGE)
        .map(|number| {
            format!(
                r#"{{"alias":"large-{number}","msisdn":"15550000000","meta":{{"a":"{meta}"}}}}"#
            )
        })
        .collect();
    post(
        "/contacts/bulk",
        &format!(r#"{{"contacts":[{}]}}"#, contacts.join(",")),
    )?;
    for number in 0..GROUPS {
        let made = post(
            "/addressbook/groups",
            &format!(r#"{{"name":"group-{number}"}}"#),
        )?;
        let made: serde_json::Value = serde_json::from_slice(&made)?;
        let id = made["record"]["id"].as_str().ok_or("no id")?;
        post(
            &format!("/addressbook/groups/{id}/members"),
            r#"{"add":["large-0"]}"#,
        )?;
    }
    Ok(())
}

/// What clients do that mean no harm: they read, list, resolve, and import.
pub(crate) const HARMLESS: [Attack; 4] = [
    Attack {
        name: "contacts by alias",
        connections: 8,
        act: |target, number| get(target, &format!("/contacts/alias/large-{number}")),
    },
    Attack {
        name: "lists of 1,000",
        connections: 2,
        act: |target, _| get(target, "/contacts?limit=1000"),
    },
    Attack {
        name: "400 recipients",
        connections: 2,
        act: |target, _| {
            let recipients: Vec<String> = (0..LARGE).map(|at| format!("\"large-{at}\"")).collect();
            let body = format!(
                r#"{{"recipients":[{}],"text":"Hello {{{{ALIAS}}}}"}}"#,
                recipients.join(",")
            );
            let path = "/addressbook/contacts/resolve";
            post(target, path, &target.keys.reader, &body)
        },
    },
    Attack {
        name: "one bulk of 10,000 after the other",
        connections: 1,
        act: atomic_bulk,
    },
];

pub(crate) const KINDS: [Attack; 13] = [
    Attack {
        name: "pipelined requests without a key, nothing read",
        connections: 20,
        act: |target, _| {
            let pipelined = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n".repeat(1000);
            let mut stream = TcpStream::connect(target.address)?;
            stream.set_write_timeout(Some(TICK))?;
            let begun = Instant::now();
            while target.pace.goes_on() {
                if stream
                    .write(pipelined.as_bytes())
                    .is_err_and(|error| is_end(&error))
                {
                    return Ok(Some(begun.elapsed()));
                }
            }
            Ok(None)
        },
    },
    Attack {
        name: "recipients with many groups",
        connections: 2,
        act: |target, _| {
            let recipients = vec!["\"large-0\""; 4000].join(",");
            post(
                target,
                "/addressbook/contacts/resolve",
                &target.keys.reader_2,
                &format!(r#"{{"recipients":[{recipients}]}}"#),
            )
        },
    },
    Attack {
        name: "lists of large metas, nothing read",
        connections: 12,
        act: |target, number| {
            let key = [&target.keys.reader, &target.keys.reader_2][number as usize % 2];
            let path = format!("/contacts?limit=1000&include=meta&offset={number}");
            unread(target, &request("GET", &path, key, None))
        },
    },
    Attack {
        name: "placeholders without a value",
        connections: 2,
        act: |target, _| {
            let recipients = vec!["\"large-1\""; 2000].join(",");
            let text = "{{NONE}}".repeat(500);
            let body = format!(r#"{{"recipients":[{recipients}],"text":"{text}"}}"#);
            post(
                target,
                "/addressbook/contacts/resolve",
                &target.keys.reader,
                &body,
            )
        },
    },
    Attack {
        name: "large bodies that do not end",
        connections: 6,
        act: |target, _| {
            let head = format!(
                "POST /contacts/bulk HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {BODY_BYTES}\r\n\r\n",
                target.keys.writer
            );
            let begun = Instant::now();
            let mut stream = TcpStream::connect(target.address)?;
            stream.write_all(head.as_bytes())?;
            stream.write_all(&vec![b' '; BODY_BYTES - 1])?;
            until_ended(target, stream, begun)
        },
    },
    Attack {
        name: "imports in drops",
        connections: 6,
        act: |target, _| {
            let mut stream = begin_import(target)?;
            stream.write_all(b"d\r\nalias,msisdn\n\r\n")?;
            let begun = Instant::now();
            while !target.pace.is_over() {
                if stream.write_all(b"3\r\na,\n\r\n").is_err() {
                    return Ok(Some(begun.elapsed()));
                }
                sleep(10 * TICK);
            }
            Ok(None)
        },
    },
    Attack {
        name: "exports, nothing read",
        connections: 6,
        act: |target, _| {
            unread(
                target,
                &request("GET", "/contacts/export", &target.keys.reader, None),
            )
        },
    },
    Attack {
        name: "searches through everything",
        connections: 8,
        act: |target, _| get(target, "/contacts?search=zzz&meta.a=1&limit=1"),
    },
    Attack {
        name: "16,000 parameters",
        connections: 2,
        act: |target, _| get(target, &format!("/contacts?{}", "a=1&".repeat(16_000))),
    },
    Attack {
        name: "a head of an import that never ends",
        connections: 2,
        act: |target, _| {
            let mut stream = begin_import(target)?;
            let piece = format!("400\r\n{}\r\n", "\"\n".repeat(512));
            for _ in 0..1000 {
                if !target.pace.goes_on() {
                    break;
                }
                stream.write_all(piece.as_bytes())?;
            }
            Ok(None)
        },
    },
    Attack {
        name: "new idempotency keys",
        connections: 2,
        act: |target, _| {
            static NAME: AtomicU64 = AtomicU64::new(0);
            let name = NAME.fetch_add(1, Ordering::Relaxed);
            let body = format!(r#"{{"contacts":[{}1]}}"#, "1,".repeat(9_999));
            let sent = request("POST", "/contacts/bulk", &target.keys.writer, Some(&body));
            let sent = String::from_utf8(sent)?.replacen(
                "\r\n",
                &format!("\r\nIdempotency-Key: {name}\r\n"),
                1,
            );
            Client::connect(target.address)?.send(sent.as_bytes())?;
            Ok(None)
        },
    },
    Attack {
        name: "atomic bulks of 10,000",
        connections: 4,
        act: atomic_bulk,
    },
    Attack {
        name: "connections, and keys that are none",
        connections: 4,
        act: |target, _| {
            let crowd: Vec<_> = (0..200)
                .map_while(|_| TcpStream::connect(target.address).ok())
                .collect();
            let unknown = "abk_000000000000_0000000000000000000000000000000000000000000000000";
            let mut client = Client::connect(target.address)?;
            for _ in 0..200 {
                if !target.pace.goes_on() {
                    break;
                }
                client.send(&request("GET", "/contacts", unknown, None))?;
            }
            drop(crowd);
            Ok(None)
        },
    },
];

fn atomic_bulk(target: &Target, number: u32) -> Outcome<Option<Duration>> {
    let contacts: Vec<String> = (0..10_000)
        .map(|at| format!(r#"{{"alias":"bulk-{number}-{at}","msisdn":"15550000000"}}"#))
        .collect();
    let body = format!(
        r#"{{"atomic":true,"mode":"upsert","contacts":[{}]}}"#,
        contacts.join(",")
    );
    post(target, "/contacts/bulk", &target.keys.writer, &body)
}

fn get(target: &Target, path: &str) -> Outcome<Option<Duration>> {
    let get = request("GET", path, &target.keys.reader, None);
    Client::connect(target.address)?.send(&get)?;
    Ok(None)
}

fn post(target: &Target, path: &str, key: &str, body: &str) -> Outcome<Option<Duration>> {
    let post = request("POST", path, key, Some(body));
    Client::connect(target.address)?.send(&post)?;
    Ok(None)
}

fn begin_import(target: &Target) -> Outcome<TcpStream> {
    let mut stream = TcpStream::connect(target.address)?;
    let head = format!(
        "POST /contacts/import HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: text/csv\r\nTransfer-Encoding: chunked\r\n\r\n",
        target.keys.writer
    );
    stream.write_all(head.as_bytes())?;
    Ok(stream)
}

/// Asks, reads nothing, and waits for the end.
fn unread(target: &Target, asked: &[u8]) -> Outcome<Option<Duration>> {
    let begun = Instant::now();
    let mut stream = TcpStream::connect(target.address)?;
    stream.write_all(asked)?;
    while !target.pace.is_over() {
        if stream.take_error()?.is_some() {
            return Ok(Some(begun.elapsed()));
        }
        // What the sockets' buffers hold is no answer that waits.
        if begun.elapsed() > Duration::from_secs(20) {
            return Ok(None);
        }
        sleep(TICK);
    }
    Ok(None)
}

fn until_ended(
    target: &Target,
    mut stream: TcpStream,
    begun: Instant,
) -> Outcome<Option<Duration>> {
    stream.set_read_timeout(Some(TICK))?;
    let mut piece = [0; 4096];
    while !target.pace.is_over() {
        match stream.read(&mut piece) {
            Ok(0) => return Ok(Some(begun.elapsed())),
            Err(error) if is_end(&error) => return Ok(Some(begun.elapsed())),
            _ => {}
        }
    }
    Ok(None)
}

fn is_end(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{TimedOut, WouldBlock};
    ![TimedOut, WouldBlock].contains(&error.kind())
}
