//! A group of contacts: its name and its id.

use std::fmt;

use uuid::Uuid;

use crate::id;
use crate::invalid::Invalid;
use crate::moment::Moment;
use crate::text::{NameFault, has_visible_edges, normalise_path_name};

/// Groups of one address book.
pub const GROUPS_MAX: u64 = 1000;

/// A group's identity: a UUID of version 7, as a contact's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupId(Uuid);

impl GroupId {
    /// Takes a UUID of version 7 as an id.
    pub fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// Reads the written form, 36 characters with hyphens, in any case.
    pub fn parse(text: &str) -> Option<Self> {
        id::parse(text).map(Self)
    }

    /// The 16 bytes that the store keeps.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// The millisecond inside the id.
    pub fn created_on(&self) -> Moment {
        id::created_on(self.0)
    }
}

impl fmt::Display for GroupId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0.hyphenated())
    }
}

impl serde::Serialize for GroupId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The name of a group; unique in an address book, compared exactly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupName(String);

impl GroupName {
    /// Trims, brings to NFC and checks, by the rules of an alias.
    ///
    /// # Errors
    /// `GroupNameMissing`, `GroupNameTooLong` or `GroupNameCharacters`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let name = normalise_path_name(text).map_err(|fault| match fault {
            NameFault::Blank => Invalid::GroupNameMissing,
            NameFault::TooLong => Invalid::GroupNameTooLong,
            NameFault::Characters => Invalid::GroupNameCharacters,
        })?;
        match has_visible_edges(&name) {
            true => Ok(Self(name)),
            false => Err(Invalid::GroupNameCharacters),
        }
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

/// A group as lists and changes show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Made by the server.
    pub id: GroupId,
    /// Unique in the address book.
    pub name: GroupName,
    /// How many contacts are in it.
    pub members: u64,
}

/// A group that a contact is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// Which group.
    pub group: GroupId,
    /// Its name.
    pub name: GroupName,
}
