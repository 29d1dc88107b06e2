//! `POST /addressbook/contacts/bulk`: whatever is sent, the server answers and
//! stores what a model in memory does.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};

use crate::book::Book;
use crate::bulk::{assert_total, send};
use crate::harness::Reply;

/// As they are sent, and as they are stored.
const ALIASES: [(&str, &str); 6] = [
    ("a", "a"),
    ("A", "A"),
    ("b", "b"),
    ("b \t", "b"),
    ("e\u{301}", "é"),
    ("é", "é"),
];
const NUMBERS: [(&str, &str); 3] = [
    ("15550000001", "15550000001"),
    ("+1 (555) 000-0001", "15550000001"),
    ("15550000002", "15550000002"),
];
const METAS: [&str; 5] = [
    "",
    "null",
    r#"{"a":1,"b":"x"}"#,
    r#"{"b":"x","a":1}"#,
    r#"{"a":[2]}"#,
];
/// Contacts that are wrong in themselves, and why.
const BAD: [(&str, &str); 4] = [
    ("7", "Contact must be a JSON object"),
    ("{}", "Alias is required"),
    (r#"{"alias":"PREFIXa"}"#, "Msisdn is required"),
    (
        r#"{"alias":"PREFIXb","msisdn":"15550000001","x":1}"#,
        "Unknown field: x",
    ),
];
const NOT_STORED: &str = "Not stored, because of others in this request";
const TAKEN: &str = "Alias already exists";

#[derive(Clone, Debug)]
enum Item {
    Good(
        (&'static str, &'static str),
        (&'static str, &'static str),
        &'static str,
    ),
    Bad((&'static str, &'static str)),
}

impl Item {
    /// Its JSON text; the aliases of one case begin with `prefix`.
    fn written(&self, prefix: &str) -> String {
        match self {
            Self::Good((alias, _), (msisdn, _), meta) => {
                let alias = json!(format!("{prefix}{alias}"));
                let meta = match *meta {
                    "" => String::new(),
                    meta => format!(r#","meta":{meta}"#),
                };
                format!(r#"{{"alias":{alias},"msisdn":"{msisdn}"{meta}}}"#)
            }
            Self::Bad((text, _)) => text.replace("PREFIX", prefix),
        }
    }
}

#[derive(Clone, Debug)]
struct Request {
    upsert: bool,
    atomic: bool,
    dry_run: bool,
    items: Vec<Item>,
}

impl Request {
    fn body(&self, prefix: &str) -> String {
        let items: Vec<String> = self.items.iter().map(|item| item.written(prefix)).collect();
        let mode = if self.upsert { "upsert" } else { "create" };
        format!(
            r#"{{"mode":"{mode}","atomic":{},"dryRun":{},"contacts":[{}]}}"#,
            self.atomic,
            self.dry_run,
            items.join(",")
        )
    }
}

fn requests() -> impl Strategy<Value = Vec<Request>> {
    let good = (
        select(&ALIASES[..]),
        select(&NUMBERS[..]),
        select(&METAS[..]),
    );
    let item = prop_oneof![
        12 => good.prop_map(|(alias, msisdn, meta)| Item::Good(alias, msisdn, meta)),
        1 => select(&BAD[..]).prop_map(Item::Bad),
    ];
    let items = prop::collection::vec(item, 1..6);
    let request = (any::<bool>(), any::<bool>(), any::<bool>(), items).prop_map(
        |(upsert, atomic, dry_run, items)| Request {
            upsert,
            atomic,
            // A run of dry ones would leave nothing to meet.
            dry_run: dry_run && items.len() > 2,
            items,
        },
    );
    prop::collection::vec(request, 1..7)
}

/// Number, meta and id of each alias.
type Contacts = BTreeMap<String, (String, Value, String)>;

/// What is expected of one contact.
#[derive(Clone, Debug, PartialEq)]
enum Expected {
    /// A contact of a new id, which takes this place.
    Created(String),
    Known(&'static str, String),
    Error(String),
}

/// What the contract says comes of each contact, and how the book is then; the
/// ids of new contacts are still empty.
fn model(contacts: &mut Contacts, request: &Request, prefix: &str) -> Vec<Expected> {
    let mut first_uses: BTreeMap<String, usize> = BTreeMap::new();
    let mut expected = Vec::new();
    let before = contacts.clone();
    for (index, item) in request.items.iter().enumerate() {
        expected.push(match item {
            Item::Bad((_, message)) => Expected::Error((*message).to_owned()),
            Item::Good((_, alias), (_, msisdn), meta) => {
                let alias = format!("{prefix}{alias}");
                let meta: Value = match *meta {
                    "" | "null" => json!({}),
                    meta => serde_json::from_str(meta).unwrap(),
                };
                let first = *first_uses.entry(alias.clone()).or_insert(index);
                match contacts.get_mut(&alias) {
                    _ if first != index => Expected::Error(format!(
                        "Alias is the same as that of contact {first} in this request"
                    )),
                    Some(_) if !request.upsert => Expected::Error(TAKEN.to_owned()),
                    Some((old_msisdn, old_meta, id)) => {
                        let same = old_msisdn == msisdn && *old_meta == meta;
                        (*old_msisdn, *old_meta) = ((*msisdn).to_owned(), meta);
                        let status = if same { "unchanged" } else { "updated" };
                        Expected::Known(status, id.clone())
                    }
                    None => {
                        let new = ((*msisdn).to_owned(), meta, String::new());
                        contacts.insert(alias.clone(), new);
                        Expected::Created(alias)
                    }
                }
            }
        });
    }
    let failed = expected.iter().any(|one| matches!(one, Expected::Error(_)));
    if request.dry_run || (request.atomic && failed) {
        *contacts = before;
    }
    if request.atomic && failed {
        for one in &mut expected {
            if !matches!(one, Expected::Error(_)) {
                *one = Expected::Error(NOT_STORED.to_owned());
            }
        }
    }
    expected
}

/// Holds an answer against the model; notes the ids of new contacts.
fn check(
    reply: &Reply,
    request: &Request,
    expected: &[Expected],
    contacts: &mut Contacts,
) -> Result<(), TestCaseError> {
    let body = reply.json();
    let failed = expected
        .iter()
        .filter(|one| matches!(one, Expected::Error(_)));
    let failed = failed.count();
    let refused = request.atomic && failed > 0;
    prop_assert_eq!(reply.status, if refused { 400 } else { 200 });
    prop_assert_eq!(body["success"].as_bool(), Some(!refused));
    prop_assert_eq!(body.get("summary").is_some(), !refused);
    if !refused {
        prop_assert_eq!(&body["summary"]["failed"], failed);
        prop_assert_eq!(&body["summary"]["total"], expected.len());
    }
    let results = body["results"].as_array().unwrap();
    prop_assert_eq!(results.len(), expected.len());
    let malformed = expected.iter().any(
        |one| matches!(one, Expected::Error(message) if ![TAKEN, NOT_STORED].contains(&message.as_str())),
    );
    let mut ids = BTreeSet::new();
    for (index, (result, expected)) in results.iter().zip(expected).enumerate() {
        prop_assert_eq!(&result["index"], index);
        let status = result["status"].as_str().unwrap();
        let message = result["error"]["message"].as_str();
        let id = result["id"].as_str();
        match expected {
            Expected::Created(alias) => {
                prop_assert_eq!((status, message), ("created", None));
                prop_assert_eq!(id.is_none(), request.dry_run);
                if let Some(id) = id {
                    prop_assert!(ids.insert(id.to_owned()), "an id twice");
                    contacts.get_mut(alias).unwrap().2 = id.to_owned();
                }
            }
            Expected::Known(known, known_id) => {
                prop_assert_eq!((status, message), (*known, None));
                prop_assert_eq!(id, Some(known_id.as_str()));
            }
            Expected::Error(expected) => {
                prop_assert_eq!((status, id), ("error", None));
                // Beside malformed ones, this is a test of its own.
                let unseen = refused && malformed && expected == TAKEN;
                if !unseen || message != Some(NOT_STORED) {
                    prop_assert_eq!(message, Some(expected.as_str()), "{}", index);
                }
            }
        }
    }
    Ok(())
}

/// What the book holds of the aliases with this prefix.
fn stored(book: &Book, prefix: &str) -> Contacts {
    let query = "SELECT alias, msisdn, meta, id FROM contacts";
    let rows = book.server.rows(query).into_iter();
    let ours = rows.filter(|row| row[0].starts_with(prefix));
    ours.map(|row| {
        let meta = serde_json::from_str(&row[2]).unwrap();
        let id = uuid::Uuid::parse_str(&row[3]).unwrap().to_string();
        (row[0].clone(), (row[1].clone(), meta, id))
    })
    .collect()
}

#[test]
fn bulk_requests_do_exactly_what_a_model_in_memory_does() {
    let book = Book::start();
    let config = Config {
        cases: 500,
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner =
        TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let cases = Cell::new(0);
    let met = Cell::new([0_usize; 4]);
    let outcome = runner.run(&requests(), |requests| {
        cases.set(cases.get() + 1);
        let prefix = format!("{}-", cases.get());
        let mut contacts = Contacts::new();
        for request in &requests {
            let expected = model(&mut contacts, request, &prefix);
            let reply = send(&book, request.body(&prefix));
            check(&reply, request, &expected, &mut contacts)?;
            prop_assert_eq!(&stored(&book, &prefix), &contacts);
            let mut counts = met.get();
            for one in expected {
                counts[match one {
                    Expected::Created(_) => 0,
                    Expected::Known("updated", _) => 1,
                    Expected::Known(..) => 2,
                    Expected::Error(_) => 3,
                }] += 1;
            }
            met.set(counts);
        }
        Ok(())
    });
    assert!(outcome.is_ok(), "{}", outcome.unwrap_err());
    assert_total(&book, book.server.stored());
    let met = met.get();
    assert!(
        met.iter().all(|count| *count > 20),
        "too few of one: {met:?}"
    );
}
