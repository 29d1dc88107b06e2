//! Who asks, and what they may do. `authenticate` runs before a keyed route's
//! handler; [`Allowed`] is the handler's first parameter and its only way to
//! the store.

use std::future::{Ready, ready};
use std::marker::PhantomData;
use std::sync::Arc;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use actix_web::middleware::Next;
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};

use super::envelope::Refusal;
use crate::error::Error;
use crate::key::{Credential, Grant};
use crate::keyring::Keyring;
use crate::moment::Moment;
use crate::permission::Permission;
use crate::store::Store;
use crate::token::Token;

/// What every worker shares. Its parts are reached through `Allowed` alone.
pub struct State {
    store: Arc<Store>,
    keyring: Keyring,
}

impl State {
    /// The state of a server of `store`.
    pub fn new(store: Arc<Store>) -> Self {
        Self {
            store,
            keyring: Keyring::default(),
        }
    }

    /// Reads the key's row and holds the token against it, cheapest check first.
    async fn admit(&self, headers: &HeaderMap) -> Result<Credential, Error> {
        let token = bearer_token(headers)?;
        let credential = self
            .store
            .credential(token.id())?
            .ok_or(Error::KeyInvalid)?;
        let fingerprint = token.fingerprint();
        if !fingerprint.tag().matches(credential.tag) {
            return Err(Error::KeyInvalid);
        }
        credential.standing.check(&[], Moment::now())?;
        let verified = self
            .keyring
            .verify(token, fingerprint, &credential.hash)
            .await?;
        verified.then_some(credential).ok_or(Error::KeyInvalid)
    }
}

/// Reads the one `Authorization: Bearer …` header (RFC 6750, section 2.1; the
/// scheme in any case, RFC 9110, section 11.1).
fn bearer_token(headers: &HeaderMap) -> Result<Token, Error> {
    let mut presented = headers.get_all(AUTHORIZATION);
    let header = presented.next().ok_or(Error::KeyMissing)?;
    if presented.next().is_some() {
        return Err(Error::KeyInvalid);
    }
    let (scheme, token) = header
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .ok_or(Error::KeyInvalid)?;
    if !scheme.eq_ignore_ascii_case("Bearer") {
        return Err(Error::KeyInvalid);
    }
    Token::parse(token.trim_matches(' ')).ok_or(Error::KeyInvalid)
}

/// Lets a request with a good key through to the handler, which finds the
/// credential; answers any other.
pub(super) async fn authenticate<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, actix_web::Error> {
    let state: web::Data<State> = request
        .app_data::<web::Data<State>>()
        .cloned()
        .ok_or(Refusal::Domain(Error::Internal))?;
    match state.admit(request.headers()).await {
        Ok(credential) => {
            request.extensions_mut().insert(credential);
            next.call(request)
                .await
                .map(ServiceResponse::map_into_left_body)
        }
        Err(error) => {
            let answer = Refusal::Domain(error).answer();
            Ok(request.into_response(answer).map_into_right_body())
        }
    }
}

/// What a handler needs leave for: one permission, or several checked in order.
pub(super) trait Need: 'static {
    const PERMISSIONS: &'static [Permission];
}

/// Declares what handlers can need, each a type of its own.
macro_rules! needs {
    ($($need:ident = [$($permission:ident),*],)+) => {
        $(
            pub(super) struct $need;

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
    CreateOptouts = [CreateOptouts],
    ReadOptouts = [ReadOptouts],
    DeleteOptouts = [DeleteOptouts],
}

/// Leave to do what `N` names, and the store to do it with.
pub(super) struct Allowed<N> {
    grant: Grant,
    state: web::Data<State>,
    need: PhantomData<N>,
}

impl<N> Allowed<N> {
    pub(super) fn grant(&self) -> Grant {
        self.grant
    }

    pub(super) fn store(&self) -> &Store {
        &self.state.store
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
            .get::<Credential>()
            .zip(request.app_data::<web::Data<State>>());
        let Some((credential, state)) = found else {
            log::error!("a handler that needs leave stands on a route without a key check");
            return ready(Err(Refusal::Domain(Error::Internal)));
        };
        let allowed = Grant::new(credential, N::PERMISSIONS, Moment::now()).map(|grant| Self {
            grant,
            state: state.clone(),
            need: PhantomData,
        });
        ready(allowed.map_err(Refusal::Domain))
    }
}
