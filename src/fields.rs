//! Reads the fields of a JSON object that stands for a contact, an opt-out or a group. A
//! field that is there and `null` counts as missing.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::bulk::BulkMode;
use crate::contact::{Alias, Msisdn, NewContact};
use crate::group::GroupName;
use crate::invalid::Invalid;
use crate::json::{Members, decode_string};
use crate::meta::Meta;

/// The fields of a contact.
pub const CONTACT_FIELDS: [&str; 3] = ["alias", "msisdn", "meta"];
/// Characters of an unknown field's name that the message shows.
const FIELD_SHOWN_CHARACTERS_MAX: usize = 64;

/// Reads the three fields of a contact that is stored by `mode`, in their order.
///
/// # Errors
/// The first problem found.
pub fn parse_contact(
    [alias, msisdn, meta]: [Option<&RawValue>; 3],
    mode: BulkMode,
) -> Result<NewContact, Invalid> {
    let alias = required_alias(alias)?;
    mode.check_new(|| alias.check_new())?;
    let msisdn = required_msisdn(msisdn)?;
    mode.check_new(|| msisdn.check_new())?;
    let meta = match present(meta) {
        Some(meta) => mode.parse_meta(meta)?,
        None => Meta::empty(),
    };
    Ok(NewContact {
        alias,
        msisdn,
        meta,
    })
}

/// Reads the alias that has to be there.
///
/// # Errors
/// One of the `Alias…` variants of [`Invalid`].
pub fn required_alias(value: Option<&RawValue>) -> Result<Alias, Invalid> {
    let wrong = TextErrors {
        missing: Invalid::AliasMissing,
        not_string: Invalid::AliasNotString,
        characters: Invalid::AliasCharacters,
    };
    Alias::parse(&required_text(value, wrong)?)
}

/// Reads the number that has to be there.
///
/// # Errors
/// One of the `Msisdn…` variants of [`Invalid`].
pub fn required_msisdn(value: Option<&RawValue>) -> Result<Msisdn, Invalid> {
    let wrong = TextErrors {
        missing: Invalid::MsisdnMissing,
        not_string: Invalid::MsisdnNotString,
        characters: Invalid::MsisdnFormat,
    };
    Msisdn::parse(&required_text(value, wrong)?)
}

/// Reads the group's name that has to be there.
///
/// # Errors
/// One of the `GroupName…` variants of [`Invalid`].
pub fn required_group_name(value: Option<&RawValue>) -> Result<GroupName, Invalid> {
    let wrong = TextErrors {
        missing: Invalid::GroupNameMissing,
        not_string: Invalid::GroupNameNotString,
        characters: Invalid::GroupNameCharacters,
    };
    GroupName::parse(&required_text(value, wrong)?)
}

/// Reads the meta, where there is one.
///
/// # Errors
/// One of the `Meta…` variants of [`Invalid`].
pub fn optional_meta(value: Option<&RawValue>) -> Result<Option<Meta>, Invalid> {
    present(value).map(Meta::parse).transpose()
}

/// Reads the merge patch of a meta, where there is one.
///
/// # Errors
/// One of the `Meta…` variants of [`Invalid`].
pub fn optional_meta_patch(value: Option<&RawValue>) -> Result<Option<Meta>, Invalid> {
    present(value).map(Meta::parse_patch).transpose()
}

/// What is wrong with a text that has to be there, before anybody parses it.
pub struct TextErrors {
    /// It is absent or `null`.
    pub missing: Invalid,
    /// It is another kind of value.
    pub not_string: Invalid,
    /// It holds half a character: a lone surrogate.
    pub characters: Invalid,
}

/// Reads a text that has to be there.
///
/// # Errors
/// One of `wrong`.
pub fn required_text(value: Option<&RawValue>, wrong: TextErrors) -> Result<Cow<'_, str>, Invalid> {
    let value = present(value).ok_or(wrong.missing)?;
    let text = decode_string(value).ok_or(wrong.not_string)?;
    text.map_err(|_| wrong.characters)
}

/// The field, where it is there and not `null`.
pub fn present(value: Option<&RawValue>) -> Option<&RawValue> {
    value.filter(|value| value.get() != "null")
}

/// An object's members, one for each of `names` and in their order.
///
/// # Errors
/// `FieldNotText`, then `FieldUnknown` or `FieldTwice`.
pub fn fields_of<'a, const FIELDS: usize>(
    object: &'a RawValue,
    names: [&str; FIELDS],
) -> Result<[Option<&'a RawValue>; FIELDS], Invalid> {
    let Members(members) = serde_json::from_str(object.get()).map_err(|_| Invalid::FieldNotText)?;
    let mut fields = [None; FIELDS];
    for (name, value) in members {
        let known = names.iter().position(|known| *known == name);
        let field = known
            .map(|at| &mut fields[at])
            .ok_or_else(|| Invalid::FieldUnknown(shown(&name)))?;
        if field.replace(value).is_some() {
            return Err(Invalid::FieldTwice(shown(&name)));
        }
    }
    Ok(fields)
}

fn shown(name: &str) -> String {
    name.chars().take(FIELD_SHOWN_CHARACTERS_MAX).collect()
}
