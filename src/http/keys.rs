//! The calls about API keys: their wire forms and handlers.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;

use super::gate::auth::{
    Allowed, AnyKey, CreateApiKeys, DeleteApiKeys, ReadApiKeys, UpdateApiKeys,
};
use super::wire::body::JsonBody;
use super::wire::envelope::{self, Refusal};
use super::wire::key_fields::{
    address_ranges, expiry, overlap, permissions, rate_limit, required_name,
};
use super::wire::key_record::KeyRecord;
use super::wire::many;
use super::wire::query::Query;
use super::wire::segment::Segment;
use crate::error::Error;
use crate::invalid::Invalid;
use crate::key::{ApiKey, KeyChange, KeyTerms};
use crate::moment::Moment;
use crate::permission::PermissionSet;
use crate::token::{KeyId, NewSecret};

/// Bytes of a key's body.
pub(crate) const KEY_BODY_BYTES_MAX: usize = 64 * 1024;
/// The fields of a key's body.
const FIELDS: [&str; 5] = [
    "name",
    "permissions",
    "expires_on",
    "allowed_ips",
    "rate_limit",
];

type KeyBody = JsonBody<KEY_BODY_BYTES_MAX>;
type Answer = Result<HttpResponse, Refusal>;

/// Tells a client which key it holds.
pub(super) async fn test(allowed: Allowed<AnyKey>) -> Answer {
    let key = allowed.snapshot()?.own_key(allowed.grant()).await?;
    Ok(envelope::one(OwnKeyRecord::of(&key)))
}

pub(super) async fn create(allowed: Allowed<CreateApiKeys>, body: KeyBody) -> Answer {
    let [name, given, expires_on, allowed_ips, limit] = body.fields(FIELDS)?;
    let terms = KeyTerms {
        name: required_name(name)?,
        permissions: permissions(given)?.ok_or(Invalid::PermissionsMissing)?,
        expires_on: expiry(expires_on, Moment::now())?.flatten(),
        allowed_ips: address_ranges(allowed_ips)?.unwrap_or_default(),
        rate_limit: rate_limit(limit)?.flatten(),
    };
    let secret = allowed.keyring().generate().await?;
    let store = allowed.store();
    let (key, secret) = store.create_key(allowed.grant(), secret, terms).await?;
    Ok(envelope::one(NewKeyRecord::of(&key, &secret)))
}

pub(super) async fn list(allowed: Allowed<ReadApiKeys>, request: HttpRequest) -> Answer {
    let (offset, limit) = Query::parse(request.query_string())?.into_page()?;
    let store = allowed.store();
    let (keys, total) = store.keys(allowed.grant(), offset, limit).await?;
    let records = keys.iter().map(KeyRecord::of).collect();
    Ok(many::whole(records, offset, limit, total))
}

pub(super) async fn get(allowed: Allowed<ReadApiKeys>, id: Segment) -> Answer {
    let id = id.parse(KeyId::parse).ok_or(Error::KeyNotFound)?;
    let key = allowed.snapshot()?.key(allowed.grant(), id).await?;
    Ok(envelope::one(KeyRecord::of(&key)))
}

pub(super) async fn patch(allowed: Allowed<UpdateApiKeys>, id: Segment, body: KeyBody) -> Answer {
    let [name, given, expires_on, allowed_ips, limit] = body.fields(FIELDS)?;
    let change = KeyChange {
        name: name.map(|name| required_name(Some(name))).transpose()?,
        permissions: permissions(given)?,
        expires_on: expiry(expires_on, Moment::now())?,
        allowed_ips: address_ranges(allowed_ips)?,
        rate_limit: rate_limit(limit)?,
    };
    if change.is_empty() {
        return Err(Invalid::NothingToUpdate.into());
    }
    let id = id.parse(KeyId::parse).ok_or(Error::KeyNotFound)?;
    let store = allowed.store();
    let key = store.update_key(allowed.grant(), id, change).await?;
    Ok(envelope::one(KeyRecord::of(&key)))
}

pub(super) async fn rotate(
    allowed: Allowed<UpdateApiKeys>,
    id: web::Path<String>,
    body: KeyBody,
) -> Answer {
    let [seconds] = body.fields(["overlapSeconds"])?;
    let overlap = overlap(seconds)?;
    let id = KeyId::parse(&id).ok_or(Error::KeyNotFound)?;
    // An id that nobody has runs no argon2.
    allowed.snapshot()?.key(allowed.grant(), id).await?;
    let secret = allowed.keyring().generate().await?;
    let store = allowed.store();
    let (key, secret) = store
        .rotate_key(allowed.grant(), id, secret, overlap)
        .await?;
    Ok(envelope::one(NewKeyRecord::of(&key, &secret)))
}

pub(super) async fn delete(
    allowed: Allowed<DeleteApiKeys>,
    id: Segment,
    request: HttpRequest,
) -> Answer {
    let force = Query::parse(request.query_string())?.into_force()?;
    let id = id.parse(KeyId::parse).ok_or(Error::KeyNotFound)?;
    allowed
        .store()
        .revoke_key(allowed.grant(), id, force)
        .await?;
    Ok(envelope::done())
}

/// A key's record with its token: in the answers to create and rotate alone.
#[derive(Serialize)]
struct NewKeyRecord<'a> {
    #[serde(flatten)]
    key: KeyRecord<'a>,
    token: &'a str,
}

impl<'a> NewKeyRecord<'a> {
    fn of(key: &'a ApiKey, secret: &'a NewSecret) -> Self {
        Self {
            key: KeyRecord::of(key),
            token: secret.token.expose(),
        }
    }
}

/// What a key is told of itself.
#[derive(Serialize)]
pub(super) struct OwnKeyRecord<'a> {
    id: &'a str,
    name: &'a str,
    permissions: PermissionSet,
    expires_on: Option<Moment>,
}

impl<'a> OwnKeyRecord<'a> {
    pub(super) fn of(key: &'a ApiKey) -> Self {
        Self {
            id: key.id.as_str(),
            name: key.terms.name.as_str(),
            permissions: key.terms.permissions,
            expires_on: key.terms.expires_on,
        }
    }
}
