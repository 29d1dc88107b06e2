//! API keys: who they are, how they stand, and what they permit. Knows no
//! HTTP, no SQL and no clock.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use crate::address::AddressRanges;
use crate::error::Error;
use crate::invalid::Invalid;
use crate::moment::Moment;
use crate::permission::{Permission, PermissionSet};
use crate::session_hash::SessionHash;
use crate::text::{NameFault, normalise_name};
use crate::token::{KeyId, SecretHash, Tag};

/// How long an old key may stay good beside its successor: 30 days.
pub const OVERLAP_MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Requests a second of the fastest limited key.
pub const RATE_LIMIT_MAX: u32 = 1_000_000;

/// What people call a key: 1 to 128 characters, normalised like an alias.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyName(String);

impl KeyName {
    /// Reads a name.
    ///
    /// # Errors
    /// One of the `KeyName…` variants of [`Invalid`].
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let name = normalise_name(text).map_err(|fault| match fault {
            NameFault::Blank => Invalid::KeyNameMissing,
            NameFault::TooLong => Invalid::KeyNameTooLong,
            NameFault::Characters => Invalid::KeyNameCharacters,
        })?;
        Ok(Self(name))
    }

    /// Takes a name from the store, where only parsed ones are.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The stored form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What is chosen of a key, when it is made and later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyTerms {
    /// What people call it.
    pub name: KeyName,
    /// What it may do.
    pub permissions: PermissionSet,
    /// From when on it is refused, if ever.
    pub expires_on: Option<Moment>,
    /// From where it may be used; an empty list is from anywhere.
    pub allowed_ips: AddressRanges,
    /// Requests a second, and as many at once; none is no limit.
    pub rate_limit: Option<u32>,
}

impl KeyTerms {
    /// Whether a key of these terms has each of `permissions`.
    ///
    /// # Errors
    /// `NotPermitted` with the first that it lacks.
    pub fn cover_permissions(&self, permissions: PermissionSet) -> Result<(), Error> {
        let lacking = permissions
            .iter()
            .find(|&one| !self.permissions.contains(one));
        lacking.map_or(Ok(()), |one| Err(Error::NotPermitted(one)))
    }

    /// Whether a key of these terms may make, change or hand on one of `other`:
    /// nothing that it gives is more than it has.
    ///
    /// # Errors
    /// `NotPermitted` with the first permission that it lacks, `KeyWider` with
    /// the limit that `other` would be without.
    pub fn cover(&self, other: &Self) -> Result<(), Error> {
        self.cover_permissions(other.permissions)?;
        if is_beyond(other.expires_on, self.expires_on) {
            return Err(Error::KeyWider("expires_on"));
        }
        if is_beyond(other.rate_limit, self.rate_limit) {
            return Err(Error::KeyWider("rate_limit"));
        }
        if !other.allowed_ips.are_within(&self.allowed_ips) {
            return Err(Error::KeyWider("allowed_ips"));
        }
        Ok(())
    }
}

/// What is to change of a key's terms.
#[derive(Clone, Debug, Default)]
pub struct KeyChange {
    /// Another name.
    pub name: Option<KeyName>,
    /// Other permissions, in place of all.
    pub permissions: Option<PermissionSet>,
    /// Another expiry, or none.
    pub expires_on: Option<Option<Moment>>,
    /// Other ranges, in place of all.
    pub allowed_ips: Option<AddressRanges>,
    /// Another limit, or none.
    pub rate_limit: Option<Option<u32>>,
}

impl KeyChange {
    /// Whether nothing is to change.
    pub fn is_empty(&self) -> bool {
        self.name.is_none()
            && self.permissions.is_none()
            && self.expires_on.is_none()
            && self.allowed_ips.is_none()
            && self.rate_limit.is_none()
    }

    /// The terms with this change made.
    pub fn apply(self, terms: KeyTerms) -> KeyTerms {
        KeyTerms {
            name: self.name.unwrap_or(terms.name),
            permissions: self.permissions.unwrap_or(terms.permissions),
            expires_on: self.expires_on.unwrap_or(terms.expires_on),
            allowed_ips: self.allowed_ips.unwrap_or(terms.allowed_ips),
            rate_limit: self.rate_limit.unwrap_or(terms.rate_limit),
        }
    }
}

/// A key as operators see it: everything but its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// The public part of its token.
    pub id: KeyId,
    /// What is chosen of it.
    pub terms: KeyTerms,
    /// When it was made.
    pub created_on: Moment,
    /// When it was last let in, to the minute.
    pub last_used_on: Option<Moment>,
    /// Since when it is refused, if it was revoked.
    pub revoked_on: Option<Moment>,
    /// The key that it was rotated to.
    pub replaced_by: Option<KeyId>,
    /// The key that made it; none is the command line.
    pub created_by: Option<KeyId>,
}

