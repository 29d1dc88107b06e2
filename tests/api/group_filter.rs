//! `GET /addressbook/contacts?group=`: the contacts of one group, alone and with
//! other filters, in every order.

use serde_json::{Value, json};

use crate::book::{assert_refused, invalid};
use crate::groups::{Groups, NOBODY};
use crate::list::texts;

const SORTS: [(&str, bool); 6] = [
    ("created_on", false),
    ("created_on", true),
    ("alias", false),
    ("alias", true),
    ("msisdn", false),
    ("msisdn", true),
];
const CONTACTS: usize = 320;

/// What a contact of the book is, for the model.
#[derive(Clone)]
struct Contact {
    id: String,
    alias: String,
    msisdn: String,
    number: usize,
}

/// A book of 320 contacts in no order but that of their creation, and groups of
/// 0, 5, 60 and all of them.
struct Filled {
    groups: Groups,
    contacts: Vec<Contact>,
    ids: Vec<(String, usize)>,
}

/// Spreads numbers over all residues of 320.
fn spread(number: usize) -> usize {
    number * 77 % CONTACTS
}

fn is_in(contact: &Contact, members: usize) -> bool {
    spread(contact.number * 3 + 1) < members
}

impl Filled {
    fn new() -> Self {
        let groups = Groups::start();
        let sent: Vec<Value> = (0..CONTACTS)
            .map(|number| {
                let alias = format!("{}{:03}", ["a", "b", "Z", "é"][number % 4], spread(number));
                let msisdn = ["9900000", "10000000", "4479000000001"][number % 3];
                json!({"alias": alias, "msisdn": msisdn, "meta": {"n": number % 5}})
            })
            .collect();
        let call = groups
            .server
            .call("POST", "/contacts/bulk")
            .key(&groups.key);
        let reply = call
            .json(json!({"contacts": sent}).to_string())
            .send()
            .json();
        assert_eq!(reply["summary"]["created"], CONTACTS);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let contacts: Vec<Contact> = sent
            .iter()
            .enumerate()
            .map(|(number, contact)| Contact {
                id: text(&reply["results"][number]["id"]),
                alias: text(&contact["alias"]),
                msisdn: text(&contact["msisdn"]),
                number,
            })
            .collect();
        let ids = [0, 5, 60, CONTACTS].map(|members| {
            let id = groups.group(&members.to_string());
            let of_group = contacts.iter().filter(|one| is_in(one, members));
            let aliases: Vec<&str> = of_group.map(|one| one.alias.as_str()).collect();
            assert_eq!(aliases.len(), members);
            groups.add(&id, &aliases);
            (id, members)
        });
        Self {
            groups,
            contacts,
            ids: ids.to_vec(),
        }
    }

    fn list(&self, query: &str) -> Value {
        let path = format!("/addressbook/contacts?{query}");
        let reply = self
            .groups
            .server
            .call("GET", &path)
            .key(&self.groups.key)
            .send();
        assert_eq!(reply.status, 200, "{query}: {}", reply.body);
        reply.json()
    }

    /// The ids that the model finds, in order.
    fn expected(
        &self,
        members: usize,
        more: impl Fn(&Contact) -> bool,
        sort: (&str, bool),
    ) -> Vec<String> {
        let found = self
            .contacts
            .iter()
            .filter(|one| is_in(one, members) && more(one));
        let mut found: Vec<&Contact> = found.collect();
        found.sort_by_key(|one| match sort.0 {
            "alias" => (one.alias.as_str(), one.id.as_str()),
            "msisdn" => (one.msisdn.as_str(), one.id.as_str()),
            _ => ("", one.id.as_str()),
        });
        if sort.1 {
            found.reverse();
        }
        found.into_iter().map(|one| one.id.clone()).collect()
    }

