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

/// Where something stands in a text, as an editor counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    line: usize,
    column: usize,
}

impl Place {
    /// The place of the byte at `offset`.
    pub fn of(text: &[u8], offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_begins = memchr::memrchr(b'\n', before).map_or(0, |end| end + 1);
        // Every byte of UTF-8 but the first of a character is 10xxxxxx.
        let begun = before[line_begins..]
            .iter()
            .filter(|&&byte| byte & 0xC0 != 0x80);
        Self {
            line: 1 + memchr::memchr_iter(b'\n', before).count(),
            column: 1 + begun.count(),
        }
    }

    /// The place at which `text` stops being JSON.
    pub fn of_error(text: &str, error: &serde_json::Error) -> Self {
        let mut ends = memchr::memchr_iter(b'\n', text.as_bytes());
        let line_begins = match error.line().checked_sub(2) {
            Some(earlier) => ends.nth(earlier).map_or(0, |end| end + 1),
            None => 0,
        };
        // At the end of the text, serde_json names its last character.
        let column = match error.is_eof() {
            true => error.column(),
            false => error.column().saturating_sub(1),
        };
        Self::of(text.as_bytes(), line_begins + column)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column } = self;
        write!(formatter, "line {line}, column {column}")
    }
}

/// A string escape such as `\ud800` without its other half: valid by the
/// grammar of RFC 8259, and no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoneSurrogate;
