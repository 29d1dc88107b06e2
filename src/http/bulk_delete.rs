//! Many contacts deleted in one request.

use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::value::RawValue;

use super::bulk::flag;
use super::gate::auth::{Allowed, DeleteContacts, FindAndDeleteContacts};
use super::lists::check_named;
use super::wire::body::JsonBody;
use super::wire::envelope::{self, ErrorBody, Refusal};
use super::wire::idempotency::{once, replay, stored_response};
use super::wire::query::Query;
use crate::bulk::{DeleteOutcome, Deleted, MATCHING_MAX, Matching};
use crate::contact::{Alias, ContactId, ContactKey};
use crate::error::Error;
use crate::fields::present;
use crate::idempotency::Once;
use crate::invalid::Invalid;
use crate::json::{Members, decode_string};
use crate::key::Grant;
use crate::selection::Filter;
use crate::store::Store;

/// Bytes of a body with many contacts to delete.
pub(crate) const DELETE_BODY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Ids or aliases of one request.
pub(crate) const KEYS_MAX: usize = 10_000;

/// The fields of such a request.
const FIELDS: [&str; 5] = ["ids", "aliases", "filter", "expect", "dryRun"];

type DeleteBody = JsonBody<DELETE_BODY_BYTES_MAX>;
type Answer = Result<HttpResponse, Refusal>;

/// Whom to delete: each that is named, by what can name one, or all that match.
enum Order {
    Each(Vec<Option<ContactKey>>),
    Matching(Matching),
}

pub(super) async fn delete(
    allowed: Allowed<DeleteContacts>,
    request: HttpRequest,
    body: DeleteBody,
) -> Answer {
    let permit = body.permit();
    let once = once(request.headers(), "bulk-delete", body.bytes())?;
    let (order, dry_run) = permit.run(move || parse(&body)).await?;
    let grant = match &order {
        Order::Each(_) if !dry_run => allowed.grant(),
        // Both can tell who is there without deleting anybody.
        Order::Each(_) | Order::Matching(_) => allowed.widened::<FindAndDeleteContacts>()?,
    };
    // A dry run writes nothing that could happen twice.
    let once = once.filter(|_| !dry_run);
    match order {
        Order::Each(keys) => delete_each(allowed.store(), grant, (once, dry_run), keys).await,
        Order::Matching(matching) => {
            delete_matching(&allowed, grant, (once, dry_run), matching).await
        }
    }
}

async fn delete_each(
    store: &Store,
    grant: Grant,
    (once, dry_run): (Option<Once>, bool),
    sent: Vec<Option<ContactKey>>,
) -> Answer {
    let keys = sent.iter().flatten().cloned().collect();
    let Some(once) = once else {
        let outcomes = store.delete_contacts(grant, dry_run, keys).await?;
        return Ok(answer_each(&sent, outcomes));
    };
    let render = move |outcomes: Result<Vec<DeleteOutcome>, Error>| {
        stored_response(outcomes.map(|outcomes| answer_each(&sent, outcomes)))
    };
    let answer = store.delete_contacts_once(grant, once, keys, render);
    Ok(replay(answer.await?))
}

async fn delete_matching(
    allowed: &Allowed<DeleteContacts>,
    grant: Grant,
    (once, dry_run): (Option<Once>, bool),
    matching: Matching,
) -> Answer {
    check_named(&allowed.snapshot()?, grant, &matching.filters).await?;
    let store = allowed.store();
    let Some(once) = once else {
        let deleted = store.delete_matching(grant, dry_run, matching).await?;
        return Ok(answer_matching(deleted));
    };
    let render = |deleted: Result<u64, Error>| stored_response(deleted.map(answer_matching));
    let answer = store.delete_matching_once(grant, once, matching, render);
    Ok(replay(answer.await?))
}

