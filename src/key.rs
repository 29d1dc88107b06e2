//! API keys: who they are, how they stand, and the leave they give. Knows no
//! HTTP, no SQL and no clock.

use std::fmt;

use crate::error::{Error, Invalid};
use crate::moment::Moment;
use crate::permission::{Permission, PermissionSet};
use crate::text::{NameFault, normalise_name};
use crate::token::{KeyId, SecretHash, Tag};

/// What people call a key: 1 to 128 characters, normalised like an alias.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
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

/// A key as operators see it: everything but its secret.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ApiKey {
    /// The public part of its token.
    pub id: KeyId,
    /// What people call it.
    pub name: KeyName,
    /// What it may do.
    pub permissions: PermissionSet,
    /// When it was made.
    pub created_on: Moment,
    /// From when on it is refused, if ever.
    pub expires_on: Option<Moment>,
    /// Since when it is refused, if it was revoked.
    pub revoked_on: Option<Moment>,
}

/// Whether a key is good, and if not, why: for operators alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyState {
    /// Requests with it are let in.
    Active,
    /// Its time is over.
    Expired,
    /// It was revoked.
    Revoked,
}

impl ApiKey {
    /// The state at `now`.
    pub fn state(&self, now: Moment) -> KeyState {
        state(self.expires_on, self.revoked_on, now)
    }
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

/// A key before it is stored.
#[derive(Debug)]
pub struct NewKey {
    /// What people call it.
    pub name: KeyName,
    /// What it may do.
    pub permissions: PermissionSet,
    /// From when on it is refused, if ever.
    pub expires_on: Option<Moment>,
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
    /// What and until when.
    pub standing: Standing,
}

/// What a key may do and until when: what can change while its token stays.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    /// What it may do.
    pub permissions: PermissionSet,
    /// From when on it is refused, if ever.
    pub expires_on: Option<Moment>,
    /// Since when it is refused, if it was revoked.
    pub revoked_on: Option<Moment>,
}

impl Standing {
    /// Whether the key is good at `now`, and for each of `permissions`.
    ///
    /// # Errors
    /// `KeyInvalid`, or `NotPermitted` with the first permission it lacks.
    pub fn check(&self, permissions: &[Permission], now: Moment) -> Result<(), Error> {
        match state(self.expires_on, self.revoked_on, now) {
            KeyState::Active => {}
            KeyState::Expired | KeyState::Revoked => return Err(Error::KeyInvalid),
        }
        let lacking = permissions
            .iter()
            .find(|&&one| !self.permissions.contains(one));
        lacking.map_or(Ok(()), |&one| Err(Error::NotPermitted(one)))
    }
}

/// Leave to do something in the name of a key. Only a standing that holds gives
/// one; a write checks it once more inside its own transaction.
#[derive(Clone, Copy, Debug)]
pub struct Grant {
    key: KeyId,
    permissions: &'static [Permission],
}

impl Grant {
    /// Gives leave to a credential that was verified.
    ///
    /// # Errors
    /// As [`Standing::check`].
    pub fn new(
        credential: &Credential,
        permissions: &'static [Permission],
        now: Moment,
    ) -> Result<Self, Error> {
        credential.standing.check(permissions, now)?;
        Ok(Self {
            key: credential.id,
            permissions,
        })
    }

    /// The key in whose name.
    pub fn key(&self) -> KeyId {
        self.key
    }

    /// Whether the leave still holds where the key now stands like this.
    ///
    /// # Errors
    /// As [`Standing::check`]; `KeyInvalid` where the key is gone.
    pub fn confirm(&self, standing: Option<&Standing>, now: Moment) -> Result<(), Error> {
        standing
            .ok_or(Error::KeyInvalid)?
            .check(self.permissions, now)
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
