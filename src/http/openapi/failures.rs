//! What the API document says of failures. Statuses, names, messages and headers are
//! those of the answers that the server gives: they are made here and read.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use utoipa::openapi::example::Example;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};

use super::headers;
use super::shapes::{self, Record, Shape, named};
use crate::error::Error;
use crate::http::call::Call;
use crate::http::wire::envelope::Refusal;

/// What the error of every failure is called in the components.
pub(super) const ERROR: &str = "Error";

/// All failures of one call that have one status.
#[derive(Clone)]
pub(super) struct Failure {
    /// The status.
    pub(super) status: u16,
    /// The name of its error.
    pub(super) name: String,
    /// What the document says of it.
    pub(super) response: Response,
    /// The examples that it refers to, by their names in the components.
    pub(super) examples: Vec<(String, Example)>,
}

impl Failure {
    /// Whether both are told by the same words.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.status == other.status && self.response == other.response
    }
}

/// What stands beside the error in some failures: its members, and an example of them.
pub(super) type Beside = (Shape, Value);

/// Describes what a call may refuse, by status.
pub(super) fn failures(
    refusals: &[Refusal],
    beside: impl Fn(u16) -> Option<Beside>,
    is_keyed: bool,
) -> Vec<Failure> {
    let mut by_status: BTreeMap<u64, Vec<(&Refusal, Value)>> = BTreeMap::new();
    for refusal in refusals {
        let error = json!(refusal.error_body());
        let status = error["statusCode"].as_u64().unwrap_or_default();
        by_status.entry(status).or_default().push((refusal, error));
    }
    let by_status = by_status.into_iter().map(|(status, refused)| {
        let status = u16::try_from(status).unwrap_or_default();
        failure(status, &refused, beside(status), is_keyed)
    });
    by_status.collect()
}

/// What any call may refuse, and any that needs a key.
pub(super) fn always_refused(call: &Call) -> Vec<Refusal> {
    let mut refused = vec![Error::Busy, Error::Internal];
    if let Some(permissions) = call.permissions {
        refused.extend([Error::KeyMissing, Error::KeyInvalid, Error::SessionEnded]);
        refused.extend(permissions.iter().map(|one| Error::NotPermitted(*one)));
        refused.extend([
            Error::AddressNotAllowed,
            Error::OtherSite,
            Error::TooFast {
                per_second: 50,
                wait_s: 1,
            },
            Error::TooManyFailures { wait_s: 1 },
            Error::VerifierBusy,
            Error::StorageUnreadable,
        ]);
    }
    refused.into_iter().map(Refusal::from).collect()
}

fn failure(
    status: u16,
    refused: &[(&Refusal, Value)],
    beside: Option<Beside>,
    is_keyed: bool,
) -> Failure {
    let name = refused
        .first()
        .and_then(|(_, error)| error["name"].as_str())
        .unwrap_or_default();
    let shape = match &beside {
        Some((shape, _)) => shapes::both(named(name), shape.clone()),
        None => named(name),
    };
    let more = beside.as_ref().and_then(|(_, more)| more.as_object());
    let mut told = BTreeMap::new();
    let mut examples = Vec::new();
    for (_, error) in refused {
        let message = error["message"].as_str().unwrap_or_default();
        let example = example(error, more);
        let one = match more {
            Some(_) => RefOr::T(example),
            None => {
                let name = hyphenated(message);
                let place = Ref::new(format!("#/components/examples/{name}"));
                examples.push((name, example));
                RefOr::Ref(place)
            }
        };
        told.insert(message.to_owned(), one);
    }
    let mut content = ContentBuilder::new().schema(Some(shape)).build();
    content.examples = told;
    let mut response = ResponseBuilder::new()
        .description(meaning(status))
        .content(headers::JSON, content)
        .build();
    for (refusal, _) in refused {
        for header in refusal.answer().headers().keys() {
            headers::add(&mut response, header.as_str());
        }
        if matches!(refusal, Refusal::Domain(Error::AliasTaken(_))) {
            headers::add(&mut response, "Link");
        }
    }
    headers::add_common(&mut response, is_keyed && status != 401);
    Failure {
        status,
        name: name.to_owned(),
        response,
        examples,
    }
}

/// A failure, and what stands beside its error.
fn example(error: &Value, more: Option<&Map<String, Value>>) -> Example {
    let mut body = json!({"success": false, "error": error});
    for (member, value) in more.into_iter().flatten() {
        body[member] = value.clone();
    }
    let mut example = Example::new();
    example.value = Some(body);
    example
}

/// A message as a name in the components.
fn hyphenated(message: &str) -> String {
    let words = message.split(|one: char| !one.is_ascii_alphanumeric());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    words.join("-").to_ascii_lowercase()
}

/// The envelope of all failures with one status and name.
pub(super) fn envelope(status: u16, name: &str) -> Shape {
    let error = Record::new("")
        .with("name", shapes::word([name], ""))
        .with(
            "statusCode",
            shapes::number(0, "").enum_values(Some([status])),
        )
        .with("message", shapes::text("What is wrong, in words"));
    Record::new(meaning(status))
        .with("success", shapes::flag("").enum_values(Some([false])))
        .with("error", error)
        .into()
}

/// The error of one item among many.
pub(super) fn error<'a>(names: impl IntoIterator<Item = &'a str>) -> Shape {
    Record::new("What is wrong with one of many")
        .with("name", shapes::word(names, ""))
        .with("statusCode", shapes::number(400, ""))
        .with("message", shapes::text(""))
        .into()
}

/// The reference under which a response of many calls stands in the components.
pub(super) fn shared(name: &str) -> RefOr<Response> {
    Ref::from_response_name(name).into()
}

/// As `docs/failures.md` has it.
fn meaning(status: u16) -> &'static str {
    match status {
        400 => "A field or parameter is missing, wrong, unknown or taken",
        401 => "The key is missing or invalid, or the session has ended",
        403 => {
            "The key lacks a permission, or must not be used from this address, or the session by another site"
        }
        404 => "There is no such thing",
        405 => "The path has no such method",
        408 => "The body is too slow",
        409 => "The request names a state that is not the case any more",
        412 => "`If-Match` or `If-None-Match` does not hold",
        413 => "The body is too large",
        415 => "The body is of another type, or not in UTF-8",
        422 => "The `Idempotency-Key` was used for another request",
        429 => "Too many requests: `Retry-After` says when to try again",
        500 => "The fault is ours",
        503 => {
            "The server is busy or its disk fails; the message says whether anything was stored, \
             `Retry-After` when to try again"
        }
        507 => "The disk is full",
        _ => "Another failure",
    }
}
