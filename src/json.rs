//! JSON taken apart without losing anything: members in their order, each value
//! as the text that came. `serde_json::Value` would round numbers and keep only
//! the last of two equal names.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The members of one JSON object, duplicates included.
pub struct Members<'a>(pub Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::with_capacity(4);
        while let Some((Name(name), value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
            members.push((name, value));
        }
        Ok(Members(members))
    }
}

/// A member's name, borrowed where it holds no escape.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// Decodes a JSON string, or `None` where the value is of another type.
///
/// # Errors
/// The string holds a lone surrogate, which no Unicode text can.
pub fn decode_string(value: &RawValue) -> Option<Result<Cow<'_, str>, LoneSurrogate>> {
    let text = value.get();
    text.starts_with('"').then(|| {
        serde_json::from_str::<Name>(text)
            .map(|name| name.0)
            .map_err(|_| LoneSurrogate)
    })
}

/// A string escape such as `\ud800` without its other half: valid by the
/// grammar of RFC 8259, and no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoneSurrogate;
