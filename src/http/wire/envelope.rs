//! The two bodies of every answer, and the one table from error to status and name.

use std::fmt;

use actix_web::body::MessageBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpResponse, HttpResponseBuilder, ResponseError};
use serde::Serialize;

use super::counted::CountedJson;
use crate::error::Error;
use crate::invalid::Invalid;
use crate::permission::Permission;

/// After how many seconds a busy server is worth another try.
const RETRY_AFTER_S: u64 = 1;
/// The same of stored responses, which are kept for a day: some of them may be
/// forgotten by then.
const RESPONSES_RETRY_AFTER_S: u64 = 60 * 60;
/// Room for the record of most contacts.
pub(super) const RECORD_BYTES_USUAL: usize = 512;
/// What every `WWW-Authenticate` begins with.
const CHALLENGE: &str = "Bearer realm=\"addressbook\"";

/// Why a request is refused: by the address book, or by HTTP before it.
#[derive(Clone, Debug)]
pub(crate) enum Refusal {
    Domain(Error),
    /// Beside it the path that was probably meant.
    NoSuchPath {
        meant: Option<String>,
    },
    MethodNotAllowed {
        allow: String,
    },
    BodyTooLarge {
        bytes_max: usize,
    },
    BodyTooSlow,
    MediaType {
        wanted: &'static str,
        /// Empty where none came.
        came: String,
    },
    ContentEncoding,
    /// Rows up to the line were dealt with; those behind them met the cause.
    ImportEnded {
        cause: Box<Refusal>,
        line: u64,
    },
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Domain(error)
    }
}

impl From<Invalid> for Refusal {
    fn from(invalid: Invalid) -> Self {
        Self::Domain(Error::Invalid(invalid))
    }
}

impl Refusal {
    /// The failure envelope with its headers.
    pub(crate) fn answer(&self) -> HttpResponse {
        self.answer_with(None::<()>)
    }

    /// The same, with `results` beside the error.
    pub(crate) fn answer_with_results(&self, results: impl Serialize) -> HttpResponse {
        #[derive(Serialize)]
        struct Results<R> {
            results: R,
        }
        self.answer_beside(Results { results })
    }

    /// The same, with the members of `more` beside the error.
    pub(crate) fn answer_beside(&self, more: impl Serialize) -> HttpResponse {
        self.answer_with(Some(more))
    }

    /// What ended it, where it was ended by something else.
    fn cause(&self) -> &Self {
        if let Self::ImportEnded { cause, .. } = self {
            return cause.cause();
        }
        self
    }

    fn answer_with(&self, more: Option<impl Serialize>) -> HttpResponse {
        let (status, _) = self.status_and_name();
        let mut response = HttpResponse::build(status);
        match self.cause() {
            Self::MethodNotAllowed { allow } => {
                response.insert_header((header::ALLOW, allow.as_str()));
            }
            Self::Domain(error) => {
                if let Some(challenge) = challenge(error) {
                    response.insert_header((header::WWW_AUTHENTICATE, challenge));
                }
            }
            Self::NoSuchPath { .. }
            | Self::BodyTooLarge { .. }
            | Self::BodyTooSlow
            | Self::MediaType { .. }
            | Self::ContentEncoding
            | Self::ImportEnded { .. } => {}
        }
        if let Self::Domain(Error::NotPermitted(permission)) = self.cause() {
            response.extensions_mut().insert(*permission);
        }
        if let Some(wait_s) = self.retry_after_s(status) {
            response.insert_header((header::RETRY_AFTER, wait_s));
        }
        response.json(Failed {
            success: false,
            error: self.error_body(),
            more,
        })
    }

    /// The error's three members.
    pub(crate) fn error_body(&self) -> ErrorBody {
        let (status, name) = self.status_and_name();
        ErrorBody {
            name,
            status_code: status.as_u16(),
            message: self.to_string(),
        }
    }

    fn retry_after_s(&self, status: StatusCode) -> Option<u64> {
        match self.cause() {
            Self::Domain(Error::TooFast { wait_s, .. } | Error::TooManyFailures { wait_s }) => {
                Some(*wait_s)
            }
            Self::Domain(Error::ResponsesFull) => Some(RESPONSES_RETRY_AFTER_S),
            _ => (status == StatusCode::SERVICE_UNAVAILABLE).then_some(RETRY_AFTER_S),
        }
    }

