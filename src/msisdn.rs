//! A phone number, and the one reader of how people spell it. It never makes another
//! number of a spelling: what might become one is refused by words of its own.

use std::borrow::Cow;

use crate::invalid::Invalid;
use crate::text::{cannot_be_seen, is_variation_selector};

/// Digits of the shortest and the longest number: E.164 allows at most 15, and
/// seven keep short codes and fragments out.
pub(crate) const MSISDN_DIGITS_MIN: usize = 7;
pub(crate) const MSISDN_DIGITS_MAX: usize = 15;
/// Digits of a first group, and of any, behind which no other group belongs to the same
/// number.
const FIRST_GROUP_DIGITS_MAX: usize = 6;
const GROUP_DIGITS_MAX: usize = 8;

/// The country codes of two digits (ITU-T E.164, list of assigned codes). One that
/// begins with 1 or 7 has this digit alone; all others have three.
const CODES_OF_TWO: &[&str] = &[
    "20", "27", "30", "31", "32", "33", "34", "36", "39", "40", "41", "43", "44", "45", "46", "47",
    "48", "49", "51", "52", "53", "54", "55", "56", "57", "58", "60", "61", "62", "63", "64", "65",
    "66", "81", "82", "84", "86", "90", "91", "92", "93", "94", "95", "98",
];
/// The country codes whose trunk prefix is 0 and whose numbers never begin with it.
pub(crate) const CODES_WITH_TRUNK_ZERO: &[&str] = &[
    "20", "27", "31", "32", "33", "40", "41", "43", "44", "46", "49", "51", "53", "54", "55", "57",
    "58", "60", "61", "63", "64", "84", "86", "90", "92", "93", "94", "95", "98", "211", "212",
    "213", "218", "231", "232", "233", "234", "243", "249", "251", "252", "254", "255", "256",
    "260", "261", "262", "263", "264", "265", "291", "353", "355", "358", "370", "373", "374",
    "377", "380", "381", "382", "383", "385", "386", "387", "389", "421", "423", "508", "590",
    "591", "593", "594", "595", "596", "686", "850", "855", "856", "880", "886", "961", "962",
    "963", "964", "966", "967", "970", "971", "972", "976", "977", "994", "995", "996",
];

/// A phone number in international format: 7 to 15 digits, the first not 0.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Msisdn(String);

