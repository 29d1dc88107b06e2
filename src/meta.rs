//! A contact's free data: one JSON object, kept as it came. Names in their
//! order, numbers to the digit. Knows no HTTP and no SQL.

mod change;
mod members;
mod query;

pub use members::Member;
pub use query::has_member;

use std::collections::HashSet;

use serde_json::value::RawValue;

use crate::invalid::Invalid;
use crate::json::{Members, decode_string};

/// Members of `meta` itself; objects inside it are bounded by the bytes.
pub(crate) const MEMBERS_MAX: usize = 64;
/// Members of a merge patch: enough to remove every old one and set every new.
pub(crate) const PATCH_MEMBERS_MAX: usize = 2 * MEMBERS_MAX;
/// Characters of a name, at every level.
pub(crate) const NAME_CHARACTERS_MAX: usize = 64;
/// Bytes of compact JSON, as stored.
pub(crate) const COMPACT_BYTES_MAX: usize = 16 * 1024;
/// Levels of objects and arrays; `meta` itself is the first.
pub(crate) const LEVELS_MAX: usize = 8;
/// Characters of a repeated name that the message shows.
const NAME_SHOWN_CHARACTERS_MAX: usize = NAME_CHARACTERS_MAX;

/// A contact's free data as compact JSON text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta(String);

impl Meta {
    /// The meta of a contact that was sent without one: `{}`.
    pub fn empty() -> Self {
        Self("{}".to_owned())
    }

    /// Checks a JSON object against every limit and makes it compact.
    ///
    /// # Errors
    /// The first of the `Meta…` variants of [`Invalid`] in the order of the text.
    pub fn parse(value: &RawValue) -> Result<Self, Invalid> {
        Self::parse_with(value, MEMBERS_MAX)
    }

    /// Checks a merge patch (RFC 7396), whose result is checked once more.
    ///
    /// # Errors
    /// As [`Meta::parse`], but for twice as many members.
    pub fn parse_patch(value: &RawValue) -> Result<Self, Invalid> {
        Self::parse_with(value, PATCH_MEMBERS_MAX)
    }

    fn parse_with(value: &RawValue, members_max: usize) -> Result<Self, Invalid> {
        let text = value.get();
        if !text.starts_with('{') {
            return Err(Invalid::MetaNotObject);
        }
        let mut compaction = Compaction {
            compact: String::with_capacity(text.len().min(COMPACT_BYTES_MAX)),
            members_max,
        };
        compaction.object(text, 1)?;
        Ok(Self(compaction.compact))
    }

    /// Takes compact JSON from the store, where only parsed metas are.
    pub fn from_stored(compact: String) -> Self {
        Self(compact)
    }

    /// Compact JSON: no white space between tokens, escapes only where JSON
    /// needs them.
    pub fn as_json(&self) -> &str {
        &self.0
    }
}

/// The walk through a syntactically valid object, writing it out compact.
struct Compaction {
    compact: String,
    members_max: usize,
}

impl Compaction {
    fn value(&mut self, value: &RawValue, level: usize) -> Result<(), Invalid> {
        let text = value.get();
        if let Some(decoded) = decode_string(value) {
            return self.string(&decoded.map_err(|_| Invalid::MetaLoneSurrogate)?);
        }
        match text.as_bytes().first() {
            Some(b'{') => self.object(text, level + 1),
            Some(b'[') => self.array(text, level + 1),
            // Numbers, `true`, `false` and `null` stay as they are, to the digit.
            _ => self.push(text),
        }
    }

