//! `authenticate` runs before a keyed route's handler; [`Allowed`] is the
//! handler's first parameter and its only way to the store.

use std::cell::Cell;
use std::future::{Future, Ready, ready};
use std::marker::PhantomData;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use actix_web::{FromRequest, HttpMessage, HttpRequest, HttpResponse, web};

use super::admission::{Admitted, RateUse, whole_seconds};
use super::sessions;
use super::state::{State, Status};
use crate::base_path::BasePath;
use crate::error::Error;
use crate::event::NewEvent;
use crate::http::wire::counted::CountedJson;
use crate::http::wire::envelope::{Refusal, refused_permission};
use crate::key::Grant;
use crate::keyring::Keyring;
use crate::permission::Permission;
use crate::session_hash::SessionHash;
use crate::sign_in::Code;
use crate::store::{Shelf, Snapshot, Store};

/// What is left of a key's rate, as draft-ietf-httpapi-ratelimit-headers-10 has it.
const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Lets a request with a good key through to the rest of its pipeline, which finds
/// who was let in; answers any other.
pub(crate) async fn authenticate(
    request: &HttpRequest,
    next: impl Future<Output = HttpResponse>,
) -> HttpResponse {
    let refused = |error| Refusal::Domain(error).answer();
    let state = match State::of(request) {
        Ok(state) => state,
        Err(error) => return refused(error),
    };
    let admitted = match state.admit(request).await {
        Ok(admitted) => admitted,
        Err(error) => return refused(error),
    };
    let rate_use = state.take_request(&admitted.credential);
    let mut answer = match &rate_use {
        Some(spent) if !spent.level.taken => refused(Error::TooFast {
            per_second: spent.per_second,
            wait_s: whole_seconds(spent.level.wait),
        }),
        _ => {
            let admitted = Rc::new(admitted);
            request.extensions_mut().insert(Rc::clone(&admitted));
            let answer = if request.method().is_safe() {
                tokio::select! {
                    biased;
                    answer = next => answer,
                    error = admitted.ended(state) => refused(error),
                }
            } else {
                // What writes asks again in its transaction.
                next.await
            };
            if let Some(refused) = refused_permission(&answer) {
                state.note_refusal(&admitted, refused);
            }
            answer
        }
    };
    if let Some(rate_use) = rate_use {
        add_rate_headers(answer.headers_mut(), &rate_use);
    }
    answer
}

/// Lets a request to a call that needs no key in by the code that signs in once.
///
/// # Errors
/// Those of [`State::admit_by_code`].
pub(crate) async fn by_code(
    request: &HttpRequest,
    code: Option<Code>,
) -> Result<Allowed<AnyKey>, Error> {
    let state = State::of(request)?;
    let admitted = Rc::new(state.admit_by_code(request, code).await?);
    request.extensions_mut().insert(Rc::clone(&admitted));
    Allowed::of(&admitted, state)
}

/// Lets a request to a call that needs no key in by its session; none where it names none
/// that still holds.
///
/// # Errors
/// Those of a request that needs the key, but for those that say that nobody is signed in.
pub(crate) async fn by_session(request: &HttpRequest) -> Result<Option<Allowed<AnyKey>>, Error> {
    if request.headers().contains_key(AUTHORIZATION) {
        return Ok(None);
    }
    match is_allowed::<AnyKey>(request).await {
        Ok(true) => {}
        Ok(false) | Err(Error::KeyInvalid | Error::SessionEnded) => return Ok(None),
        Err(error) => return Err(error),
    }
    let admitted = request.extensions().get::<Rc<Admitted>>().cloned();
    let admitted = admitted.ok_or(Error::Internal)?;
    Allowed::of(&admitted, State::of(request)?).map(Some)
}

/// Whether a request to a call that needs no key has one, or a session, that may do what
/// `N` names; none where it has neither.
///
/// # Errors
/// Those of a request that needs the key.
pub(crate) async fn is_allowed<N: Need>(request: &HttpRequest) -> Result<bool, Error> {
    if !request.headers().contains_key(AUTHORIZATION) && !sessions::is_named(request) {
        return Ok(false);
    }
    let state = State::of(request)?;
    let admitted = state.admit(request).await?;
    // What is read takes time.
    admitted.snapshot.take();
    if let Some(spent) = state.take_request(&admitted.credential)
        && !spent.level.taken
    {
        return Err(Error::TooFast {
            per_second: spent.per_second,
            wait_s: whole_seconds(spent.level.wait),
        });
    }
    if let Err(error) = admitted.grant::<N>() {
        if let Error::NotPermitted(permission) = error {
            state.note_refusal(&admitted, permission);
        }
        return Err(error);
    }
    request.extensions_mut().insert(Rc::new(admitted));
    Ok(true)
}

fn add_rate_headers(headers: &mut HeaderMap, rate_use: &RateUse) {
    let RateUse { per_second, level } = rate_use;
    // What is left is for the rest of the window, which is a second.
    let reset_s = whole_seconds(level.wait).max(1);
    for (name, value) in [
        (RATELIMIT_POLICY, format!("\"key\";q={per_second};w=1")),
        (RATELIMIT, format!("\"key\";r={};t={reset_s}", level.left)),
    ] {
        let value = HeaderValue::try_from(value).expect("digits are visible ASCII");
        headers.insert(name, value);
    }
}

/// What is left of a request's pipeline once the key is checked. Boxed, so that
/// the part before it is compiled once and not for each handler.
pub(crate) type Rest = Pin<Box<dyn Future<Output = HttpResponse>>>;

/// What a handler needs: one permission, or several checked in order.
pub(crate) trait Need: 'static {
    const PERMISSIONS: &'static [Permission];
}

