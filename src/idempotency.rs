//! Requests that may be retried: remembered by a name that the client chose,
//! with the answer that they got.

use sha2::{Digest, Sha256};

use crate::invalid::Invalid;

/// Characters of an `Idempotency-Key`.
pub(crate) const NAME_CHARACTERS_MAX: usize = 255;

/// What a request that may be retried is remembered by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Once {
    name: String,
    fingerprint: [u8; 32],
}

impl Once {
    /// Reads a name, 1 to 255 visible ASCII characters, for the request that
    /// `parts` make up: what it does, to what, under which condition, with what.
    ///
    /// # Errors
    /// `IdempotencyKey`.
    pub fn new(name: &[u8], parts: &[&[u8]]) -> Result<Self, Invalid> {
        let fits = (1..=NAME_CHARACTERS_MAX).contains(&name.len());
        if !fits || !name.iter().all(u8::is_ascii_graphic) {
            return Err(Invalid::IdempotencyKey);
        }
        let mut hasher = Sha256::new();
        for part in parts {
            // Lengths keep parts from running together.
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        Ok(Self {
            name: String::from_utf8_lossy(name).into_owned(),
            fingerprint: hasher.finalize().into(),
        })
    }

    /// The name that the client chose.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// SHA-256 of the request's parts.
    pub fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }
}

/// An answer as it is remembered: the same bytes whenever it is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredResponse {
    /// What kind of answer it was, as HTTP numbers them.
    pub status: u16,
    /// The entity tag that it bore.
    pub etag: Option<String>,
    /// Its body.
    pub body: Vec<u8>,
}
