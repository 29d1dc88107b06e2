//! Two metas held against each other: whether they hold the same values, and
//! what becomes of one under a merge.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use serde_json::value::RawValue;

use super::Meta;
use crate::invalid::Invalid;
use crate::json::Members;

impl Meta {
    /// Whether both hold the same values, whatever the order of their members.
    /// Numbers are the same only to the digit, since they are kept to the digit.
    pub fn holds_the_same_as(&self, other: &Self) -> bool {
        self.0 == other.0 || ordered(&self.0) == ordered(&other.0)
    }

    /// How many members at the top stand here and not in `new`.
    pub fn lost_in(&self, new: &Self) -> u64 {
        let kept = members_of(&new.0);
        let names: HashSet<&str> = kept.iter().map(|(name, _)| name.as_ref()).collect();
        let old = members_of(&self.0);
        let lost = old
            .iter()
            .filter(|(name, _)| !names.contains(name.as_ref()));
        lost.count() as u64
    }

    /// This meta after a JSON merge patch (RFC 7396): members of the patch
    /// replace or join ours, objects are merged, null removes.
    ///
    /// # Errors
    /// The limits of a meta, where the result is beyond them.
    pub fn merged(&self, patch: &Self) -> Result<Self, Invalid> {
        let merged = merge(Some(&self.0), &patch.0);
        let raw = RawValue::from_string(merged).map_err(|_| Invalid::MetaNotObject)?;
        Self::parse(&raw)
    }
}

/// The members of a stored object.
fn members_of(object: &str) -> Vec<(Cow<'_, str>, &RawValue)> {
    serde_json::from_str::<Members>(object)
        .map(|members| members.0)
        .unwrap_or_default()
}

/// The same JSON with the members of every object in the order of their names.
fn ordered(text: &str) -> String {
    match text.as_bytes().first() {
        Some(b'{') => {
            let mut members = members_of(text);
            members.sort_by(|(one, _), (other, _)| one.cmp(other));
            write_object(
                members
                    .iter()
                    .map(|(name, value)| (name.as_ref(), ordered(value.get()))),
            )
        }
        Some(b'[') => {
            let elements: Vec<&RawValue> = serde_json::from_str(text).unwrap_or_default();
            let elements: Vec<String> = elements.iter().map(|one| ordered(one.get())).collect();
            format!("[{}]", elements.join(","))
        }
        _ => text.to_owned(),
    }
}

/// `MergePatch(target, patch)` of RFC 7396, section 2.
fn merge(target: Option<&str>, patch: &str) -> String {
    if !patch.starts_with('{') {
        return patch.to_owned();
    }
    let kept = target.filter(|target| target.starts_with('{'));
    let old = members_of(kept.unwrap_or("{}"));
    let places: HashMap<&str, usize> = old.iter().map(|(name, _)| name.as_ref()).zip(0..).collect();
    // What is removed leaves its place empty: thousands may go at once.
    let owned = |(name, value): &(Cow<'_, str>, &RawValue)| {
        Some((name.to_string(), value.get().to_owned()))
    };
    let mut merged: Vec<Option<(String, String)>> = old.iter().map(owned).collect();
    for (name, value) in members_of(patch) {
        match (places.get(name.as_ref()), value.get()) {
            (Some(at), "null") => merged[*at] = None,
            (None, "null") => {}
            (Some(at), value) => {
                let value = merge(Some(old[*at].1.get()), value);
                merged[*at] = Some((name.into_owned(), value));
            }
            (None, value) => merged.push(Some((name.into_owned(), merge(None, value)))),
        }
    }
    let kept = merged.iter().flatten();
    write_object(kept.map(|(name, value)| (name.as_str(), value.clone())))
}

