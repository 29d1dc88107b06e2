//! The audit: who changed which key, and which permission was refused to whom.

use crate::moment::Moment;
use crate::permission::Permission;
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
}

impl Action {
    /// The written form, in the store and to callers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::KeyCreated => "key.created",
            Self::KeyUpdated => "key.updated",
            Self::KeyRotated => "key.rotated",
            Self::KeyRevoked => "key.revoked",
            Self::PermissionRefused => "permission.refused",
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
}
