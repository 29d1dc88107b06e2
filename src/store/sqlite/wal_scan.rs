//! Whether a WAL that a start finds was damaged after it was written. SQLite reads it
//! up to the first frame whose checksum is wrong, and takes that for its end: what was
//! acknowledged behind it would be gone without a word.
//!
//! A crash, too, leaves a broken frame, but none behind the next transaction: that one
//! begins only once everything before it is on the disk. So a broken frame, a commit
//! at or behind it, and one more frame of the same WAL tell that a commit is lost.
//! <https://sqlite.org/fileformat2.html#the_write_ahead_log>

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use crate::files;
use crate::moment::Moment;

const HEADER_BYTES: usize = 32;
const FRAME_HEADER_BYTES: usize = 24;
/// The first four bytes; the last bit says that checksums read big-endian words.
const MAGIC: u32 = 0x377f_0682;
const PAGE_BYTES_MAX: u32 = 65_536;

/// Looks at the WAL of the book at `path`, which nobody has open. Where commits of it
/// are lost, it is copied aside, for whoever can mend it, and the copy is named.
///
/// # Errors
/// The operating system's.
pub(super) fn keep_broken(path: &Path) -> io::Result<Option<PathBuf>> {
    if !is_broken(path)? {
        return Ok(None);
    }
    let wal = files::beside(path, "-wal");
    let kept = files::beside(&wal, &format!(".broken-{}", Moment::now().millis()));
    let mut copy = files::create_private(&kept)?;
    io::copy(&mut File::open(&wal)?, &mut copy)?;
    copy.sync_all()?;
    files::sync_directory_of(&kept)?;
    Ok(Some(kept))
}

/// Whether commits are lost of the WAL of the book at `path`, which nobody has open.
///
/// # Errors
/// The operating system's.
pub(super) fn is_broken(path: &Path) -> io::Result<bool> {
    match File::open(files::beside(path, "-wal")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        opened => has_lost_commit(BufReader::new(opened?)),
    }
}

/// Whether a commit stands at or behind the first broken frame, and a frame behind it.
fn has_lost_commit(mut wal: impl Read) -> io::Result<bool> {
    let mut header = [0; HEADER_BYTES];
    if !fill(&mut wal, &mut header)? {
        return Ok(false);
    }
    let (magic, page_bytes) = (word(&header, 0), word(&header, 8));
    let is_wal = magic & !1 == MAGIC && (512..=PAGE_BYTES_MAX).contains(&page_bytes);
    let sums = Sums::of(magic & 1 == 1, [0, 0], &header[..24]);
    if !is_wal || sums.0 != [word(&header, 24), word(&header, 28)] {
        return Ok(false);
    }
    let mut last = sums;
    let mut frame = vec![0; FRAME_HEADER_BYTES + page_bytes as usize];
    let (mut is_broken, mut is_lost) = (false, false);
    while fill(&mut wal, &mut frame)? {
        if frame[8..16] != header[16..24] {
            // Of an earlier WAL, or never written.
            if !is_broken {
                return Ok(false);
            }
            continue;
        }
        if is_lost {
            return Ok(true);
        }
        if !is_broken {
            let big = magic & 1 == 1;
            let sums = Sums::of(big, last.0, &frame[..8]);
            last = Sums::of(big, sums.0, &frame[FRAME_HEADER_BYTES..]);
            is_broken = last.0 != [word(&frame, 16), word(&frame, 20)];
        }
        is_lost = is_broken && word(&frame, 4) != 0;
    }
    Ok(false)
}

/// The two running sums of a WAL.
#[derive(Clone, Copy)]
struct Sums([u32; 2]);

impl Sums {
    fn of(big_endian: bool, [mut one, mut other]: [u32; 2], bytes: &[u8]) -> Self {
        for pair in bytes.chunks_exact(8) {
            let read = |at: usize| {
                let word = [pair[at], pair[at + 1], pair[at + 2], pair[at + 3]];
                match big_endian {
                    true => u32::from_be_bytes(word),
                    false => u32::from_le_bytes(word),
                }
            };
            one = one.wrapping_add(read(0)).wrapping_add(other);
            other = other.wrapping_add(read(4)).wrapping_add(one);
        }
        Self([one, other])
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// Fills `into`; false where the file ends before.
fn fill(wal: &mut impl Read, into: &mut [u8]) -> io::Result<bool> {
    match wal.read_exact(into) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rusqlite::Connection;

    use super::*;

    const FRAME_BYTES: usize = FRAME_HEADER_BYTES + 4096;

    /// A real WAL of so many commits, each of one frame at the least.
    fn wal_of(commits: u32) -> Vec<u8> {
        let directory = tempfile::tempdir().expect("made");
        let path = directory.path().join("a.db");
        let connection = Connection::open(&path).expect("opened");
        let begin = "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; CREATE TABLE t (x)";
        connection.execute_batch(begin).expect("begun");
        for number in 1..commits {
            let insert = "INSERT INTO t VALUES (?1)";
            connection.execute(insert, [number]).expect("inserted");
        }
        fs::read(files::beside(&path, "-wal")).expect("read")
    }

    fn is_lost(wal: &[u8]) -> bool {
        has_lost_commit(wal).expect("read")
    }

    #[test]
    fn a_flipped_bit_before_a_later_transaction_loses_a_commit() {
        let wal = wal_of(6);
        let frames = (wal.len() - HEADER_BYTES) / FRAME_BYTES;
        assert!(frames >= 6);
        assert!(!is_lost(&wal));
        for frame in 0..frames {
            let mut broken = wal.clone();
            broken[HEADER_BYTES + frame * FRAME_BYTES + 1000] ^= 1;
            // Of the last transaction nobody knows whether it was acknowledged.
            assert_eq!(is_lost(&broken), frame + 1 < frames, "{frame}");
        }
    }

    #[test]
    fn what_a_crash_leaves_is_no_loss() {
        let wal = wal_of(6);
        for cut in [0, 10, HEADER_BYTES, HEADER_BYTES + 30, wal.len() - 1] {
            assert!(!is_lost(&wal[..cut]), "{cut}");
        }
        // An end of zeros, and one of an earlier WAL with other salts.
        let end = wal.len() - 2 * FRAME_BYTES;
        let mut zeros = wal.clone();
        zeros[end..].fill(0);
        assert!(!is_lost(&zeros));
        let mut earlier = wal.clone();
        for frame in 0..2 {
            earlier[end + frame * FRAME_BYTES + 8] ^= 1;
        }
        assert!(!is_lost(&earlier));
        assert!(!is_lost(
            b"something else that is longer than a header of 32 bytes"
        ));
    }
}
