//! Answers that nobody takes: they count against a budget, and their key meets it
//! before anybody else does.

use std::io::Write;

use crate::harness::{Server, agent, peak_memory_kib, until};

/// What a list of all contacts has, at the least: 400 metas.
const LIST_BYTES: u64 = 400 * 16_000;
const LIST: &str = "/contacts?limit=1000&include=meta";

/// A server with 400 contacts whose metas are large.
pub(super) fn filled() -> Server {
    let server = Server::start();
    let meta = "x".repeat(16_000);
    let contacts: Vec<String> = (0..400)
        .map(|number| {
            format!(r#"{{"alias":"{number}","msisdn":"15550000000","meta":{{"a":"{meta}"}}}}"#)
        })
        .collect();
    let body = format!(r#"{{"contacts":[{}]}}"#, contacts.join(","));
    let key = server.key(&["create:Contacts"]);
    let bulk = server.call("POST", "/contacts/bulk").key(&key).json(body);
    assert_eq!(bulk.send().status, 200);
    server
}

#[test]
fn a_key_whose_answers_wait_gets_no_more_and_another_does() {
    let server = filled();
    let (greedy, other) = (
        server.key(&["read:Contacts"]),
        server.key(&["read:Contacts"]),
    );
    let before = peak_memory_kib(server.pid());
    let request =
        format!("GET {LIST} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {greedy}\r\n\r\n");
    let waiting: Vec<_> = (0..40)
        .map(|_| {
            let mut stream = server.connect();
            stream.write_all(request.as_bytes()).unwrap();
            stream
        })
        .collect();
    let list = |key: &str| server.call("GET", LIST).key(key).by(&agent()).send();
    let refused = until(|| Some(list(&greedy)).filter(|reply| reply.status != 200));
    assert_eq!(
        (refused.status, refused.message().as_str()),
        (503, "Too many answers wait to be taken, try again")
    );
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(list(&other).status, 200, "it has a share of its own");
    let grown = 1024 * (peak_memory_kib(server.pid()) - before);
    assert!(grown < 20 * LIST_BYTES, "{grown} bytes for 40 answers");
    drop(waiting);
    until(|| Some(list(&greedy)).filter(|reply| reply.status == 200));
}
