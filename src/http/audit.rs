//! The call about the audit.

use actix_web::{HttpRequest, HttpResponse};

use super::gate::auth::{Allowed, ReadAudit};
use super::wire::envelope::{self, Refusal};
use super::wire::query::Query;

pub(super) async fn list(
    allowed: Allowed<ReadAudit>,
    request: HttpRequest,
) -> Result<HttpResponse, Refusal> {
    let (offset, limit) = Query::parse(request.query_string())?.into_page()?;
    let store = allowed.store();
    let (events, total) = store.events(allowed.grant(), offset, limit).await?;
    Ok(envelope::many(events, offset, limit, total))
}
