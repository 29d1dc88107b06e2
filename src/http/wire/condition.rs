//! `ETag`, `If-Match` and `If-None-Match` (RFC 9110, sections 8.8.3 and 13.1).

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH};

use crate::change::{Condition, States, Version};

/// The strong entity tag of a version: its hexadecimal digits in quotes.
pub(crate) fn etag(version: Version) -> HeaderValue {
    let tag = [b"\"", version.to_hex().as_slice(), b"\""].concat();
    HeaderValue::try_from(tag).expect("hexadecimal digits are visible ASCII")
}

/// The condition under which a change is wanted.
pub(crate) fn condition(headers: &HeaderMap) -> Condition {
    Condition {
        only_from: states(headers, &IF_MATCH, Comparison::Strong),
        not_from: states(headers, &IF_NONE_MATCH, Comparison::Weak),
    }
}

/// Whether the header `name` names `version`, or `*`; for reads, so weakly.
pub(crate) fn names_version(headers: &HeaderMap, name: &HeaderName, version: Version) -> bool {
    match states(headers, name, Comparison::Weak) {
        None => false,
        Some(States::Any) => true,
        Some(States::These(versions)) => versions.contains(&version),
    }
}

/// Whether `If-None-Match` names `tag`, a strong one, or `*`.
pub(crate) fn has_already(headers: &HeaderMap, tag: &str) -> bool {
    let mut values = headers.get_all(IF_NONE_MATCH);
    values.any(|value| {
        let value = value.to_str().unwrap_or_default();
        let mut tags = value.split(',').map(str::trim);
        value == "*" || tags.any(|named| named.strip_prefix("W/").unwrap_or(named) == tag)
    })
}

/// Whether `W/"…"` counts as `"…"` (RFC 9110, section 8.8.3.2).
#[derive(Clone, Copy)]
enum Comparison {
    Strong,
    Weak,
}

/// The states that a header names, or `None` without the header. What is no tag
/// of ours names no state; ours hold no comma, so a split tag is none of them.
fn states(headers: &HeaderMap, name: &HeaderName, comparison: Comparison) -> Option<States> {
    let mut versions = Vec::new();
    let mut values = headers.get_all(name).peekable();
    values.peek()?;
    for value in values {
        let value = value.to_str().unwrap_or_default();
        if value == "*" {
            return Some(States::Any);
        }
        for tag in value.split(',').map(str::trim) {
            let strong = match comparison {
                Comparison::Weak => tag.strip_prefix("W/").unwrap_or(tag),
                Comparison::Strong => tag,
            };
            let quoted = strong
                .strip_prefix('"')
                .and_then(|rest| rest.strip_suffix('"'));
            versions.extend(quoted.and_then(Version::from_hex));
        }
    }
    Some(States::These(versions))
}
