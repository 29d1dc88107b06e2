//! Groups: made, listed, renamed and deleted; their names and their limit.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::book::{assert_refused, invalid, together};
use crate::harness::{Call, FOR_CONTACTS, FOR_GROUPS, Reply, Server};

const PATH: &str = "/addressbook/groups";
const GROUPS_MAX: usize = 1000;
pub(super) const GROUP_NOT_FOUND: (u16, &str, &str) = (404, "NotFoundError", "Group not found");
const TAKEN: &str = "Group name already exists";
/// A well-formed id that nothing has.
pub(super) const NOBODY: &str = "019a6f5e-0000-7000-8000-000000000000";

/// A server and a key with every permission for contacts and groups.
pub(super) struct Groups {
    pub(super) server: Server,
    pub(super) key: String,
}

impl Groups {
    pub(super) fn start() -> Self {
        let server = Server::start();
        let key = server.key(&[FOR_CONTACTS, FOR_GROUPS].concat());
        Self { server, key }
    }

    /// Begins a call, `below` the path of all groups.
    pub(super) fn call(&self, method: &str, below: &str) -> Call {
        self.server
            .call(method, &format!("{PATH}{below}"))
            .key(&self.key)
    }

    pub(super) fn create(&self, name: &str) -> Reply {
        self.send(&json!({"name": name}).to_string())
    }

    fn send(&self, body: &str) -> Reply {
        self.call("POST", "").json(body).send()
    }

    /// Makes a group and returns its id.
    pub(super) fn group(&self, name: &str) -> String {
        let reply = self.create(name);
        assert_eq!(reply.status, 200, "{name}: {}", reply.body);
        reply.json()["record"]["id"].as_str().unwrap().to_owned()
    }

    pub(super) fn rename(&self, id: &str, name: &str) -> Reply {
        let body = json!({"name": name}).to_string();
        self.call("PATCH", &format!("/{id}")).json(body).send()
    }

    pub(super) fn delete(&self, id: &str) -> Reply {
        self.call("DELETE", &format!("/{id}")).send()
    }

    /// The record of a group that is there.
    pub(super) fn record(&self, id: &str) -> Value {
        let reply = self.call("GET", &format!("/{id}")).send();
        assert_eq!(reply.status, 200, "{id}: {}", reply.body);
        reply.json()["record"].clone()
    }

    /// The answer to a list that must succeed.
    fn list(&self, query: &str) -> Value {
        let reply = self.call("GET", query).send();
        assert_eq!(reply.status, 200, "{query}: {}", reply.body);
        reply.json()
    }

    fn names(&self, query: &str) -> Vec<String> {
        let list = self.list(query);
        let records = list["records"].as_array().unwrap();
        let name = |record: &Value| record["name"].as_str().unwrap().to_owned();
        records.iter().map(name).collect()
    }
}

