//! Many contacts in one request.

use std::collections::HashMap;

use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::value::RawValue;

use super::contacts::outcome_word;
use super::gate::auth::{Allowed, CreateContacts, PutContacts};
use super::wire::body::JsonBody;
use super::wire::envelope::{self, ErrorBody, Refusal};
use super::wire::idempotency::{once, replay, stored_response};
use crate::bulk::{BulkMode, BulkOrder, ItemOutcome};
use crate::change::Outcome;
use crate::contact::{Alias, ContactId, NewContact};
use crate::error::Error;
use crate::fields::{CONTACT_FIELDS as FIELDS, fields_of, parse_contact, present};
use crate::idempotency::Once;
use crate::invalid::Invalid;
use crate::json::decode_string;
use crate::key::Grant;
use crate::store::Store;

/// Bytes of a body with many contacts.
pub(crate) const BULK_BODY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Contacts of one request.
pub(crate) const CONTACTS_MAX: usize = 10_000;

/// The fields of a request with many contacts.
const BULK_FIELDS: [&str; 4] = ["mode", "atomic", "dryRun", "contacts"];

type BulkBody = JsonBody<BULK_BODY_BYTES_MAX>;

pub(super) async fn bulk(
    allowed: Allowed<CreateContacts>,
    request: HttpRequest,
    body: BulkBody,
) -> Result<HttpResponse, Refusal> {
    let permit = body.permit();
    let once = once(request.headers(), "bulk", body.bytes())?;
    let (order, body) = permit.run(move || Ok((parse_order(&body)?, body))).await?;
    let grant = match order.mode {
        BulkMode::Create => allowed.grant(),
        BulkMode::Upsert | BulkMode::Merge => allowed.widened::<PutContacts>()?,
    };
    let mode = order.mode;
    let contacts = permit.run(move || parse_contacts(&body, mode)).await?;
    store_and_answer(allowed.store(), grant, once, order, contacts).await
}

async fn store_and_answer(
    store: &Store,
    grant: Grant,
    once: Option<Once>,
    order: BulkOrder,
    contacts: Vec<SentContact>,
) -> Result<HttpResponse, Refusal> {
    let results = Results::of(&contacts);
    let contacts = valid(contacts);
    // What will be refused as a whole is still tried, to explain every bad one.
    let tried = BulkOrder {
        dry_run: order.dry_run || (order.atomic && results.wrong() > 0),
        ..order
    };
    // A dry run writes nothing that could happen twice.
    let Some(once) = once.filter(|_| !order.dry_run) else {
        let outcomes = store.store_contacts(grant, tried, contacts).await?;
        return Ok(results.with(outcomes).answer(order));
    };
    let render = move |outcomes: Result<Vec<ItemOutcome>, Error>| {
        stored_response(outcomes.map(|outcomes| results.clone().with(outcomes).answer(order)))
    };
    let answer = store.store_contacts_once(grant, once, tried, contacts, render);
    Ok(replay(answer.await?))
}

/// A contact as it was sent, or what is wrong with it; beside it its alias,
/// where it has one, however wrong the rest is.
type SentContact = (Option<Alias>, Result<NewContact, Invalid>);

fn parse_order(body: &BulkBody) -> Result<BulkOrder, Invalid> {
    let [mode, atomic, dry_run, _] = body.fields(BULK_FIELDS)?;
    let mode = present(mode).map(|mode| decode_string(mode).and_then(Result::ok));
    Ok(BulkOrder {
        mode: match mode {
            Some(word) => word
                .and_then(|word| BulkMode::parse(&word))
                .ok_or(Invalid::BulkMode)?,
            None => BulkMode::Create,
        },
        atomic: flag(atomic).ok_or(Invalid::BulkAtomic)?,
        dry_run: flag(dry_run).ok_or(Invalid::BulkDryRun)?,
    })
}

fn parse_contacts(body: &BulkBody, mode: BulkMode) -> Result<Vec<SentContact>, Invalid> {
    let [_, _, _, contacts] = body.fields(BULK_FIELDS)?;
    let contacts = contacts.ok_or(Invalid::BulkContacts)?;
    let contacts: Vec<&RawValue> =
        serde_json::from_str(contacts.get()).map_err(|_| Invalid::BulkContacts)?;
    if !(1..=CONTACTS_MAX).contains(&contacts.len()) {
        return Err(Invalid::BulkContacts);
    }
    let mut first_uses: HashMap<Alias, usize> = HashMap::new();
    let contacts = contacts.into_iter().enumerate();
    let contacts = contacts.map(|(index, value)| {
        let contact = parse_item(value, mode).and_then(|contact| {
            match first_uses.get(&contact.alias) {
                Some(first) => return Err(Invalid::AliasOfAnother(*first)),
                None => first_uses.insert(contact.alias.clone(), index),
            };
            Ok(contact)
        });
        (alias_of(value), contact)
    });
    Ok(contacts.collect())
}