fn write_object<'a>(members: impl Iterator<Item = (&'a str, String)>) -> String {
    let members: Vec<String> = members
        .map(|(name, value)| {
            let name = serde_json::to_string(name).expect("a string is always JSON");
            format!("{name}:{value}")
        })
        .collect();
    format!("{{{}}}", members.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn meta(text: &str) -> Meta {
        Meta::parse(serde_json::from_str(text).expect("valid JSON")).expect("valid meta")
    }

    #[test]
    fn the_order_of_members_does_not_matter_and_every_digit_does() {
        let one = meta(r#"{"a":1,"b":{"c":[1,{"x":1,"y":2}],"d":"e"}}"#);
        assert!(one.holds_the_same_as(&meta(r#"{"b":{"d":"e","c":[1,{"y":2,"x":1}]},"a":1}"#)));
        assert!(!one.holds_the_same_as(&meta(r#"{"b":{"d":"e","c":[{"y":2,"x":1},1]},"a":1}"#)));
        assert!(!one.holds_the_same_as(&meta(r#"{"a":1.0,"b":{"c":[1,{"x":1,"y":2}],"d":"e"}}"#)));
        assert!(!meta("{}").holds_the_same_as(&meta(r#"{"a":null}"#)));
    }

    /// The example of RFC 7396, section 3, and its test cases, appendix A, as
    /// far as both sides are objects.
    #[test]
    fn merging_follows_the_cases_of_the_rfc() {
        for (target, patch, result) in [
            (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"a":null}"#, "{}"),
            (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
            (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"c"}"#, r#"{"a":["b"]}"#, r#"{"a":["b"]}"#),
            (
                r#"{"a":{"b":"c"}}"#,
                r#"{"a":{"b":"d","c":null}}"#,
                r#"{"a":{"b":"d"}}"#,
            ),
            (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
            (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"e":null,"a":1}"#),
            ("{}", r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
        ] {
            let merged = meta(target)
                .merged(&meta(patch))
                .expect("within the limits");
            assert_eq!(merged.as_json(), result, "{target} + {patch}");
        }
    }

    #[test]
    fn a_merge_keeps_digits_and_order_and_minds_the_limits() {
        let merged = meta(r#"{"z":1.0,"a":1e400}"#).merged(&meta(r#"{"m":-0,"z":2.50}"#));
        assert_eq!(
            merged.expect("small").as_json(),
            r#"{"z":2.50,"a":1e400,"m":-0}"#
        );
        let full: Vec<String> = (0..64).map(|n| format!("\"k{n}\":1")).collect();
        let full = meta(&format!("{{{}}}", full.join(",")));
        assert_eq!(
            full.merged(&meta(r#"{"one":1}"#)),
            Err(Invalid::MetaTooManyMembers)
        );
        assert!(full.merged(&meta(r#"{"one":1,"k0":null}"#)).is_ok());
    }

    fn reference(target: Value, patch: &Value) -> Value {
        let Value::Object(patch) = patch else {
            return patch.clone();
        };
        let mut result = match target {
            Value::Object(members) => members,
            _ => serde_json::Map::new(),
        };
        for (name, value) in patch {
            if value.is_null() {
                result.remove(name);
            } else {
                let old = result.remove(name).unwrap_or(Value::Null);
                result.insert(name.clone(), reference(old, value));
            }
        }
        Value::Object(result)
    }

    fn any_object() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i32>().prop_map(Value::from),
            "[a-c\"]{0,2}".prop_map(Value::from)
        ];
        let value = leaf.prop_recursive(3, 20, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[ab\"\\\\]{1,2}", inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        });
        prop::collection::btree_map("[ab\"\\\\]{1,2}", value, 0..5)
            .prop_map(|members| Value::Object(members.into_iter().collect()))
    }

    proptest! {
        #[test]
        fn merging_agrees_with_the_algorithm_of_the_rfc(target in any_object(), patch in any_object()) {
            let merged = meta(&target.to_string()).merged(&meta(&patch.to_string())).expect("small");
            let merged: Value = serde_json::from_str(merged.as_json()).expect("JSON");
            prop_assert_eq!(merged, reference(target, &patch));
        }

        #[test]
        fn a_meta_holds_the_same_as_another_exactly_where_their_values_are_equal(one in any_object(), other in any_object()) {
            let same = meta(&one.to_string()).holds_the_same_as(&meta(&other.to_string()));
            prop_assert_eq!(same, one == other);
            prop_assert!(meta(&one.to_string()).holds_the_same_as(&meta(&one.to_string())));
        }
    }
}
