//! The list of contacts, and how a list of contacts is answered.

use actix_web::{HttpRequest, HttpResponse};

use super::contacts::or_unreadable;
use super::gate::auth::{Allowed, ReadContacts};
use super::wire::counted::CountedJson;
use super::wire::envelope::Refusal;
use super::wire::many;
use super::wire::query::Query;
use super::wire::record::write_next_contact;
use crate::error::Error;
use crate::key::Grant;
use crate::selection::{Filter, Listed, Page, Selection};
use crate::store::Snapshot;

pub(super) async fn list(
    allowed: Allowed<ReadContacts>,
    request: HttpRequest,
) -> Result<HttpResponse, Refusal> {
    let selection = Query::parse(request.query_string())?.into_selection()?;
    let begun = allowed.count_from(many::begin(selection.limit));
    let snapshot = allowed.snapshot()?;
    check_named(&snapshot, allowed.grant(), &selection.filters).await?;
    let listed = snapshot.contacts(allowed.grant(), &selection, begun, write_next_contact);
    let (json, listed) = listed.await?;
    Ok(answer(json, &listed, &selection)?)
}

/// Checks what filters name by today's rules, unless it is stored since older ones.
///
/// # Errors
/// `Invalid`; those of every read.
pub(super) async fn check_named(
    snapshot: &Snapshot,
    grant: Grant,
    filters: &[Filter],
) -> Result<(), Error> {
    for key in filters.iter().filter_map(Filter::names) {
        if key.check_new().is_err() {
            let found = snapshot.contact(grant, &key).await;
            found.map_err(|error| or_unreadable(error, &key))?;
        }
    }
    Ok(())
}

/// The part of a list that was asked for: with its total, or with the next cursor.
///
/// # Errors
/// `AnswersWaiting`.
pub(super) fn answer(
    json: CountedJson,
    listed: &Listed,
    selection: &Selection,
) -> Result<HttpResponse, Error> {
    let limit = selection.limit;
    match &selection.page {
        Page::Offset(offset) => many::end(json, *offset, limit, listed.total.unwrap_or_default()),
        Page::After(_) => {
            let next = listed.next.as_ref();
            let next = next.map(|next| next.to_cursor(&selection.filters, selection.sort));
            many::end_by_cursor(json, limit, next.as_deref())
        }
    }
}
