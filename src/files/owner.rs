//! Whose a file is that this process may not write, and what mends that.

use std::fmt::{self, Display, Formatter};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::io::Errno;
use rustix::process::{getegid, geteuid};

use super::{beside, directory_of};

/// What stands beside a book under its name, and may be of another owner if a command
/// was run by him.
const BESIDE: [&str; 4] = ["", "-wal", "-shm", ".lock"];
/// How the names of files beside a book go on.
const ENDS: [&str; 6] = ["-wal", "-shm", ".lock", ".new-", ".schema-", ".temporary-"];
/// What else the directory of a book alone may hold; the last is the file system's own.
const OTHERS: [&str; 3] = ["initial-api-key", "backups", "lost+found"];

/// A file or directory of somebody else, which this process may not write.
#[derive(Debug)]
pub struct ClosedToUs {
    path: PathBuf,
    owner: u32,
    /// The directory that can be given to this process with all it holds.
    volume: Option<PathBuf>,
}

impl ClosedToUs {
    /// What of the book to which the file at `path` belongs: its directory, or the
    /// nearest that is there, before its files.
    pub fn of_book(path: &Path) -> Option<Self> {
        let directories = directory_of(path).ancestors();
        let mut directories = directories.map(|directory| match directory.as_os_str() {
            name if name.is_empty() => Path::new("."),
            _ => directory,
        });
        let directory = directories.find(|directory| fs::symlink_metadata(directory).is_ok())?;
        let mut files = BESIDE.iter().map(|end| beside(path, end));
        let (closed, owner) = closed(directory, Access::WRITE_OK | Access::EXEC_OK)
            .map(|owner| (directory.to_owned(), owner))
            .or_else(|| {
                files.find_map(|file| closed(&file, Access::WRITE_OK).map(|owner| (file, owner)))
            })?;
        let is_volume = holds_one_book(directory, path).unwrap_or_else(|| is_mounted(directory));
        Some(Self {
            path: closed,
            owner,
            volume: (is_volume && is_plain(directory)).then(|| directory.to_owned()),
        })
    }
}

impl Display for ClosedToUs {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let (path, owner) = (self.path.display(), self.owner);
        let (uid, gid) = (geteuid(), getegid());
        write!(
            formatter,
            "cannot write {path}: owned by uid {owner}, this process is uid {uid}"
        )?;
        match &self.volume {
            Some(volume) => write!(
                formatter,
                "; mend it with: chown -R {uid}:{gid} {}",
                volume.display()
            ),
            None => Ok(()),
        }
    }
}

/// Who owns what is at `path`, if that is somebody else and it is closed to this process.
fn closed(path: &Path, needed: Access) -> Option<u32> {
    let owner = fs::metadata(path).ok()?.uid();
    let denied = accessat(CWD, path, needed, AtFlags::EACCESS) == Err(Errno::ACCESS);
    (denied && owner != geteuid().as_raw()).then_some(owner)
}

/// Whether a directory holds nothing but the files of the book to which `path` belongs;
/// none where it cannot be listed.
fn holds_one_book(directory: &Path, path: &Path) -> Option<bool> {
    let name = path.file_name()?.to_str()?;
    let cut = ENDS.iter().filter_map(|end| name.find(end)).min();
    let book = &name[..cut.unwrap_or(name.len())];
    let mut entries = fs::read_dir(directory).ok()?;
    Some(entries.all(|entry| {
        let name = entry.map(|entry| entry.file_name());
        let name = name.as_ref().ok().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with(book) || OTHERS.contains(&name))
    }))
}

/// Whether something is mounted at a directory, as a volume is in a container.
#[cfg(not(target_os = "linux"))]
fn is_mounted(_: &Path) -> bool {
    false
}

/// Whether something is mounted at a directory, as a volume is in a container.
#[cfg(target_os = "linux")]
fn is_mounted(directory: &Path) -> bool {
    use rustix::fs::{StatxAttributes, StatxFlags, statx};

    let found = statx(CWD, directory, AtFlags::empty(), StatxFlags::empty());
    found.is_ok_and(|found| found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

/// Whether a shell takes a path as it is written.
fn is_plain(path: &Path) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-".contains(byte);
    path.as_os_str().as_encoded_bytes().iter().all(plain)
}
