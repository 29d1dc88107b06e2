//! Texts with placeholders, `{{NAME}}`, filled from a contact in one pass:
//! what a value holds is never expanded again.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::HashMap;

use serde_json::value::RawValue;
use unicode_normalization::UnicodeNormalization;

use crate::contact::FullContact;
use crate::invalid::Invalid;
use crate::json::{Members, decode_string};

/// Characters of a text with placeholders.
pub(crate) const TEXT_CHARACTERS_MAX: usize = 4096;
const OPENING: &str = "{{";
const CLOSING: &str = "}}";

/// A text parsed once, for many contacts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
    /// The names of all placeholders, each once, in the order of the text.
    names: Vec<Name>,
    on_missing: OnMissing,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    /// Its place among the names.
    Placeholder(usize),
}

/// What stands between the braces.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Name {
    exact: String,
    folded: String,
    /// What is in front of its last `|`, and what stands in where that has no value.
    or_else: Option<(Box<Name>, String)>,
}

impl Name {
    fn of(exact: &str) -> Self {
        Self {
            exact: exact.to_owned(),
            folded: folded(exact),
            or_else: None,
        }
    }

    fn with_default(exact: &str) -> Self {
        Self {
            or_else: exact
                .rsplit_once('|')
                .map(|(name, default)| (Box::new(Self::of(name)), default.to_owned())),
            ..Self::of(exact)
        }
    }
}

/// A name without blanks around it, without regard to Unicode form and case.
fn folded(name: &str) -> String {
    let lower: String = name.trim().nfc().flat_map(char::to_lowercase).collect();
    lower.nfc().collect()
}

/// What becomes of a placeholder without a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnMissing {
    /// It is left standing.
    #[default]
    Keep,
    /// Nothing stands in its place.
    Empty,
    /// The contact is not sent to.
    Skip,
}

impl OnMissing {
    /// Reads its word.
    ///
    /// # Errors
    /// `OnMissing`.
    pub fn parse(word: &str) -> Result<Self, Invalid> {
        match word {
            "keep" => Ok(Self::Keep),
            "empty" => Ok(Self::Empty),
            "skip" => Ok(Self::Skip),
            _ => Err(Invalid::OnMissing),
        }
    }
}

/// A text for one contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// The text; placeholders without a value as [`OnMissing`] says.
    pub text: String,
    /// Their places among the names of the template, each once, in the order of the
    /// text: a name for each recipient would take more than the answer.
    missing: Vec<u16>,
    /// Bytes of their names, with what JSON puts around each.
    missing_bytes: usize,
}

/// What JSON puts around a name in a list: two quotes and a comma.
const AROUND_NAME_BYTES: usize = 3;

impl Rendered {
    /// What an answer needs for it at the least: all of it stands in it twice.
    fn answer_bytes_min(&self) -> usize {
        2 * (self.text.len() + self.missing_bytes)
    }

    /// Whether every placeholder has a value.
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty()
    }
}

impl Template {
    /// Parses a text of 1 to 4,096 characters. A placeholder is what stands
    /// between `}}` and the last `{{` before it.
    ///
    /// # Errors
    /// `Text`.
    pub fn parse(text: &str, on_missing: OnMissing) -> Result<Self, Invalid> {
        if !(1..=TEXT_CHARACTERS_MAX).contains(&text.chars().count()) {
            return Err(Invalid::Text);
        }
        let mut template = Self {
            parts: Vec::new(),
            names: Vec::new(),
            on_missing,
        };
        let mut rest = text;
        while let Some(start) = rest.find(OPENING) {
            let Some(length) = rest[start..].find(CLOSING) else {
                break;
            };
            let end = start + length;
            let opening = rest[..end].rfind(OPENING).unwrap_or(start);
            let literal = rest[..opening].to_owned();
            template.parts.push(Part::Literal(literal));
            template.push_placeholder(&rest[opening + OPENING.len()..end]);
            rest = &rest[end + CLOSING.len()..];
        }
        template.parts.push(Part::Literal(rest.to_owned()));
        Ok(template)
    }

    fn push_placeholder(&mut self, name: &str) {
        let known = self.names.iter().position(|known| known.exact == name);
        let at = known.unwrap_or(self.names.len());
        if known.is_none() {
            self.names.push(Name::with_default(name));
        }
        self.parts.push(Part::Placeholder(at));
    }

