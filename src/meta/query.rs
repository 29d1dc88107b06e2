//! Whether a stored meta has a member with a value that a query names. Exact to
//! the digit, as metas are kept; SQL's numbers would round.

use serde_json::value::RawValue;

use crate::json::{Members, decode_string};

/// Whether the stored meta `compact` has a member `name` at the top whose value
/// `value` names: a string exactly, a number as a number (`1` is `1.0` and
/// `1e0`), `true`, `false` and `null` by word.
pub fn has_member(compact: &str, name: &str, value: &str) -> bool {
    let Ok(Members(members)) = serde_json::from_str(compact) else {
        return false;
    };
    let member = members.iter().find(|(known, _)| known == name);
    member.is_some_and(|(_, member)| is_named(member, value))
}

fn is_named(member: &RawValue, value: &str) -> bool {
    if let Some(text) = decode_string(member) {
        return text.is_ok_and(|text| text == value);
    }
    match member.get() {
        word @ ("true" | "false" | "null") => word == value,
        composed if composed.starts_with(['{', '[']) => false,
        number => match (Decimal::parse(number), Decimal::parse(value)) {
            (Some(member), Some(value)) => member == value,
            // An exponent beyond all measure is compared as it is written.
            _ => number == value,
        },
    }
}

/// A JSON number, exactly: its digits without zeros at either end, and the
/// power of ten of the last one.
#[derive(PartialEq, Eq)]
struct Decimal {
    negative: bool,
    digits: String,
    exponent: i64,
}

impl Decimal {
    /// Reads a number by the grammar of RFC 8259, section 6, white space excluded.
    fn parse(text: &str) -> Option<Self> {
        let raw: &RawValue = serde_json::from_str(text).ok()?;
        let is_number = raw.get() == text
            && text.starts_with(|first: char| first == '-' || first.is_ascii_digit());
        if !is_number {
            return None;
        }
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{}{fraction}", whole.trim_start_matches('-'));
        let significant = digits.trim_end_matches('0');
        let dropped = i64::try_from(digits.len() - significant.len()).ok()?;
        let decimals = i64::try_from(fraction.len()).ok()?;
        let significant = significant.trim_start_matches('0');
        if significant.is_empty() {
            return Some(Self {
                negative: false,
                digits: String::new(),
                exponent: 0,
            });
        }
        let exponent: i64 = exponent.parse().ok()?;
        Some(Self {
            negative: text.starts_with('-'),
            digits: significant.to_owned(),
            exponent: exponent.checked_sub(decimals)?.checked_add(dropped)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_same_however_they_are_written_and_only_then() {
        for (member, same) in [
            ("1", "1.0"),
            ("1", "1e0"),
            ("100", "1E+2"),
            ("0.5", "5e-1"),
            ("-0", "0.00"),
            ("1e400", "10e399"),
            ("0e99999999999999999999", "0"),
            ("9007199254740993", "9007199254740993.0"),
        ] {
            assert!(
                has_member(&format!("{{\"N\":{member}}}"), "N", same),
                "{member} {same}"
            );
        }
        for (member, other) in [
            ("1", "-1"),
            ("1", "10"),
            ("10", "1"),
            ("1e400", "1e401"),
            ("0", "1e-400"),
            ("9007199254740993", "9007199254740992"),
            ("1", " 1"),
            ("1", "+1"),
            ("1", "01"),
            ("1", "1."),
            ("1", ".1"),
            ("1", "one"),
            ("1", ""),
            ("1", "\"1\""),
        ] {
            assert!(
                !has_member(&format!("{{\"N\":{member}}}"), "N", other),
                "{member} {other}"
            );
        }
    }

    #[test]
    fn strings_are_the_same_exactly_and_words_by_word() {
        let meta = r#"{"s":"a\"b","t":true,"f":false,"n":null,"w":"true","o":{},"a":[1]}"#;
        for (name, value) in [
            ("s", "a\"b"),
            ("t", "true"),
            ("f", "false"),
            ("n", "null"),
            ("w", "true"),
        ] {
            assert!(has_member(meta, name, value), "{name}");
        }
        for (name, value) in [
            ("s", "a\\\"b"),
            ("t", "True"),
            ("t", "1"),
            ("f", "0"),
            ("n", ""),
            ("o", "{}"),
            ("a", "[1]"),
            ("x", "null"),
            ("S", "a\"b"),
        ] {
            assert!(!has_member(meta, name, value), "{name}");
        }
    }
}
