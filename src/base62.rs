//! Base62: digits and letters, which every header, address and shell takes as they are.

use zeroize::Zeroizing;

use crate::error::Error;

/// Its digits, the least first.
pub const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Whether a text has no other characters.
pub fn is_base62(text: &[u8]) -> bool {
    text.iter().all(u8::is_ascii_alphanumeric)
}

/// Appends `count` characters of the operating system's randomness, each of the 62
/// equally likely. Room for them is the caller's: a text that moves leaves a copy.
///
/// # Errors
/// `Internal` where the operating system has none to give.
pub fn push_random(text: &mut String, count: usize) -> Result<(), Error> {
    /// The largest multiple of 62 in a byte: what lies above would favour some characters.
    const FAIR_BYTES: u8 = 248;
    let mut bytes = Zeroizing::new([0_u8; 64]);
    let target = text.len() + count;
    while text.len() < target {
        getrandom::fill(bytes.as_mut()).map_err(|_| Error::Internal)?;
        let fair = bytes.iter().filter(|&&byte| byte < FAIR_BYTES);
        let room = target - text.len();
        text.extend(
            fair.take(room)
                .map(|&byte| char::from(DIGITS[byte as usize % 62])),
        );
    }
    Ok(())
}
