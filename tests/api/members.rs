//! The members of a group: added and removed by alias, counted, listed; and what
//! is left of them when a contact or the group goes.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::book::{assert_refused, invalid, together};
use crate::groups::{GROUP_NOT_FOUND, Groups, NOBODY};
use crate::harness::{Reply, redact_everywhere};
use crate::list::texts;

const ALIASES_MAX: usize = 10_000;
const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;
const COUNT: &str = "Add and remove must have 1 to 10000 aliases together";

impl Groups {
    /// Creates a contact and returns its id.
    pub(super) fn contact(&self, alias: &str, msisdn: &str) -> String {
        let body = json!({"alias": alias, "msisdn": msisdn}).to_string();
        let reply = self.server.create(&self.key, body);
        assert_eq!(reply.status, 200, "{alias}: {}", reply.body);
        reply.json()["record"]["id"].as_str().unwrap().to_owned()
    }

    /// Creates contacts of these aliases, all with one number.
    pub(super) fn contacts(&self, aliases: &[impl AsRef<str>]) {
        for part in aliases.chunks(ALIASES_MAX) {
            let contact = |alias: &str| json!({"alias": alias, "msisdn": "4479000000001"});
            let contacts: Vec<Value> = part.iter().map(|alias| contact(alias.as_ref())).collect();
            let call = self.server.call("POST", "/contacts/bulk").key(&self.key);
            let reply = call.json(json!({"contacts": contacts}).to_string()).send();
            assert_eq!(reply.json()["summary"]["created"], part.len());
        }
    }

    pub(super) fn change(&self, id: &str, body: &str) -> Reply {
        let path = format!("/{id}/members");
        self.call("POST", &path).json(body).send()
    }

    /// Adds contacts and removes others; the statuses of all.
    pub(super) fn members(
        &self,
        id: &str,
        add: &[impl AsRef<str>],
        remove: &[impl AsRef<str>],
    ) -> Vec<String> {
        let add: Vec<&str> = add.iter().map(AsRef::as_ref).collect();
        let remove: Vec<&str> = remove.iter().map(AsRef::as_ref).collect();
        let body = json!({"add": add, "remove": remove});
        let reply = self.change(id, &body.to_string());
        assert_eq!(reply.status, 200, "{}", reply.body);
        let body = reply.json();
        let results = body["results"].as_array().unwrap();
        let status = |one: &Value| one["status"].as_str().unwrap().to_owned();
        results.iter().map(status).collect()
    }

    pub(super) fn add(&self, id: &str, aliases: &[impl AsRef<str>]) {
        for part in aliases.chunks(ALIASES_MAX) {
            let statuses = self.members(id, part, &[""; 0]);
            assert!(statuses.iter().all(|status| status == "added"));
        }
    }

    /// The answer to a list of members that must succeed.
    pub(super) fn listed(&self, id: &str, query: &str) -> Value {
        let reply = self.call("GET", &format!("/{id}/members{query}")).send();
        assert_eq!(reply.status, 200, "{query}: {}", reply.body);
        reply.json()
    }

    pub(super) fn aliases(&self, id: &str) -> Vec<String> {
        texts(&self.listed(id, "?limit=1000"), "alias")
    }

    /// Asserts how many members a group has, wherever that is said.
    #[track_caller]
    pub(super) fn assert_members(&self, id: &str, members: usize) {
        assert_eq!(self.record(id)["members"], members);
        assert_eq!(self.listed(id, "?limit=1")["total"], members);
        let list = format!("/contacts?limit=1&group={id}");
        let list = self.server.call("GET", &list).key(&self.key).send().json();
        assert_eq!(list["total"], members);
    }

    /// Asserts that every count in the file is what is counted, and that no
    /// membership belongs to nobody.
    #[track_caller]
    pub(super) fn assert_sound(&self) {
        self.server.assert_members_counted();
        let wrong =
            "SELECT (SELECT count(*) FROM memberships WHERE contact_id NOT IN (SELECT id FROM contacts))
            + abs((SELECT sum(value) FROM counters WHERE name = 'groups') -
                (SELECT count(*) FROM groups WHERE deleted_on IS NULL))";
        assert_eq!(self.server.number(wrong), 0);
    }

