//! Changes to a contact: what is to be changed, under which condition, and what
//! came of it. Knows no HTTP, no SQL and no clock.

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::contact::{Alias, FullContact, Msisdn};
use crate::error::Error;
use crate::invalid::Invalid;
use crate::meta::Meta;
use crate::moment::Moment;

/// What is to become of a contact's meta.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetaChange {
    /// The given meta takes its place.
    Replace(Meta),
    /// The given members are merged into it (RFC 7396).
    Merge(Meta),
}

impl MetaChange {
    /// The meta after this change.
    ///
    /// # Errors
    /// The limits of a meta, where a merge leads beyond them.
    pub fn apply(&self, old: &Meta) -> Result<Meta, Invalid> {
        match self {
            Self::Replace(meta) => Ok(meta.clone()),
            Self::Merge(patch) => old.merged(patch),
        }
    }
}

/// The fields of a contact that are to change; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactChange {
    alias: Option<Alias>,
    msisdn: Option<Msisdn>,
    meta: Option<MetaChange>,
}

impl ContactChange {
    /// Collects the fields that are to change.
    ///
    /// # Errors
    /// `NothingToUpdate` where there is none.
    pub fn new(
        alias: Option<Alias>,
        msisdn: Option<Msisdn>,
        meta: Option<MetaChange>,
    ) -> Result<Self, Invalid> {
        if alias.is_none() && msisdn.is_none() && meta.is_none() {
            return Err(Invalid::NothingToUpdate);
        }
        Ok(Self {
            alias,
            msisdn,
            meta,
        })
    }

    /// The contact with this change made at `now`, or `None` where it changes
    /// nothing. `updated_on` always moves on, even if the clock does not.
    ///
    /// # Errors
    /// The limits of a meta, where a merge leads beyond them; what today's rules refuse,
    /// unless it is so already.
    pub fn apply(&self, old: &FullContact, now: Moment) -> Result<Option<FullContact>, Invalid> {
        let mut new = old.clone();
        if let Some(alias) = &self.alias
            && *alias != old.contact.alias
        {
            alias.check_new()?;
            new.contact.alias = alias.clone();
        }
        if let Some(msisdn) = &self.msisdn
            && *msisdn != old.contact.msisdn
        {
            msisdn.check_new()?;
            new.contact.msisdn = msisdn.clone();
        }
        let meta = match &self.meta {
            None => old.meta.clone(),
            Some(change) => change.apply(&old.meta)?,
        };
        if !meta.holds_the_same_as(&old.meta) {
            new.meta = meta;
        }
        if new == *old {
            return Ok(None);
        }
        let next = Moment::from_millis(old.updated_on.millis() + 1);
        new.updated_on = now.max(next);
        Ok(Some(new))
    }
}

/// What came of a create-or-replace or of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There was no such contact; there is now.
    Created,
    /// Something changed.
    Updated,
    /// It was so already: nothing was written.
    Unchanged,
}

/// Tells one state of a contact from every other: a hash of all its fields and
/// its groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version([u8; 16]);

impl Version {
    /// The version of a contact as it is.
    pub fn of(full: &FullContact) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(full.contact.id.as_bytes());
        hasher.update(full.updated_on.millis().to_be_bytes());
        // None of these holds a NUL, so no two contacts run together.
        for text in [
            full.contact.alias.as_str(),
            full.contact.msisdn.as_str(),
            full.meta.as_json(),
        ] {
            hasher.update(text);
            hasher.update([0]);
        }
        for membership in &full.groups {
            hasher.update(membership.group.as_bytes());
            hasher.update(membership.name.as_str());
            hasher.update([0]);
        }
        let mut version = [0; 16];
        version.copy_from_slice(&hasher.finalize()[..16]);
        Self(version)
    }

    /// Written as 32 hexadecimal digits, in lower case.
    pub fn to_hex(self) -> [u8; 32] {
        let mut digits = [0; 32];
        Uuid::from_bytes(self.0).simple().encode_lower(&mut digits);
        digits
    }

    /// Reads what [`Version::to_hex`] writes.
    pub fn from_hex(text: &str) -> Option<Self> {
        let number = u128::from_str_radix(text, 16).ok()?;
        let version = Self(number.to_be_bytes());
        (version.to_hex() == *text.as_bytes()).then_some(version)
    }
}

/// Which states of a contact a condition speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum States {
    /// `*`: any there is.
    Any,
    /// One of these.
    These(Vec<Version>),
}

impl States {
    fn hold(&self, current: Option<Version>) -> bool {
        match (self, current) {
            (_, None) => false,
            (Self::Any, Some(_)) => true,
            (Self::These(versions), Some(current)) => versions.contains(&current),
        }
    }
}

/// Under which condition a change is wanted (RFC 9110, section 13).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// `If-Match`: only from one of these states.
    pub only_from: Option<States>,
    /// `If-None-Match`: from none of these states; `Any` means that there must
    /// be no contact.
    pub not_from: Option<States>,
}

impl Condition {
    /// Whether it holds for every state, and for no contact.
    pub fn is_none(&self) -> bool {
        self.only_from.is_none() && self.not_from.is_none()
    }

    /// Holds the condition against a contact as it is, if it is.
    ///
    /// # Errors
    /// `ConditionFailed`.
    pub fn check(&self, current: Option<&FullContact>) -> Result<(), Error> {
        if self.is_none() {
            return Ok(());
        }
        let version = current.map(Version::of);
        let wanted = self
            .only_from
            .as_ref()
            .is_none_or(|states| states.hold(version));
        let unwanted = self
            .not_from
            .as_ref()
            .is_some_and(|states| states.hold(version));
        if !wanted || unwanted {
            return Err(Error::ConditionFailed);
        }
        Ok(())
    }
}