    fn object(&mut self, text: &str, level: usize) -> Result<(), Invalid> {
        check_level(level)?;
        // The text is valid JSON, so only a name that is no text can fail.
        let Members(members) =
            serde_json::from_str(text).map_err(|_| Invalid::MetaLoneSurrogate)?;
        if level == 1 && members.len() > self.members_max {
            return Err(Invalid::MetaTooManyMembers);
        }
        let mut names = HashSet::with_capacity(members.len());
        self.push("{")?;
        for (position, (name, value)) in members.iter().enumerate() {
            check_name(name)?;
            if !names.insert(name.as_ref()) {
                let shown = name.chars().take(NAME_SHOWN_CHARACTERS_MAX).collect();
                return Err(Invalid::MetaNameTwice(shown));
            }
            if position > 0 {
                self.push(",")?;
            }
            self.string(name)?;
            self.push(":")?;
            self.value(value, level)?;
        }
        self.push("}")
    }

    fn array(&mut self, text: &str, level: usize) -> Result<(), Invalid> {
        check_level(level)?;
        let elements: Vec<&RawValue> =
            serde_json::from_str(text).map_err(|_| Invalid::MetaLoneSurrogate)?;
        self.push("[")?;
        for (position, element) in elements.iter().enumerate() {
            if position > 0 {
                self.push(",")?;
            }
            self.value(element, level)?;
        }
        self.push("]")
    }

    fn string(&mut self, text: &str) -> Result<(), Invalid> {
        if text.contains('\0') {
            return Err(Invalid::MetaNul);
        }
        let quoted = serde_json::to_string(text).expect("a string is always JSON");
        self.push(&quoted)
    }

    fn push(&mut self, token: &str) -> Result<(), Invalid> {
        if self.compact.len() + token.len() > COMPACT_BYTES_MAX {
            return Err(Invalid::MetaTooLarge);
        }
        self.compact.push_str(token);
        Ok(())
    }
}

fn check_level(level: usize) -> Result<(), Invalid> {
    if level > LEVELS_MAX {
        return Err(Invalid::MetaTooDeep);
    }
    Ok(())
}

