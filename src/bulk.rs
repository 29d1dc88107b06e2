//! Many contacts in one request: how they are stored, and what came of each.

use crate::change::Outcome;
use crate::contact::ContactId;
use crate::error::Error;

/// Whether a contact that is there already is an error or a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BulkMode {
    /// Every contact is new.
    Create,
    /// A contact whose alias is there takes its place.
    Upsert,
}

/// How the contacts of one request are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BulkOrder {
    /// Create or upsert.
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

/// What came of one contact.
pub type ItemOutcome = Result<(ContactId, Outcome), Error>;
