//! The calls about opt-outs: their wire form and handlers.

use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::value::RawValue;

use super::gate::auth::{Allowed, CreateOptouts, DeleteOptouts, ReadOptouts};
use super::wire::body::JsonBody;
use super::wire::envelope::{self, ErrorBody, Refusal};
use super::wire::many;
use super::wire::query::Query;
use super::wire::segment::Segment;
use crate::contact::Msisdn;
use crate::error::Error;
use crate::fields::required_msisdn;
use crate::invalid::Invalid;
use crate::moment::Moment;
use crate::optout::{OptedOut, Optout};
use crate::selection::Page;

/// Bytes of an opt-out's body.
pub(crate) const OPTOUT_BODY_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a body with many numbers.
pub(crate) const OPTOUTS_BODY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Numbers of one request.
pub(crate) const NUMBERS_MAX: usize = 10_000;

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

pub(super) async fn bulk(
    allowed: Allowed<CreateOptouts>,
    body: JsonBody<OPTOUTS_BODY_BYTES_MAX>,
) -> Answer {
    let permit = body.permit();
    let numbers = permit.run(move || parse_numbers(&body)).await?;
    let valid = numbers.iter().flatten().cloned().collect();
    let outcomes = allowed.store().create_optouts(allowed.grant(), valid);
    Ok(bulk_answer(&numbers, outcomes.await?))
}

pub(super) async fn list(allowed: Allowed<ReadOptouts>, request: HttpRequest) -> Answer {
    let selection = Query::parse(request.query_string())?.into_optouts()?;
    let (page, limit, msisdn) = (
        selection.page.clone(),
        selection.limit,
        selection.msisdn.clone(),
    );
    if let Some(msisdn) = msisdn.as_ref().filter(|msisdn| msisdn.check_new().is_err()) {
        let found = allowed.snapshot()?.optout(allowed.grant(), msisdn).await;
        found.map_err(|error| or_unreadable(error, msisdn))?;
    }
    let listing = allowed.store().optouts(allowed.grant(), selection);
    let (optouts, listed) = listing.await?;
    let records: Vec<_> = optouts.iter().map(OptoutRecord::of).collect();
    Ok(match page {
        Page::Offset(offset) => {
            many::whole(records, offset, limit, listed.total.unwrap_or_default())
        }
        Page::After(_) => {
            let next = listed.next.map(|next| next.to_cursor(msisdn.as_ref()));
            many::whole_by_cursor(records, limit, next)
        }
    })
}

pub(super) async fn get(allowed: Allowed<ReadOptouts>, msisdn: Segment) -> Answer {
    let msisdn = msisdn.read(Msisdn::parse, Invalid::MsisdnFormat)?;
    let found = allowed.snapshot()?.optout(allowed.grant(), &msisdn).await;
    let optout = found.map_err(|error| or_unreadable(error, &msisdn))?;
    Ok(envelope::one(OptoutRecord::of(&optout)))
}

pub(super) async fn delete(allowed: Allowed<DeleteOptouts>, msisdn: Segment) -> Answer {
    let msisdn = msisdn.read(Msisdn::parse, Invalid::MsisdnFormat)?;
    let deleting = allowed
        .store()
        .delete_optout(allowed.grant(), msisdn.clone());
    let deleted = deleting.await;
    deleted.map_err(|error| or_unreadable(error, &msisdn))?;
    Ok(envelope::done())
}

/// Where nothing is stored under a spelling that today's rules refuse, it is refused.
fn or_unreadable(error: Error, msisdn: &Msisdn) -> Error {
    match msisdn.check_new() {
        Err(invalid) if error == Error::OptoutNotFound => invalid.into(),
        _ => error,
    }
}

/// A number as it was sent, or what is wrong with it.
type SentNumber = Result<Msisdn, Invalid>;

fn parse_numbers(body: &JsonBody<OPTOUTS_BODY_BYTES_MAX>) -> Result<Vec<SentNumber>, Invalid> {
    let [numbers] = body.fields(["msisdns"])?;
    let numbers = numbers.ok_or(Invalid::Msisdns)?;
    let numbers: Vec<&RawValue> =
        serde_json::from_str(numbers.get()).map_err(|_| Invalid::Msisdns)?;
    if !(1..=NUMBERS_MAX).contains(&numbers.len()) {
        return Err(Invalid::Msisdns);
    }
    let numbers = numbers.into_iter();
    Ok(numbers
        .map(|number| required_msisdn(Some(number)))
        .collect())
}

/// What came of each number, in the order of the request.
fn bulk_answer(numbers: &[SentNumber], outcomes: Vec<Result<OptedOut, Error>>) -> HttpResponse {
    let mut outcomes = outcomes.into_iter();
    let results = numbers.iter().enumerate().map(|(index, number)| {
        let outcome = match number {
            Ok(_) => outcomes.next().unwrap_or(Err(Error::NotTried)),
            Err(invalid) => Err(invalid.clone().into()),
        };
        let (status, stored, error) = match outcome {
            Ok(OptedOut { optout, is_new }) => {
                let status = if is_new { "created" } else { "unchanged" };
                (status, Some(optout.msisdn), None)
            }
            Err(error) => (
                "error",
                number.clone().ok(),
                Some(Refusal::from(error).error_body()),
            ),
        };
        WrittenResult {
            index,
            status,
            msisdn: stored.map(|msisdn| msisdn.as_str().to_owned()),
            error,
        }
    });
    let results: Vec<WrittenResult> = results.collect();
    let count = |status| results.iter().filter(|one| one.status == status).count();
    envelope::succeeded(BulkAnswer {
        summary: Summary {
            total: results.len(),
            created: count("created"),
            unchanged: count("unchanged"),
            failed: count("error"),
        },
        results,
    })
}

#[derive(Serialize)]
struct BulkAnswer {
    summary: Summary,
    results: Vec<WrittenResult>,
}

#[derive(Serialize)]
struct Summary {
    total: usize,
    created: usize,
    unchanged: usize,
    failed: usize,
}

#[derive(Serialize)]
struct WrittenResult {
    index: usize,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    msisdn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorBody>,
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
