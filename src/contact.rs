//! A contact and its parts, parsed once at the edge and never half-valid. Knows
//! no HTTP, no SQL and no clock.

use std::fmt;

use uuid::Uuid;

use crate::group::Membership;
use crate::id;
use crate::invalid::Invalid;
use crate::meta::Meta;
use crate::moment::Moment;
use crate::text::{NameFault, normalise_path_name};

/// Digits of the shortest and the longest number: E.164 allows at most 15, and
/// seven keep short codes and fragments out.
const MSISDN_DIGITS_MIN: usize = 7;
const MSISDN_DIGITS_MAX: usize = 15;

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

    /// Takes an alias from the store, where only parsed ones are.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The stored form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A phone number in international format: 7 to 15 digits, the first not 0.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Msisdn(String);

impl Msisdn {
    /// Trims, drops ASCII spaces, `-`, `.`, `(` and `)`, then one leading `+`
    /// or `00`. No digit is ever added, and there is no numbering-plan table:
    /// the documented example `4479000000001` has a digit more than its plan.
    ///
    /// # Errors
    /// `MsisdnMissing` for a blank text, `MsisdnFormat` for anything else.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return Err(Invalid::MsisdnMissing);
        }
        let compact = trimmed.replace([' ', '-', '.', '(', ')'], "");
        let digits = compact
            .strip_prefix('+')
            .or_else(|| compact.strip_prefix("00"))
            .unwrap_or(&compact);
        let well_formed = (MSISDN_DIGITS_MIN..=MSISDN_DIGITS_MAX).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && !digits.starts_with('0');
        if !well_formed {
            return Err(Invalid::MsisdnFormat);
        }
        Ok(Self(digits.to_owned()))
    }

    /// Takes a number from the store, where only parsed ones are.
    pub fn from_stored(digits: String) -> Self {
        Self(digits)
    }

    /// The digits alone.
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
    fn a_number_loses_its_punctuation_and_its_prefix_only() {
        for text in [
            "4479000000001",
            "+44 7900-000.0001",
            "0044 (7900) 0000001",
            " +4479000000001 ",
        ] {
            assert_eq!(
                Msisdn::parse(text).expect("valid").as_str(),
                "4479000000001",
                "{text:?}"
            );
        }
        for text in [
            "123456",
            "1234567890123456",
            "0791234567",
            "++4479000000",
            "44790x00000",
            "٤٤٧٩٠٠٠٠٠٠",
            "00+4479000000",
            "44\t7900000000",
            "+",
            "()",
        ] {
            assert_eq!(Msisdn::parse(text), Err(Invalid::MsisdnFormat), "{text:?}");
        }
        assert!(Msisdn::parse("1234567").is_ok());
        assert!(Msisdn::parse("123456789012345").is_ok());
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

        #[test]
        fn a_parsed_number_is_digits_and_parses_to_itself(text in "[+0-9 .()-]{0,24}|\\PC{0,20}") {
            if let Ok(msisdn) = Msisdn::parse(&text) {
                let stored = msisdn.as_str();
                prop_assert!((7..=15).contains(&stored.len()));
                prop_assert!(stored.bytes().all(|byte| byte.is_ascii_digit()));
                prop_assert!(!stored.starts_with('0'));
                prop_assert_eq!(Msisdn::parse(stored), Ok(msisdn.clone()));
                let sent: String = text.chars().filter(char::is_ascii_digit).collect();
                prop_assert!(sent.ends_with(stored) && sent.len() <= stored.len() + 2);
            }
        }

        #[test]
        fn every_well_formed_number_is_accepted(digits in "[1-9][0-9]{6,14}") {
            let parsed = Msisdn::parse(&digits).expect("well formed");
            prop_assert_eq!(parsed.as_str(), digits);
        }
    }
}
