//! The calls about opt-outs: their wire form and handlers.

use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;

use super::gate::auth::{Allowed, CreateOptouts, DeleteOptouts, ReadOptouts};
use super::wire::body::JsonBody;
use super::wire::envelope::{self, Refusal};
use super::wire::many;
use super::wire::query::Query;
use super::wire::segment::Segment;
use crate::contact::Msisdn;
use crate::error::Error;
use crate::fields::required_msisdn;
use crate::invalid::Invalid;
use crate::moment::Moment;
use crate::optout::Optout;

/// Bytes of an opt-out's body.
pub(crate) const OPTOUT_BODY_BYTES_MAX: usize = 64 * 1024;

type Answer = Result<HttpResponse, Refusal>;

pub(super) async fn create(
    allowed: Allowed<CreateOptouts>,
    body: JsonBody<OPTOUT_BODY_BYTES_MAX>,
) -> Answer {
    let [msisdn] = body.fields(["msisdn"])?;
    let msisdn = required_msisdn(msisdn)?;
    let optout = allowed
        .store()
        .create_optout(allowed.grant(), msisdn)
        .await?;
    Ok(envelope::one(OptoutRecord::of(&optout)))
}

pub(super) async fn list(allowed: Allowed<ReadOptouts>, request: HttpRequest) -> Answer {
    let (offset, limit) = Query::parse(request.query_string())?.into_page()?;
    let (optouts, total) = allowed
        .store()
        .optouts(allowed.grant(), offset, limit)
        .await?;
    let records = optouts.iter().map(OptoutRecord::of).collect();
    Ok(many::whole(records, offset, limit, total))
}

pub(super) async fn delete(allowed: Allowed<DeleteOptouts>, msisdn: Segment) -> Answer {
    let msisdn = msisdn.read(Msisdn::parse, Invalid::MsisdnFormat)?;
    let may_be_new = msisdn.check_new();
    let deleted = allowed.store().delete_optout(allowed.grant(), msisdn);
    deleted.await.map_err(|error| match may_be_new {
        Err(invalid) if error == Error::OptoutNotFound => invalid.into(),
        _ => error,
    })?;
    Ok(envelope::done())
}

#[derive(Serialize)]
struct OptoutRecord<'a> {
    msisdn: &'a str,
    created_on: Moment,
}

impl<'a> OptoutRecord<'a> {
    fn of(optout: &'a Optout) -> Self {
        Self {
            msisdn: optout.msisdn.as_str(),
            created_on: optout.created_on,
        }
    }
}
