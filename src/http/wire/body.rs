//! Reads a JSON body: its content type, its bytes within a size and a time, and
//! its members by name.

use std::future::{Future, poll_fn};
use std::pin::Pin;

use actix_web::body::{BodyStream, MessageBody};
use actix_web::dev::Payload;
use actix_web::http::Method;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use actix_web::web::{self, Bytes, BytesMut};
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use serde_json::value::RawValue;
use tokio::time::timeout;

use super::body_permits::{BodyPermit, UNCOUNTED_BYTES};
use super::envelope::Refusal;
use crate::error::Error;
use crate::fields::fields_of;
use crate::http::gate::admission::Admitted;
use crate::http::gate::connections::Connection;
use crate::http::gate::observe::BodyRead;
use crate::http::gate::state::State;
use crate::invalid::Invalid;
use crate::json::Place;

/// What every body with fields is.
pub(crate) const JSON: &str = "application/json";
/// The same where it says what is to change (RFC 7396).
pub(crate) const MERGE_PATCH: &str = "application/merge-patch+json";
pub(crate) const JSON_OR_PATCH: &str = "application/json or application/merge-patch+json";
/// Characters of a wrong content type that the message shows.
const TYPE_SHOWN_CHARACTERS_MAX: usize = 128;
/// How clients name the one encoding that there is.
const UTF_8: [&str; 2] = ["utf-8", "utf8"];
/// What some programs put in front of UTF-8; readers may ignore it (RFC 8259, section 8.1).
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A whole body of at most `BYTES_MAX` bytes that was sent as JSON.
pub(crate) struct JsonBody<const BYTES_MAX: usize> {
    bytes: Bytes,
    permit: BodyPermit,
}

impl<const BYTES_MAX: usize> FromRequest for JsonBody<BYTES_MAX> {
    type Error = Refusal;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Refusal>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let checked = match *request.method() {
            Method::PATCH => check_head(request, &[JSON, MERGE_PATCH], JSON_OR_PATCH, BYTES_MAX),
            _ => check_head(request, &[JSON], JSON, BYTES_MAX),
        };
        let payload = web::Payload::from_request(request, payload);
        let request = request.clone();
        Box::pin(async move {
            checked?;
            let state = State::of(&request)?;
            let key = Admitted::key_of(&request)?;
            Connection::ask_for_body(&request);
            let payload = payload.await.map_err(|_| Invalid::BodyUnreadable)?;
            let mut arriving = state.bodies().arriving(key);
            let counted = |bytes| arriving.count(bytes);
            let bytes = receive(&request, payload, BYTES_MAX, counted).await?;
            let permit = arriving.acquire().await?;
            Ok(Self { bytes, permit })
        })
    }
}

/// The same of somebody without a key: so small that none of it is counted.
pub(crate) struct StrangersBody<const BYTES_MAX: usize>(Bytes);

impl<const BYTES_MAX: usize> FromRequest for StrangersBody<BYTES_MAX> {
    type Error = Refusal;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Refusal>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        const { assert!(BYTES_MAX <= UNCOUNTED_BYTES) };
        let checked = check_head(request, &[JSON], JSON, BYTES_MAX);
        let payload = web::Payload::from_request(request, payload);
        let request = request.clone();
        Box::pin(async move {
            checked?;
            Connection::ask_for_body(&request);
            let payload = payload.await.map_err(|_| Invalid::BodyUnreadable)?;
            let bytes = receive(&request, payload, BYTES_MAX, |_| Ok(())).await?;
            Ok(Self(bytes))
        })
    }
}

impl<const BYTES_MAX: usize> StrangersBody<BYTES_MAX> {
    /// As [`JsonBody::fields`].
    ///
    /// # Errors
    /// The same.
    pub(crate) fn fields<const FIELDS: usize>(
        &self,
        names: [&str; FIELDS],
    ) -> Result<[Option<&RawValue>; FIELDS], Invalid> {
        fields_in(&self.0, names)
    }
}

/// Receives a whole body in its time, counting what of it is there.
async fn receive(
    request: &HttpRequest,
    payload: web::Payload,
    bytes_max: usize,
    counted: impl FnMut(usize) -> Result<(), Error>,
) -> Result<Bytes, Refusal> {
    let body_wait = State::of(request)?.limits().body_wait;
    let receiving = collect(payload, content_length(request), bytes_max, counted);
    let bytes = timeout(body_wait, receiving)
        .await
        .map_err(|_| Refusal::BodyTooSlow)??;
    request.extensions_mut().insert(BodyRead);
    Ok(bytes)
}