impl Msisdn {
    /// Reads a number as people write it. Drops what cannot be seen, and what separates
    /// groups of digits: white space of any kind, dashes of any kind, `.`, `(` and `)`;
    /// then one leading `+` or `00`. No digit is ever added, and there is no
    /// numbering-plan table: the documented example `4479000000001` has a digit more
    /// than its plan.
    ///
    /// The very digits of a number are read as they stand, also where [`Msisdn::check_new`]
    /// would refuse them: they may be stored since older rules.
    ///
    /// # Errors
    /// `MsisdnMissing` for a blank text, `MsisdnRounded`, `MsisdnCharacter`, `MsisdnFormat`;
    /// where nothing else is wrong `MsisdnDecimal`, `MsisdnSeveral`, `MsisdnTrunkZero`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if is_number(text) {
            return Ok(Self(text.to_owned()));
        }
        let seen: Cow<'_, str> = match text.chars().any(is_dropped) {
            true => text.chars().filter(|one| !is_dropped(*one)).collect(),
            false => text.into(),
        };
        let seen = seen.trim();
        if seen.is_empty() {
            return Err(Invalid::MsisdnMissing);
        }
        if is_rounded(seen) {
            return Err(Invalid::MsisdnRounded);
        }
        let compact = seen.replace(is_separator, "");
        let digits = compact
            .strip_prefix('+')
            .or_else(|| compact.strip_prefix("00"))
            .unwrap_or(&compact);
        if !is_number(digits) {
            let hidden = |one| cannot_be_seen(one) && !is_dropped(one) && !is_separator(one);
            let mut characters = text.chars().zip(1..);
            return Err(match characters.find(|(one, _)| hidden(*one)) {
                Some((character, at)) => Invalid::MsisdnCharacter(character.into(), at),
                None => Invalid::MsisdnFormat,
            });
        }
        if has_decimal_part(seen) {
            return Err(Invalid::MsisdnDecimal);
        }
        if is_of_several(seen, compact.len() - digits.len()) {
            return Err(Invalid::MsisdnSeveral);
        }
        if has_zero_in_parentheses(seen) {
            return Err(Invalid::MsisdnTrunkZero);
        }
        let read = Self(digits.to_owned());
        read.check_new()?;
        Ok(read)
    }

    /// Whether it may be stored where it is not yet: the rules have become stricter, and
    /// what is stored stays as it is.
    ///
    /// # Errors
    /// `MsisdnTrunkZero`.
    pub fn check_new(&self) -> Result<(), Invalid> {
        match trunk_zero(&self.0) {
            Some(_) => Err(Invalid::MsisdnTrunkZero),
            None => Ok(()),
        }
    }

    /// Takes a number from the store, where only parsed ones are.
    pub fn from_stored(digits: String) -> Self {
        Self(digits)
    }

    /// The digits alone.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The digits that reach the same telephone, as today's rules write them and as
    /// older ones may have: with a 0 behind the country code.
    pub fn spellings(&self) -> [Cow<'_, str>; 2] {
        let digits = self.0.as_str();
        if let Some(at) = trunk_zero(digits) {
            let without = format!("{}{}", &digits[..at], &digits[at + 1..]);
            return [without.into(), digits.into()];
        }
        let code = country_code(digits);
        match CODES_WITH_TRUNK_ZERO.contains(&code) {
            true => {
                let with = format!("{code}0{}", &digits[code.len()..]);
                [digits.into(), with.into()]
            }
            false => [digits.into(), digits.into()],
        }
    }
}

/// What a number is read as where it is a part of one: its digits, without what
/// separates them.
pub fn digits_of_part(text: &str) -> String {
    let kept = text.chars().filter(|one| !is_dropped(*one));
    let compact: String = kept.filter(|one| !is_separator(*one)).collect();
    compact.strip_prefix('+').unwrap_or(&compact).to_owned()
}

/// Without the white space and what is dropped around a number.
pub fn trim_dropped(text: &str) -> &str {
    text.trim_matches(|one: char| one.is_whitespace() || is_dropped(one))
}

fn is_number(digits: &str) -> bool {
    (MSISDN_DIGITS_MIN..=MSISDN_DIGITS_MAX).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && !digits.starts_with('0')
}

/// What cannot be seen, and comes along when a number is copied.
fn is_dropped(character: char) -> bool {
    matches!(character, '\u{AD}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
        | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
        || is_variation_selector(character)
}

/// What stands between groups of digits.
fn is_separator(character: char) -> bool {
    character.is_whitespace()
        || matches!(
            character,
            '-' | '.' | '(' | ')' | '\u{2010}'..='\u{2015}' | '\u{2212}'
        )
}

/// Scientific notation, as a spreadsheet shows what it took for a number.
fn is_rounded(seen: &str) -> bool {
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|one| one.is_ascii_digit());
    let Some((mantissa, exponent)) = seen.split_once(['E', 'e']) else {
        return false;
    };
    let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    let (whole, fraction) = match mantissa.split_once(['.', ',']) {
        Some((whole, fraction)) => (whole, fraction),
        None => (mantissa, "0"),
    };
    let whole = whole.strip_prefix('+').unwrap_or(whole);
    [whole, fraction, exponent].into_iter().all(is_digits)
}

/// Whether what stands behind the last `.` may be the decimal part of what is in front of
/// it, seven digits or more: anything, where nothing else separates; zeros, where it is the
/// only `.`; and one `0` in any case, for no group is so short.
fn has_decimal_part(seen: &str) -> bool {
    let unsigned = seen.strip_prefix('+').unwrap_or(seen);
    let Some((whole, fraction)) = unsigned.rsplit_once('.') else {
        return false;
    };
    let digits = whole.bytes().filter(u8::is_ascii_digit).count();
    if digits < MSISDN_DIGITS_MIN || fraction.is_empty() || fraction.contains(is_separator) {
        return false;
    }
    let is_zeros = fraction.bytes().all(|one| one == b'0');
    fraction == "0" || !whole.contains(is_separator) || (is_zeros && !whole.contains('.'))
}

