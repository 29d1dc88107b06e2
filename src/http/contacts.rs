//! The calls about one contact: their wire forms and handlers.

use std::sync::{Arc, OnceLock};

use actix_web::http::header::{ETAG, HeaderValue, IF_NONE_MATCH, LINK};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::value::RawValue;

use super::gate::auth::{
    Allowed, CreateContacts, DeleteContacts, Need, PutContacts, ReadContacts, ReadGroups,
    UpdateContacts,
};
use super::wire::body::JsonBody;
use super::wire::condition::{condition, etag, names_version};
use super::wire::envelope::{self, Refusal};
use super::wire::idempotency::{once, replay, stored_response};
use super::wire::record::{write_contact, write_full_contact};
use super::wire::segment::Segment;
use crate::base_path::BasePath;
use crate::bulk::BulkMode;
use crate::change::{ContactChange, MetaChange, Outcome, Version};
use crate::contact::{Alias, ContactId, ContactKey, FullContact, Msisdn, NewContact};
use crate::error::Error;
use crate::fields::{
    CONTACT_FIELDS as FIELDS, optional_meta, optional_meta_patch, parse_contact, present,
    required_alias, required_msisdn,
};
use crate::invalid::Invalid;
use crate::meta::Meta;

/// Bytes of one contact's body.
pub(crate) const CONTACT_BODY_BYTES_MAX: usize = 64 * 1024;

type ContactBody = JsonBody<CONTACT_BODY_BYTES_MAX>;
type Answer = Result<HttpResponse, Refusal>;

pub(super) async fn create(
    allowed: Allowed<CreateContacts>,
    request: HttpRequest,
    body: ContactBody,
) -> Answer {
    let contact = parse_contact(body.fields(FIELDS)?, BulkMode::Create)?;
    let store = allowed.store();
    let base = told(&allowed);
    let Some(once) = once(request.headers(), "create", body.bytes())? else {
        let stored = store.create_contact(allowed.grant(), contact).await;
        return stored.map_or_else(|error| refused(error, base), |stored| Ok(record(&stored)));
    };
    let holder = Arc::new(OnceLock::new());
    let told = Arc::clone(&holder);
    let render = move |stored: Result<FullContact, Error>| {
        if let Err(Error::AliasTaken(holder)) = &stored {
            let _ = told.set(*holder);
        }
        stored_response(stored.map(|one| record(&one)))
    };
    let answer = store.create_contact_once(allowed.grant(), once, contact, render);
    let answer = replay(answer.await?);
    match (holder.get(), base) {
        (Some(holder), Some(base)) => with_link(answer, *holder, base),
        _ => Ok(answer),
    }
}

/// What the path of a contact begins with, where the key may be told that there is one.
fn told<N: Need>(allowed: &Allowed<N>) -> Option<&BasePath> {
    let may_read = allowed.widened::<ReadContacts>().is_ok();
    may_read.then(|| allowed.base_path())
}

/// Where another contact has the alias, says which (RFC 8288), to a key that is [`told`].
fn refused(error: Error, told: Option<&BasePath>) -> Answer {
    let Error::AliasTaken(holder) = error else {
        return Err(error.into());
    };
    let answer = Refusal::from(error).answer();
    match told {
        Some(base) => with_link(answer, holder, base),
        None => Ok(answer),
    }
}

fn with_link(mut answer: HttpResponse, contact: ContactId, base: &BasePath) -> Answer {
    let link = format!("<{base}/addressbook/contacts/{contact}>; rel=\"item\"");
    let link = HeaderValue::try_from(link).map_err(|_| Error::Internal)?;
    answer.headers_mut().insert(LINK, link);
    Ok(answer)
}

fn record(stored: &FullContact) -> HttpResponse {
    envelope::one_written(None, |json| write_contact(json, &stored.contact.view()))
}

pub(super) async fn get_by_id(
    allowed: Allowed<ReadContacts>,
    id: Segment,
    request: HttpRequest,
) -> Answer {
    let id = id.parse(ContactId::parse).ok_or(Error::ContactNotFound)?;
    get(&allowed, &ContactKey::Id(id), &request).await
}

pub(super) async fn get_by_alias(
    allowed: Allowed<ReadContacts>,
    alias: Segment,
    request: HttpRequest,
) -> Answer {
    let key = ContactKey::Alias(alias.read(Alias::parse, Invalid::AliasCharacters)?);
    get(&allowed, &key, &request).await
}

async fn get(allowed: &Allowed<ReadContacts>, key: &ContactKey, request: &HttpRequest) -> Answer {
    let found = allowed.snapshot()?.contact(allowed.grant(), key).await;
    let full = found.map_err(|error| or_unreadable(error, key))?;
    let version = Version::of(&full);
    let with_groups = allowed.widened::<ReadGroups>().is_ok();
    let mut answer = if names_version(request.headers(), &IF_NONE_MATCH, version) {
        envelope::not_modified()
    } else {
        envelope::one_written(None, |json| write_full_contact(json, &full, with_groups))
    };
    answer.headers_mut().insert(ETAG, etag(version));
    Ok(answer)
}

