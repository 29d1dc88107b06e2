//! Who is in a group: what is to become of one contact in it, and what came of that.

use crate::contact::Alias;

/// What is to become of one contact in a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemberChange {
    /// The contact of this alias is to be in it.
    Add(Alias),
    /// The contact of this alias is not to be in it.
    Remove(Alias),
}

/// What came of a [`MemberChange`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberOutcome {
    /// It was not in the group; it is now.
    Added,
    /// It was in the group; it is not any more.
    Removed,
    /// It was so already.
    Unchanged,
    /// No contact has the alias.
    NotFound,
}
