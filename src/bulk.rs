//! Many contacts in one request: how they are stored or deleted, and what came of each.

use serde_json::value::RawValue;

use crate::change::Outcome;
use crate::contact::{Alias, ContactId};
use crate::error::Error;
use crate::invalid::Invalid;
use crate::meta::Meta;
use crate::selection::Filter;

/// Contacts that one filter deletes.
pub const MATCHING_MAX: u64 = 100_000;

/// Whether a contact that is there already is an error or a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BulkMode {
    /// Every contact is new.
    Create,
    /// A contact whose alias is there takes its place.
    Upsert,
    /// The same, but its meta is merged into the one that is there (RFC 7396).
    Merge,
}

impl BulkMode {
    /// Reads its word.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "create" => Some(Self::Create),
            "upsert" => Some(Self::Upsert),
            "merge" => Some(Self::Merge),
            _ => None,
        }
    }

    /// Checks a field by today's rules where its contact is new for sure; otherwise the
    /// store does, which knows whether it is.
    ///
    /// # Errors
    /// Those of `check`.
    pub fn check_new(self, check: impl FnOnce() -> Result<(), Invalid>) -> Result<(), Invalid> {
        match self {
            Self::Create => check(),
            Self::Upsert | Self::Merge => Ok(()),
        }
    }

    /// Reads a meta as it is sent for this: a whole one, or a merge patch.
    ///
    /// # Errors
    /// One of the `Meta…` variants of [`Invalid`].
    pub fn parse_meta(self, value: &RawValue) -> Result<Meta, Invalid> {
        match self {
            Self::Create | Self::Upsert => Meta::parse(value),
            Self::Merge => Meta::parse_patch(value),
        }
    }
}

/// How the contacts of one request are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BulkOrder {
    /// Create, upsert or merge.
    pub mode: BulkMode,
    /// All of them or none.
    pub atomic: bool,
    /// None of them, but as if.
    pub dry_run: bool,
}

impl BulkOrder {
    /// Each by itself, for good.
    pub fn each(mode: BulkMode) -> Self {
        Self {
            mode,
            atomic: false,
            dry_run: false,
        }
    }
}

/// A contact that was stored, or was so already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Which it is.
    pub id: ContactId,
    /// What became of it.
    pub outcome: Outcome,
    /// How many members its meta has lost.
    pub cleared: u64,
}

/// What came of one contact.
pub type ItemOutcome = Result<Stored, Error>;

/// A contact that was deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deleted {
    /// Which it was.
    pub id: ContactId,
    /// What it was called; nothing of a damaged one.
    pub alias: Option<Alias>,
}

/// What came of one contact that was to be deleted.
pub type DeleteOutcome = Result<Deleted, Error>;

/// Contacts that are to be deleted together: all that the filters match, if they are
/// as many as expected.
#[derive(Clone, Debug, PartialEq)]
pub struct Matching {
    /// All of these hold; at least one.
    pub filters: Vec<Filter>,
    /// How many there are, at most [`MATCHING_MAX`].
    pub expect: u64,
}
