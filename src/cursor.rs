//! Opaque cursors: what a position in a list is written as, so that no other list reads
//! it. Knows no list.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// Bytes of the mark.
const MARK_BYTES: usize = 8;

/// What ties a cursor to its position and to its list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark([u8; MARK_BYTES]);

impl Mark {
    /// Differs for whatever `text` says of a position and of its list.
    pub fn of(text: &str) -> Self {
        let digest = Sha256::digest(text);
        let mut mark = [0; MARK_BYTES];
        mark.copy_from_slice(&digest[..MARK_BYTES]);
        Self(mark)
    }
}

/// Writes a cursor: base64url of its mark and its position.
pub fn written(mark: Mark, position: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode([&mark.0, position].concat())
}

/// Reads the mark and the position that [`written`] wrote; none of what is no cursor.
pub fn read(cursor: &str) -> Option<(Mark, Vec<u8>)> {
    let mut mark = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    if mark.len() < MARK_BYTES {
        return None;
    }
    let position = mark.split_off(MARK_BYTES);
    Some((Mark(mark.try_into().ok()?), position))
}
