//! A contact and its parts, parsed once at the edge and never half-valid. Knows
//! no HTTP, no SQL and no clock.

use std::fmt;

use uuid::Uuid;

use crate::group::Membership;
use crate::id;
use crate::invalid::Invalid;
use crate::meta::Meta;
use crate::moment::Moment;
pub use crate::msisdn::Msisdn;
use crate::text::{NameFault, has_visible_edges, normalise_path_name};

/// The name by which senders call a contact; unique in an address book,
/// compared exactly.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Alias(String);

impl Alias {
    /// Trims, brings to NFC and checks: 1 to 128 characters, none of them a
    /// control or a bidirectional control, and not `.` or `..`, which no URL
    /// can name.
    ///
    /// # Errors
    /// `AliasMissing`, `AliasTooLong` or `AliasCharacters`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let name = normalise_path_name(text).map_err(|fault| match fault {
            NameFault::Blank => Invalid::AliasMissing,
            NameFault::TooLong => Invalid::AliasTooLong,
            NameFault::Characters => Invalid::AliasCharacters,
        })?;
        Ok(Self(name))
    }

    /// Whether it may be stored where it is not yet: the rules have become stricter, and
    /// what is stored stays as it is.
    ///
    /// # Errors
    /// `AliasCharacters`.
    pub fn check_new(&self) -> Result<(), Invalid> {
        match has_visible_edges(&self.0) {
            true => Ok(()),
            false => Err(Invalid::AliasCharacters),
        }
    }

    /// Takes an alias from the store, where only parsed ones are.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The stored form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A contact's identity: a UUID of version 7 (RFC 9562), whose first 48 bits
/// are the millisecond of its creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContactId(Uuid);

impl ContactId {
    /// Takes a UUID of version 7 as an id.
    pub fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// Reads the written form, 36 characters with hyphens, in any case.
    pub fn parse(text: &str) -> Option<Self> {
        id::parse(text).map(Self)
    }

    /// Writes it, in lower case.
    pub fn to_text(&self) -> ContactIdText {
        let mut text = [0; 36];
        self.0.hyphenated().encode_lower(&mut text);
        ContactIdText(text)
    }

    /// The 16 bytes that the store keeps.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// The millisecond inside the id.
    pub fn created_on(&self) -> Moment {
        id::created_on(self.0)
    }
}

/// An id as it is written: 36 characters with hyphens.
pub struct ContactIdText([u8; 36]);

impl ContactIdText {
    /// The 36 characters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("hexadecimal digits and hyphens are ASCII")
    }

    /// The same as bytes.
    pub fn as_bytes(&self) -> &[u8; 36] {
        &self.0
    }
}

impl fmt::Display for ContactId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.to_text().as_str())
    }
}

impl serde::Serialize for ContactId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.to_text().as_str())
    }
}

/// A contact before it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewContact {
    /// Unique in the address book.
    pub alias: Alias,
    /// Not unique: two contacts may share a number.
    pub msisdn: Msisdn,
    /// Free data for personalised texts.
    pub meta: Meta,
}

impl NewContact {
    /// Whether it may be stored where it is not yet.
    ///
    /// # Errors
    /// `AliasCharacters`, `MsisdnTrunkZero`.
    pub fn check_new(&self) -> Result<(), Invalid> {
        self.alias.check_new()?;
        self.msisdn.check_new()
    }
}

/// A stored contact, as lists and changes show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// Made by the server.
    pub id: ContactId,
    /// Unique in the address book.
    pub alias: Alias,
    /// Not unique.
    pub msisdn: Msisdn,
}

/// A stored contact with everything that is kept of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FullContact {
    /// What lists show.
    pub contact: Contact,
    /// Free data.
    pub meta: Meta,
    /// When anything of it last changed; at first, when it was created.
    pub updated_on: Moment,
    /// The groups that it is in, by name. They are no field of its own: their
    /// changes leave `updated_on` as it is.
    pub groups: Vec<Membership>,
}

/// What names one contact.
#[derive(Clone, Debug)]
pub enum ContactKey {
    /// Its id.
    Id(ContactId),
    /// Its alias.
    Alias(Alias),
    /// Its number, as long as no other contact has it.
    Msisdn(Msisdn),
}

