//! Which pages of other origins may call from a browser, and what their scripts may
//! see: the CORS protocol of the Fetch standard. A token travels in a header that the
//! script itself sets, so no page has one by being open, and cookies are never asked for.

use actix_web::body::BoxBody;
use actix_web::dev::ServiceResponse;
use actix_web::http::Method;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ALLOW,
    HeaderValue, ORIGIN, VARY,
};

use super::state::State;
use crate::http::wire::envelope;

/// Is among the data of the application that operators' tools alone reach: no page does.
pub(crate) struct ForTools;

/// Headers of requests that a script may set.
const REQUEST_HEADERS: &str =
    "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-Request-Id";
/// Headers of answers that a script may read, beside those that it always may.
const ANSWER_HEADERS: &str =
    "ETag, Idempotency-Replayed, Link, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id";
/// Seconds for which a browser may remember what it was told; Chromium does at most
/// for so long.
const REMEMBERED_S: &str = "7200";

/// Shares an answer with the page that asks for it, where its origin is named. Every
/// OPTIONS arrives here as the 405 of its path, which says what the path allows: a
/// preflight is that, told in other words.
pub(super) fn share(response: &mut ServiceResponse<BoxBody>) {
    let request = response.request();
    let Ok(state) = State::of(request) else {
        return;
    };
    if state.origins().is_empty() || request.app_data::<ForTools>().is_some() {
        return;
    }
    let headers = request.headers();
    let origin = headers.get(ORIGIN);
    let origin = origin
        .filter(|origin| state.origins().contain(origin.as_bytes()))
        .cloned();
    let is_preflight =
        request.method() == Method::OPTIONS && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    if let Some(origin) = origin {
        let allowed = response.headers().get(ALLOW).cloned();
        let said = match allowed {
            Some(methods) if is_preflight => {
                *response.response_mut() = envelope::no_content();
                vec![
                    (ACCESS_CONTROL_ALLOW_METHODS, methods),
                    (
                        ACCESS_CONTROL_ALLOW_HEADERS,
                        HeaderValue::from_static(REQUEST_HEADERS),
                    ),
                    (
                        ACCESS_CONTROL_MAX_AGE,
                        HeaderValue::from_static(REMEMBERED_S),
                    ),
                ]
            }
            _ => vec![(
                ACCESS_CONTROL_EXPOSE_HEADERS,
                HeaderValue::from_static(ANSWER_HEADERS),
            )],
        };
        for (name, value) in said {
            response.headers_mut().insert(name, value);
        }
        response
            .headers_mut()
            .insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    }
    // The same path answers another origin otherwise, and caches have to know.
    let vary = HeaderValue::from_static("Origin");
    response.headers_mut().append(VARY, vary);
}
