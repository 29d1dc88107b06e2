//! The one rule for texts that people read and URLs carry: names of keys and,
//! with further limits of their own, aliases.

use unicode_normalization::char::canonical_combining_class;
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

/// Whether the first and the last character of a name can be seen, so that no two names
/// look the same by them. At the end, some belong to the character in front of them: a
/// variation selector, the end of a flag's tags, a joiner behind a virama (UTS #51,
/// UAX #31).
pub fn has_visible_edges(name: &str) -> bool {
    let mut from_end = name.chars().rev();
    let (Some(first), Some(last)) = (name.chars().next(), from_end.next()) else {
        return false;
    };
    if is_default_ignorable(first) {
        return false;
    }
    if !is_default_ignorable(last) {
        return true;
    }
    let Some(before) = from_end.next() else {
        return false;
    };
    match last {
        END_OF_TAGS if TAGS.contains(&before) => {
            from_end.find(|one| !TAGS.contains(one)) == Some(BLACK_FLAG)
        }
        '\u{200C}' | '\u{200D}' => is_virama(before),
        last => is_variation_selector(last) && !is_default_ignorable(before),
    }
}

const TAGS: std::ops::RangeInclusive<char> = '\u{E0020}'..='\u{E007E}';
const END_OF_TAGS: char = '\u{E007F}';
const BLACK_FLAG: char = '\u{1F3F4}';

/// Whether a character leaves no mark where it stands, so that a reader cannot tell that
/// it is there.
pub fn cannot_be_seen(character: char) -> bool {
    const BRAILLE_BLANK: char = '\u{2800}';
    character.is_control() || is_default_ignorable(character) || character == BRAILLE_BLANK
}

/// Without the white space and the characters that cannot be seen around it.
pub fn trim_unseen(text: &str) -> &str {
    text.trim_matches(|one: char| one.is_whitespace() || cannot_be_seen(one))
}

/// The property Variation_Selector (PropList.txt of Unicode 16).
pub fn is_variation_selector(character: char) -> bool {
    matches!(character, '\u{180B}'..='\u{180D}' | '\u{180F}' | '\u{FE00}'..='\u{FE0F}'
        | '\u{E0100}'..='\u{E01EF}')
}

/// The property Default_Ignorable_Code_Point (DerivedCoreProperties.txt of Unicode 16).
fn is_default_ignorable(character: char) -> bool {
    matches!(character, '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}'..='\u{1160}'
        | '\u{17B4}'..='\u{17B5}' | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}'
        | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{3164}'
        | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFF8}'
        | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}')
}

fn is_virama(character: char) -> bool {
    const VIRAMA: u8 = 9;
    canonical_combining_class(character) == VIRAMA
}
