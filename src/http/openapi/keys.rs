//! The calls about API keys.

use serde_json::{Value, json};
use utoipa::openapi::schema::ArrayBuilder;
use utoipa::openapi::{ObjectBuilder, Type};

use super::described::{Described, Tag};
use super::parameters;
use super::shapes::{Record, Shape, array, number, or_null, text, time, word};
use crate::address::RANGES_MAX;
use crate::error::Error;
use crate::http::keys::KEY_BODY_BYTES_MAX;
use crate::invalid::Invalid;
use crate::key::{OVERLAP_MAX, RATE_LIMIT_MAX};
use crate::permission::Permission;
use crate::text::NAME_CHARACTERS_MAX;

/// The id of the key in all examples, and its token: a test vector.
const ID: &str = "000000000000";
const TOKEN: &str = "abk_000000000000_00000000000000000000000000000000000000000001SQnlA";

/// The permission in the examples that a key has not and another has.
const LACKING: Permission = Permission::DeleteContacts;

pub(crate) fn test() -> Described {
    Described::new("testKey", Tag::Keys, "Tells a client which key it holds").answers_record(
        "OwnKey",
        &json!({
            "id": ID,
            "name": "shop",
            "permissions": ["create:Contacts", "read:Contacts"],
            "expires_on": null,
        }),
    )
}

pub(crate) fn create() -> Described {
    let sent = json!({
        "name": "shop",
        "permissions": ["create:Contacts", "read:Contacts"],
        "allowed_ips": ["10.0.0.0/8"],
        "rate_limit": 50,
    });
    Described::new(
        "createKey",
        Tag::Keys,
        "Makes a key, and shows its token this once",
    )
    .note("A key gives no more than it has; one with a `rate_limit` makes none.")
    .takes_json("NewKey", &sent, KEY_BODY_BYTES_MAX)
    .answers_record("KeyWithToken", &with_token())
    .refuses([Invalid::KeyNameMissing, Invalid::PermissionsMissing])
    .refuses(wrong_fields())
    .refuses([Error::KeyWider("permissions"), Error::RatedKeyMakesNone])
    .writes()
}

pub(crate) fn list() -> Described {
    Described::new(
        "listKeys",
        Tag::Keys,
        "Lists the keys, without their tokens",
    )
    .answers_page("Key", &example())
    .reads_many()
}

pub(crate) fn get() -> Described {
    one("getKey", "Answers one key").answers_record("Key", &example())
}

pub(crate) fn patch() -> Described {
    one("updateKey", "Changes what is given of a key")
        .takes_patch(
            "KeyChange",
            &json!({"rate_limit": null}),
            KEY_BODY_BYTES_MAX,
        )
        .answers_record("Key", &example())
        .refuses([Invalid::NothingToUpdate])
        .refuses(wrong_fields())
        .refuses(gives_more())
        .refuses([Error::KeyRevoked, Error::KeyRotated])
        .writes()
}

pub(crate) fn rotate() -> Described {
    one(
        "rotateKey",
        "Replaces a key; the old one stays good for a while",
    )
    .takes_json(
        "KeyRotation",
        &json!({"overlapSeconds": 86400}),
        KEY_BODY_BYTES_MAX,
    )
    .answers_record("KeyWithToken", &with_token())
    .refuses([Invalid::Overlap])
    .refuses([
        Error::KeyWider("permissions"),
        Error::RatedKeyMakesNone,
        Error::KeyRotated,
        Error::KeyNotActive,
    ])
    .writes()
}

pub(crate) fn delete() -> Described {
    one("revokeKey", "Revokes a key")
        .takes_query([parameters::switch(
            "force",
            "Revokes also the last key that can make keys",
        )])
        .answers_done()
        .refuses([Invalid::Force])
        .refuses([Error::NotPermitted(LACKING), Error::LastManagingKey])
        .writes()
}

fn one(id: &'static str, summary: &'static str) -> Described {
    Described::new(id, Tag::Keys, summary)
        .segment("id", key_id("The 12 characters inside its token"))
        .refuses([Error::KeyNotFound])
}

/// What a key is refused that would give what it has not.
fn gives_more() -> [Error; 2] {
    [Error::NotPermitted(LACKING), Error::KeyWider("expires_on")]
}