fn parse(body: &DeleteBody) -> Result<(Order, bool), Invalid> {
    let [ids, aliases, filter, expect, dry_run] = body.fields(FIELDS)?.map(present);
    let dry_run = flag(dry_run).ok_or(Invalid::BulkDryRun)?;
    if filter.is_none() && expect.is_some() {
        return Err(Invalid::DeleteExpectAlone);
    }
    let order = match (ids, aliases, filter) {
        (Some(ids), None, None) => {
            let key = |id: String| ContactId::parse(&id).map(ContactKey::Id);
            Order::Each(keys(ids, key).ok_or(Invalid::DeleteIds)?)
        }
        (None, Some(aliases), None) => {
            let key = |alias: String| Alias::parse(&alias).ok().map(ContactKey::Alias);
            Order::Each(keys(aliases, key).ok_or(Invalid::DeleteAliases)?)
        }
        (None, None, Some(filter)) => Order::Matching(Matching {
            filters: filters(filter)?,
            expect: expect.and_then(count).ok_or(Invalid::DeleteExpect)?,
        }),
        _ => return Err(Invalid::DeleteOneOf),
    };
    Ok((order, dry_run))
}

fn keys(
    value: &RawValue,
    key: impl Fn(String) -> Option<ContactKey>,
) -> Option<Vec<Option<ContactKey>>> {
    let sent: Vec<String> = serde_json::from_str(value.get()).ok()?;
    let is_right = (1..=KEYS_MAX).contains(&sent.len());
    is_right.then(|| sent.into_iter().map(key).collect())
}

fn filters(value: &RawValue) -> Result<Vec<Filter>, Invalid> {
    let Members(members) = serde_json::from_str(value.get()).map_err(|_| Invalid::DeleteFilter)?;
    let members = members.into_iter().map(|(name, value)| {
        let text = decode_string(value)?.ok()?;
        Some((name.into_owned(), text.into_owned()))
    });
    let members: Option<Vec<(String, String)>> = members.collect();
    let members = members.filter(|members| !members.is_empty());
    Query::of(members.ok_or(Invalid::DeleteFilter)?)?.into_filters()
}

fn count(value: &RawValue) -> Option<u64> {
    let count: u64 = serde_json::from_str(value.get()).ok()?;
    (count <= MATCHING_MAX).then_some(count)
}

fn answer_each(sent: &[Option<ContactKey>], outcomes: Vec<DeleteOutcome>) -> HttpResponse {
    let mut outcomes = outcomes.into_iter();
    let results = sent.iter().enumerate().map(|(index, key)| {
        let outcome = match key {
            Some(_) => outcomes.next().unwrap_or(Err(Error::NotTried)),
            None => Err(Error::ContactNotFound),
        };
        let (status, deleted, error) = match outcome {
            Ok(deleted) => ("deleted", Some(deleted), None),
            Err(Error::ContactNotFound) => ("not_found", None, None),
            Err(error) => ("error", None, Some(Refusal::from(error).error_body())),
        };
        let (id, alias) = match (deleted, key) {
            (Some(Deleted { id, alias }), _) => (Some(id), alias),
            (None, Some(ContactKey::Id(id))) => (Some(*id), None),
            (None, Some(ContactKey::Alias(alias))) => (None, Some(alias.clone())),
            (None, Some(ContactKey::Msisdn(_)) | None) => (None, None),
        };
        WrittenResult {
            index,
            id,
            alias: alias.map(|alias| alias.as_str().to_owned()),
            status,
            error,
        }
    });
    let results: Vec<WrittenResult> = results.collect();
    let count = |status| results.iter().filter(|one| one.status == status).count() as u64;
    let summary = Summary {
        total: results.len() as u64,
        deleted: count("deleted"),
        failed: count("error"),
    };
    let results = Some(results);
    envelope::succeeded(Written { summary, results })
}

fn answer_matching(deleted: u64) -> HttpResponse {
    let summary = Summary {
        total: deleted,
        deleted,
        failed: 0,
    };
    let results = None;
    envelope::succeeded(Written { summary, results })
}

#[derive(Serialize)]
struct Written {
    summary: Summary,
    /// Of those that were named one by one.
    #[serde(skip_serializing_if = "Option::is_none")]
    results: Option<Vec<WrittenResult>>,
}

#[derive(Serialize)]
struct Summary {
    total: u64,
    deleted: u64,
    failed: u64,
}

#[derive(Serialize)]
struct WrittenResult {
    index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<ContactId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alias: Option<String>,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorBody>,
}
