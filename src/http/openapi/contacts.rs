//! The calls about one contact.

use serde_json::{Value, json};
use utoipa::openapi::schema::AdditionalProperties;
use utoipa::openapi::{ObjectBuilder, Type};

use super::described::{Described, Tag};
use super::headers::RequestHeader;
use super::shapes::{Record, Shape, array, named, or_null, text, time, uuid, word};
use crate::contact::ContactId;
use crate::error::Error;
use crate::http::contacts::CONTACT_BODY_BYTES_MAX;
use crate::invalid::Invalid;
use crate::meta;
use crate::msisdn::{MSISDN_DIGITS_MAX, MSISDN_DIGITS_MIN};
use crate::text::NAME_CHARACTERS_MAX;

/// The id of the contact in most examples.
pub(super) const ID: &str = "01a20902-1e8c-70a0-b5cf-e8a72ccb4cd2";

pub(crate) fn create() -> Described {
    Described::new("createContact", Tag::Contacts, "Creates a contact")
        .takes_headers([RequestHeader::IdempotencyKey])
        .takes_json("NewContact", &new_example(), CONTACT_BODY_BYTES_MAX)
        .answers_record("Contact", &example())
        .refuses([Error::AliasTaken(example_id())])
        .refuses([Invalid::AliasMissing, Invalid::MsisdnMissing])
        .refuses(wrong_fields())
        .retried()
        .writes()
}

pub(crate) fn get_by_id() -> Described {
    get("getContact", "Answers one contact").segment("id", uuid("The contact's id"))
}

pub(crate) fn get_by_alias() -> Described {
    get("getContactByAlias", "Answers one contact by its alias")
        .segment("alias", text("The contact's alias, percent-encoded"))
        .refuses([Invalid::AliasCharacters])
}

fn get(id: &'static str, summary: &'static str) -> Described {
    Described::new(id, Tag::Contacts, summary)
        .note("With `groups` for a key with `read:Groups`.")
        .takes_headers([RequestHeader::IfNoneMatch])
        .answers_record("FullContact", &full_example())
        .with_header("ETag")
        .or_not_modified()
        .refuses([Error::ContactNotFound, Error::RowDamaged])
}

pub(crate) fn update() -> Described {
    change("updateContact", "Replaces the fields that are given")
        .note("`meta` is replaced as a whole.")
        .takes_json(
            "ContactChange",
            &json!({"msisdn": "4479000000001", "meta": {"NAME": "John"}}),
            CONTACT_BODY_BYTES_MAX,
        )
        .answers_record("Contact", &example())
        .with_header("ETag")
}

pub(crate) fn patch() -> Described {
    change(
        "patchContact",
        "Changes the fields that are given, and merges meta",
    )
    .note("`meta` is merged (RFC 7396): `null` removes a member.")
    .takes_patch(
        "ContactPatch",
        &json!({"meta": {"CITY": "Leeds", "NAME": null}}),
        CONTACT_BODY_BYTES_MAX,
    )
    .answers_outcome("updated")
}

fn change(id: &'static str, summary: &'static str) -> Described {
    Described::new(id, Tag::Contacts, summary)
        .segment("id", uuid("The contact's id"))
        .takes_headers([RequestHeader::IfMatch, RequestHeader::IfNoneMatch])
        .refuses([Invalid::NothingToUpdate])
        .refuses(wrong_fields())
        .refuses([
            Error::AliasTaken(example_id()),
            Error::ContactNotFound,
            Error::ConditionFailed,
            Error::RowDamaged,
        ])
        .writes()
}

pub(crate) fn put() -> Described {
    let sent = json!({"msisdn": "4479000000001", "meta": {"NAME": "John", "CITY": "London"}});
    Described::new("putContact", Tag::Contacts, "Creates or replaces a contact")
        .note("Without `meta`, that of a contact is cleared.")
        .segment("alias", text("The contact's alias, percent-encoded"))
        .takes_headers([
            RequestHeader::IfMatch,
            RequestHeader::IfNoneMatch,
            RequestHeader::IdempotencyKey,
        ])
        .takes_json("PutContact", &sent, CONTACT_BODY_BYTES_MAX)
        .answers_outcome("created")
        .refuses([Invalid::AliasNotOfPath, Invalid::MsisdnMissing])
        .refuses(wrong_fields())
        .refuses([Error::ConditionFailed, Error::RowDamaged])
        .retried()
        .writes()
}

pub(crate) fn delete() -> Described {
    let named = text("The contact's id, or its number");
    Described::new(
        "deleteContact",
        Tag::Contacts,
        "Deletes a contact by id or number",
    )
    .note("Where several contacts have the number, it deletes none and answers 409.")
    .segment("id", named)
    .takes_headers([RequestHeader::IfMatch, RequestHeader::IfNoneMatch])
    .answers_done()
    .refuses([Invalid::MsisdnFormat])
    .refuses([
        Error::ContactNotFound,
        Error::NumberShared(2),
        Error::ConditionFailed,
    ])
    .writes()
}