/// Declares what handlers can need, each a type of its own.
macro_rules! needs {
    ($($need:ident = [$($permission:ident),*],)+) => {
        $(
            pub(crate) struct $need;

            impl Need for $need {
                const PERMISSIONS: &'static [Permission] = &[$(Permission::$permission),*];
            }
        )+
    };
}

needs! {
    AnyKey = [],
    CreateContacts = [CreateContacts],
    ReadContacts = [ReadContacts],
    UpdateContacts = [UpdateContacts],
    PutContacts = [CreateContacts, UpdateContacts],
    DeleteContacts = [DeleteContacts],
    FindAndDeleteContacts = [DeleteContacts, ReadContacts],
    CreateGroups = [CreateGroups],
    ReadGroups = [ReadGroups],
    UpdateGroups = [UpdateGroups],
    DeleteGroups = [DeleteGroups],
    CreateOptouts = [CreateOptouts],
    ReadOptouts = [ReadOptouts],
    DeleteOptouts = [DeleteOptouts],
    CreateApiKeys = [CreateApiKeys],
    ReadApiKeys = [ReadApiKeys],
    UpdateApiKeys = [UpdateApiKeys],
    DeleteApiKeys = [DeleteApiKeys],
    ReadAudit = [ReadAudit],
    ReadMetrics = [ReadMetrics],
    CreateBackups = [CreateBackups],
    ReadBackups = [ReadBackups],
}

/// The permission to do what `N` names, and the store to do it with.
pub(crate) struct Allowed<N> {
    grant: Grant,
    admitted: Rc<Admitted>,
    state: web::Data<State>,
    snapshot: Cell<Option<Snapshot>>,
    need: PhantomData<N>,
}

impl<N: Need> Allowed<N> {
    fn of(admitted: &Rc<Admitted>, state: &web::Data<State>) -> Result<Self, Error> {
        let snapshot = admitted.snapshot.take();
        let grant = admitted.grant::<N>()?;
        Ok(Self {
            grant,
            admitted: Rc::clone(admitted),
            state: state.clone(),
            snapshot: Cell::new(snapshot),
            need: PhantomData,
        })
    }
}

impl<N> Allowed<N> {
    pub(crate) fn grant(&self) -> Grant {
        self.grant
    }

    /// The grant of a request that turns out to need more.
    ///
    /// # Errors
    /// `NotPermitted` with the first permission that is lacking.
    pub(crate) fn widened<M: Need>(&self) -> Result<Grant, Error> {
        self.admitted.grant::<M>()
    }

    /// Comes back once what the request was granted does not hold any more.
    pub(crate) async fn ended(&self) -> Error {
        self.admitted.ended(&self.state).await
    }

    /// The store, for what takes time: the state in which the key was read is
    /// given up.
    pub(crate) fn store(&self) -> &Store {
        self.snapshot.take();
        self.state.store()
    }

    /// The directory for backups and what it has backups of, for a thread that may block.
    ///
    /// # Errors
    /// `NoBackupDirectory`.
    pub(crate) fn keeping(&self) -> Result<(Arc<Shelf>, Arc<Store>), Error> {
        self.snapshot.take();
        let shelf = self.state.shelf().ok_or(Error::NoBackupDirectory)?;
        Ok((Arc::clone(shelf), Arc::clone(&self.state.store)))
    }

    /// What the address book holds and how the server fares.
    ///
    /// # Errors
    /// Those of every read; `ListsBusy` where too many ask at once.
    pub(crate) async fn status(&self) -> Result<Status, Error> {
        self.snapshot.take();
        self.state.status().await
    }

    /// The state in which the key was read, for point lookups at once. Where it
    /// was given up, a new one.
    pub(crate) fn snapshot(&self) -> Result<Snapshot, Error> {
        match self.snapshot.take() {
            Some(snapshot) => Ok(snapshot),
            None => self.state.store().snapshot(),
        }
    }

    /// Begins an answer that counts what it holds, behind `json`.
    pub(crate) fn count_from(&self, json: Vec<u8>) -> CountedJson {
        CountedJson::new(json, self.state.answers(), self.grant.key())
    }

    /// The session that stands in for the key, where one does.
    pub(crate) fn session(&self) -> Option<SessionHash> {
        self.admitted.session
    }

    /// What is to be written down of a session that is opened, if anything.
    pub(crate) fn opening(&self) -> Option<NewEvent> {
        self.state.opening(&self.admitted)
    }

    /// What every path of this server begins with.
    pub(crate) fn base_path(&self) -> &BasePath {
        self.state.base_path()
    }

    /// Where new secrets are made.
    pub(crate) fn keyring(&self) -> &Keyring {
        self.state.keyring()
    }
}

impl Admitted {
    fn grant<N: Need>(&self) -> Result<Grant, Error> {
        let grant = Grant::new(&self.credential, N::PERMISSIONS, self.address)?;
        let grant = grant.within(self.session);
        self.granted.set(grant);
        Ok(grant)
    }
}

impl<N: Need> FromRequest for Allowed<N> {
    type Error = Refusal;
    type Future = Ready<Result<Self, Refusal>>;

    /// Ready at once, so that a missing permission is answered before the body
    /// is looked at.
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let extensions = request.extensions();
        let found = extensions
            .get::<Rc<Admitted>>()
            .zip(State::of(request).ok());
        let Some((admitted, state)) = found else {
            log::error!("a handler that needs a key stands on a route without a key check");
            return ready(Err(Refusal::Domain(Error::Internal)));
        };
        ready(Self::of(admitted, state).map_err(Refusal::Domain))
    }
}
