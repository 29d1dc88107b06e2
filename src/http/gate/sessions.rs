//! Who is let in by a session's cookie in the place of a key, or by the code that signs
//! in once. Behind the first check everything goes on as with a token: the key's row
//! decides.

use actix_web::http::header::ORIGIN;
use actix_web::{HttpRequest, web};

use super::admission::{Admitted, Identified, ONCE_A_MINUTE};
use super::connections::Connection;
use super::metrics::Stage;
use super::own_page;
use super::state::State;
use crate::error::Error;
use crate::event::{Action, NewEvent};
use crate::http::wire::cookie::{self, Reach};
use crate::moment::Moment;
use crate::session::SessionSecret;
use crate::sign_in::Code;

/// How the browser is reached that sends `request`.
pub(crate) fn reach(request: &HttpRequest) -> Reach {
    let origin = request.headers().get(ORIGIN);
    if Connection::is_encrypted(request) {
        Reach::Tls
    } else if origin.is_some_and(|origin| origin.as_bytes().starts_with(b"https://")) {
        Reach::TlsOfProxy
    } else {
        Reach::Plain
    }
}

/// Whether a request names a session.
pub(super) fn is_named(request: &HttpRequest) -> bool {
    cookie::session(request.headers(), reach(request)).is_some()
}

impl State {
    /// Finds out whose session the request's cookie names; beside it the state in which
    /// both rows were read, where that is wanted.
    ///
    /// # Errors
    /// `KeyMissing` where it names none, `OtherSite`, `SessionEnded`, `KeyInvalid`; those
    /// of every read.
    pub(super) async fn identify_session(
        &self,
        request: &HttpRequest,
        now: Moment,
        reads_at_once: bool,
    ) -> Result<Identified, Error> {
        let stopped_at = |stage, error| {
            self.metrics.count(stage);
            error
        };
        let headers = request.headers();
        let named = cookie::session(headers, reach(request));
        let named = named.ok_or_else(|| stopped_at(Stage::Missing, Error::KeyMissing))?;
        own_page::check(request.method(), headers)
            .map_err(|error| stopped_at(Stage::OtherSite, error))?;
        let ended = || stopped_at(Stage::SessionEnded, Error::SessionEnded);
        let hash = SessionSecret::parse(named).ok_or_else(ended)?.hash();
        let snapshot = reads_at_once.then(|| self.store.snapshot()).transpose()?;
        let found = match &snapshot {
            Some(snapshot) => snapshot.session(hash).await?,
            None => self.store.session(hash).await?,
        };
        let session = found.ok_or_else(ended)?;
        session.check_time(now).map_err(|_| ended())?;
        let credential = session.credential;
        if let Err(error) = credential.standing.check_time(now) {
            self.note_ended(&credential, now);
            return Err(stopped_at(Stage::Ended, error));
        }
        self.metrics.count(Stage::Session);
        Ok(Identified {
            credential,
            snapshot,
            session: Some(hash),
        })
    }

    /// Lets a request in by the code that signs in once. It is spent by that, whatever
    /// comes next; a wrong one counts as an invalid key does.
    ///
    /// # Errors
    /// `CodeInvalid`, `TooManyFailures`, `AddressNotAllowed`; those of every read.
    pub(super) async fn admit_by_code(
        &self,
        request: &HttpRequest,
        code: Option<Code>,
    ) -> Result<Admitted, Error> {
        let address = self.client_address(request);
        let now = Moment::now();
        let redeemed = match code.zip(self.sign_in().cloned()) {
            Some((code, kept)) => {
                let redeeming = web::block(move || kept.redeem(&code, now));
                redeeming.await.map_err(|_| Error::Internal)?
            }
            None => None,
        };
        let found = match redeemed {
            Some(id) => self.store.credential(id).await?,
            None => None,
        };
        let good = found.filter(|found| found.standing.check_time(now).is_ok());
        let Some(credential) = good else {
            return Err(self.failure_from(address, Error::CodeInvalid));
        };
        let identified = Identified {
            credential,
            snapshot: None,
            session: None,
        };
        self.let_in(identified, address, now)
    }

    /// What is to be written down of a session that is opened, at most once a minute for
    /// each key.
    pub(crate) fn opening(&self, admitted: &Admitted) -> Option<NewEvent> {
        let id = admitted.credential.id;
        let is_due = self.openings.take(id, ONCE_A_MINUTE, Moment::now()).taken;
        is_due.then_some(NewEvent {
            action: Action::SessionOpened,
            actor: Some(id),
            target: None,
            permission: None,
            address: Some(admitted.address),
            changes: None,
        })
    }
}