pub(super) fn shapes() -> Vec<(&'static str, Shape)> {
    let sent = |describes| Record::new(describes).closed();
    let listed = Record::new("A contact")
        .with("id", uuid(""))
        .with("alias", alias(""))
        .with("msisdn", stored_msisdn())
        .with("created_on", time("The millisecond inside the id"))
        .maybe("meta", meta("With `include=meta` of a list alone"));
    let full = Record::new("A contact with all that it has")
        .with("id", uuid(""))
        .with("alias", alias(""))
        .with("msisdn", stored_msisdn())
        .with("created_on", time("The millisecond inside the id"))
        .with("meta", meta(""))
        .with("updated_on", time("When its fields last changed"))
        .maybe(
            "groups",
            array(named("GroupName"), "For a key with `read:Groups`"),
        );
    let new = sent("A new contact")
        .with("alias", sent_alias())
        .with("msisdn", sent_msisdn())
        .maybe("meta", sent_meta(meta::MEMBERS_MAX));
    let change = sent("The fields that are to change")
        .at_least(1)
        .maybe("alias", sent_alias())
        .maybe("msisdn", sent_msisdn())
        .maybe("meta", sent_meta(meta::MEMBERS_MAX));
    let patch = sent("The fields that are to change; `meta` is a merge patch")
        .at_least(1)
        .maybe("alias", sent_alias())
        .maybe("msisdn", sent_msisdn())
        .maybe("meta", sent_meta(meta::PATCH_MEMBERS_MAX));
    let put = sent("A contact whose alias stands in the path")
        .maybe(
            "alias",
            sent_alias().description(Some("Equals that of the path")),
        )
        .with("msisdn", sent_msisdn())
        .maybe("meta", sent_meta(meta::MEMBERS_MAX));
    vec![
        ("Contact", listed.into()),
        ("FullContact", full.into()),
        ("NewContact", new.into()),
        ("ContactChange", change.into()),
        ("ContactPatch", patch.into()),
        ("PutContact", put.into()),
    ]
}

/// An alias as it is answered.
pub(super) fn alias(description: &str) -> ObjectBuilder {
    text(description).max_length(Some(NAME_CHARACTERS_MAX))
}

fn sent_alias() -> ObjectBuilder {
    let rule = format!(
        "Unique. White space around it is dropped, and it is brought into Unicode NFC; then 1 to \
         {NAME_CHARACTERS_MAX} characters. No control characters, not `.` or `..`."
    );
    text(&rule).min_length(Some(1))
}

/// A number as it is stored and answered: digits.
pub(super) fn stored_msisdn() -> ObjectBuilder {
    let (least, most) = (MSISDN_DIGITS_MIN - 1, MSISDN_DIGITS_MAX - 1);
    text("A phone number in international format: digits")
        .pattern(Some(format!("^[1-9][0-9]{{{least},{most}}}$")))
}

/// A number as people write it.
pub(super) fn sent_msisdn() -> ObjectBuilder {
    let rule = format!(
        "A phone number in international format. White space, dashes, `.`, parentheses and a \
         leading `+` or `00` are dropped; then {MSISDN_DIGITS_MIN} to {MSISDN_DIGITS_MAX} digits, \
         the first not 0. A spelling that might become another number is refused."
    );
    text(&rule)
}

/// Free data, as it is answered.
pub(super) fn meta(description: &str) -> ObjectBuilder {
    ObjectBuilder::new()
        .description(Some(description).filter(|text| !text.is_empty()))
        .additional_properties(Some(AdditionalProperties::FreeForm(true)))
}

fn sent_meta(members_max: usize) -> ObjectBuilder {
    let rule = format!(
        "Free data. At most {members_max} members, names of {name} characters, {levels} levels and \
         {bytes} bytes of compact JSON. Numbers are kept to the digit; `null` is `{{}}`.",
        name = meta::NAME_CHARACTERS_MAX,
        levels = meta::LEVELS_MAX,
        bytes = meta::COMPACT_BYTES_MAX,
    );
    let name = text("").min_length(Some(1));
    let name = name.max_length(Some(meta::NAME_CHARACTERS_MAX));
    or_null(meta(&rule), Type::Object)
        .max_properties(Some(members_max))
        .property_names(Some(Shape::from(name)))
}

impl Described {
    /// What a stored response adds: to a call with an `Idempotency-Key`.
    pub(super) fn retried(self) -> Self {
        self.stored()
            .refuses([Invalid::IdempotencyKey])
            .refuses([Error::IdempotencyMismatch, Error::ResponsesFull])
    }

    fn answers_outcome(self, outcome: &str) -> Self {
        let outcomes = word(["created", "updated", "unchanged"], "What came of it");
        self.answers(
            Record::succeeded()
                .with("record", named("Contact"))
                .with("outcome", outcomes),
            &json!({"success": true, "record": example(), "outcome": outcome}),
        )
        .with_header("ETag")
    }
}

fn wrong_fields() -> [Invalid; 4] {
    [
        Invalid::AliasTooLong,
        Invalid::AliasCharacters,
        Invalid::MsisdnFormat,
        Invalid::MetaNotObject,
    ]
}

fn example_id() -> ContactId {
    ContactId::parse(ID).expect("the example is an id")
}

/// A contact as it is created.
pub(super) fn new_example() -> Value {
    json!({
        "alias": "john",
        "msisdn": "4479000000001",
        "meta": {"NAME": "John", "CITY": "London"},
    })
}

/// The same as it is answered.
pub(super) fn example() -> Value {
    json!({
        "id": ID,
        "alias": "john",
        "msisdn": "4479000000001",
        "created_on": "2026-11-23T15:24:23.564Z",
    })
}

fn full_example() -> Value {
    let mut full = example();
    full["meta"] = json!({"NAME": "John", "CITY": "London"});
    full["updated_on"] = json!("2026-11-23T15:24:23.564Z");
    full["groups"] = json!([group_example()]);
    full
}

/// A group as a contact shows it.
fn group_example() -> Value {
    json!({"id": "01a20902-1f60-7a31-9d15-3f0c2b7b8a10", "name": "Friends"})
}
