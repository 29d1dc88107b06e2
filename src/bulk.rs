//! Many contacts in one request: how they are stored, and what came of each.

use crate::change::Outcome;
use crate::contact::{ContactId, NewContact};
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

/// A contact of a request and its place in it.
#[derive(Clone, Debug)]
pub struct BulkItem {
    /// Counted from 0.
    pub index: usize,
    /// What is to be stored.
    pub contact: NewContact,
}

/// What came of one contact.
pub type ItemOutcome = Result<(ContactId, Outcome), Error>;