#[test]
fn a_group_is_made_read_renamed_and_deleted() {
    let groups = Groups::start();
    let created = groups.create("Friends");
    assert_snapshot!(created.redacted(), @r#"200 {"success":true,"record":{"id":"[id]","name":"Friends","created_on":"[time]","members":0}}"#);
    let record = created.json()["record"].clone();
    let id = record["id"].as_str().unwrap();
    assert_eq!(groups.record(id), record);
    assert_eq!(groups.record(&id.to_uppercase()), record);
    let renamed = groups.rename(id, "Family");
    assert_snapshot!(renamed.redacted(), @r#"200 {"success":true,"record":{"id":"[id]","name":"Family","created_on":"[time]","members":0}}"#);
    assert_eq!(groups.record(id), renamed.json()["record"]);
    let deleted = groups.delete(id);
    assert_snapshot!(format!("{} {}", deleted.status, deleted.body), @r#"200 {"success":true}"#);
    for reply in [created, renamed, deleted] {
        assert_eq!(reply.header("content-type"), "application/json");
    }
}

#[test]
fn what_is_no_group_is_not_found_by_any_call() {
    let groups = Groups::start();
    let gone = groups.group("gone");
    groups.group("there");
    assert_eq!(groups.delete(&gone).status, 200);
    for id in [gone.as_str(), NOBODY, "1", "%20", "%FF", "there"] {
        for method in ["GET", "DELETE"] {
            let reply = groups.call(method, &format!("/{id}")).send();
            assert_refused(&reply, GROUP_NOT_FOUND);
        }
        assert_refused(&groups.rename(id, "new"), GROUP_NOT_FOUND);
    }
    assert_eq!(groups.names(""), ["there"]);
}

#[test]
fn the_list_begins_with_the_oldest_and_has_pages() {
    let groups = Groups::start();
    let empty = groups.call("GET", "").send().body;
    assert_snapshot!(empty, @r#"{"success":true,"records":[],"offset":0,"limit":10,"total":0}"#);
    let names: Vec<String> = (0..12).map(|number| format!("{}", 99 - number)).collect();
    let ids: Vec<String> = names.iter().map(|name| groups.group(name)).collect();
    assert_eq!(groups.names(""), names[..10]);
    assert_eq!(groups.names("?offset=9&limit=2"), names[9..11]);
    assert_eq!(groups.names("?offset=12"), [""; 0]);
    let page = groups.list("?limit=1&offset=3");
    assert_eq!(page["records"], json!([groups.record(&ids[3])]));
    let frame = (&page["offset"], &page["limit"], &page["total"]);
    assert_eq!(frame, (&json!(3), &json!(1), &json!(12)));
    assert_eq!(groups.delete(&ids[0]).status, 200);
    assert_eq!(groups.names("?limit=3"), names[1..4]);
    assert_eq!(groups.list("")["total"], 11);
    let limit = "Parameter limit must be a whole number from 1 to 1000";
    for (query, message) in [
        ("?limit=0", limit),
        ("?limit=1001", limit),
        (
            "?offset=-1",
            "Parameter offset must be a whole number, 0 or more",
        ),
        ("?name=99", "Unknown parameter: name"),
        ("?cursor=", "Unknown parameter: cursor"),
        ("?limit=1&limit=1", "Duplicate parameter: limit"),
    ] {
        assert_refused(&groups.call("GET", query).send(), invalid(message));
    }
}

#[test]
fn a_name_follows_the_rules_of_an_alias() {
    let groups = Groups::start();
    for (sent, stored) in [
        (" \u{a0}Zoe\u{308}\t", "Zo\u{eb}".to_owned()),
        ("👩\u{200D}🚀 / %", "👩\u{200D}🚀 / %".to_owned()),
        ("...", "...".to_owned()),
        (&"é".repeat(128), "é".repeat(128)),
    ] {
        let record = groups.create(sent).json()["record"].clone();
        assert_eq!(record["name"], stored);
    }
    let id = groups.group("a");
    let characters = "Name contains characters that are not allowed";
    for (name, message) in [
        (json!(null), "Name is required"),
        (json!(""), "Name is required"),
        (json!(" \n"), "Name is required"),
        (json!(7), "Name must be a string"),
        (json!(["a"]), "Name must be a string"),
        (
            json!("é".repeat(129)),
            "Name must be at most 128 characters",
        ),
        (json!("a\u{0}b"), characters),
        (json!("a\u{202E}b"), characters),
        (json!("."), characters),
        (json!(" .. "), characters),
    ] {
        let body = json!({"name": name}).to_string();
        assert_refused(&groups.send(&body), invalid(message));
        let patch = groups.call("PATCH", &format!("/{id}")).json(body).send();
        assert_refused(&patch, invalid(message));
    }
    let patch = |body: &str| groups.call("PATCH", &format!("/{id}")).json(body).send();
    assert_refused(&groups.send("{}"), invalid("Name is required"));
    assert_refused(&patch("{}"), invalid("Nothing to update"));
    let surrogate = r#"{"name":"\ud800"}"#;
    assert_refused(&groups.send(surrogate), invalid(characters));
    let unknown = r#"{"name":"b","members":1}"#;
    assert_refused(&groups.send(unknown), invalid("Unknown field: members"));
    assert_refused(&patch(unknown), invalid("Unknown field: members"));
    assert_eq!(groups.record(&id)["name"], "a");
}

#[test]
fn a_name_is_given_once_and_free_again_once_its_group_is_gone() {
    let groups = Groups::start();
    let [one, other] = ["Zo\u{eb}", "other"].map(|name| groups.group(name));
    assert_refused(&groups.create(" Zoe\u{308}"), invalid(TAKEN));
    assert_refused(&groups.rename(&other, "Zo\u{eb}"), invalid(TAKEN));
    assert_eq!(groups.create("zo\u{eb}").status, 200, "case matters");
    assert_eq!(groups.rename(&one, "Zo\u{eb}").status, 200, "its own");
    assert_eq!(groups.delete(&one).status, 200);
    let again = groups.group("Zo\u{eb}");
    assert_ne!(again, one);
    assert_refused(&groups.rename(&other, "Zo\u{eb}"), invalid(TAKEN));
    assert_eq!(groups.rename(&again, "free").status, 200);
    assert_eq!(groups.rename(&other, "Zo\u{eb}").status, 200);
    assert_eq!(groups.names(""), ["Zo\u{eb}", "zo\u{eb}", "free"]);
}

#[test]
fn of_32_clients_that_want_one_name_one_gets_it() {
    let groups = Groups::start();
    let replies = together(|_| groups.create("wanted"));
    let (made, refused): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 200);
    assert_eq!(made.len(), 1);
    for reply in refused {
        assert_refused(reply, invalid(TAKEN));
    }
    assert_eq!(groups.list("")["total"], 1);
}

#[test]
fn an_address_book_has_at_most_1000_groups() {
    const FILLED: usize = GROUPS_MAX - 10;
    let groups = Groups::start();
    let create = |number: usize| groups.create(&number.to_string());
    // The file is told of most of them at once: each call waits for the disk.
    let id = groups
        .server
        .in_sql("CAST(printf('%016d', n) AS BLOB)", "gen_random_uuid()");
    let one = groups.server.in_sql("", " AND slot = 0");
    groups.server.change(&format!(
        "BEGIN;
        INSERT INTO groups (id, name)
            WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < {FILLED})
            SELECT {id}, 'filled ' || n FROM number;
        UPDATE counters SET value = {FILLED} WHERE name = 'groups'{one};
        COMMIT;"
    ));
    // Many of one transaction share what is left.
    let replies = together(|client| create(GROUPS_MAX + client));
    let (made, refused): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 200);
    assert_eq!(made.len(), 10);
    let message = "An address book has at most 1000 groups";
    for reply in refused {
        assert_refused(reply, invalid(message));
    }
    let page = groups.list("?limit=1000");
    assert_eq!(page["total"], GROUPS_MAX);
    assert_eq!(page["records"].as_array().unwrap().len(), GROUPS_MAX);
    let oldest = page["records"][0]["id"].as_str().unwrap();
    assert_eq!(groups.delete(oldest).status, 200);
    assert_eq!(create(0).status, 200);
    assert_refused(&create(1), invalid(message));
}

#[test]
fn groups_are_under_one_path_alone() {
    let groups = Groups::start();
    let id = groups.group("a");
    for path in ["/groups", "/contacts/groups"] {
        let call = groups.server.call("GET", path).key(&groups.key);
        assert_eq!(call.send().status, 404, "{path}");
    }
    let put = groups.call("PUT", &format!("/{id}")).json("{}").send();
    assert_eq!(
        (put.status, put.header("allow")),
        (405, "GET, HEAD, PATCH, DELETE")
    );
}
