//! The list of contacts, and how a list of contacts is answered.

use actix_web::{HttpRequest, HttpResponse};

use super::gate::auth::{Allowed, ReadContacts};
use super::wire::envelope::{self, Refusal};
use super::wire::query::Query;
use super::wire::record::write_next_contact;
use crate::selection::{Listed, Page, Selection};

pub(super) async fn list(
    allowed: Allowed<ReadContacts>,
    request: HttpRequest,
) -> Result<HttpResponse, Refusal> {
    let selection = Query::parse(request.query_string())?.into_selection()?;
    let (grant, begun) = (allowed.grant(), envelope::begin_many(selection.limit));
    let snapshot = allowed.snapshot()?;
    let listed = snapshot.contacts(grant, &selection, begun, write_next_contact);
    let (json, listed) = listed.await?;
    Ok(answer(json, &listed, &selection))
}

/// The part of a list that was asked for: with its total, or with the next cursor.
pub(super) fn answer(json: Vec<u8>, listed: &Listed, selection: &Selection) -> HttpResponse {
    let limit = selection.limit;
    match &selection.page {
        Page::Offset(offset) => {
            envelope::many_written(json, *offset, limit, listed.total.unwrap_or_default())
        }
        Page::After(_) => {
            let next = listed.next.as_ref();
            let next = next.map(|next| next.to_cursor(&selection.filters, selection.sort));
            envelope::many_written_by_cursor(json, limit, next.as_deref())
        }
    }
}
