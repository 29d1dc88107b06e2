//! The calls about sessions: a browser signs in by a key, or once by the code of the first
//! start, and goes on with a cookie.

use actix_web::http::header::SET_COOKIE;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;

use super::gate::auth::{Allowed, AnyKey, by_code, by_session};
use super::gate::{own_page, sessions};
use super::keys::OwnKeyRecord;
use super::wire::body::StrangersBody;
use super::wire::cookie;
use super::wire::envelope::{self, Refusal};
use crate::error::Error;
use crate::fields::present;
use crate::invalid::Invalid;
use crate::json::decode_string;
use crate::moment::Moment;
use crate::session::{Opened, SessionSecret};
use crate::sign_in::Code;

/// Bytes of a code's body.
pub(crate) const CODE_BODY_BYTES_MAX: usize = 1024;

type Answer = Result<HttpResponse, Refusal>;

/// Opens a session of the key that is presented; a session cannot prolong itself.
pub(super) async fn open(allowed: Allowed<AnyKey>, request: HttpRequest) -> Answer {
    if allowed.session().is_some() {
        return Err(Error::KeyMissing.into());
    }
    own_page::check_opening(request.headers())?;
    opened(&allowed, &request).await
}

/// Opens a session by the code that signs in once.
pub(super) async fn open_by_code(
    request: HttpRequest,
    body: StrangersBody<CODE_BODY_BYTES_MAX>,
) -> Answer {
    own_page::check_opening(request.headers())?;
    let [code] = body.fields(["code"])?;
    let code = present(code).ok_or(Invalid::CodeMissing)?;
    let code = decode_string(code).and_then(|code| Code::parse(&code.ok()?));
    let allowed = by_code(&request, code).await?;
    opened(&allowed, &request).await
}

/// Tells a page who is signed in, without a failure where nobody is.
pub(super) async fn current(request: HttpRequest) -> Answer {
    let Some(allowed) = by_session(&request).await? else {
        return Ok(envelope::one(None::<OwnKeyRecord<'_>>));
    };
    let key = allowed.snapshot()?.own_key(allowed.grant()).await?;
    Ok(envelope::one(Some(OwnKeyRecord::of(&key))))
}

/// Ends the session that is presented.
pub(super) async fn end(allowed: Allowed<AnyKey>) -> Answer {
    let session = allowed.session().ok_or(Error::SessionNotFound)?;
    let store = allowed.store();
    store.end_session(allowed.grant(), session).await?;
    let mut answer = envelope::done();
    for cookie in cookie::clear(allowed.base_path()) {
        answer.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(answer)
}

async fn opened(allowed: &Allowed<AnyKey>, request: &HttpRequest) -> Answer {
    let secret = SessionSecret::generate()?;
    let opening = allowed
        .store()
        .open_session(allowed.grant(), secret.hash(), allowed.opening());
    let opened = opening.await?;
    let reach = sessions::reach(request);
    let cookie = cookie::set(&secret, opened.lasts, reach, allowed.base_path());
    let mut answer = envelope::one(OpenedRecord::of(&opened));
    answer.headers_mut().insert(SET_COOKIE, cookie);
    Ok(answer)
}

/// A key's own record, and how long the session lasts.
#[derive(Serialize)]
struct OpenedRecord<'a> {
    #[serde(flatten)]
    key: OwnKeyRecord<'a>,
    session_expires_on: Moment,
}

impl<'a> OpenedRecord<'a> {
    fn of(opened: &'a Opened) -> Self {
        Self {
            key: OwnKeyRecord::of(&opened.key),
            session_expires_on: opened.expires_on,
        }
    }
}
