//! `GET /addressbook/contacts`: whatever is asked, the server finds what a model
//! in memory finds.

use std::cell::Cell;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};

use crate::book::Book;
use crate::filter::query;
use crate::list::texts;

const CONTACTS: usize = 60;
const ALIAS: &str = "[aAbB1é%_'\\\\ ]{1,4}";
const PART: &str = "[aAbB1é%_'\\\\ ]{1,2}";
const NAMES: [&str; 9] = ["a", "A", "a.b", "x y", "q\"", "b\\", "$", "[0]", "é"];
/// As JSON writes them.
const VALUES: [&str; 20] = [
    "0",
    "-0",
    "1",
    "1.0",
    "10e-1",
    "2.5",
    "25e-1",
    "-3",
    "true",
    "false",
    "null",
    r#""true""#,
    r#""1""#,
    r#""""#,
    r#""a""#,
    r#""A""#,
    r#""%""#,
    r#""a b""#,
    "[1]",
    "{}",
];
/// As a query writes them.
const ASKED: [&str; 16] = [
    "0", "0.0", "1", "1e0", "0.1e1", "2.5", "-3.0", "true", "false", "null", "", "a", "A", "%",
    "a b", "[1]",
];

/// One parameter of a query, as its meaning.
#[derive(Clone, Debug)]
enum Asked {
    Alias(String),
    Msisdn(String),
    AliasPrefix(String),
    Search(String),
    Meta(String, String),
}

impl Asked {
    fn name(&self) -> String {
        match self {
            Self::Alias(_) => "alias".to_owned(),
            Self::Msisdn(_) => "msisdn".to_owned(),
            Self::AliasPrefix(_) => "aliasPrefix".to_owned(),
            Self::Search(_) => "search".to_owned(),
            Self::Meta(name, _) => format!("meta.{name}"),
        }
    }

    fn value(&self) -> String {
        match self {
            // Dressed as a person writes it.
            Self::Msisdn(digits) => format!("+{} ({})", &digits[..2], &digits[2..]),
            Self::Alias(text) | Self::AliasPrefix(text) | Self::Search(text) => text.clone(),
            Self::Meta(_, value) => value.clone(),
        }
    }

    /// What the contract says, on the contact as it was sent.
    fn holds(&self, contact: &Value) -> bool {
        let alias = contact["alias"].as_str().unwrap();
        let msisdn = contact["msisdn"].as_str().unwrap();
        match self {
            Self::Alias(text) => alias == text,
            Self::Msisdn(digits) => msisdn == digits,
            Self::AliasPrefix(prefix) => {
                let seen = prefix.trim_start();
                alias.starts_with(if seen.is_empty() { prefix } else { seen })
            }
            Self::Search(text) => {
                let seen = text.trim();
                let seen = if seen.is_empty() { text } else { seen };
                let lower = seen.to_ascii_lowercase();
                let digits = lower.replace(' ', "");
                let in_number = !digits.is_empty() && msisdn.contains(&digits);
                in_number || alias.to_ascii_lowercase().contains(&lower)
            }
            Self::Meta(name, asked) => contact["meta"].get(name).is_some_and(|found| match found {
                Value::String(text) => text == asked,
                Value::Number(number) => asked.parse() == Ok(number.as_f64().unwrap()),
                Value::Bool(word) => asked.parse() == Ok(*word),
                Value::Null => asked == "null",
                Value::Array(_) | Value::Object(_) => false,
            }),
        }
    }
}

/// What to ask: filters, sort, direction, offset and limit.
#[derive(Clone, Debug)]
struct Question {
    filters: Vec<Asked>,
    field: &'static str,
    descending: bool,
    offset: usize,
    limit: usize,
}

impl Question {
    fn to_query(&self, more: &[(&str, &str)]) -> String {
        let direction = if self.descending { "DESC" } else { "ASC" };
        let limit = self.limit.to_string();
        let mut parameters = vec![("sortField", self.field), ("sortDir", direction)];
        parameters.push(("limit", &limit));
        parameters.extend(more);
        let filters: Vec<_> = self
            .filters
            .iter()
            .map(|one| (one.name(), one.value()))
            .collect();
        parameters.extend(
            filters
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str())),
        );
        query(&parameters)
    }

    /// The ids of the contacts that the model finds, in order.
    fn answer(&self, contacts: &[Value]) -> Vec<String> {
        let holds = |contact: &&Value| self.filters.iter().all(|filter| filter.holds(contact));
        let text = |contact: &Value, member: &str| contact[member].as_str().unwrap().to_owned();
        let mut found: Vec<&Value> = contacts.iter().filter(holds).collect();
        found.sort_by_key(|contact| (text(contact, self.field), text(contact, "id")));
        if self.descending {
            found.reverse();
        }
        found
            .into_iter()
            .map(|contact| text(contact, "id"))
            .collect()
    }
}