/// Whether another group stands behind one that is a number by itself, or nearly.
fn is_of_several(seen: &str, prefix_bytes: usize) -> bool {
    let mut prefix_left = prefix_bytes;
    let groups = seen.split(is_separator).filter_map(|group| {
        let prefix = prefix_left.min(group.len());
        prefix_left -= prefix;
        (group.len() > prefix).then_some(group.len() - prefix)
    });
    let groups: Vec<usize> = groups.collect();
    let but_last = groups.split_last().map_or(&[][..], |(_, rest)| rest);
    but_last
        .first()
        .is_some_and(|first| *first > FIRST_GROUP_DIGITS_MAX)
        || but_last.iter().any(|group| *group > GROUP_DIGITS_MAX)
}

fn has_zero_in_parentheses(seen: &str) -> bool {
    let mut opened = seen.split('(').skip(1);
    opened.any(|rest| {
        rest.split_once(')')
            .is_some_and(|(inside, _)| inside.trim() == "0")
    })
}

/// Where the 0 stands that is dialled inside a country alone.
fn trunk_zero(digits: &str) -> Option<usize> {
    let code = country_code(digits);
    let has_zero = digits[code.len()..].starts_with('0');
    (has_zero && CODES_WITH_TRUNK_ZERO.contains(&code)).then_some(code.len())
}

