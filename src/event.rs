//! The audit: who changed which key, which permission was refused to whom, and who
//! signed in.

use std::net::IpAddr;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::address::AddressRanges;
use crate::error::Error;
use crate::key::KeyTerms;
use crate::moment::Moment;
use crate::permission::{Permission, PermissionSet};
use crate::token::KeyId;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A key was made.
    KeyCreated,
    /// Something of a key was changed.
    KeyUpdated,
    /// A key got a successor.
    KeyRotated,
    /// A key was revoked.
    KeyRevoked,
    /// A key lacked a permission.
    PermissionRefused,
    /// A session was opened by a key.
    SessionOpened,
}

impl Action {
    /// Every action there is.
    pub const ALL: [Self; 6] = [
        Self::KeyCreated,
        Self::KeyUpdated,
        Self::KeyRotated,
        Self::KeyRevoked,
        Self::PermissionRefused,
        Self::SessionOpened,
    ];

    /// The written form, in the store and to callers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::KeyCreated => "key.created",
            Self::KeyUpdated => "key.updated",
            Self::KeyRotated => "key.rotated",
            Self::KeyRevoked => "key.revoked",
            Self::PermissionRefused => "permission.refused",
            Self::SessionOpened => "session.opened",
        }
    }
}

/// One event before it is stored.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// What happened.
    pub action: Action,
    /// The key that acted; none is the command line.
    pub actor: Option<KeyId>,
    /// The key that it happened to.
    pub target: Option<KeyId>,
    /// The permission that was refused.
    pub permission: Option<Permission>,
    /// From where; none is the command line.
    pub address: Option<IpAddr>,
    /// What of the key became what.
    pub changes: Option<Changes>,
}

/// One event as it is read.
#[derive(Clone, Debug)]
pub struct Event {
    /// Counts up.
    pub id: u64,
    /// When.
    pub created_on: Moment,
    /// What happened.
    pub action: String,
    /// The key that acted; null is the command line.
    pub actor: Option<String>,
    /// The key that it happened to.
    pub target: Option<String>,
    /// The permission that was refused.
    pub permission: Option<String>,
    /// From where; null is the command line.
    pub address: Option<String>,
    /// What of the key became what; a JSON object.
    pub changes: Option<Box<RawValue>>,
}

/// What of a key became what: a JSON object, `{"rate_limit":{"from":5,"to":null}}`.
/// Of a name it says no more than that it changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes(String);

impl Changes {
    /// How `to` differs from `from`; a new key's terms were all `null` before.
    ///
    /// # Errors
    /// `Internal`, never where terms can be written.
    pub fn between(from: Option<&KeyTerms>, to: &KeyTerms) -> Result<Self, Error> {
        let changed = ChangedTerms {
            name: from
                .is_some_and(|from| from.name != to.name)
                .then_some(Untold {}),
            permissions: Change::of(from, to, |terms| terms.permissions),
            expires_on: Change::of(from, to, |terms| terms.expires_on),
            allowed_ips: Change::of(from, to, |terms| &terms.allowed_ips),
            rate_limit: Change::of(from, to, |terms| terms.rate_limit),
        };
        let written = serde_json::to_string(&changed).map_err(|_| Error::Internal)?;
        Ok(Self(written))
    }

    /// The written form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The terms that changed, under the names that callers know them by.
#[derive(Serialize)]
struct ChangedTerms<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<Untold>,
    #[serde(skip_serializing_if = "Option::is_none")]
    permissions: Option<Change<PermissionSet>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_on: Option<Change<Option<Moment>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed_ips: Option<Change<&'a AddressRanges>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rate_limit: Option<Change<Option<u32>>>,
}

/// A change of what people may write anything into: the audit keeps none of it.
#[derive(Serialize)]
struct Untold {}

#[derive(Serialize)]
struct Change<T> {
    from: Option<T>,
    to: T,
}

impl<T: PartialEq> Change<T> {
    fn of<'a>(
        from: Option<&'a KeyTerms>,
        to: &'a KeyTerms,
        term: impl Fn(&'a KeyTerms) -> T,
    ) -> Option<Self> {
        let (from, to) = (from.map(&term), term(to));
        (from.as_ref() != Some(&to)).then_some(Self { from, to })
    }
}