    fn assert_finds(&self, query: &str, expected: &[String]) {
        let all = self.list(&format!("{query}&limit=1000"));
        assert_eq!(texts(&all, "id"), expected, "{query}");
        assert_eq!(all["total"], expected.len(), "{query}");
        let page = self.list(&format!("{query}&limit=3&offset=2"));
        let part: Vec<String> = expected.iter().skip(2).take(3).cloned().collect();
        assert_eq!(texts(&page, "id"), part, "{query}");
        assert_eq!(page["total"], expected.len(), "{query}");
        let limit = 1 + expected.len() / 3;
        let mut met = Vec::new();
        let mut cursor = Some(String::new());
        while let Some(from) = cursor {
            let page = self.list(&format!("{query}&limit={limit}&cursor={from}"));
            met.extend(texts(&page, "id"));
            cursor = page["next"].as_str().map(str::to_owned);
        }
        assert_eq!(met, expected, "{query}");
    }
}

/// One more filter, and what the contract says of it.
type More = (&'static str, fn(&Contact) -> bool);

#[test]
fn a_group_is_listed_in_every_order_and_with_every_other_filter() {
    let filled = Filled::new();
    let more: [More; 8] = [
        ("", |_| true),
        ("&msisdn=%2B990-0000", |one| one.msisdn == "9900000"),
        ("&aliasPrefix=b", |one| one.alias.starts_with('b')),
        ("&search=00", |one| {
            one.alias.contains("00") || one.msisdn.contains("00")
        }),
        ("&meta.n=3", |one| one.number % 5 == 3),
        ("&alias=b077", |one| one.alias == "b077"),
        ("&aliasPrefix=b&msisdn=9900000", |one| {
            one.alias.starts_with('b') && one.msisdn == "9900000"
        }),
        ("&search=1&meta.n=1", |one| {
            (one.alias.contains('1') || one.msisdn.contains('1')) && one.number % 5 == 1
        }),
    ];
    for (id, members) in &filled.ids {
        for sort in SORTS {
            let direction = if sort.1 { "DESC" } else { "ASC" };
            for (query, holds) in more {
                let expected = filled.expected(*members, holds, sort);
                let query = format!("group={id}&sortField={}&sortDir={direction}{query}", sort.0);
                filled.assert_finds(&query, &expected);
            }
        }
    }
}

#[test]
fn a_cursor_belongs_to_its_group() {
    let filled = Filled::new();
    let (small, large) = (&filled.ids[1].0, &filled.ids[2].0);
    let page = filled.list(&format!("group={small}&limit=1&cursor="));
    let cursor = page["next"].as_str().unwrap();
    let upper = small.to_uppercase();
    assert_eq!(
        filled.list(&format!("group={upper}&cursor={cursor}"))["next"],
        Value::Null
    );
    let unknown = "Parameter cursor does not belong to this list";
    for other in [
        String::new(),
        format!("group={large}&"),
        format!("group={small}&search=0&"),
    ] {
        let path = format!("/contacts?{other}cursor={cursor}");
        let call = filled
            .groups
            .server
            .call("GET", &path)
            .key(&filled.groups.key);
        assert_refused(&call.send(), invalid(unknown));
    }
}

#[test]
fn a_group_that_is_not_selects_nobody_and_what_is_no_id_is_refused() {
    let groups = Groups::start();
    let gone = groups.group("gone");
    groups.contact("john", "4479000000001");
    groups.add(&gone, &["john"]);
    let get = |query: &str| {
        let path = format!("/contacts?{query}");
        groups.server.call("GET", &path).key(&groups.key).send()
    };
    let first = get(&format!("group={gone}&limit=1")).json();
    assert_eq!(first["total"], 1);
    assert_eq!(groups.delete(&gone).status, 200);
    for id in [gone.as_str(), NOBODY] {
        let list = get(&format!("group={id}")).json();
        assert_eq!((&list["records"], &list["total"]), (&json!([]), &json!(0)));
        let page = get(&format!("group={id}&cursor=")).json();
        assert_eq!(
            (&page["records"], &page["next"]),
            (&json!([]), &Value::Null)
        );
    }
    let message = "Parameter group must be the id of a group";
    for text in [
        "",
        "gone",
        "1",
        &gone.replace('-', ""),
        &format!("%20{gone}"),
    ] {
        assert_refused(&get(&format!("group={text}")), invalid(message));
    }
    let twice = get(&format!("group={gone}&group={gone}"));
    assert_refused(&twice, invalid("Duplicate parameter: group"));
}
