//! Reads the fields of a body's contact, opt-out or group. A field that is there and
//! `null` counts as missing.

use serde_json::value::RawValue;

use crate::contact::{Alias, Msisdn};
use crate::error::Invalid;
use crate::group::GroupName;
use crate::json::decode_string;
use crate::meta::Meta;

pub(super) fn required_alias(value: Option<&RawValue>) -> Result<Alias, Invalid> {
    let value = present(value).ok_or(Invalid::AliasMissing)?;
    let text = decode_string(value)
        .ok_or(Invalid::AliasNotString)?
        .map_err(|_| Invalid::AliasCharacters)?;
    Alias::parse(&text)
}

pub(super) fn required_msisdn(value: Option<&RawValue>) -> Result<Msisdn, Invalid> {
    let value = present(value).ok_or(Invalid::MsisdnMissing)?;
    let text = decode_string(value)
        .ok_or(Invalid::MsisdnNotString)?
        .map_err(|_| Invalid::MsisdnFormat)?;
    Msisdn::parse(&text)
}

pub(super) fn required_group_name(value: Option<&RawValue>) -> Result<GroupName, Invalid> {
    let value = present(value).ok_or(Invalid::GroupNameMissing)?;
    let text = decode_string(value)
        .ok_or(Invalid::GroupNameNotString)?
        .map_err(|_| Invalid::GroupNameCharacters)?;
    GroupName::parse(&text)
}

pub(super) fn optional_meta(value: Option<&RawValue>) -> Result<Option<Meta>, Invalid> {
    present(value).map(Meta::parse).transpose()
}

pub(super) fn optional_meta_patch(value: Option<&RawValue>) -> Result<Option<Meta>, Invalid> {
    present(value).map(Meta::parse_patch).transpose()
}

/// The field, where it is there and not `null`.
pub(super) fn present(value: Option<&RawValue>) -> Option<&RawValue> {
    value.filter(|value| value.get() != "null")
}
