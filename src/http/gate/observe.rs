//! What happens around every request: its id, the headers of every answer, a
//! line in the log, and the envelope for a panic.

use std::cell::Cell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::ConnectionType;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING,
    X_CONTENT_TYPE_OPTIONS,
};
use actix_web::middleware::Next;
use actix_web::{HttpMessage, HttpResponse};
use log::kv;
use uuid::Uuid;

use super::admission::{Admitted, KeyWatch};
use super::connections::Connection;
use super::cors;
use super::framing::{Chunks, Framing};
use super::metrics::{CallOf, UNMATCHED};
use super::shares::Place;
use super::state::State;
use super::timed_body::TimedBody;
use crate::budget::Held;
use crate::error::Error;
use crate::http::wire::counted::UNCOUNTED_BYTES;
use crate::http::wire::envelope::Refusal;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Characters of a request id that is taken from the request.
pub(crate) const REQUEST_ID_CHARACTERS_MAX: usize = 64;

/// Stands in a response's extensions where its body is read from the disk.
pub(crate) struct OnDisk;

/// Stands in a request's extensions once its body was read to the end.
pub(crate) struct BodyRead;

/// Gives every answer its headers and logs it. An answer to a request whose
/// body was not read closes the connection: what follows would be read as the
/// next request.
pub(crate) async fn observe(
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<TimedBody>, actix_web::Error> {
    let begun = Instant::now();
    let in_flight = State::of(request.request()).ok();
    let in_flight = in_flight.map(|state| state.metrics.enter());
    let request_id = request_id(&request);
    let framing = framing(request.headers());
    let is_last = request.head().connection_type() == ConnectionType::Close;
    let connection = Connection::of(&request, framing, is_last);
    let place = count(&request, connection.as_deref());
    let (mut response, place) = match place {
        Ok(place) => (next.call(request).await?, place),
        Err(refusal) => (request.into_response(refusal.answer()), None),
    };
    let counted = response.response_mut().extensions_mut().remove::<Held>();
    let held = match hold(&response, counted) {
        Ok(held) => held,
        Err(refusal) => {
            response = response.into_response(refusal.answer());
            None
        }
    };
    let watch = watch(&response);
    cors::share(&mut response);
    finish(&response, &request_id, begun.elapsed());
    let closing =
        framing != Framing::Length(0) && !response.request().extensions().contains::<BodyRead>();
    if closing {
        response
            .response_mut()
            .head_mut()
            .set_connection_type(ConnectionType::Close);
    }
    let headers = response.headers_mut();
    headers.insert(X_REQUEST_ID, request_id);
    // The console's files are the same for everybody.
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Ok(response.map_body(|_, body| {
        TimedBody::new(body, connection, closing, (held, place, in_flight), watch)
    }))
}

/// Counts a request that a trusted proxy forwards by the address that it names.
///
/// # Errors
/// `Busy`.
fn count(
    request: &ServiceRequest,
    connection: Option<&Connection>,
) -> Result<Option<Place>, Refusal> {
    let (Some(connection), Ok(state)) = (connection, State::of(request.request())) else {
        return Ok(None);
    };
    Ok(connection.count_request(|| state.client_address(request.request()))?)
}

/// What follows a head, as the parser read it: RFC 9112, section 6.3.
fn framing(headers: &HeaderMap) -> Framing {
    if headers.contains_key(TRANSFER_ENCODING) {
        return Framing::Chunked(Chunks::default());
    }
    let length = headers.get(CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.trim().parse().ok());
    Framing::Length(length.unwrap_or(0))
}

/// Counts an answer in memory against the budget of its key, unless it was counted
/// while it was made. Where nothing is
/// left, a read is refused, which can be asked again; what was stored is told.
///
/// # Errors
/// `AnswersWaiting`.
fn hold(
    response: &ServiceResponse<BoxBody>,
    counted: Option<Held>,
) -> Result<Option<Held>, Refusal> {
    if counted.is_some() {
        return Ok(counted);
    }
    let BodySize::Sized(bytes) = response.response().body().size() else {
        return Ok(None);
    };
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    let request = response.request();
    if bytes <= UNCOUNTED_BYTES || response.response().extensions().contains::<OnDisk>() {
        return Ok(None);
    }
    let extensions = request.extensions();
    let (Some(admitted), Ok(state)) = (extensions.get::<Rc<Admitted>>(), State::of(request)) else {
        return Ok(None);
    };
    let key = admitted.credential.id;
    let is_read = request.method().is_safe();
    match state.answers().take(key, bytes) {
        Some(held) => Ok(Some(held)),
        None if is_read => Err(Error::AnswersWaiting.into()),
        None => Ok(Some(state.answers().overdraw(key, bytes))),
    }
}

/// Watches the key of an answer that goes out in several slices.
fn watch(response: &ServiceResponse<BoxBody>) -> Option<KeyWatch> {
    if let BodySize::Sized(bytes) = response.response().body().size()
        && bytes <= UNCOUNTED_BYTES as u64
    {
        return None;
    }
    let extensions = response.request().extensions();
    let admitted = extensions.get::<Rc<Admitted>>()?;
    Some(KeyWatch::new(State::of(response.request()).ok()?, admitted))
}

/// The client's own id where it is 1 to 64 visible ASCII characters, else a new one.
fn request_id(request: &ServiceRequest) -> HeaderValue {
    let sent = request.headers().get(X_REQUEST_ID).filter(|id| {
        (1..=REQUEST_ID_CHARACTERS_MAX).contains(&id.len())
            && id.as_bytes().iter().all(u8::is_ascii_graphic)
    });
    sent.cloned().unwrap_or_else(|| {
        let made = NEXT_ID.get();
        NEXT_ID.set(Uuid::from_u128(made.as_u128().wrapping_add(1)));
        let mut text = Uuid::encode_buffer();
        let text = made.hyphenated().encode_lower(&mut text);
        HeaderValue::from_str(text).expect("a UUID is visible ASCII")
    })
}

thread_local! {
    /// Counted up from a UUID: randomness for each request would be a system call.
    static NEXT_ID: Cell<Uuid> = Cell::new(Uuid::now_v7());
}

/// Counts an answer, and has one line for it in the log, by route: a path may hold a
/// number or an alias.
fn finish(response: &ServiceResponse<BoxBody>, request_id: &HeaderValue, took: Duration) {
    let status = response.status();
    let request = response.request();
    let call = request.extensions().get::<CallOf>().cloned();
    let state = State::of(request).ok();
    if let Some(state) = state {
        let method = request.method();
        let metrics = &state.metrics;
        metrics.count_answer(call.as_ref(), method, status.as_u16(), took);
    }
    let level = if status.is_server_error() {
        log::Level::Warn
    } else {
        log::Level::Debug
    };
    if log::log_enabled!(level) {
        let extensions = request.extensions();
        let admitted = extensions.get::<Rc<Admitted>>();
        let state = state.filter(|state| state.logs_addresses);
        let address = state.map(|state| state.client_address(request).to_string());
        // What is empty is left out.
        let bytes = match response.response().body().size() {
            BodySize::None => kv::Value::from(0),
            BodySize::Sized(bytes) => kv::Value::from(bytes),
            BodySize::Stream => kv::Value::from(""),
        };
        log::log!(
            level,
            request_id = request_id.to_str().unwrap_or_default(),
            method = request.method().as_str(),
            route = call.as_ref().map_or(UNMATCHED, CallOf::route),
            status = status.as_u16(),
            took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            bytes = bytes,
            key = admitted.map_or("", |admitted| admitted.credential.id.as_str()),
            address = address.unwrap_or_default().as_str();
            "answered"
        );
    }
}

/// The answer of a pipeline, or the envelope of 500 where it panics; actix would
/// close the connection. Stands on each route: before routing, actix needs the
/// request for itself.
pub(crate) async fn caught(pipeline: impl Future<Output = HttpResponse>) -> HttpResponse {
    let mut pipeline = pin!(pipeline);
    let answer = std::future::poll_fn(move |context| {
        match catch_unwind(AssertUnwindSafe(|| pipeline.as_mut().poll(context))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(answer)) => Poll::Ready(Some(answer)),
            Err(_) => Poll::Ready(None),
        }
    });
    answer.await.unwrap_or_else(|| {
        log::error!("a request panicked");
        Refusal::Domain(Error::Internal).answer()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::middleware::from_fn;
    use actix_web::test::{TestRequest, call_service, init_service, read_body};
    use actix_web::{App, web};

    #[actix_web::test]
    async fn a_panic_is_answered_by_the_envelope_and_the_next_request_as_ever() {
        async fn panics() -> HttpResponse {
            caught(async { panic!("the number is 4479000000001") }).await
        }
        let routes = App::new()
            .wrap(from_fn(observe))
            .route("/", web::get().to(panics));
        let app = init_service(routes).await;
        for _ in 0..2 {
            let answer = call_service(&app, TestRequest::get().uri("/").to_request()).await;
            assert!(answer.headers().contains_key(X_REQUEST_ID));
            let body = read_body(answer).await;
            insta::allow_duplicates!(insta::assert_snapshot!(
                String::from_utf8_lossy(&body),
                @r#"{"success":false,"error":{"name":"InternalServerError","statusCode":500,"message":"Internal server error"}}"#
            ));
        }
    }
}