/// Contacts of different aliases.
fn contacts() -> impl Strategy<Value = Vec<Value>> {
    let meta = prop::collection::btree_map(select(&NAMES[..]), select(&VALUES[..]), 0..4);
    let contact = (ALIAS, "[12][04]11[02]{3}", meta).prop_map(|(alias, msisdn, meta)| {
        let member = |(name, value): (&str, &str)| {
            let value: Value = serde_json::from_str(value).unwrap();
            (name.to_owned(), value)
        };
        let meta: serde_json::Map<String, Value> = meta.into_iter().map(member).collect();
        json!({"alias": alias.trim(), "msisdn": msisdn, "meta": meta})
    });
    let has_alias = |contact: &Value| contact["alias"] != "";
    prop::collection::vec(
        contact.prop_filter("a blank alias", has_alias),
        2 * CONTACTS,
    )
    .prop_map(|mut contacts| {
        contacts.sort_by_key(|contact| contact["alias"].to_string());
        contacts.dedup_by_key(|contact| contact["alias"].clone());
        // Created in another order than that of their aliases.
        contacts.sort_by_key(|contact| contact["meta"].to_string());
        contacts.truncate(CONTACTS);
        contacts
    })
}

/// A filter that often finds something: most are taken from a contact.
fn asked(contacts: &[Value]) -> impl Strategy<Value = Asked> + use<> {
    let taken = (
        select(contacts.to_vec()),
        any::<Index>(),
        any::<Index>(),
        0..5_u8,
    );
    let taken = taken.prop_map(|(contact, from, to, kind)| {
        let alias: Vec<char> = contact["alias"].as_str().unwrap().chars().collect();
        let (from, to) = (from.index(alias.len()), to.index(alias.len()));
        let part: String = alias[from.min(to)..=from.max(to)].iter().collect();
        match kind {
            0 => Asked::Alias(String::from_iter(&alias)),
            1 => Asked::Msisdn(contact["msisdn"].as_str().unwrap().to_owned()),
            2 => Asked::AliasPrefix(alias[..=to].iter().collect()),
            3 => Asked::Search(part.to_ascii_uppercase()),
            _ => Asked::Search(contact["msisdn"].as_str().unwrap()[from..].to_owned()),
        }
    });
    let meta = (select(&NAMES[..]), select(&ASKED[..]));
    prop_oneof![
        4 => taken,
        4 => meta.prop_map(|(name, value)| Asked::Meta(name.to_owned(), value.to_owned())),
        1 => PART.prop_map(Asked::Search),
        1 => PART.prop_map(Asked::AliasPrefix),
    ]
}

fn questions(contacts: &[Value]) -> impl Strategy<Value = Question> + use<> {
    let filters = prop::collection::vec(asked(contacts), 0..4).prop_map(|mut filters| {
        filters.sort_by_key(Asked::name);
        filters.dedup_by_key(|filter| filter.name());
        filters
    });
    let field = select(vec!["created_on", "alias", "msisdn"]);
    let page = (
        prop_oneof![0..3_usize, 0..70_usize],
        prop_oneof![1..4_usize, 1..70_usize],
    );
    (filters, field, any::<bool>(), page).prop_map(
        |(filters, field, descending, (offset, limit))| Question {
            filters,
            field,
            descending,
            offset,
            limit,
        },
    )
}

/// Walks a list by cursor; returns the ids that it met.
fn walk(book: &Book, question: &Question) -> Vec<String> {
    let mut page = book.list(&question.to_query(&[("cursor", "")]));
    let mut met = texts(&page, "id");
    while let Some(cursor) = page["next"].as_str().map(str::to_owned) {
        page = book.list(&question.to_query(&[("cursor", &cursor)]));
        assert_ne!(page["records"], json!([]), "an empty page was promised");
        met.extend(texts(&page, "id"));
    }
    met
}

#[test]
fn a_list_finds_exactly_what_a_model_in_memory_finds() {
    let book = Book::start();
    let config = Config {
        cases: 300,
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner =
        TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let mut contacts = contacts().new_tree(&mut runner).unwrap().current();
    assert!(contacts.len() > CONTACTS / 2, "{}", contacts.len());
    let records = book.fill(contacts.clone());
    for (contact, record) in contacts.iter_mut().zip(records) {
        contact["id"] = record["id"].clone();
        contact["created_on"] = record["created_on"].clone();
    }
    let (found_some, found_by_two) = (Cell::new(0), Cell::new(0));
    let outcome = runner.run(&questions(&contacts), |question| {
        let expected = question.answer(&contacts);
        if !expected.is_empty() && !question.filters.is_empty() {
            found_some.set(found_some.get() + 1);
            found_by_two.set(found_by_two.get() + usize::from(question.filters.len() > 1));
        }
        let offset = question.offset.to_string();
        let list = book.list(&question.to_query(&[("offset", &offset)]));
        prop_assert_eq!(&list["total"], expected.len());
        let page: Vec<String> = expected
            .iter()
            .skip(question.offset)
            .take(question.limit)
            .cloned()
            .collect();
        prop_assert_eq!(&list["offset"], question.offset);
        prop_assert_eq!(texts(&list, "id"), page);
        prop_assert_eq!(walk(&book, &question), expected);
        Ok(())
    });
    assert!(
        outcome.is_ok(),
        "{}\n{}",
        outcome.unwrap_err(),
        json!(contacts)
    );
    assert!(found_some.get() > 30, "most questions found nothing");
    assert!(found_by_two.get() > 5, "two filters never held together");
}
