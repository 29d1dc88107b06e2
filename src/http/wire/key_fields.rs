//! Reads the fields of a key's body. A field that may be taken away by `null`
//! is doubly optional: absent, null, or a value.

use std::time::Duration;

use serde_json::value::RawValue;

use crate::address::AddressRanges;
use crate::fields::{TextErrors, present, required_text};
use crate::invalid::Invalid;
use crate::json::decode_string;
use crate::key::{KeyName, OVERLAP_MAX, RATE_LIMIT_MAX};
use crate::moment::Moment;
use crate::permission::{Permission, PermissionSet};

pub(crate) fn required_name(value: Option<&RawValue>) -> Result<KeyName, Invalid> {
    let wrong = TextErrors {
        missing: Invalid::KeyNameMissing,
        not_string: Invalid::KeyNameNotString,
        characters: Invalid::KeyNameCharacters,
    };
    KeyName::parse(&required_text(value, wrong)?)
}

pub(crate) fn permissions(value: Option<&RawValue>) -> Result<Option<PermissionSet>, Invalid> {
    let Some(value) = present(value) else {
        return Ok(None);
    };
    let names = strings(value).ok_or(Invalid::PermissionsNotStrings)?;
    let permissions: Vec<Permission> = names
        .iter()
        .map(|name| name.parse())
        .collect::<Result<_, _>>()?;
    PermissionSet::of(&permissions).map(Some)
}

pub(crate) fn expiry(
    value: Option<&RawValue>,
    now: Moment,
) -> Result<Option<Option<Moment>>, Invalid> {
    clearable(value, |value| {
        let text = decode_string(value).and_then(Result::ok);
        let expiry = text.and_then(|text| Moment::parse(&text));
        let expiry = expiry.ok_or(Invalid::ExpiryNotTime)?;
        if expiry <= now {
            return Err(Invalid::ExpiryPast);
        }
        Ok(expiry)
    })
}

/// `null` and an empty array both take the limit away.
pub(crate) fn address_ranges(value: Option<&RawValue>) -> Result<Option<AddressRanges>, Invalid> {
    let ranges = clearable(value, |value| {
        let texts = strings(value).ok_or(Invalid::AddressRangesNotStrings)?;
        AddressRanges::parse(texts.iter().map(String::as_str))
    })?;
    Ok(ranges.map(Option::unwrap_or_default))
}

pub(crate) fn rate_limit(value: Option<&RawValue>) -> Result<Option<Option<u32>>, Invalid> {
    clearable(value, |value| {
        let limit = serde_json::from_str(value.get()).ok();
        let limit = limit.filter(|limit| (1..=RATE_LIMIT_MAX).contains(limit));
        limit.ok_or(Invalid::RateLimit)
    })
}

/// Required: how long both are good is nothing to guess.
pub(crate) fn overlap(value: Option<&RawValue>) -> Result<Duration, Invalid> {
    let value = present(value).ok_or(Invalid::Overlap)?;
    let seconds = serde_json::from_str(value.get()).ok();
    seconds
        .map(Duration::from_secs)
        .filter(|overlap| *overlap <= OVERLAP_MAX)
        .ok_or(Invalid::Overlap)
}

/// Absent, `null`, or what `read` makes of the value.
fn clearable<T>(
    value: Option<&RawValue>,
    read: impl FnOnce(&RawValue) -> Result<T, Invalid>,
) -> Result<Option<Option<T>>, Invalid> {
    let Some(value) = value else { return Ok(None) };
    present(Some(value)).map(read).transpose().map(Some)
}

fn strings(value: &RawValue) -> Option<Vec<String>> {
    serde_json::from_str(value.get()).ok()
}