impl ContactKey {
    /// Whether a contact of this name may be stored where there is none yet.
    ///
    /// # Errors
    /// `AliasCharacters`, `MsisdnTrunkZero`.
    pub fn check_new(&self) -> Result<(), Invalid> {
        match self {
            Self::Id(_) => Ok(()),
            Self::Alias(alias) => alias.check_new(),
            Self::Msisdn(msisdn) => msisdn.check_new(),
        }
    }
}

/// A stored contact where it lies: what lists read row by row, and what answers
/// show of any.
#[derive(Clone, Copy, Debug)]
pub struct ContactView<'a> {
    /// Made by the server.
    pub id: ContactId,
    /// The stored alias.
    pub alias: &'a str,
    /// The stored number.
    pub msisdn: &'a str,
    /// The stored meta, where it is wanted.
    pub meta: Option<&'a str>,
}

impl Contact {
    /// The contact without its meta.
    pub fn view(&self) -> ContactView<'_> {
        ContactView {
            id: self.id,
            alias: self.alias.as_str(),
            msisdn: self.msisdn.as_str(),
            meta: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_alias_is_trimmed_and_composed() {
        let alias = Alias::parse(" \u{00A0}Zoe\u{0308}\t").expect("valid");
        assert_eq!(alias.as_str(), "Zo\u{00EB}");
        assert_eq!(
            Alias::parse("👩\u{200D}🚀").expect("valid").as_str(),
            "👩\u{200D}🚀"
        );
    }

    #[test]
    fn an_alias_has_1_to_128_characters_none_of_them_a_control() {
        assert_eq!(Alias::parse(" \n "), Err(Invalid::AliasMissing));
        assert!(Alias::parse(&"é".repeat(128)).is_ok());
        assert!(Alias::parse(&"e\u{0301}".repeat(128)).is_ok());
        assert_eq!(Alias::parse(&"é".repeat(129)), Err(Invalid::AliasTooLong));
        for refused in [
            "a\0b",
            "a\nb",
            "a\u{7F}",
            "a\u{85}b",
            "a\u{202E}b",
            "\u{061C}a",
            "a\u{2069}",
            ".",
            " .. ",
        ] {
            assert_eq!(
                Alias::parse(refused),
                Err(Invalid::AliasCharacters),
                "{refused:?}"
            );
        }
        assert!(Alias::parse("...").is_ok());
    }

    #[test]
    fn an_alias_has_edges_that_can_be_seen_unless_it_is_stored_already() {
        let check = |text: &str| Alias::parse(text).expect("readable").check_new();
        for refused in [
            "Zoë\u{200B}",
            "Zoë\u{FEFF}",
            "\u{FEFF}Zoë",
            "Zoë\u{2060}",
            "Zoë\u{AD}",
            "\u{3164}",
            "\u{200D}Zoë",
            "Zoë\u{200D}",
            "\u{FE0F}",
            "a\u{E0067}\u{E007F}",
            "\u{115F}a",
            "a\u{200B} ",
            "Zoë\u{200B}\u{FE0F}",
            "🏴\u{E007F}",
        ] {
            assert_eq!(check(refused), Err(Invalid::AliasCharacters), "{refused:?}");
        }
        for taken in [
            "Zo\u{200B}ë",
            "❤\u{FE0F}",
            "👩\u{200D}🚀",
            "🏴\u{E0067}\u{E0062}\u{E0065}\u{E006E}\u{E0067}\u{E007F}",
            "\u{0915}\u{094D}\u{200D}",
            "葛\u{E0100}",
            "a\u{34F}b",
        ] {
            assert_eq!(check(taken), Ok(()), "{taken:?}");
        }
    }

    proptest! {
        #[test]
        fn a_parsed_alias_keeps_its_rules_and_parses_to_itself(text in "\\PC{0,140}|[ a-e\u{0300}-\u{0310}\u{1100}-\u{1112}\u{1161}-\u{1175}]{0,20}|.{0,30}") {
            if let Ok(alias) = Alias::parse(&text) {
                let stored = alias.as_str();
                prop_assert!((1..=128).contains(&stored.chars().count()));
                prop_assert!(unicode_normalization::is_nfc(stored));
                prop_assert_eq!(stored.trim(), stored);
                prop_assert!(!stored.chars().any(char::is_control));
                prop_assert_eq!(Alias::parse(stored), Ok(alias.clone()));
            }
        }
    }
}
