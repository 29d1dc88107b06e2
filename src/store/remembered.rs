//! Answers that are remembered: for how long, how many bytes of them, and how a large
//! one is kept.

use std::io::{self, Read, Write};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;

use crate::error::Error;

/// How long an answer is remembered: 24 hours.
pub(super) const REMEMBERED_MS: i64 = 24 * 60 * 60 * 1000;
/// Answers forgotten at once; more than one for each that is remembered.
pub(super) const FORGOTTEN_MAX: i64 = 100;
/// What the answers that are remembered for one key may take.
pub(super) const BYTES_MAX: u64 = 32 * 1024 * 1024;
/// What a row takes beside its name, which an index holds once more, and its body.
pub(super) const ROW_BYTES: u64 = 160;
/// A body of so many bytes is stored smaller: one of 10,000 results by nine tenths.
const DEFLATED_FROM_BYTES: usize = 1024;
/// What a stored body may become: more than any answer to a write.
const INFLATED_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A large body in the zlib format; none for a small one.
pub(super) fn deflated(body: &[u8]) -> Result<Option<Vec<u8>>, Error> {
    if body.len() < DEFLATED_FROM_BYTES {
        return Ok(None);
    }
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    let written = encoder.write_all(body).and_then(|()| encoder.finish());
    written.map(Some).map_err(|_| Error::Internal)
}

/// A body as it was.
pub(super) fn inflated(body: &[u8]) -> io::Result<Vec<u8>> {
    let mut inflated = Vec::new();
    ZlibDecoder::new(body)
        .take(INFLATED_BYTES_MAX)
        .read_to_end(&mut inflated)?;
    Ok(inflated)
}