fn wrong_fields() -> [Invalid; 4] {
    [
        Invalid::PermissionUnknown("create:contacts".to_owned()),
        Invalid::ExpiryPast,
        Invalid::AddressRange("10.0.0.0/33".to_owned()),
        Invalid::RateLimit,
    ]
}

fn example() -> Value {
    json!({
        "id": ID,
        "name": "shop",
        "permissions": ["create:Contacts", "read:Contacts"],
        "expires_on": null,
        "allowed_ips": ["10.0.0.0/8"],
        "rate_limit": 50,
        "created_on": "2026-11-27T15:37:26.369Z",
        "created_by": "y8YjjBMmtVQr",
        "last_used_on": null,
        "revoked_on": null,
        "replaced_by": null,
    })
}

fn with_token() -> Value {
    let mut key = example();
    key["token"] = json!(TOKEN);
    key
}

fn key_id(description: &str) -> ObjectBuilder {
    text(description).pattern(Some("^[0-9A-Za-z]{12}$"))
}

/// The permissions by name.
fn permissions() -> ArrayBuilder {
    let names = Permission::ALL.iter().map(|one| one.as_str());
    array(word(names, ""), "What it may do").unique_items(true)
}

fn ranges(description: &str) -> ArrayBuilder {
    array(text(""), description).max_items(Some(RANGES_MAX))
}

fn rate() -> ObjectBuilder {
    let says = "Requests a second, and as many at once; `null` is no limit";
    or_null(number(1, says).maximum(Some(RATE_LIMIT_MAX)), Type::Integer)
}

fn time_or_null(description: &str) -> ObjectBuilder {
    or_null(time(description), Type::String)
}

fn id_or_null(description: &str) -> ObjectBuilder {
    or_null(key_id(description), Type::String)
}

fn name() -> ObjectBuilder {
    text("What people call it")
        .min_length(Some(1))
        .max_length(Some(NAME_CHARACTERS_MAX))
}

fn shown() -> Record {
    Record::new("A key, without its token")
        .with("id", key_id(""))
        .with("name", name())
        .with("permissions", permissions())
        .with(
            "expires_on",
            time_or_null("From when on it is refused; `null` is never"),
        )
        .with(
            "allowed_ips",
            ranges("Where it may be used from; none is anywhere"),
        )
        .with("rate_limit", rate())
        .with("created_on", time(""))
        .with(
            "created_by",
            id_or_null("The key that made it; `null` is the command line"),
        )
        .with("last_used_on", time_or_null("True to the minute"))
        .with("revoked_on", time_or_null(""))
        .with("replaced_by", id_or_null("The key that took its place"))
}

/// What a key is told of itself.
pub(super) fn own_key() -> Record {
    let expiry = time_or_null("From when on it is refused; `null` is never");
    Record::new("The key itself")
        .with("id", key_id(""))
        .with("name", name())
        .with("permissions", permissions())
        .with("expires_on", expiry)
}

pub(super) fn shapes() -> Vec<(&'static str, Shape)> {
    let sent_ranges = || {
        let says = "Where it may be used from, in CIDR notation; none is anywhere";
        ranges(says).schema_type(utoipa::openapi::schema::SchemaType::Array(vec![
            Type::Array,
            Type::Null,
        ]))
    };
    let expiry = || time_or_null("From when on it is refused; `null` is never");
    let new = Record::new("A new key")
        .closed()
        .with("name", name())
        .with("permissions", permissions().min_items(Some(1)))
        .maybe("expires_on", expiry())
        .maybe("allowed_ips", sent_ranges())
        .maybe("rate_limit", rate());
    let change = Record::new("What is to change of a key")
        .closed()
        .at_least(1)
        .maybe("name", name())
        .maybe("permissions", permissions().min_items(Some(1)))
        .maybe("expires_on", expiry())
        .maybe("allowed_ips", sent_ranges())
        .maybe("rate_limit", rate());
    let overlap = number(0, "How long both are good").maximum(Some(OVERLAP_MAX.as_secs()));
    let rotation = Record::new("How a key is replaced")
        .closed()
        .with("overlapSeconds", overlap);
    let token = text("The token: shown this once, kept nowhere");
    vec![
        ("NewKey", new.into()),
        ("KeyChange", change.into()),
        ("KeyRotation", rotation.into()),
        ("Key", shown().into()),
        ("KeyWithToken", shown().with("token", token).into()),
        ("OwnKey", own_key().into()),
    ]
}
