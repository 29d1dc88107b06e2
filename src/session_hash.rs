//! What the book keeps of a session's secret, and by which a session is named. Knows
//! neither sessions nor keys, so that both may name one.

use std::fmt;

use sha2::{Digest, Sha256};

/// SHA-256 of a session's secret: names the session.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SessionHash([u8; 32]);

impl SessionHash {
    /// Of a secret. Nobody guesses 256 bits, so one SHA-256 is enough.
    pub fn of(secret: &[u8]) -> Self {
        Self(Sha256::digest(secret).into())
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for SessionHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SessionHash(secret)")
    }
}
