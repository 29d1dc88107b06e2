//! The calls about contacts: their wire forms and handlers.

use actix_web::HttpResponse;
use serde::Serialize;
use serde_json::value::RawValue;

use super::auth::{Allowed, CreateContacts};
use super::body::JsonBody;
use super::envelope::{self, Refusal};
use crate::contact::{Alias, Contact, ContactId, Msisdn, NewContact};
use crate::error::Invalid;
use crate::json::decode_string;
use crate::meta::Meta;
use crate::moment::Moment;

/// Bytes of one contact's body.
const CONTACT_BODY_BYTES_MAX: usize = 64 * 1024;

pub(super) async fn create(
    allowed: Allowed<CreateContacts>,
    body: JsonBody<CONTACT_BODY_BYTES_MAX>,
) -> Result<HttpResponse, Refusal> {
    let [alias, msisdn, meta] = body.fields(["alias", "msisdn", "meta"])?;
    let contact = NewContact {
        alias: parse_alias(alias)?,
        msisdn: parse_msisdn(msisdn)?,
        meta: meta.map_or(Ok(Meta::empty()), Meta::parse)?,
    };
    let stored = allowed
        .store()
        .create_contact(allowed.grant(), contact)
        .await?;
    Ok(envelope::one(ContactRecord::of(&stored)))
}

fn parse_alias(value: Option<&RawValue>) -> Result<Alias, Invalid> {
    let value = present(value).ok_or(Invalid::AliasMissing)?;
    let text = decode_string(value)
        .ok_or(Invalid::AliasNotString)?
        .map_err(|_| Invalid::AliasCharacters)?;
    Alias::parse(&text)
}

fn parse_msisdn(value: Option<&RawValue>) -> Result<Msisdn, Invalid> {
    let value = present(value).ok_or(Invalid::MsisdnMissing)?;
    let text = decode_string(value)
        .ok_or(Invalid::MsisdnNotString)?
        .map_err(|_| Invalid::MsisdnFormat)?;
    Msisdn::parse(&text)
}

/// `null` counts as absent.
fn present(value: Option<&RawValue>) -> Option<&RawValue> {
    value.filter(|value| value.get() != "null")
}

/// The record of create, update and list: exactly these members, in this order.
#[derive(Serialize)]
struct ContactRecord<'a> {
    id: ContactId,
    alias: &'a str,
    msisdn: &'a str,
    created_on: Moment,
}

impl<'a> ContactRecord<'a> {
    fn of(contact: &'a Contact) -> Self {
        Self {
            id: contact.id,
            alias: contact.alias.as_str(),
            msisdn: contact.msisdn.as_str(),
            created_on: contact.id.created_on(),
        }
    }
}