fn country_code(digits: &str) -> &str {
    let length = match digits.get(..2) {
        Some(two) if two.starts_with(['1', '7']) => 1,
        Some(two) if CODES_OF_TWO.contains(&two) => 2,
        _ => 3,
    };
    digits.get(..length).unwrap_or(digits)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_separates_groups_and_what_cannot_be_seen_is_dropped() {
        for text in [
            "4479000000001",
            "+44 7900-000.0001",
            "0044 (7900) 0000001",
            " +4479000000001 ",
            "\u{202A}+4479000000001\u{202C}",
            "+44\u{A0}7900\u{2011}000\u{2013}0001",
            "+44\u{202F}7900\u{2009}000\u{3000}0001",
            "44\t7900\n0000001",
            "\u{FEFF}44790\u{200B}00000001\u{FE0F}\u{2060}",
            "(+44) 7900 0000001",
            "00 44 7900 0000001",
            "+44\u{2212}7900\u{2010}0000001",
            "4479000000001.",
            "+44 7900 000 0001",
        ] {
            let parsed = Msisdn::parse(text).map(|parsed| parsed.0);
            assert_eq!(parsed.as_deref(), Ok("4479000000001"), "{text:?}");
        }
        for blank in ["", " ", "\u{A0}", "\u{200B}\u{FEFF}", "\t\n"] {
            assert_eq!(
                Msisdn::parse(blank),
                Err(Invalid::MsisdnMissing),
                "{blank:?}"
            );
        }
    }

    #[test]
    fn what_is_no_number_is_refused_and_what_cannot_be_seen_is_named() {
        for text in [
            "123456",
            "1234567890123456",
            "0791234567",
            "++4479000000",
            "44790x00000",
            "٤٤٧٩٠٠٠٠٠٠",
            "４４７９０００００００１",
            "00+4479000000",
            "+44/7900000000",
            "44,7900000000",
            "+44 7900 000000 ext 2",
            "+44\t7900\n000000 ext 2",
            "123\n456",
            "+",
            "()",
            "-",
        ] {
            assert_eq!(Msisdn::parse(text), Err(Invalid::MsisdnFormat), "{text:?}");
        }
        for (text, name, at) in [
            ("\u{3164}4479000000001", "U+3164", 1),
            ("4479\u{0}000000001", "U+0000", 5),
            ("44790000\u{180E}00001", "U+180E", 9),
            ("4479000000001\u{E0030}", "U+E0030", 14),
            ("\u{2800}4479000000001", "U+2800", 1),
            (" \t\u{3164}4479000000001", "U+3164", 3),
        ] {
            let refused = Msisdn::parse(text).expect_err("no number");
            let said = format!("{name} at character {at}");
            assert!(refused.to_string().ends_with(&said), "{refused}");
        }
    }

    #[test]
    fn a_spelling_that_would_become_another_number_has_words_of_its_own() {
        for (text, wrong) in [
            ("447700900101.0", Invalid::MsisdnDecimal),
            ("+447700900101.00", Invalid::MsisdnDecimal),
            ("4477009.5", Invalid::MsisdnDecimal),
            ("447700900101.5", Invalid::MsisdnDecimal),
            ("+44 7700 900101.0", Invalid::MsisdnDecimal),
            ("447 700 900 101.00", Invalid::MsisdnDecimal),
            ("44.7700.900101.0", Invalid::MsisdnDecimal),
            ("+1 202 555 0123.0", Invalid::MsisdnDecimal),
            ("4477009 00101", Invalid::MsisdnSeveral),
            ("447700900101 22", Invalid::MsisdnSeveral),
            ("447700900101-22", Invalid::MsisdnSeveral),
            ("+44 770090010 22", Invalid::MsisdnSeveral),
            ("1 5550000000 22", Invalid::MsisdnSeveral),
            ("00 4477009 00101", Invalid::MsisdnSeveral),
            ("+44 (0)7700 900101", Invalid::MsisdnTrunkZero),
            ("+44 ( 0 ) 7700 900101", Invalid::MsisdnTrunkZero),
            ("0044 07700 900101", Invalid::MsisdnTrunkZero),
            ("+4407700900101", Invalid::MsisdnTrunkZero),
            ("+49 0151 2345678", Invalid::MsisdnTrunkZero),
            ("+353 087 1234567", Invalid::MsisdnTrunkZero),
            ("+39 (0)6 1234567", Invalid::MsisdnTrunkZero),
            ("4.477E+11", Invalid::MsisdnRounded),
            ("4,477E+11", Invalid::MsisdnRounded),
            ("4.477009e11", Invalid::MsisdnRounded),
            ("4E+11", Invalid::MsisdnRounded),
        ] {
            assert_eq!(Msisdn::parse(text), Err(wrong), "{text}");
        }
        for text in [
            "+39 06 1234567",
            "+1 555 000 0000",
            "+1 (555) 000-0000",
            "+49 30 12345678",
            "+44 77 00 90 01 01",
            "+441534 12345678",
            "+7 095 1234567",
            "33.6.12.34.56.00",
            "+44.7700.900101",
            "+1.555.000.0000",
            "+225 01 23456789",
            "+65 0123 4567",
        ] {
            assert!(Msisdn::parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn the_digits_of_older_rules_are_read_and_not_stored_anew() {
        let old = Msisdn::parse("4407700900101").expect("digits");
        assert_eq!(old.check_new(), Err(Invalid::MsisdnTrunkZero));
        let new = Msisdn::parse("447700900101").expect("digits");
        assert_eq!(new.check_new(), Ok(()));
        assert_eq!(new.spellings(), ["447700900101", "4407700900101"]);
        assert_eq!(old.spellings(), new.spellings());
        let without = Msisdn::parse("15550000000").expect("digits");
        assert_eq!(without.spellings(), ["15550000000", "15550000000"]);
    }

    proptest! {
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
                for spelling in msisdn.spellings() {
                    prop_assert!(spelling.len().abs_diff(stored.len()) <= 1);
                }
            }
        }

        #[test]
        fn every_well_formed_number_is_accepted(digits in "[1-9][0-9]{6,14}") {
            let parsed = Msisdn::parse(&digits).expect("well formed");
            prop_assert_eq!(parsed.as_str(), digits);
        }
    }
}