pub(super) async fn update(
    allowed: Allowed<UpdateContacts>,
    id: Segment,
    request: HttpRequest,
    body: ContactBody,
) -> Answer {
    let change = parse_change(&body, |meta| {
        Ok(optional_meta(meta)?.map(MetaChange::Replace))
    })?;
    match change_contact(&allowed, &id, &request, change).await {
        Ok((full, _)) => Ok(with_etag(&full, record(&full))),
        Err(error) => refused(error, told(&allowed)),
    }
}

pub(super) async fn patch(
    allowed: Allowed<UpdateContacts>,
    id: Segment,
    request: HttpRequest,
    body: ContactBody,
) -> Answer {
    let change = parse_change(&body, |meta| {
        Ok(optional_meta_patch(meta)?.map(MetaChange::Merge))
    })?;
    match change_contact(&allowed, &id, &request, change).await {
        Ok((full, outcome)) => Ok(changed(&full, outcome)),
        Err(error) => refused(error, told(&allowed)),
    }
}

pub(super) async fn put(
    allowed: Allowed<PutContacts>,
    path: Segment,
    request: HttpRequest,
    body: ContactBody,
) -> Answer {
    let [alias, msisdn, meta] = body.fields(FIELDS)?;
    let path_alias = path.read(Alias::parse, Invalid::AliasCharacters)?;
    let alias = present(alias).map(|alias| required_alias(Some(alias)));
    if alias.transpose()?.is_some_and(|alias| alias != path_alias) {
        return Err(Invalid::AliasNotOfPath.into());
    }
    let contact = NewContact {
        alias: path_alias,
        msisdn: required_msisdn(msisdn)?,
        meta: optional_meta(meta)?.unwrap_or_else(Meta::empty),
    };
    let condition = condition(request.headers());
    let what = format!("put {}", contact.alias.as_str());
    let (store, grant) = (allowed.store(), allowed.grant());
    let Some(once) = once(request.headers(), &what, body.bytes())? else {
        let (full, outcome) = store.put_contact(grant, contact, condition).await?;
        return Ok(changed(&full, outcome));
    };
    let render = |put: Result<(FullContact, Outcome), Error>| {
        stored_response(put.map(|(full, outcome)| changed(&full, outcome)))
    };
    let answer = store.put_contact_once(grant, once, contact, condition, render);
    Ok(replay(answer.await?))
}

pub(super) async fn delete(
    allowed: Allowed<DeleteContacts>,
    named: Segment,
    request: HttpRequest,
) -> Answer {
    let key = match named.parse(ContactId::parse) {
        Some(id) => ContactKey::Id(id),
        None => ContactKey::Msisdn(named.read(Msisdn::parse, Invalid::MsisdnFormat)?),
    };
    let (store, condition) = (allowed.store(), condition(request.headers()));
    let deleted = store.delete_contact(allowed.grant(), key.clone(), condition);
    deleted.await.map_err(|error| or_unreadable(error, &key))?;
    Ok(envelope::done())
}

/// Where nothing is stored under a spelling that today's rules refuse, it is refused.
pub(super) fn or_unreadable(error: Error, key: &ContactKey) -> Error {
    match key.check_new() {
        Err(invalid) if error == Error::ContactNotFound => invalid.into(),
        _ => error,
    }
}

/// Reads the fields that are given; the way in which `meta` changes is the call's.
fn parse_change(
    body: &ContactBody,
    meta_change: fn(Option<&RawValue>) -> Result<Option<MetaChange>, Invalid>,
) -> Result<ContactChange, Invalid> {
    let [alias, msisdn, meta] = body.fields(FIELDS)?;
    let alias = alias.map(|alias| required_alias(Some(alias))).transpose()?;
    let msisdn = msisdn
        .map(|msisdn| required_msisdn(Some(msisdn)))
        .transpose()?;
    ContactChange::new(alias, msisdn, meta_change(meta)?)
}

async fn change_contact(
    allowed: &Allowed<UpdateContacts>,
    id: &Segment,
    request: &HttpRequest,
    change: ContactChange,
) -> Result<(FullContact, Outcome), Error> {
    let id = id.parse(ContactId::parse).ok_or(Error::ContactNotFound)?;
    let condition = condition(request.headers());
    let store = allowed.store();
    store
        .update_contact(allowed.grant(), id, change, condition)
        .await
}

fn changed(full: &FullContact, outcome: Outcome) -> HttpResponse {
    let answer = envelope::one_written(Some(outcome_word(outcome)), |json| {
        write_contact(json, &full.contact.view());
    });
    with_etag(full, answer)
}

pub(super) fn outcome_word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Created => "created",
        Outcome::Updated => "updated",
        Outcome::Unchanged => "unchanged",
    }
}

fn with_etag(full: &FullContact, mut answer: HttpResponse) -> HttpResponse {
    let version = Version::of(full);
    answer.headers_mut().insert(ETAG, etag(version));
    answer
}
