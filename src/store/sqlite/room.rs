//! Whether the disk has room for more. What the book adds stops while there is still
//! room for all of the WAL to go into the file, and for what takes something out of
//! the book again: a disk that the book filled can be freed through it.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rustix::fs::statvfs;

use crate::files;

/// Bytes beside those of the WAL that are left for deletes, revocations and the like.
const LEFT_BYTES_MIN: u64 = 8 * 1024 * 1024;
/// How long room that was there is taken to be there: some megabytes are written then.
const LOOK_AFTER: Duration = Duration::from_millis(20);
/// Bytes of a WAL that is emptied where room is short.
const EMPTIED_BYTES_MIN: u64 = 128 * 1024;
const FREE_PAGES: &str =
    "SELECT freelist_count * page_size FROM pragma_freelist_count, pragma_page_size";

/// What is known of the room on the disk.
#[derive(Default)]
pub(super) struct Room {
    /// When there was enough.
    enough_at: Option<Instant>,
}

impl Room {
    /// Whether there is no room for more; there is while there was a moment ago. Free
    /// pages of the file count as room. A file system that does not say counts as one
    /// with room: SQLite will hear of it.
    pub(super) fn is_short(&mut self, connection: &Connection, path: &Path) -> bool {
        let is_known = |at: Instant| at.elapsed() < LOOK_AFTER;
        if self.enough_at.is_some_and(is_known) {
            return false;
        }
        let is_short = is_short(connection, path);
        self.enough_at = (!is_short).then(Instant::now);
        is_short
    }
}

/// Whether there is no room for more, at this moment.
pub(super) fn is_short(connection: &Connection, path: &Path) -> bool {
    let Ok(system) = statvfs(path) else {
        return false;
    };
    let free = system.f_bavail.saturating_mul(system.f_frsize);
    let wanted = LEFT_BYTES_MIN + wal_bytes(path);
    if free >= wanted {
        return false;
    }
    let in_file = connection
        .prepare_cached(FREE_PAGES)
        .and_then(|mut statement| statement.query_row([], |row| row.get::<_, u64>(0)));
    free + in_file.unwrap_or(0) < wanted
}

/// Whether there is so much in the WAL that emptying it makes room.
pub(super) fn is_worth_emptying(path: &Path) -> bool {
    wal_bytes(path) >= EMPTIED_BYTES_MIN
}

/// How long the WAL is.
pub(super) fn wal_bytes(path: &Path) -> u64 {
    fs::metadata(files::beside(path, "-wal")).map_or(0, |wal| wal.len())
}