    /// How many groups, deleted ones among them, and memberships the book holds.
    pub(super) fn rows(&self) -> (i64, i64) {
        let count = |table: &str| self.server.number(&format!("SELECT count(*) FROM {table}"));
        (count("groups"), count("memberships"))
    }
}

#[test]
fn each_alias_is_answered_in_order_additions_first() {
    let groups = Groups::start();
    let id = groups.group("Friends");
    for alias in ["john", "jane", "Zo\u{eb}"] {
        groups.contact(alias, "4479000000001");
    }
    let reply = groups.change(
        &id,
        r#"{"remove":["john","jane","nobody"],"add":[" john\n","Zoe\u0308","john","nobody","","a\u0000","."]}"#,
    );
    assert_snapshot!(format!("{} {}", reply.status, reply.body), @r#"200 {"success":true,"results":[{"alias":"john","status":"added"},{"alias":"Zoë","status":"added"},{"alias":"john","status":"unchanged"},{"alias":"nobody","status":"not_found"},{"alias":"","status":"not_found"},{"alias":"a\u0000","status":"not_found"},{"alias":".","status":"not_found"},{"alias":"john","status":"removed"},{"alias":"jane","status":"unchanged"},{"alias":"nobody","status":"not_found"}]}"#);
    assert_eq!(reply.header("content-type"), "application/json");
    assert_eq!(groups.aliases(&id), ["Zo\u{eb}"]);
    groups.assert_members(&id, 1);
    let again = groups.members(&id, &["Zo\u{eb}", "jane"], &["jane", "jane"]);
    assert_eq!(again, ["unchanged", "added", "removed", "unchanged"]);
    groups.assert_members(&id, 1);
    groups.assert_sound();
}

#[test]
fn a_list_of_members_shows_ids_and_aliases_and_is_walked_by_cursor() {
    let groups = Groups::start();
    let id = groups.group("Friends");
    let other = groups.group("Others");
    let empty = groups.call("GET", &format!("/{id}/members")).send().body;
    assert_snapshot!(empty, @r#"{"success":true,"records":[],"offset":0,"limit":10,"total":0}"#);
    let aliases = ["d", "c", "b", "a", "e"];
    let ids = aliases.map(|alias| groups.contact(alias, "4479000000001"));
    groups.add(&id, &["a", "d", "c", "b"]);
    groups.add(&other, &["d", "e"]);
    let page = groups.call("GET", &format!("/{id}/members?limit=1")).send();
    assert_snapshot!(redact_everywhere(&page.body), @r#"{"success":true,"records":[{"id":"[id]","alias":"d"}],"offset":0,"limit":1,"total":4}"#);
    let list = groups.listed(&id, "?offset=1&limit=2");
    assert_eq!(texts(&list, "id"), ids[1..3]);
    assert_eq!((&list["total"], &list["offset"]), (&json!(4), &json!(1)));
    let mut page = groups.listed(&id, "?cursor=&limit=3");
    assert_eq!(texts(&page, "alias"), ["d", "c", "b"]);
    assert!(page.get("total").is_none());
    let cursor = page["next"].as_str().unwrap().to_owned();
    let elsewhere = format!("/{other}/members?cursor={cursor}");
    let unknown = invalid("Parameter cursor does not belong to this list");
    assert_refused(&groups.call("GET", &elsewhere).send(), unknown);
    page = groups.listed(&id, &format!("?cursor={cursor}"));
    assert_eq!(
        (texts(&page, "alias"), &page["next"]),
        (vec!["a".to_owned()], &Value::Null)
    );
    for (query, message) in [
        (
            "?limit=0",
            "Parameter limit must be a whole number from 1 to 1000",
        ),
        ("?sortField=alias", "Unknown parameter: sortField"),
        ("?alias=a", "Unknown parameter: alias"),
        (
            "?cursor=&offset=0",
            "Parameter cursor cannot be combined with offset",
        ),
        ("?cursor=x", "Parameter cursor does not belong to this list"),
    ] {
        let path = format!("/{id}/members{query}");
        assert_refused(&groups.call("GET", &path).send(), invalid(message));
    }
}

#[test]
fn the_members_of_no_group_are_not_found() {
    let groups = Groups::start();
    groups.contact("john", "4479000000001");
    let gone = groups.group("gone");
    groups.add(&gone, &["john"]);
    assert_eq!(groups.delete(&gone).status, 200);
    for id in [gone.as_str(), NOBODY, "1", "%FF"] {
        let list = groups.call("GET", &format!("/{id}/members")).send();
        assert_refused(&list, GROUP_NOT_FOUND);
        for alias in ["john", "nobody", ""] {
            let reply = groups.change(id, &json!({"add": [alias]}).to_string());
            assert_refused(&reply, GROUP_NOT_FOUND);
        }
    }
}

#[test]
fn what_is_no_change_of_members_is_refused() {
    let groups = Groups::start();
    let id = groups.group("a");
    let add = "Add must be an array of strings";
    for (body, message) in [
        ("", "Request body is not valid JSON: line 1, column 1"),
        ("[]", "Request body must be a JSON object"),
        ("{}", COUNT),
        (r#"{"add":[],"remove":[]}"#, COUNT),
        (r#"{"add":null,"remove":null}"#, COUNT),
        (r#"{"add":"john"}"#, add),
        (r#"{"add":["john",7]}"#, add),
        (r#"{"add":["john",null]}"#, add),
        (r#"{"add":["\ud800"]}"#, add),
        (r#"{"remove":{}}"#, "Remove must be an array of strings"),
        (r#"{"add":["john"],"Remove":[]}"#, "Unknown field: Remove"),
        (r#"{"add":[],"add":["john"]}"#, "Duplicate field: add"),
    ] {
        assert_refused(&groups.change(&id, body), invalid(message));
    }
}

#[test]
fn one_to_ten_thousand_aliases_are_taken_together() {
    let groups = Groups::start();
    let id = groups.group("a");
    let aliases: Vec<String> = (0..ALIASES_MAX)
        .map(|number| format!("c{number}"))
        .collect();
    groups.contacts(&aliases);
    let (some, rest) = aliases.split_at(4000);
    let mut one_more = rest.to_vec();
    one_more.push("c0".to_owned());
    let body = json!({"add": some, "remove": one_more}).to_string();
    assert_refused(&groups.change(&id, &body), invalid(COUNT));
    groups.assert_members(&id, 0);
    let statuses = groups.members(&id, some, rest);
    assert!(statuses[..4000].iter().all(|status| status == "added"));
    assert!(statuses[4000..].iter().all(|status| status == "unchanged"));
    groups.assert_members(&id, 4000);
    groups.add(&id, rest);
    groups.assert_members(&id, ALIASES_MAX);
    let statuses = groups.members(&id, &[""; 0], &aliases);
    assert_eq!(statuses, vec!["removed"; ALIASES_MAX]);
    groups.assert_members(&id, 0);
    groups.assert_sound();
}

#[test]
fn a_body_of_8_mib_is_read_and_a_larger_one_is_not() {
    let groups = Groups::start();
    let id = groups.group("a");
    let padded = |bytes: usize| {
        let body = r#"{"add":["john"]}"#;
        format!("{body}{}", " ".repeat(bytes - body.len()))
    };
    let reply = groups.change(&id, &padded(BODY_BYTES_MAX + 1));
    assert_eq!(reply.status, 413, "{}", reply.body);
    let reply = groups.change(&id, &padded(BODY_BYTES_MAX));
    assert_eq!(reply.json()["results"][0]["status"], "not_found");
}

#[test]
fn a_deleted_contact_leaves_no_trace_in_its_groups() {
    let groups = Groups::start();
    let [one, other, empty] = ["one", "other", "empty"].map(|name| groups.group(name));
    let john = groups.contact("john", "4479000000001");
    groups.contact("jane", "4479000000002");
    groups.add(&one, &["john", "jane"]);
    groups.add(&other, &["john"]);
    let path = format!("/contacts/{john}");
    let deleted = groups.server.call("DELETE", &path).key(&groups.key).send();
    assert_eq!(deleted.status, 200);
    groups.assert_members(&one, 1);
    groups.assert_members(&other, 0);
    groups.assert_members(&empty, 0);
    assert_eq!(groups.aliases(&one), ["jane"]);
    assert_eq!(groups.rows(), (3, 1));
    // Who comes back under the alias is another contact.
    groups.contact("john", "4479000000001");
    assert_eq!(groups.aliases(&one), ["jane"]);
    let by_number = groups.server.call("DELETE", "/contacts/4479000000002");
    assert_eq!(by_number.key(&groups.key).send().status, 200);
    assert_eq!(groups.rows(), (3, 0));
    groups.assert_sound();
}

#[test]
fn a_renamed_contact_stays_a_member() {
    let groups = Groups::start();
    let id = groups.group("a");
    let john = groups.contact("john", "4479000000001");
    groups.add(&id, &["john"]);
    let call = groups.server.call("PATCH", &format!("/contacts/{john}"));
    let renamed = call.key(&groups.key).json(r#"{"alias":"johnny"}"#).send();
    assert_eq!(renamed.status, 200);
    assert_eq!(groups.aliases(&id), ["johnny"]);
    assert_eq!(
        groups.members(&id, &["john"], &["johnny"]),
        ["not_found", "removed"]
    );
}

#[test]
fn counts_are_right_whatever_32_clients_do_at_once() {
    let groups = Groups::start();
    let id = groups.group("a");
    let aliases: Vec<String> = (0..40).map(|number| format!("c{number}")).collect();
    groups.contacts(&aliases);
    let changed = together(|client| {
        let from = client % 20;
        let added = groups.members(&id, &aliases[from..from + 20], &aliases[..from]);
        added.iter().filter(|status| *status == "added").count() as i64
            - added.iter().filter(|status| *status == "removed").count() as i64
    });
    let members = usize::try_from(changed.iter().sum::<i64>()).unwrap();
    groups.assert_members(&id, members);
    assert_eq!(groups.aliases(&id).len(), members);
    groups.assert_sound();
}

/// Of each kind of result, its status, its error's message, and how many follow
/// one another.
fn runs(reply: &Reply) -> Vec<(String, String, usize)> {
    let mut runs: Vec<(String, String, usize)> = Vec::new();
    for result in reply.json()["results"].as_array().unwrap() {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let kind = (text(&result["status"]), text(&result["error"]["message"]));
        match runs.last_mut() {
            Some((status, message, count)) if (&*status, &*message) == (&kind.0, &kind.1) => {
                *count += 1;
            }
            _ => runs.push((kind.0, kind.1, 1)),
        }
    }
    runs
}

#[test]
fn what_a_later_transaction_does_not_store_says_so_alias_by_alias() {
    let aliases: Vec<String> = (0..1200).map(|number| format!("c{number}")).collect();
    let message = "Internal server error";
    let groups = Groups::start();
    let id = groups.group("a");
    groups.contacts(&aliases);
    // Nothing can be added that this index cannot be computed for.
    let of_600 = groups
        .server
        .column("SELECT id FROM contacts WHERE alias = 'c600'")
        .remove(0);
    let broken = groups.server.in_sql(
        "(CASE WHEN contact_id = x'600' THEN json('broken') END)",
        "((CASE WHEN contact_id = '600' THEN 1 / (length(alias) - 4) END))",
    );
    let broken = broken.replace("600", &of_600);
    groups
        .server
        .change(&format!("CREATE INDEX broken ON memberships {broken}"));
    let body = json!({"add": aliases}).to_string();
    let reply = groups.change(&id, &body);
    assert_eq!(reply.status, 200, "{}", reply.body);
    let untried = "Not stored, because of others in this request";
    let run = |status: &str, message: &str, count| (status.to_owned(), message.to_owned(), count);
    let expected = [
        run("added", "", 500),
        run("error", message, 500),
        run("error", untried, 200),
    ];
    assert_eq!(runs(&reply), expected);
    assert_eq!(groups.rows().1, 500);
    // A request of which nothing was stored fails as a whole.
    let again = groups.change(&id, &json!({"add": ["c600"]}).to_string());
    assert_eq!(again.message(), message);
}
