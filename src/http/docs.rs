//! The pages for people, and the API document. They work offline: whatever they load is
//! served beside them, by names that are relative, so that they stand behind any prefix.

use std::borrow::Cow;
use std::sync::Arc;

use actix_web::http::header::{
    Accept, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, Header, HeaderValue,
};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use utoipa_swagger_ui::Config;

use super::openapi::{self, Describe};
use super::wire::envelope::{self, Refusal};
use super::wire::segment::Segment;
use crate::error::Error;

/// The media types of the pages.
pub(crate) const HTML: &str = "text/html; charset=utf-8";
pub(crate) const CSS: &str = "text/css; charset=utf-8";
pub(crate) const SCRIPT: &str = "text/javascript; charset=utf-8";

/// What a page may load: what is served here, as a file of its own.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; connect-src 'self'; font-src 'self'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";

/// The files of the pages: two of ours, two of Swagger UI.
pub(crate) const FILES: [&str; 4] = [
    "page.css",
    "reference.js",
    "swagger-ui.css",
    "swagger-ui-bundle.js",
];

/// Points a browser to the documentation; anybody else finds nothing here.
pub(super) async fn front(request: HttpRequest) -> Result<HttpResponse, Refusal> {
    let accepted = Accept::parse(&request).map(|accept| accept.ranked());
    let accepted = accepted.unwrap_or_default();
    if !accepted.iter().any(|one| one.essence_str() == "text/html") {
        return Err(Refusal::NoSuchPath { meant: None });
    }
    Ok(page(HTML, include_str!("docs/front.html").into()))
}

/// Answers the API document.
pub(super) async fn document(request: HttpRequest) -> Result<HttpResponse, Refusal> {
    let describe = request.app_data::<Describe>().ok_or(Error::Internal)?;
    let document = openapi::served(*describe);
    Ok(envelope::of_type("application/json", document))
}

/// Shows the API document.
pub(super) async fn reference() -> HttpResponse {
    page(HTML, include_str!("docs/reference.html").into())
}

/// Answers a file of the pages.
pub(super) async fn file(name: Segment) -> Result<HttpResponse, Refusal> {
    let name = name.0.as_deref().unwrap_or_default();
    match name {
        "page.css" => Ok(page(CSS, include_str!("docs/page.css").into())),
        "reference.js" => Ok(page(SCRIPT, include_str!("docs/reference.js").into())),
        "swagger-ui.css" => swagger_ui(name, CSS),
        "swagger-ui-bundle.js" => swagger_ui(name, SCRIPT),
        _ => Err(Refusal::NoSuchPath { meant: None }),
    }
}

/// A file of Swagger UI, out of the program's own text: compressed, whatever the client
/// accepts, as all browsers do. Inflated for each request, it would be memory that
/// strangers hold.
fn swagger_ui(name: &str, media_type: &'static str) -> Result<HttpResponse, Refusal> {
    let found = utoipa_swagger_ui::serve(name, Arc::new(Config::default()));
    let file = found
        .ok()
        .flatten()
        .ok_or(Refusal::NoSuchPath { meant: None })?;
    let bytes = match file.bytes {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => Bytes::from(bytes),
    };
    let mut answer = page(media_type, bytes);
    if file.gzpipped {
        let headers = answer.headers_mut();
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok(answer)
}

fn page(media_type: &'static str, bytes: Bytes) -> HttpResponse {
    let mut answer = envelope::of_type(media_type, bytes);
    let policy = HeaderValue::from_static(POLICY);
    answer.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    answer
}
