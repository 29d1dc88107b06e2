//! Whatever meta is sent comes back as it was sent, without its white space.

use std::collections::HashSet;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::book::Book;

/// A JSON value whose numbers are texts.
#[derive(Clone, Debug)]
enum Json {
    /// A number, `true`, `false` or `null`, as it is written.
    Word(String),
    Text(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Without white space, escaped only where JSON needs it.
    fn compact(&self) -> String {
        self.written("", |text| serde_json::to_string(text).unwrap())
    }

    /// With white space everywhere, and each character of a text escaped.
    fn loose(&self) -> String {
        self.written(" \n\t", |text| {
            let units: String = text
                .encode_utf16()
                .map(|unit| format!("\\u{unit:04x}"))
                .collect();
            format!("\"{units}\"")
        })
    }

    fn written(&self, space: &str, quote: fn(&str) -> String) -> String {
        let comma = format!("{space},{space}");
        match self {
            Self::Word(word) => word.clone(),
            Self::Text(text) => quote(text),
            Self::Array(elements) => {
                let elements: Vec<String> = elements
                    .iter()
                    .map(|element| element.written(space, quote))
                    .collect();
                format!("[{space}{}{space}]", elements.join(&comma))
            }
            Self::Object(members) => {
                let members: Vec<String> = members
                    .iter()
                    .map(|(name, value)| {
                        let value = value.written(space, quote);
                        format!("{}{space}:{space}{value}", quote(name))
                    })
                    .collect();
                format!("{{{space}{}{space}}}", members.join(&comma))
            }
        }
    }
}

fn any_word() -> impl Strategy<Value = Json> {
    let known = [
        "1.0",
        "1e400",
        "-0",
        "0.10",
        "1E+2",
        "123456789012345678901234567890",
        "null",
        "true",
        "false",
    ];
    prop_oneof![
        prop::sample::select(known.to_vec()).prop_map(str::to_owned),
        "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?",
    ]
    .prop_map(Json::Word)
}

/// Texts with quotes, backslashes, controls, and characters of one to four bytes.
const TEXT: &str = "[a-c\"\\\\/\u{1}\n\u{7f}é\u{301}م\u{2028}\u{202e}\u{fffd}😀 ]{0,6}";
const NAME: &str = "[A-Ca-c\"\\\\/{}\u{1}\té\u{301}م\u{2028}\u{202e}😀 .]{1,6}";

fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![any_word(), TEXT.prop_map(Json::Text)];
    leaf.prop_recursive(6, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::Array),
            any_members(inner).prop_map(Json::Object),
        ]
    })
}

fn any_members(value: impl Strategy<Value = Json>) -> impl Strategy<Value = Vec<(String, Json)>> {
    prop::collection::vec((NAME, value), 0..4).prop_map(|mut members| {
        let mut names = HashSet::new();
        members.retain(|(name, _)| names.insert(name.clone()));
        members
    })
}

/// A meta; the member `state`, which no generated name can be, tells two apart,
/// so that a change is one even if all else came out equal.
fn any_meta(state: &'static str) -> impl Strategy<Value = Json> {
    any_members(any_json()).prop_map(move |mut members| {
        let value = Json::Text(state.to_owned());
        members.insert(members.len() / 2, ("state".to_owned(), value));
        Json::Object(members)
    })
}

/// Few cases, since each is several calls; all of them against one server.
fn runner() -> TestRunner {
    TestRunner::new(Config {
        cases: 64,
        failure_persistence: None,
        ..Config::default()
    })
}

#[test]
fn a_meta_comes_back_as_it_was_sent_through_create_and_change() {
    let book = Book::start();
    runner()
        .run(
            &(any_meta("before"), any_meta("after")),
            |(before, after)| {
                let id = book.contact(&format!(
                    r#"{{"alias":"john","msisdn":"4479000000001","meta":{}}}"#,
                    before.loose()
                ));
                let created = book.line(&id);
                let change = format!(r#"{{"meta":{}}}"#, after.loose());
                let changed = book.change("POST", &id, &change);
                let line = book.line(&id);
                // Before any assertion, so that the next case finds the alias free.
                let deleted = book.call("DELETE", &format!("/{id}")).send();
                let expected = |meta: &Json| format!("john 4479000000001 {}", meta.compact());
                prop_assert_eq!(created, expected(&before));
                prop_assert_eq!(changed.status, 200, "{}", changed.body);
                prop_assert_eq!(line, expected(&after));
                prop_assert_eq!(deleted.status, 200);
                Ok(())
            },
        )
        .unwrap();
}

#[test]
fn a_merge_keeps_the_texts_of_what_it_does_not_touch() {
    let book = Book::start();
    runner()
        .run(&any_meta("merged"), |meta| {
            let id = book.contact_of("john", "4479000000001");
            let change = format!(r#"{{"meta":{}}}"#, meta.loose());
            let replaced = book.change("POST", &id, &change);
            let nothing = book.change("PATCH", &id, r#"{"meta":{"absent":null}}"#);
            let one_more = book.change("PATCH", &id, r#"{"meta":{"one more":1.0}}"#);
            let line = book.line(&id);
            let deleted = book.call("DELETE", &format!("/{id}")).send();
            let compact = meta.compact();
            let members = compact.strip_suffix('}').unwrap();
            prop_assert_eq!(replaced.status, 200, "{}", replaced.body);
            prop_assert_eq!(&nothing.json()["outcome"], "unchanged");
            prop_assert_eq!(&one_more.json()["outcome"], "updated");
            prop_assert_eq!(
                line,
                format!(r#"john 4479000000001 {members},"one more":1.0}}"#)
            );
            prop_assert_eq!(deleted.status, 200);
            Ok(())
        })
        .unwrap();
}
