//! An address book with a key for all that is done to its contacts; how the
//! tests of one contact name it, read it and press it from many sides.

use std::sync::Barrier;
use std::thread;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::harness::{Call, FOR_CONTACTS, Reply, Server};

/// The documented contact.
pub(super) const JOHN: &str =
    r#"{"alias":"john","msisdn":"4479000000001","meta":{"NAME":"John","CITY":"London"}}"#;

/// A server and a key, in most tests with every permission for contacts.
pub(super) struct Book {
    pub(super) server: Server,
    pub(super) key: String,
}

impl Book {
    pub(super) fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts the server with more arguments.
    pub(super) fn start_with(arguments: &[&str]) -> Self {
        Self::of(Server::start_with(arguments), FOR_CONTACTS)
    }

    /// The book of a server, and a key with these permissions.
    pub(super) fn of(server: Server, permissions: &[&str]) -> Self {
        let key = server.key(permissions);
        Self { server, key }
    }

    /// Begins a call, `below` the path of all contacts.
    pub(super) fn call(&self, method: &str, below: &str) -> Call {
        self.server
            .call(method, &format!("/addressbook/contacts{below}"))
            .key(&self.key)
    }

    /// Creates a contact and returns its id.
    pub(super) fn contact(&self, body: &str) -> String {
        let reply = self.server.create(&self.key, body);
        assert_eq!(reply.status, 200, "{body}: {}", reply.body);
        reply.json()["record"]["id"].as_str().unwrap().to_owned()
    }

    /// Creates a contact of this alias and number and returns its id.
    pub(super) fn contact_of(&self, alias: &str, msisdn: &str) -> String {
        self.contact(&serde_json::json!({"alias": alias, "msisdn": msisdn}).to_string())
    }

    /// Sends a body to the path of the contact `id`.
    pub(super) fn change(&self, method: &str, id: &str, body: &str) -> Reply {
        self.call(method, &format!("/{id}")).json(body).send()
    }

    /// Reads a contact that is there.
    pub(super) fn get(&self, id: &str) -> Reply {
        let reply = self.call("GET", &format!("/{id}")).send();
        assert_eq!(reply.status, 200, "{id}: {}", reply.body);
        reply
    }

    pub(super) fn etag(&self, id: &str) -> String {
        self.get(id).header("etag").to_owned()
    }

    /// Alias, number and meta to the letter, as one line.
    pub(super) fn line(&self, id: &str) -> String {
        let reply = self.get(id);
        let answer: Answer<'_> = serde_json::from_str(&reply.body).unwrap();
        let record = answer.record;
        format!("{} {} {}", record.alias, record.msisdn, record.meta)
    }
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    record: Record<'a>,
}

#[derive(Deserialize)]
struct Record<'a> {
    alias: String,
    msisdn: String,
    #[serde(borrow)]
    meta: &'a RawValue,
}

/// Below the path of all contacts, the path of an alias: each byte that is not
/// unreserved (RFC 3986, section 2.3) is percent-encoded.
pub(super) fn alias_path(alias: &str) -> String {
    let encoded: String = alias
        .bytes()
        .map(|byte| match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect();
    format!("/alias/{encoded}")
}

/// Holds a failure against its status, its name and its message.
#[track_caller]
pub(super) fn assert_refused(reply: &Reply, expected: (u16, &str, &str)) {
    let message = reply.message();
    let body = reply.json();
    let name = body["error"]["name"].as_str().unwrap();
    assert_eq!((reply.status, name, message.as_str()), expected);
    assert_eq!(reply.header("content-type"), "application/json");
}

/// The failure of a contact that is not there.
pub(super) const NOT_FOUND: (u16, &str, &str) = (404, "NotFoundError", "Contact not found");
/// The failure of a condition that does not hold.
pub(super) const NOT_IN_THIS_STATE: (u16, &str, &str) = (
    412,
    "PreconditionFailedError",
    "The contact is not in the state that the request names",
);

/// The failure of a body that is wrong.
pub(super) fn invalid(message: &str) -> (u16, &str, &str) {
    (400, "ValidationError", message)
}

/// Runs `work` on 32 threads that begin together; collects what they return.
pub(super) fn together<T: Send>(work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    together_of(32, work)
}

/// The same on as many threads as `clients`.
pub(super) fn together_of<T: Send>(clients: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let barrier = Barrier::new(clients);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..clients)
            .map(|client| {
                let (barrier, work) = (&barrier, &work);
                scope.spawn(move || {
                    barrier.wait();
                    work(client)
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    })
}