/// A field that is `true` or `false`; without it, false.
pub(super) fn flag(value: Option<&RawValue>) -> Option<bool> {
    match value.map(RawValue::get) {
        None | Some("null" | "false") => Some(false),
        Some("true") => Some(true),
        Some(_) => None,
    }
}

fn parse_item(value: &RawValue, mode: BulkMode) -> Result<NewContact, Invalid> {
    if !value.get().starts_with('{') {
        return Err(Invalid::ContactNotObject);
    }
    parse_contact(fields_of(value, FIELDS)?, mode)
}

fn alias_of(value: &RawValue) -> Option<Alias> {
    let [alias, ..] = fields_of(value, FIELDS).ok()?;
    let text = decode_string(alias?)?.ok()?;
    Alias::parse(&text).ok()
}

/// The contacts that can be stored, in the order of the request.
fn valid(contacts: Vec<SentContact>) -> Vec<NewContact> {
    let contacts = contacts.into_iter().filter_map(|(_, contact)| contact.ok());
    contacts.collect()
}

/// What came of each contact, in the order of the request.
#[derive(Clone)]
struct Results(Vec<ItemResult>);

#[derive(Clone)]
struct ItemResult {
    alias: Option<Alias>,
    outcome: ItemOutcome,
}

impl Results {
    fn of(contacts: &[SentContact]) -> Self {
        let results = contacts.iter().map(|(alias, contact)| ItemResult {
            alias: alias.clone(),
            outcome: match contact {
                Ok(_) => Err(Error::NotTried),
                Err(invalid) => Err(invalid.clone().into()),
            },
        });
        Self(results.collect())
    }

    /// Takes what came of the contacts that could be stored, in their order.
    fn with(mut self, outcomes: Vec<ItemOutcome>) -> Self {
        let tried = self.0.iter_mut();
        let tried = tried.filter(|result| result.outcome == Err(Error::NotTried));
        for (result, outcome) in tried.zip(outcomes) {
            result.outcome = outcome;
        }
        self
    }

    /// How many are wrong themselves.
    fn wrong(&self) -> usize {
        let wrong = self.0.iter().filter(|result| {
            let outcome = &result.outcome;
            outcome
                .as_ref()
                .is_err_and(|error| *error != Error::NotTried)
        });
        wrong.count()
    }

    fn answer(mut self, order: BulkOrder) -> HttpResponse {
        let wrong = self.wrong();
        if order.atomic && wrong > 0 {
            // The others were undone.
            for result in self.0.iter_mut().filter(|result| result.outcome.is_ok()) {
                result.outcome = Err(Error::NotTried);
            }
            let refusal = Refusal::from(Invalid::BulkRefused(wrong));
            return refusal.answer_with_results(self.written(order));
        }
        let cleared = self.0.iter().flat_map(|result| &result.outcome);
        let cleared = cleared.map(|stored| stored.cleared).sum();
        let shows_cleared = order.dry_run && order.mode == BulkMode::Upsert;
        let results = self.written(order);
        let count = |status| results.iter().filter(|one| one.status == status).count();
        envelope::succeeded(Answer {
            summary: Summary {
                total: results.len(),
                created: count("created"),
                updated: count("updated"),
                unchanged: count("unchanged"),
                failed: count("error"),
                cleared: shows_cleared.then_some(cleared),
            },
            results,
        })
    }

    fn written(&self, order: BulkOrder) -> Vec<WrittenResult<'_>> {
        let results = self.0.iter().enumerate();
        let written = results.map(|(index, ItemResult { alias, outcome })| {
            let (status, id, error) = match outcome {
                // What a dry run would create has no id.
                Ok(stored) if order.dry_run && stored.outcome == Outcome::Created => {
                    ("created", None, None)
                }
                Ok(stored) => (outcome_word(stored.outcome), Some(stored.id), None),
                Err(error) => (
                    "error",
                    None,
                    Some(Refusal::from(error.clone()).error_body()),
                ),
            };
            WrittenResult {
                index,
                status,
                id,
                alias: alias.as_ref().map(Alias::as_str),
                error,
            }
        });
        written.collect()
    }
}

#[derive(Serialize)]
struct Answer<'a> {
    summary: Summary,
    results: Vec<WrittenResult<'a>>,
}

#[derive(Serialize)]
struct Summary {
    total: usize,
    created: usize,
    updated: usize,
    unchanged: usize,
    failed: usize,
    /// What an upsert would clear, where it is tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    cleared: Option<u64>,
}

#[derive(Serialize)]
struct WrittenResult<'a> {
    index: usize,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<ContactId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alias: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorBody>,
}
