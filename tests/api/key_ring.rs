//! A server with a key that may do everything; how the tests of keys make
//! others, change them and read them back.

use std::time::Duration;

use addressbook::moment::Moment;
use serde_json::{Value, json};

use crate::harness::{Call, PERMISSIONS, Reply, Server, id_of};

/// A server and a key with every permission.
pub(super) struct Ring {
    pub(super) server: Server,
    pub(super) admin: String,
}

impl Ring {
    pub(super) fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts the server with more arguments.
    pub(super) fn start_with(arguments: &[&str]) -> Self {
        let server = Server::start_with(arguments);
        let admin = server.key(&PERMISSIONS);
        Self { server, admin }
    }

    /// Begins a call of the admin's, `below` the path of all keys.
    pub(super) fn call(&self, method: &str, below: &str) -> Call {
        self.call_by(&self.admin, method, below)
    }

    pub(super) fn call_by(&self, key: &str, method: &str, below: &str) -> Call {
        let path = format!("/auth/keys{below}");
        self.server.call(method, &path).key(key)
    }

    /// Asks for a key.
    pub(super) fn create_by(&self, key: &str, body: &Value) -> Reply {
        self.call_by(key, "POST", "").json(body.to_string()).send()
    }

    pub(super) fn patch_by(&self, key: &str, id: &str, body: &Value) -> Reply {
        let call = self.call_by(key, "PATCH", &format!("/{id}"));
        call.json(body.to_string()).send()
    }

    pub(super) fn rotate_by(&self, key: &str, id: &str, overlap_s: u32) -> Reply {
        let call = self.call_by(key, "POST", &format!("/{id}/rotate"));
        let body = json!({"overlapSeconds": overlap_s});
        call.json(body.to_string()).send()
    }

    pub(super) fn delete(&self, id: &str, query: &str) -> Reply {
        self.call("DELETE", &format!("/{id}{query}")).send()
    }

    /// Makes a key of this name and of these permissions and returns its token.
    pub(super) fn make(&self, name: &str, permissions: &[&str]) -> String {
        self.make_of(&json!({"name": name, "permissions": permissions}))
    }

    /// Makes a key and returns its token.
    pub(super) fn make_of(&self, body: &Value) -> String {
        let reply = self.create_by(&self.admin, body);
        assert_eq!(reply.status, 200, "{body}: {}", reply.body);
        let record = &reply.json()["record"];
        let token = record["token"].as_str().unwrap().to_owned();
        assert_eq!(record["id"], id_of(&token));
        token
    }

    /// The record of a key that is there.
    pub(super) fn record(&self, id: &str) -> Value {
        let reply = self.call("GET", &format!("/{id}")).send();
        assert_eq!(reply.status, 200, "{id}: {}", reply.body);
        reply.json()["record"].clone()
    }

    /// How many keys are stored.
    pub(super) fn total(&self) -> i64 {
        self.server.number("SELECT count(*) FROM api_keys")
    }

    /// What `/auth/test` answers to a key.
    pub(super) fn status_of(&self, token: &str) -> u16 {
        self.test(token).status
    }

    /// Asks `/auth/test`, which any valid key may.
    pub(super) fn test(&self, token: &str) -> Reply {
        self.server.call("GET", "/auth/test").key(token).send()
    }
}

/// A call that says where it comes from.
pub(super) fn test_from(server: &Server, key: &str, forwarded: &[&str]) -> Reply {
    let call = server.call("GET", "/auth/test").key(key);
    let with = |call: Call, hop: &&str| call.header("X-Forwarded-For", hop);
    forwarded.iter().fold(call, with).send()
}

/// The moment in `seconds` from now, as the contract writes it.
pub(super) fn in_seconds(seconds: u64) -> String {
    let later = Moment::now().checked_add(Duration::from_secs(seconds));
    later.unwrap().to_string()
}

/// Milliseconds since 1970 of a time that the server wrote.
pub(super) fn millis(time: &Value) -> i64 {
    let text = time.as_str().unwrap();
    let moment = Moment::parse(text).unwrap();
    assert_eq!(moment.to_string(), text, "UTC with three decimals");
    moment.millis()
}

/// The failure of a key that is not there.
pub(super) const NO_KEY: (u16, &str, &str) = (404, "NotFoundError", "API key not found");