impl ApiKey {
    /// The state at `now`.
    pub fn state(&self, now: Moment) -> KeyState {
        state(self.terms.expires_on, self.revoked_on, now)
    }
}

/// Whether a key is good, and if not, why: for operators alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// Requests with it are let in.
    Active,
    /// Its time is over.
    Expired,
    /// It was revoked.
    Revoked,
}

impl fmt::Display for KeyState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Active => "active",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        })
    }
}

/// The part of a key's row that decides over a request; read on every one.
#[derive(Clone, Debug)]
pub struct Credential {
    /// The public part of its token.
    pub id: KeyId,
    /// Turns a wrong secret away before argon2.
    pub tag: Tag,
    /// What is kept of the secret.
    pub hash: SecretHash,
    /// What, until when and from where.
    pub standing: Standing,
    /// Requests a second; none is no limit.
    pub rate_limit: Option<u32>,
    /// When its use was last written down.
    pub last_used_on: Option<Moment>,
}

/// What a key may do, until when and from where: what can change while its
/// token stays.
#[derive(Clone, Debug)]
pub struct Standing {
    /// What it may do.
    pub permissions: PermissionSet,
    /// From when on it is refused, if ever.
    pub expires_on: Option<Moment>,
    /// Since when it is refused, if it was revoked.
    pub revoked_on: Option<Moment>,
    /// From where it may be used.
    pub allowed_ips: AddressRanges,
}

impl Standing {
    /// Whether the key is good at `now`.
    ///
    /// # Errors
    /// `KeyInvalid`.
    pub fn check_time(&self, now: Moment) -> Result<(), Error> {
        match state(self.expires_on, self.revoked_on, now) {
            KeyState::Active => Ok(()),
            KeyState::Expired | KeyState::Revoked => Err(Error::KeyInvalid),
        }
    }

    /// Whether the key may be used from `address`.
    ///
    /// # Errors
    /// `AddressNotAllowed`.
    pub fn check_address(&self, address: IpAddr) -> Result<(), Error> {
        if !self.allowed_ips.admit(address) {
            return Err(Error::AddressNotAllowed);
        }
        Ok(())
    }

    /// Whether the key has each of `permissions`.
    ///
    /// # Errors
    /// `NotPermitted` with the first that it lacks.
    pub fn check_permissions(&self, permissions: &[Permission]) -> Result<(), Error> {
        let mut needed = permissions.iter();
        let lacking = needed.find(|&&one| !self.permissions.contains(one));
        lacking.map_or(Ok(()), |&one| Err(Error::NotPermitted(one)))
    }
}

/// The permission to do something in the name of a key, from an address, for as long as
/// the session goes on that stands in for the key. Only a standing that holds gives one; a
/// write checks it once more inside its own transaction.
#[derive(Clone, Copy, Debug)]
pub struct Grant {
    key: KeyId,
    permissions: &'static [Permission],
    address: IpAddr,
    session: Option<SessionHash>,
}

impl Grant {
    /// Grants to a credential that was verified, time and address included.
    ///
    /// # Errors
    /// As [`Standing::check_permissions`].
    pub fn new(
        credential: &Credential,
        permissions: &'static [Permission],
        address: IpAddr,
    ) -> Result<Self, Error> {
        credential.standing.check_permissions(permissions)?;
        Ok(Self {
            key: credential.id,
            permissions,
            address,
            session: None,
        })
    }

    /// The same, no longer than `session` goes on, where one stands in for the key.
    pub fn within(self, session: Option<SessionHash>) -> Self {
        Self { session, ..self }
    }

    /// The key in whose name.
    pub fn key(&self) -> KeyId {
        self.key
    }

    /// From where it is used.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// The session that stands in for the key, where one does.
    pub fn session(&self) -> Option<SessionHash> {
        self.session
    }

    /// Whether the grant still holds where the key now stands like this. Of a session
    /// [`Session::confirm`](crate::session::Session::confirm) knows more.
    ///
    /// # Errors
    /// `KeyInvalid` also where the key is gone, `AddressNotAllowed`, `NotPermitted`.
    pub fn confirm(&self, standing: Option<&Standing>, now: Moment) -> Result<(), Error> {
        let standing = standing.ok_or(Error::KeyInvalid)?;
        standing.check_time(now)?;
        standing.check_address(self.address)?;
        standing.check_permissions(self.permissions)
    }
}

/// Whether a limit lies beyond another; none lies beyond all.
pub fn is_beyond<T: Ord>(limit: Option<T>, own: Option<T>) -> bool {
    match (limit, own) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(limit), Some(own)) => limit > own,
    }
}

fn state(expires_on: Option<Moment>, revoked_on: Option<Moment>, now: Moment) -> KeyState {
    if revoked_on.is_some() {
        KeyState::Revoked
    } else if expires_on.is_some_and(|expiry| expiry <= now) {
        KeyState::Expired
    } else {
        KeyState::Active
    }
}