    /// The table.
    fn status_and_name(&self) -> (StatusCode, &'static str) {
        match self {
            Self::ImportEnded { cause, .. } => cause.status_and_name(),
            Self::Domain(error) => match error {
                Error::Invalid(_)
                | Error::AliasTaken(_)
                | Error::GroupNameTaken
                | Error::GroupsTooMany
                | Error::NotTried => (StatusCode::BAD_REQUEST, "ValidationError"),
                Error::KeyMissing
                | Error::KeyInvalid
                | Error::SessionEnded
                | Error::CodeInvalid => (StatusCode::UNAUTHORIZED, "UnauthorizedError"),
                Error::NotPermitted(_)
                | Error::AddressNotAllowed
                | Error::OtherSite
                | Error::KeyWider(_)
                | Error::RatedKeyMakesNone => (StatusCode::FORBIDDEN, "ForbiddenError"),
                Error::ContactNotFound
                | Error::OptoutNotFound
                | Error::GroupNotFound
                | Error::NoBackupDirectory
                | Error::SessionNotFound
                | Error::KeyNotFound => (StatusCode::NOT_FOUND, "NotFoundError"),
                Error::NumberShared(_)
                | Error::OtherCount(_)
                | Error::KeyRevoked
                | Error::KeyNotActive
                | Error::KeyRotated
                | Error::BackupRunning
                | Error::LastManagingKey => (StatusCode::CONFLICT, "ConflictError"),
                Error::IdempotencyMismatch => {
                    (StatusCode::UNPROCESSABLE_ENTITY, "IdempotencyError")
                }
                Error::TooFast { .. } | Error::TooManyFailures { .. } | Error::ResponsesFull => {
                    (StatusCode::TOO_MANY_REQUESTS, "TooManyRequestsError")
                }
                Error::ConditionFailed => {
                    (StatusCode::PRECONDITION_FAILED, "PreconditionFailedError")
                }
                Error::Busy
                | Error::ImportsBusy
                | Error::VerifierBusy
                | Error::ListsBusy
                | Error::AnswersWaiting
                | Error::ListTooSlow
                | Error::Stopping
                | Error::OutcomeUnknown
                | Error::StorageFailed
                | Error::NotReady(_)
                | Error::BackupFailed
                | Error::StorageUnreadable => {
                    (StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailableError")
                }
                Error::StorageFull | Error::NoRoomForExport => {
                    (StatusCode::INSUFFICIENT_STORAGE, "InsufficientStorageError")
                }
                Error::Internal | Error::Damaged | Error::RowDamaged => {
                    (StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError")
                }
            },
            Self::NoSuchPath { .. } => (StatusCode::NOT_FOUND, "NotFoundError"),
            Self::MethodNotAllowed { .. } => {
                (StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowedError")
            }
            Self::BodyTooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "PayloadTooLargeError"),
            Self::BodyTooSlow => (StatusCode::REQUEST_TIMEOUT, "RequestTimeoutError"),
            Self::MediaType { .. } | Self::ContentEncoding => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "UnsupportedMediaTypeError",
            ),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Domain(error) => error.fmt(formatter),
            Self::NoSuchPath { meant: None } => formatter.write_str("No such path"),
            Self::NoSuchPath { meant: Some(path) } => {
                write!(formatter, "No such path, did you mean {path}?")
            }
            Self::MethodNotAllowed { allow } => {
                write!(formatter, "Method not allowed, allowed here: {allow}")
            }
            Self::BodyTooLarge { bytes_max } => {
                write!(formatter, "Request body must be at most {bytes_max} bytes")
            }
            Self::BodyTooSlow => formatter.write_str("Request body did not arrive in time"),
            Self::MediaType { wanted, came } => {
                write!(formatter, "Content-Type must be {wanted}, in UTF-8, ")?;
                match came.is_empty() {
                    true => formatter.write_str("but is missing"),
                    false => write!(formatter, "but is {came}"),
                }
            }
            Self::ContentEncoding => formatter.write_str("Content-Encoding is not supported"),
            Self::ImportEnded { cause, line } => write!(
                formatter,
                "Rows up to line {line} are dealt with, for those behind them: {cause}"
            ),
        }
    }
}

impl ResponseError for Refusal {
    fn status_code(&self) -> StatusCode {
        self.status_and_name().0
    }

