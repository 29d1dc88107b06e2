//! The web console: files that `build.rs` has embedded. They load nothing from elsewhere,
//! and name each other relatively, so that they stand behind any prefix.

use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, ETAG, HeaderName, HeaderValue,
    REFERRER_POLICY,
};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};

use super::docs::{CSS, HTML, SCRIPT};
use super::wire::condition;
use super::wire::envelope::{self, Refusal};
use super::wire::segment::Segment;

/// The media type of its pictures.
pub(crate) const SVG: &str = "image/svg+xml";

/// The file that a browser opens.
const INDEX: &str = "index.html";
/// Where that is, as seen from the same path without its last slash.
const WITHIN: &str = "console/";

/// The headers of every file. The session's cookie goes wherever the page may send: nowhere
/// but here, and no text may become a script.
const HEADERS: [(HeaderName, &str); 6] = [
    (CONTENT_ENCODING, "gzip"),
    // A browser asks each time, and is told that nothing has changed.
    (CACHE_CONTROL, "no-cache"),
    (REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
         connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'",
    ),
];

/// One file, as it travels: compressed, whatever the client accepts, as all browsers do.
struct File {
    name: &'static str,
    media_type: &'static str,
    /// Stands for the compressed bytes.
    etag: &'static str,
    compressed: &'static [u8],
}

const FILES: &[File] = include!(concat!(env!("OUT_DIR"), "/console.rs"));

/// Leads to the path beneath which the files name each other.
pub(super) async fn moved() -> HttpResponse {
    envelope::moved(WITHIN)
}

/// Answers the page that a browser opens.
pub(super) async fn index(request: HttpRequest) -> Result<HttpResponse, Refusal> {
    answer(&request, INDEX)
}

/// Answers one of its files.
pub(super) async fn file(name: Segment, request: HttpRequest) -> Result<HttpResponse, Refusal> {
    answer(&request, name.0.as_deref().unwrap_or_default())
}

fn answer(request: &HttpRequest, name: &str) -> Result<HttpResponse, Refusal> {
    let file = FILES.iter().find(|file| file.name == name);
    let file = file.ok_or(Refusal::NoSuchPath { meant: None })?;
    let mut answer = match condition::has_already(request.headers(), file.etag) {
        true => envelope::not_modified(),
        false => envelope::of_type(file.media_type, Bytes::from_static(file.compressed)),
    };
    let headers = answer.headers_mut();
    headers.insert(ETAG, HeaderValue::from_static(file.etag));
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    Ok(answer)
}
