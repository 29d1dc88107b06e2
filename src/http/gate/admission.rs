//! Who is let in: from a request's headers and address to its key's row, the
//! cheapest check first, so that strangers cost next to nothing.

use std::cell::Cell;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderName};
use actix_web::{HttpMessage, HttpRequest, rt, web};

use super::metrics::Stage;
use super::state::State;
use crate::address::{address_prefix, client_address};
use crate::bucket::{Level, Rate};
use crate::error::Error;
use crate::event::{Action, NewEvent};
use crate::key::{Credential, Grant};
use crate::keyring::Verdict;
use crate::moment::Moment;
use crate::permission::Permission;
use crate::session_hash::SessionHash;
use crate::store::Snapshot;
use crate::token::{KeyId, Token};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Invalid keys from one address (IPv6: one /64): so many at once, then one a second.
const FAILURES: Rate = Rate {
    burst: 100,
    per_minute: 60,
};
/// What is written down of one key, or of one refused permission.
pub(super) const ONCE_A_MINUTE: Rate = Rate {
    burst: 1,
    per_minute: 1,
};
/// The use of a key is written down when what is written is this old.
const LAST_USE_AGE_MAX: Duration = Duration::from_secs(60);

/// How often a request that takes long looks whether its key and its session are still good.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A request that was let in.
pub(crate) struct Admitted {
    pub(crate) credential: Credential,
    pub(crate) address: IpAddr,
    /// What the request was granted so far, for whatever asks again later.
    pub(crate) granted: Cell<Grant>,
    /// The state in which the key was read, for what is read at once; taken by
    /// the first who can use it.
    pub(crate) snapshot: Cell<Option<Snapshot>>,
    /// The session that stood in for the key.
    pub(crate) session: Option<SessionHash>,
}

/// Whose request it is, before it is known whether it may come from where it does.
pub(super) struct Identified {
    pub(super) credential: Credential,
    /// The state in which that was read, where no time has passed since.
    pub(super) snapshot: Option<Snapshot>,
    pub(super) session: Option<SessionHash>,
}

/// How much of its rate a limited key has left.
pub(crate) struct RateUse {
    pub(crate) per_second: u32,
    pub(crate) level: Level,
}

impl State {
    /// Lets a request in. Invalid keys are counted by address once it is clear
    /// that they are invalid: a good key from a bad address passes.
    pub(crate) async fn admit(&self, request: &HttpRequest) -> Result<Admitted, Error> {
        let address = self.client_address(request);
        let now = Moment::now();
        // A body may take its time.
        let reads_at_once = request.method().is_safe();
        let identified = self.identify(request.headers(), now, reads_at_once).await;
        let identified = match identified {
            // Only then a cookie is looked for.
            Err(Error::KeyMissing) => self.identify_session(request, now, reads_at_once).await,
            identified => identified,
        };
        match identified {
            Ok(identified) => self.let_in(identified, address, now),
            Err(error @ (Error::KeyInvalid | Error::SessionEnded)) => {
                Err(self.failure_from(address, error))
            }
            Err(error) => Err(error),
        }
    }

    /// Lets in who was identified, if it may come from `address`.
    pub(super) fn let_in(
        &self,
        identified: Identified,
        address: IpAddr,
        now: Moment,
    ) -> Result<Admitted, Error> {
        let Identified {
            credential,
            snapshot,
            session,
        } = identified;
        credential.standing.check_address(address)?;
        self.note_use(&credential, address, now);
        let grant = Grant::new(&credential, &[], address)?.within(session);
        let granted = Cell::new(grant);
        Ok(Admitted {
            credential,
            address,
            granted,
            snapshot: Cell::new(snapshot),
            session,
        })
    }

    /// Takes one of the requests that a limited key has this second.
    pub(crate) fn take_request(&self, credential: &Credential) -> Option<RateUse> {
        let per_second = credential.rate_limit?;
        let rate = Rate {
            burst: per_second,
            per_minute: per_second.saturating_mul(60),
        };
        let level = self.requests.take(credential.id, rate, Moment::now());
        Some(RateUse { per_second, level })
    }

    /// Finds out whose key it is; beside it the state in which the key was read,
    /// where that is wanted and no time has passed since.
    async fn identify(
        &self,
        headers: &HeaderMap,
        now: Moment,
        reads_at_once: bool,
    ) -> Result<Identified, Error> {
        let stopped_at = |stage| {
            self.metrics.count(stage);
            Error::KeyInvalid
        };
        let token = bearer_token(headers).inspect_err(|error| {
            if *error != Error::KeyMissing {
                self.metrics.count(Stage::Malformed);
            }
        })?;
        let snapshot = reads_at_once.then(|| self.store.snapshot()).transpose()?;
        let found = match &snapshot {
            Some(snapshot) => snapshot.credential(token.id()).await?,
            None => self.store.credential(token.id()).await?,
        };
        let credential = found.ok_or_else(|| stopped_at(Stage::Unknown))?;
        let fingerprint = token.fingerprint();
        if !fingerprint.tag().matches(credential.tag) {
            return Err(stopped_at(Stage::WrongTag));
        }
        if credential.standing.check_time(now).is_err() {
            self.note_ended(&credential, now);
            return Err(stopped_at(Stage::Ended));
        }
        if self
            .keyring
            .remembers(token.id(), &fingerprint, &credential.hash)
        {
            self.metrics.count(Stage::Remembered);
            return Ok(Identified {
                credential,
                snapshot,
                session: None,
            });
        }
        drop(snapshot);
        let verification = self.keyring.verify(token, fingerprint, &credential.hash);
        match verification.await? {
            Verdict::Remembered => self.metrics.count(Stage::Remembered),
            Verdict::Verified => self.metrics.count(Stage::Verified),
            Verdict::Wrong => return Err(stopped_at(Stage::WrongSecret)),
        }
        Ok(Identified {
            credential,
            snapshot: None,
            session: None,
        })
    }

