//! An answer that is counted while it is written, so that one that is too large
//! takes no memory first.

use std::io::{self, Write};

/// Takes up to so many bytes; the write that would lead beyond them fails.
pub(crate) struct BoundedBytes {
    bytes: Vec<u8>,
    bytes_max: usize,
}

impl BoundedBytes {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            bytes: Vec::new(),
            bytes_max,
        }
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

impl Write for BoundedBytes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.bytes_max {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_count_and_nothing_beyond_the_limit_is_kept() {
        let mut exact = BoundedBytes::new(8);
        serde_json::to_writer(&mut exact, "\u{1}").expect("eight bytes");
        assert_eq!(exact.into_bytes(), b"\"\\u0001\"");
        let mut short = BoundedBytes::new(7);
        assert!(serde_json::to_writer(&mut short, "\u{1}").is_err());
        assert!(short.into_bytes().len() <= 7);
    }
}