async fn collect(
    payload: web::Payload,
    content_length: Option<u64>,
    bytes_max: usize,
    mut counted: impl FnMut(usize) -> Result<(), Error>,
) -> Result<Bytes, Refusal> {
    let expected = content_length.and_then(|length| usize::try_from(length).ok());
    // Room that is not written to takes no memory.
    let mut bytes = BytesMut::with_capacity(expected.unwrap_or(0).min(bytes_max));
    let mut body = BodyStream::new(payload);
    while let Some(chunk) = poll_fn(|context| Pin::new(&mut body).poll_next(context)).await {
        let chunk = chunk.map_err(|_| Invalid::BodyUnreadable)?;
        if bytes.len() + chunk.len() > bytes_max {
            return Err(Refusal::BodyTooLarge { bytes_max });
        }
        counted(chunk.len())?;
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

/// Checks what the head says of the body, before a byte of it is read: which of
/// `known` media types it has, as its place; `wanted` names them in a message.
pub(crate) fn check_head(
    request: &HttpRequest,
    known: &[&str],
    wanted: &'static str,
    bytes_max: usize,
) -> Result<usize, Refusal> {
    let headers = request.headers();
    let wrong_type = || Refusal::MediaType {
        wanted,
        came: content_types(headers),
    };
    if headers.get_all(CONTENT_TYPE).count() > 1 {
        return Err(wrong_type());
    }
    let media_type = request.mime_type().ok().flatten();
    let media_type = media_type.ok_or_else(wrong_type)?;
    let charset_is_utf8 = media_type
        .params()
        .filter(|(name, _)| *name == "charset")
        .all(|(_, charset)| {
            let charset = charset.as_str();
            UTF_8.iter().any(|name| charset.eq_ignore_ascii_case(name))
        });
    let place = known
        .iter()
        .position(|known| *known == media_type.essence_str() && charset_is_utf8)
        .ok_or_else(wrong_type)?;
    let encoded = headers
        .get_all(CONTENT_ENCODING)
        .any(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"));
    if encoded {
        return Err(Refusal::ContentEncoding);
    }
    let length = content_length(request);
    if length.is_some_and(|length| length > bytes_max as u64) {
        return Err(Refusal::BodyTooLarge { bytes_max });
    }
    Ok(place)
}

/// What came as content type, for a message; nothing where none did.
fn content_types(headers: &HeaderMap) -> String {
    let came: Vec<_> = headers
        .get_all(CONTENT_TYPE)
        .map(|value| String::from_utf8_lossy(value.as_bytes()))
        .collect();
    let came = came.join(", ");
    came.chars().take(TYPE_SHOWN_CHARACTERS_MAX).collect()
}

fn content_length(request: &HttpRequest) -> Option<u64> {
    let length = request.headers().get(CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}

impl<const BYTES_MAX: usize> JsonBody<BYTES_MAX> {
    /// The bytes as they were sent.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The permit under which the body was read.
    pub(crate) fn permit(&self) -> BodyPermit {
        self.permit.clone()
    }

    /// The body's members, one for each of `names` and in their order.
    ///
    /// # Errors
    /// `BodyNotJson`, `BodyNotObject`, then `FieldNotText`, `FieldUnknown` or `FieldTwice`.
    pub(crate) fn fields<const FIELDS: usize>(
        &self,
        names: [&str; FIELDS],
    ) -> Result<[Option<&RawValue>; FIELDS], Invalid> {
        fields_in(&self.bytes, names)
    }
}

fn fields_in<'b, const FIELDS: usize>(
    bytes: &'b [u8],
    names: [&str; FIELDS],
) -> Result<[Option<&'b RawValue>; FIELDS], Invalid> {
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    let text = std::str::from_utf8(bytes)
        .map_err(|error| Invalid::BodyNotJson(Place::of(bytes, error.valid_up_to())))?;
    let value: &RawValue = serde_json::from_str(text)
        .map_err(|error| Invalid::BodyNotJson(Place::of_error(text, &error)))?;
    if !value.get().starts_with('{') {
        return Err(Invalid::BodyNotObject);
    }
    fields_of(value, names)
}
