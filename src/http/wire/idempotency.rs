//! `Idempotency-Key`: a request that may be retried, and its one answer.

use actix_web::http::header::{ETAG, HeaderMap, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH};
use actix_web::{HttpResponse, body};

use super::envelope::{self, Refusal};
use crate::error::Error;
use crate::idempotency::{Once, StoredResponse};
use crate::invalid::Invalid;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Reads the header, where there is one, for a request that does `what`.
///
/// # Errors
/// `IdempotencyKey`, also for two headers.
pub(crate) fn once(headers: &HeaderMap, what: &str, sent: &[u8]) -> Result<Option<Once>, Refusal> {
    let mut names = headers.get_all(IDEMPOTENCY_KEY);
    let Some(name) = names.next() else {
        return Ok(None);
    };
    if names.next().is_some() {
        return Err(Invalid::IdempotencyKey.into());
    }
    let mut parts = vec![what.as_bytes(), sent];
    for condition in [IF_MATCH, IF_NONE_MATCH] {
        parts.push(b"condition");
        parts.extend(headers.get_all(condition).map(HeaderValue::as_bytes));
    }
    Ok(Some(Once::new(name.as_bytes(), &parts)?))
}

/// Makes a stored response of an answer.
pub(crate) fn stored_response(answer: Result<HttpResponse, Error>) -> StoredResponse {
    let answer = answer.unwrap_or_else(|error| Refusal::Domain(error).answer());
    let etag = answer.headers().get(ETAG);
    let etag = etag.and_then(|etag| etag.to_str().ok().map(str::to_owned));
    StoredResponse {
        status: answer.status().as_u16(),
        etag,
        body: written(answer),
    }
}

/// Answers with a stored response.
pub(crate) fn replay((answer, replayed): (StoredResponse, bool)) -> HttpResponse {
    let mut response = envelope::again(answer.status);
    if let Some(etag) = answer.etag {
        response.insert_header((ETAG, etag));
    }
    if replayed {
        response.insert_header((IDEMPOTENCY_REPLAYED, "true"));
    }
    response.body(answer.body)
}

/// The bytes of an answer of ours, all of which are in memory.
fn written(answer: HttpResponse) -> Vec<u8> {
    use body::MessageBody;
    let bytes = answer.into_body().try_into_bytes();
    bytes.map_or_else(|_| Vec::new(), |bytes| bytes.to_vec())
}