    /// Whether a text with placeholders that have no value is not to be sent.
    pub fn skips(&self, rendered: &Rendered) -> bool {
        self.on_missing == OnMissing::Skip && !rendered.is_complete()
    }

    /// The names that have no value in `rendered`, a text of this template.
    pub fn missing<'t>(&'t self, rendered: &'t Rendered) -> impl Iterator<Item = &'t str> {
        let names = rendered.missing.iter();
        names.filter_map(|at| Some(self.names.get(usize::from(*at))?.exact.as_str()))
    }

    /// Fills the placeholders from a contact; nothing where an answer would need
    /// more than `bytes_max` for it, which is found out while it is written.
    pub fn render(&self, full: &FullContact, bytes_max: usize) -> Option<Rendered> {
        let members = serde_json::from_str(full.meta.as_json());
        let members = members.map_or_else(|_| Vec::new(), |Members(members)| members);
        let values = Values::of(full, &members);
        // Each name once, however often it stands in the text.
        let filled: Vec<Option<Cow<'_, str>>> =
            self.names.iter().map(|name| values.find(name)).collect();
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Placeholder(at) => match &filled[*at] {
                    Some(value) => text.push_str(value),
                    None if self.on_missing == OnMissing::Empty => {}
                    None => {
                        text.push_str(OPENING);
                        text.push_str(&self.names[*at].exact);
                        text.push_str(CLOSING);
                    }
                },
            }
            if 2 * text.len() > bytes_max {
                return None;
            }
        }
        let mut rendered = Rendered {
            text,
            missing: Vec::new(),
            missing_bytes: 0,
        };
        for (at, name) in (0..).zip(&self.names) {
            if filled[usize::from(at)].is_none() {
                rendered.missing.push(at);
                rendered.missing_bytes += name.exact.len() + AROUND_NAME_BYTES;
            }
        }
        (rendered.answer_bytes_min() <= bytes_max).then_some(rendered)
    }
}

/// What a contact has to fill in.
struct Values<'a> {
    full: &'a FullContact,
    exact: HashMap<&'a str, &'a RawValue>,
    members: &'a [(Cow<'a, str>, &'a RawValue)],
    /// By folded names, where one is asked for; nothing for two that are folded to one.
    folded: OnceCell<HashMap<String, Option<&'a RawValue>>>,
}

impl<'a> Values<'a> {
    fn of(full: &'a FullContact, members: &'a [(Cow<'a, str>, &'a RawValue)]) -> Self {
        Self {
            full,
            exact: members
                .iter()
                .map(|(name, value)| (name.as_ref(), *value))
                .collect(),
            members,
            folded: OnceCell::new(),
        }
    }

    fn folded(&self) -> &HashMap<String, Option<&'a RawValue>> {
        self.folded.get_or_init(|| {
            let mut by_folded = HashMap::with_capacity(self.members.len());
            for (name, value) in self.members {
                by_folded
                    .entry(folded(name))
                    .and_modify(|ambiguous| *ambiguous = None)
                    .or_insert(Some(*value));
            }
            by_folded
        })
    }

    /// What stands in the place of a name: its value, else its default.
    fn find<'n: 'a>(&self, name: &'n Name) -> Option<Cow<'a, str>> {
        self.value(name).or_else(|| {
            let (name, default) = name.or_else.as_ref()?;
            Some(self.value(name).unwrap_or(default.as_str().into()))
        })
    }

    /// A member of `meta` by its exact name, else without blanks around it, else by its
    /// folded one; where there is none, the alias or the number.
    fn value(&self, name: &Name) -> Option<Cow<'a, str>> {
        let exact = |name: &str| self.exact.get(name).copied();
        if let Some(value) = exact(&name.exact).or_else(|| exact(name.exact.trim())) {
            return written(value);
        }
        // Of two that are folded to one, neither is meant for sure.
        if let Some(Some(value)) = self.folded().get(&name.folded) {
            return written(value);
        }
        match name.folded.as_str() {
            "alias" => Some(self.full.contact.alias.as_str().into()),
            "msisdn" => Some(self.full.contact.msisdn.as_str().into()),
            _ => None,
        }
    }
}

/// A string's characters, a number's digits, a boolean's word; null, objects
/// and arrays are no text.
fn written(value: &RawValue) -> Option<Cow<'_, str>> {
    if let Some(text) = decode_string(value) {
        return text.ok();
    }
    let text = value.get();
    (text != "null" && !text.starts_with(['{', '['])).then_some(text.into())
}

#[cfg(test)]
mod tests;