fn check_name(name: &str) -> Result<(), Invalid> {
    if name.is_empty() {
        return Err(Invalid::MetaNameEmpty);
    }
    if name.chars().count() > NAME_CHARACTERS_MAX {
        return Err(Invalid::MetaNameTooLong);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<Meta, Invalid> {
        Meta::parse(serde_json::from_str(text).expect("valid JSON"))
    }

    fn compact(text: &str) -> String {
        parse(text).expect("valid meta").as_json().to_owned()
    }

    #[test]
    fn order_and_digits_survive_and_white_space_does_not() {
        let sent = "{ \"z\" : 1.0 , \"a\" : [ 1e400 , -0 , 123456789012345678901234567890 ] , \"s\" : \"\\u0041\\n/\\ud83d\\ude00\" }";
        assert_eq!(
            compact(sent),
            "{\"z\":1.0,\"a\":[1e400,-0,123456789012345678901234567890],\"s\":\"A\\n/😀\"}"
        );
    }

    #[test]
    fn only_an_object_is_meta() {
        for text in ["[]", "\"x\"", "1", "true", "false", "null", "-1"] {
            assert_eq!(parse(text), Err(Invalid::MetaNotObject), "{text}");
        }
    }

    #[test]
    fn members_are_at_most_64_at_the_top() {
        let object = |count: usize| {
            let members: Vec<String> = (0..count).map(|n| format!("\"k{n}\":0")).collect();
            format!("{{{}}}", members.join(","))
        };
        assert!(parse(&object(64)).is_ok());
        assert_eq!(parse(&object(65)), Err(Invalid::MetaTooManyMembers));
        assert!(parse(&format!("{{\"inner\":{}}}", object(65))).is_ok());
    }

    #[test]
    fn names_have_1_to_64_characters_at_every_level() {
        let (longest, longer) = ("é".repeat(64), "é".repeat(65));
        assert!(parse(&format!("{{\"{longest}\":[{{\"{longest}\":1}}]}}")).is_ok());
        assert_eq!(
            parse(&format!("{{\"{longer}\":1}}")),
            Err(Invalid::MetaNameTooLong)
        );
        assert_eq!(
            parse(&format!("{{\"a\":[{{\"{longer}\":1}}]}}")),
            Err(Invalid::MetaNameTooLong)
        );
        assert_eq!(parse("{\"\":1}"), Err(Invalid::MetaNameEmpty));
        assert_eq!(parse("{\"a\":{\"\":1}}"), Err(Invalid::MetaNameEmpty));
    }

    #[test]
    fn names_are_not_repeated_however_they_are_spelled() {
        let twice = Err(Invalid::MetaNameTwice("A".to_owned()));
        assert_eq!(parse("{\"A\":1,\"A\":1}"), twice);
        assert_eq!(parse("{\"A\":1,\"\\u0041\":2}"), twice);
        assert_eq!(parse("{\"x\":[[{\"A\":1,\"b\":2,\"A\":3}]]}"), twice);
        assert!(parse("{\"A\":1,\"a\":{\"A\":1}}").is_ok());
    }

    #[test]
    fn levels_are_at_most_8() {
        let nested = |levels: usize| {
            format!(
                "{{\"a\":{}{}}}",
                "[".repeat(levels - 1),
                "]".repeat(levels - 1)
            )
        };
        assert!(parse(&nested(8)).is_ok());
        assert_eq!(parse(&nested(9)), Err(Invalid::MetaTooDeep));
        assert_eq!(parse(&nested(10_000)), Err(Invalid::MetaTooDeep));
    }

    #[test]
    fn compact_json_is_at_most_16_kib() {
        let sized = |bytes: usize| format!("{{ \"a\" : \"{}\" }}", "x".repeat(bytes - 8));
        assert_eq!(compact(&sized(16_384)).len(), 16_384);
        assert_eq!(parse(&sized(16_385)), Err(Invalid::MetaTooLarge));
    }

    #[test]
    fn no_nul_and_no_lone_surrogate_gets_in() {
        assert_eq!(parse("{\"a\":\"x\\u0000\"}"), Err(Invalid::MetaNul));
        assert_eq!(parse("{\"\\u0000\":1}"), Err(Invalid::MetaNul));
        for text in [
            "{\"a\":\"\\ud800\"}",
            "{\"a\":[\"\\udc00x\"]}",
            "{\"\\ud800\":1}",
            "{\"a\":{\"\\udfff\":1}}",
        ] {
            assert_eq!(parse(text), Err(Invalid::MetaLoneSurrogate), "{text}");
        }
    }

    /// JSON texts of every shape, with the odd spellings that JSON allows.
    fn any_json() -> impl Strategy<Value = String> {
        let string = "\"([a-cé😀 ]|\\\\n|\\\\u0041|\\\\\\\\|\\\\ud800|\\\\u0000){0,6}\"";
        let leaf = prop_oneof![
            Just("null".to_owned()),
            Just("true".to_owned()),
            "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,5})?([eE][+-]?[0-9]{1,3})?",
            string,
        ];
        leaf.prop_recursive(10, 40, 5, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4)
                    .prop_map(|items| format!("[ {} ]", items.join(" , "))),
                prop::collection::vec((string, inner), 0..4).prop_map(|members| {
                    let members: Vec<String> = members
                        .iter()
                        .map(|(name, value)| format!("{name} :\n{value}"))
                        .collect();
                    format!("{{{}}}", members.join(","))
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_parsed_meta_is_a_fixed_point_with_the_same_values(member in any_json(), other in any_json()) {
            let text = format!("{{\"first\":{member},\"other\":{other}}}");
            if let Ok(meta) = parse(&text) {
                let stored = meta.as_json();
                prop_assert_eq!(compact(stored), stored);
                prop_assert!(!stored.contains('\n') && !stored.contains("\\u0000"));
                if let Ok(sent) = serde_json::from_str::<serde_json::Value>(&text) {
                    let kept: serde_json::Value = serde_json::from_str(stored).expect("stored JSON");
                    prop_assert_eq!(kept, sent);
                }
            }
        }
    }
}
