//! A contact's groups in its full record, and its version, which covers them.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::book::{NOT_IN_THIS_STATE, assert_refused};
use crate::groups::Groups;
use crate::harness::{Reply, redact_everywhere};

impl Groups {
    fn contact_call(&self, method: &str, below: &str) -> crate::harness::Call {
        let path = format!("/addressbook/contacts/{below}");
        self.server.call(method, &path).key(&self.key)
    }

    fn get(&self, id: &str) -> Reply {
        let reply = self.contact_call("GET", id).send();
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply
    }

    fn etag(&self, id: &str) -> String {
        self.get(id).header("etag").to_owned()
    }

    /// The names of a contact's groups.
    fn groups_of(&self, id: &str) -> Vec<String> {
        let record = self.get(id).json()["record"].clone();
        let groups = record["groups"].as_array().unwrap();
        let name = |group: &Value| group["name"].as_str().unwrap().to_owned();
        groups.iter().map(name).collect()
    }
}

#[test]
fn the_full_record_ends_with_the_groups_by_name() {
    let groups = Groups::start();
    let john = groups.contact("john", "4479000000001");
    let names = ["b", "é\u{200D} / \\n \"q\"", "a", "Z", "😀"];
    let ids = names.map(|name| groups.group(name));
    groups.group("empty");
    for id in &ids {
        groups.add(id, &["john"]);
    }
    let by_id = groups.get(&john);
    assert_snapshot!(redact_everywhere(&by_id.body), @r#"{"success":true,"record":{"id":"[id]","alias":"john","msisdn":"4479000000001","created_on":"[time]","meta":{},"updated_on":"[time]","groups":[{"id":"[id]","name":"Z"},{"id":"[id]","name":"a"},{"id":"[id]","name":"b"},{"id":"[id]","name":"é‍ / \\n \"q\""},{"id":"[id]","name":"😀"}]}}"#);
    assert_eq!(groups.get("alias/john").body, by_id.body);
    let shown = by_id.json()["record"]["groups"].clone();
    let a = json!({"id": ids[2], "name": "a"});
    assert_eq!(shown[1], a);
    // The documented records stay as they are.
    let change = r#"{"msisdn":"4479000000002"}"#;
    let updated = groups.contact_call("POST", &john).json(change).send();
    let list = groups
        .server
        .call("GET", "/contacts?include=meta")
        .key(&groups.key);
    for reply in [updated, list.send()] {
        assert!(!reply.body.contains("groups"), "{}", reply.body);
    }
}

#[test]
fn the_tag_follows_every_change_of_the_groups() {
    let groups = Groups::start();
    let john = groups.contact("john", "4479000000001");
    groups.contact("jane", "4479000000002");
    let [one, other] = ["one", "other"].map(|name| groups.group(name));
    let mut tags = vec![groups.etag(&john)];
    let mut changed = |change: &dyn Fn()| {
        let before = groups.get(&john).json()["record"]["updated_on"].clone();
        change();
        let tag = groups.etag(&john);
        assert!(!tags.contains(&tag), "the tag came back");
        let known = groups
            .contact_call("GET", &john)
            .header("If-None-Match", &tags[tags.len() - 1]);
        assert_eq!(known.send().status, 200);
        let same = groups
            .contact_call("GET", &john)
            .header("If-None-Match", &tag);
        assert_eq!(same.send().status, 304);
        assert_eq!(groups.get(&john).json()["record"]["updated_on"], before);
        tags.push(tag);
    };
    changed(&|| groups.add(&one, &["john"]));
    changed(&|| groups.add(&other, &["john"]));
    changed(&|| assert_eq!(groups.rename(&one, "uno").status, 200));
    changed(&|| assert_eq!(groups.members(&other, &[""; 0], &["john"]), ["removed"]));
    changed(&|| assert_eq!(groups.rename(&one, "eins").status, 200));
    let last = groups.etag(&john);
    groups.add(&other, &["jane"]);
    assert_eq!(
        groups.etag(&john),
        last,
        "what happens to others changes nothing"
    );
    assert_eq!(groups.delete(&one).status, 200);
    assert_eq!(groups.groups_of(&john), [""; 0]);
    assert_eq!(groups.etag(&john), tags[0], "it is as it was");
}

#[test]
fn no_write_happens_from_a_state_with_other_groups() {
    let groups = Groups::start();
    let john = groups.contact("john", "4479000000001");
    let id = groups.group("a");
    let before = groups.etag(&john);
    groups.add(&id, &["john"]);
    let body = r#"{"msisdn":"4479000000002"}"#;
    let write = |method: &str, below: &str, tag: &str| {
        let call = groups.contact_call(method, below).header("If-Match", tag);
        call.json(body).send()
    };
    let calls = [
        ("POST", john.as_str()),
        ("PATCH", john.as_str()),
        ("PUT", "alias/john"),
        ("DELETE", john.as_str()),
    ];
    for (method, below) in calls {
        assert_refused(&write(method, below, &before), NOT_IN_THIS_STATE);
    }
    for (method, below) in calls {
        let tag = groups.etag(&john);
        let reply = write(method, below, &tag);
        assert_eq!(reply.status, 200, "{method}: {}", reply.body);
        if method != "DELETE" {
            assert_eq!(reply.header("etag"), groups.etag(&john), "{method}");
            assert_eq!(groups.groups_of(&john), ["a"]);
        }
    }
}

#[test]
fn who_may_not_read_groups_sees_none_and_the_same_version() {
    let groups = Groups::start();
    let john = groups.contact("john", "4479000000001");
    let friends = groups.group("Friends");
    groups.add(&friends, &["john"]);
    let reader = groups.server.key(&["read:Contacts"]);
    let path = format!("/contacts/{john}");
    let seen = groups.server.call("GET", &path).key(&reader).send();
    assert_eq!(seen.status, 200);
    assert!(!seen.body.contains("Friends") && seen.json()["record"].get("groups").is_none());
    assert_eq!(seen.header("etag"), groups.etag(&john));
}