    fn error_response(&self) -> HttpResponse {
        self.answer()
    }
}

/// The permission that an answer refuses, for the audit.
pub(crate) fn refused_permission<B>(answer: &HttpResponse<B>) -> Option<Permission> {
    answer.extensions().get::<Permission>().copied()
}

/// What `WWW-Authenticate` says (RFC 6750, section 3).
fn challenge(error: &Error) -> Option<HeaderValue> {
    let challenge = if matches!(error, Error::KeyMissing | Error::CodeInvalid) {
        CHALLENGE.to_owned()
    } else if matches!(error, Error::KeyInvalid | Error::SessionEnded) {
        format!("{CHALLENGE}, error=\"invalid_token\"")
    } else if let Error::NotPermitted(permission) = error {
        format!("{CHALLENGE}, error=\"insufficient_scope\", scope=\"{permission}\"")
    } else {
        return None;
    };
    HeaderValue::try_from(challenge).ok()
}

#[derive(Serialize)]
struct Failed<M> {
    success: bool,
    error: ErrorBody,
    #[serde(flatten)]
    more: Option<M>,
}

#[derive(Serialize)]
pub(crate) struct ErrorBody {
    name: &'static str,
    #[serde(rename = "statusCode")]
    status_code: u16,
    message: String,
}

/// `{"success":true,…}` with the members of `members`.
pub(crate) fn succeeded(members: impl Serialize) -> HttpResponse {
    #[derive(Serialize)]
    struct Succeeded<M> {
        success: bool,
        #[serde(flatten)]
        members: M,
    }
    HttpResponse::Ok().json(Succeeded {
        success: true,
        members,
    })
}

/// `{"success":true}`
pub(crate) fn done() -> HttpResponse {
    succeeded(None::<()>)
}

/// `{"success":true,"record":{…}}`
pub(crate) fn one(record: impl Serialize) -> HttpResponse {
    #[derive(Serialize)]
    struct One<R> {
        record: R,
    }
    succeeded(One { record })
}

/// `{"success":true,"record":{…}}` of a record that `write` writes; behind it
/// `,"outcome":"…"`, where there is one.
pub(crate) fn one_written(
    outcome: Option<&'static str>,
    write: impl FnOnce(&mut Vec<u8>),
) -> HttpResponse {
    let mut json = Vec::with_capacity(RECORD_BYTES_USUAL);
    json.extend_from_slice(b"{\"success\":true,\"record\":");
    write(&mut json);
    if let Some(outcome) = outcome {
        json.extend_from_slice(b",\"outcome\":\"");
        json.extend_from_slice(outcome.as_bytes());
        json.push(b'"');
    }
    json.push(b'}');
    written(json)
}

/// An answer that was written as JSON already.
pub(crate) fn written(json: Vec<u8>) -> HttpResponse {
    of_type("application/json", json)
}

/// The same of one that was counted while it was written.
///
/// # Errors
/// `AnswersWaiting`, `AnswerTooLarge`.
pub(crate) fn counted(json: CountedJson) -> Result<HttpResponse, Error> {
    let (json, held) = json.finish()?;
    let mut answer = written(json);
    if let Some(held) = held {
        answer.extensions_mut().insert(held);
    }
    Ok(answer)
}

/// An answer of another form than the envelope: a file, counters.
pub(crate) fn of_type(
    content_type: &'static str,
    body: impl MessageBody + 'static,
) -> HttpResponse {
    let content_type = HeaderValue::from_static(content_type);
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, content_type))
        .body(body)
}

/// What the client has is still so: nothing but headers.
pub(crate) fn not_modified() -> HttpResponse {
    HttpResponse::NotModified().finish()
}

/// What is asked for is told by headers alone.
pub(crate) fn no_content() -> HttpResponse {
    HttpResponse::NoContent().finish()
}

/// What is asked for stands elsewhere, by the same method and for good.
pub(crate) fn moved(to: &'static str) -> HttpResponse {
    HttpResponse::PermanentRedirect()
        .insert_header((header::LOCATION, HeaderValue::from_static(to)))
        .finish()
}

/// Begins an answer of ours that was given before.
pub(crate) fn again(status: u16) -> HttpResponseBuilder {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    response.content_type("application/json");
    response
}
