//! The headers of requests and answers, as the API document has them.

use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::{Header, HeaderBuilder, Ref, RefOr, Required, Response};

use super::shapes;
use crate::http::gate::observe::REQUEST_ID_CHARACTERS_MAX;
use crate::idempotency;

/// The type of every envelope.
pub(super) const JSON: &str = "application/json";

/// The headers that answers have: as they are written, and what they say.
const OF_ANSWERS: &[(&str, &str)] = &[
    ("Allow", "The methods that the path has"),
    (
        "Content-Disposition",
        "The name under which a browser saves the file",
    ),
    ("Content-Encoding", "The file is compressed"),
    (
        "Content-Security-Policy",
        "What the page may load: nothing from elsewhere",
    ),
    ("ETag", "Stands for the state of what is answered"),
    (
        "Idempotency-Replayed",
        "`true` where this is the stored response of an earlier request",
    ),
    (
        "Link",
        "The contact that has the alias, for a key with `read:Contacts`: \
         `</addressbook/contacts/ID>; rel=\"item\"`",
    ),
    (
        "Location",
        "Where it is, as seen from where it was asked for",
    ),
    (
        "RateLimit",
        "For a key with a `rate_limit`: what is left of it (draft-ietf-httpapi-ratelimit-headers-10)",
    ),
    (
        "RateLimit-Policy",
        "For a key with a `rate_limit`: the limit",
    ),
    (
        "Retry-After",
        "Seconds after which another try is worth while",
    ),
    (
        "Set-Cookie",
        "The cookie of the session, which no script reads: `addressbook_session`, over TLS \
         `__Host-addressbook_session`",
    ),
    (
        "WWW-Authenticate",
        "What is wrong with the key (RFC 6750): nothing more where it is missing, \
         `invalid_token`, or `insufficient_scope` with the permission as `scope`",
    ),
    (
        "X-Request-Id",
        "The id of the request, which the log has as well",
    ),
];

/// Adds a header to an answer, if it is one that is told of.
pub(super) fn add(response: &mut Response, name: &str) {
    let known = OF_ANSWERS
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name));
    if let Some((name, _)) = known {
        let place = Ref::new(format!("#/components/headers/{name}"));
        response
            .headers
            .insert((*name).to_owned(), RefOr::Ref(place));
    }
}

/// Adds those that every answer has; to a known key also what is left of its rate.
pub(super) fn add_common(response: &mut Response, to_known_key: bool) {
    add(response, "X-Request-Id");
    if to_known_key {
        add(response, "RateLimit");
        add(response, "RateLimit-Policy");
    }
}

/// The headers of answers, for the components.
pub(super) fn of_answers() -> impl Iterator<Item = (&'static str, Header)> {
    let headers = OF_ANSWERS.iter();
    headers.map(|&(name, description)| {
        let shape = match name {
            "Retry-After" => shapes::number(0, ""),
            _ => shapes::text(""),
        };
        let header = HeaderBuilder::new().schema(Some(shape));
        (name, header.description(Some(description)).build())
    })
}

/// A header that some requests have.
#[derive(Clone, Copy, Debug)]
pub(crate) enum RequestHeader {
    /// Changes only from a state.
    IfMatch,
    /// Changes only what is not there, or reads only what is new.
    IfNoneMatch,
    /// Makes a request that may be retried.
    IdempotencyKey,
    /// Names a request.
    RequestId,
}

impl RequestHeader {
    /// All of them.
    pub(super) const ALL: [Self; 4] = [
        Self::IfMatch,
        Self::IfNoneMatch,
        Self::IdempotencyKey,
        Self::RequestId,
    ];

    /// Its name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::IfMatch => "If-Match",
            Self::IfNoneMatch => "If-None-Match",
            Self::IdempotencyKey => "Idempotency-Key",
            Self::RequestId => "X-Request-Id",
        }
    }

    /// Where it stands in the components.
    pub(super) fn reference(self) -> RefOr<Parameter> {
        let place = format!("#/components/parameters/{}", self.name());
        RefOr::Ref(Ref::new(place))
    }

    /// What it is.
    pub(super) fn parameter(self) -> Parameter {
        let visible = |characters| {
            let shape = shapes::text("").pattern(Some("^[!-~]+$"));
            shape.min_length(Some(1)).max_length(Some(characters))
        };
        let (shape, description) = match self {
            Self::IfMatch => (
                shapes::text(""),
                "Changes the contact only if its `ETag` is one of these; `*` is any",
            ),
            Self::IfNoneMatch => (
                shapes::text(""),
                "Of `GET`: answers 304 if the `ETag` is one of these. Of `PUT`: with `*`, only creates",
            ),
            Self::IdempotencyKey => (
                visible(idempotency::NAME_CHARACTERS_MAX),
                "A name for this request, for 24 hours: sent again, it is not done again, \
                 and the stored response is answered",
            ),
            Self::RequestId => (
                visible(REQUEST_ID_CHARACTERS_MAX),
                "An id for the request, which the answer and the log then have; \
                 otherwise one is made",
            ),
        };
        ParameterBuilder::new()
            .name(self.name())
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some(description))
            .schema(Some(shape))
            .build()
    }
}