    /// Has the use of a key that has ended in the log, at most once a minute.
    pub(super) fn note_ended(&self, credential: &Credential, now: Moment) {
        if !self.ended.take(credential.id, ONCE_A_MINUTE, now).taken {
            return;
        }
        let key = credential.id.as_str();
        match credential.standing.revoked_on {
            Some(_) => log::info!(key; "a revoked key was used, and refused"),
            None => log::info!(key; "an expired key was used, and refused"),
        }
    }

    pub(super) fn client_address(&self, request: &HttpRequest) -> IpAddr {
        let nobody = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let peer = request.peer_addr().map_or(nobody, |peer| peer.ip());
        if self.trusted_proxies.is_empty() {
            return peer.to_canonical();
        }
        // Bytes that are no text must not hide the hops behind them.
        let headers = request.headers().get_all(X_FORWARDED_FOR);
        let forwarded: Vec<_> = headers
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
            .collect();
        let forwarded = forwarded.iter().map(AsRef::as_ref);
        client_address(peer, forwarded, &self.trusted_proxies)
    }

    /// Counts what was wrong with a key, a session or a code; `error`, unless there were
    /// too many from this address.
    pub(super) fn failure_from(&self, address: IpAddr, error: Error) -> Error {
        let level = self
            .failures
            .take(address_prefix(address), FAILURES, Moment::now());
        if level.taken {
            return error;
        }
        self.metrics.count(Stage::TooManyFailures);
        Error::TooManyFailures {
            wait_s: whole_seconds(level.wait),
        }
    }

    /// Has the use of a key written down, at most once a minute.
    fn note_use(&self, credential: &Credential, address: IpAddr, now: Moment) {
        // A use in the future is one of a clock that was ahead.
        let is_known = credential.last_used_on.is_some_and(|last| {
            let until = last.checked_add(LAST_USE_AGE_MAX);
            last <= now && until.is_some_and(|until| now < until)
        });
        if is_known {
            return;
        }
        if !self.uses.take(credential.id, ONCE_A_MINUTE, now).taken {
            return;
        }
        let Ok(grant) = Grant::new(credential, &[], address) else {
            return;
        };
        let store = Arc::clone(&self.store);
        // Nobody waits for it; where it fails, a use in the next minute tries again.
        rt::spawn(async move { store.touch_key(grant).await });
    }

    /// Has a refused permission written down, at most once a minute for each.
    pub(crate) fn note_refusal(&self, admitted: &Admitted, permission: Permission) {
        let id = admitted.credential.id;
        let refused = (id, permission);
        if !self
            .refusals
            .take(refused, ONCE_A_MINUTE, Moment::now())
            .taken
        {
            return;
        }
        let Ok(grant) = Grant::new(&admitted.credential, &[], admitted.address) else {
            return;
        };
        let event = NewEvent {
            action: Action::PermissionRefused,
            actor: Some(id),
            target: None,
            permission: Some(permission),
            address: Some(admitted.address),
            changes: None,
        };
        let store = Arc::clone(&self.store);
        rt::spawn(async move { store.record_event(grant, event).await });
    }
}

impl Admitted {
    /// The key of a request that was let in.
    ///
    /// # Errors
    /// `Internal` where none was checked.
    pub(crate) fn key_of(request: &HttpRequest) -> Result<KeyId, Error> {
        let extensions = request.extensions();
        let admitted = extensions.get::<Rc<Self>>().ok_or(Error::Internal)?;
        Ok(admitted.credential.id)
    }

    /// Whether what the request was granted still holds.
    ///
    /// # Errors
    /// Those of the store's `confirm`.
    pub(crate) async fn confirm(&self, state: &State) -> Result<(), Error> {
        state.store.confirm(self.granted.get()).await
    }

    /// Comes back once what the request was granted does not hold any more.
    pub(crate) async fn ended(&self, state: &State) -> Error {
        loop {
            rt::time::sleep(LOOK_EVERY).await;
            if let Err(error) = self.confirm(state).await {
                return error;
            }
        }
    }
}

/// Looks whether a key, and the session that stands in for it, are still good.
pub(crate) struct KeyWatch {
    state: web::Data<State>,
    admitted: Rc<Admitted>,
    look: Option<Look>,
}

type Look = Pin<Box<dyn Future<Output = Result<(), Error>>>>;

impl KeyWatch {
    pub(crate) fn new(state: &web::Data<State>, admitted: &Rc<Admitted>) -> Self {
        Self {
            state: state.clone(),
            admitted: Rc::clone(admitted),
            look: None,
        }
    }

    /// Looks once.
    pub(crate) fn poll_look(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let (state, admitted) = (&self.state, &self.admitted);
        let look = self.look.get_or_insert_with(|| {
            let (state, admitted) = (state.clone(), Rc::clone(admitted));
            Box::pin(async move { admitted.confirm(&state).await })
        });
        let looked = look.as_mut().poll(context);
        if looked.is_ready() {
            self.look = None;
        }
        looked
    }
}

/// Rounded up: earlier would be too early.
pub(crate) fn whole_seconds(wait: Duration) -> u64 {
    wait.as_millis()
        .div_ceil(1000)
        .try_into()
        .unwrap_or(u64::MAX)
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

#[cfg(test)]
mod tests;
