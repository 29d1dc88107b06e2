//! The list of contacts.

use actix_web::{HttpRequest, HttpResponse};

use super::auth::{Allowed, ReadContacts};
use super::contacts::ContactRecord;
use super::envelope::{self, Refusal};
use super::query::Query;
use crate::error::Error;
use crate::selection::Page;

pub(super) async fn list(
    allowed: Allowed<ReadContacts>,
    request: HttpRequest,
) -> Result<HttpResponse, Refusal> {
    let selection = Query::parse(request.query_string())?.into_selection()?;
    let (filters, sort) = (selection.filters.clone(), selection.sort);
    let (page, limit) = (selection.page.clone(), selection.limit);
    let listed = allowed.store().contacts(allowed.grant(), selection).await?;
    let records = listed
        .contacts
        .iter()
        .map(|(contact, meta)| match meta {
            Some(meta) => ContactRecord::with_meta(contact, meta),
            None => Ok(ContactRecord::of(contact)),
        })
        .collect::<Result<Vec<_>, Error>>()?;
    Ok(match page {
        Page::Offset(offset) => {
            envelope::many(records, offset, limit, listed.total.unwrap_or_default())
        }
        Page::After(_) => {
            let next = listed.next.map(|next| next.to_cursor(&filters, sort));
            envelope::many_by_cursor(records, limit, next)
        }
    })
}
