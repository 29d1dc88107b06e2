//! The one rule for texts that people read and URLs carry: names of keys and,
//! with further limits of their own, aliases.

use unicode_normalization::{UnicodeNormalization, is_nfc};

/// Characters (Unicode scalar values) of a name after trimming and NFC.
pub const NAME_CHARACTERS_MAX: usize = 128;

/// Why a text is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameFault {
    /// Empty, or white space only.
    Blank,
    /// More than [`NAME_CHARACTERS_MAX`] characters.
    TooLong,
    /// A control character or a bidirectional control.
    Characters,
}

/// Trims the white space around `text`, brings it to Unicode NFC (UAX #15) and
/// checks its length and characters. Normalising a result again changes nothing.
///
/// # Errors
/// The first [`NameFault`] in the order of its variants.
pub fn normalise_name(text: &str) -> Result<String, NameFault> {
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Err(NameFault::Blank);
    }
    let name = if is_nfc(trimmed) {
        trimmed.to_owned()
    } else {
        trimmed.nfc().collect()
    };
    if name.chars().count() > NAME_CHARACTERS_MAX {
        return Err(NameFault::TooLong);
    }
    if name.chars().any(is_refused) {
        return Err(NameFault::Characters);
    }
    Ok(name)
}

/// The same for a name that a URL's path can hold: `.` and `..` are steps in it.
///
/// # Errors
/// The first [`NameFault`].
pub fn normalise_path_name(text: &str) -> Result<String, NameFault> {
    let name = normalise_name(text)?;
    if name == "." || name == ".." {
        return Err(NameFault::Characters);
    }
    Ok(name)
}

/// Controls (general category Cc, NUL among them) and the bidirectional
/// controls of UAX #9, which can make a text read as another one. Other format
/// characters, such as the joiner inside emoji, are allowed.
fn is_refused(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}
