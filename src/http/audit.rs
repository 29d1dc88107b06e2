//! The call about the audit.

use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::value::RawValue;

use super::gate::auth::{Allowed, ReadAudit};
use super::wire::envelope::Refusal;
use super::wire::many;
use super::wire::query::Query;
use crate::event::Event;
use crate::moment::Moment;

pub(super) async fn list(
    allowed: Allowed<ReadAudit>,
    request: HttpRequest,
) -> Result<HttpResponse, Refusal> {
    let (offset, limit) = Query::parse(request.query_string())?.into_page()?;
    let store = allowed.store();
    let (events, total) = store.events(allowed.grant(), offset, limit).await?;
    let records = events.iter().map(EventRecord::of).collect();
    Ok(many::whole(records, offset, limit, total))
}

#[derive(Serialize)]
struct EventRecord<'a> {
    id: u64,
    created_on: Moment,
    action: &'a str,
    actor: Option<&'a str>,
    target: Option<&'a str>,
    permission: Option<&'a str>,
    address: Option<&'a str>,
    changes: Option<&'a RawValue>,
}

impl<'a> EventRecord<'a> {
    fn of(event: &'a Event) -> Self {
        Self {
            id: event.id,
            created_on: event.created_on,
            action: &event.action,
            actor: event.actor.as_deref(),
            target: event.target.as_deref(),
            permission: event.permission.as_deref(),
            address: event.address.as_deref(),
            changes: event.changes.as_deref(),
        }
    }
}
