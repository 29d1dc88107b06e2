//! Files and directories that are their owner's alone, and on the disk.

mod owner;

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::OFlags;
use rustix::process::geteuid;
use uuid::Uuid;

pub use owner::ClosedToUs;

const DIRECTORY_MODE: u32 = 0o700;
/// The mode of every file of ours.
pub const FILE_MODE: u32 = 0o600;

/// Makes a file that nobody else may read; there must be none yet.
///
/// # Errors
/// The operating system's, `AlreadyExists` among them.
pub fn create_private(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(FILE_MODE)
        .open(path)
}

/// Opens a file to read it, if it is regular and this process's user's alone, as
/// [`create_private`] made it. A pipe in its place is not waited for.
///
/// # Errors
/// The operating system's; `PermissionDenied` where the file is anything else.
pub fn open_private(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    let found = file.metadata()?;
    let is_ours = found.uid() == geteuid().as_raw() && found.mode() & 0o777 == FILE_MODE;
    match found.is_file() && is_ours {
        true => Ok(file),
        false => Err(io::ErrorKind::PermissionDenied.into()),
    }
}

/// Makes a file beside `path` that nobody else may read and that has no name: it
/// is gone when it is closed, however that happens.
///
/// # Errors
/// The operating system's.
pub fn create_nameless(path: &Path) -> io::Result<File> {
    let temporary = temporary_beside(path);
    let file = OpenOptions::new()
        .create_new(true)
        .read(true)
        .write(true)
        .mode(FILE_MODE)
        .open(&temporary)?;
    fs::remove_file(&temporary)?;
    Ok(file)
}

/// Removes what interrupted work left beside `path`: files whose names go on with one
/// of `ends`, and that are older than `age`. What cannot be removed stays.
pub fn sweep_beside(path: &Path, ends: &[&str], age: Duration) {
    let Some(name) = path.file_name().and_then(OsStr::to_str) else {
        return;
    };
    let Ok(entries) = fs::read_dir(directory_of(path)) else {
        return;
    };
    for entry in entries.flatten() {
        let found = entry.file_name();
        let end = found.to_str().and_then(|found| found.strip_prefix(name));
        let is_left = end.is_some_and(|end| ends.iter().any(|begun| end.starts_with(begun)));
        let is_old = entry.metadata().is_ok_and(|metadata| {
            let modified = metadata.modified();
            metadata.is_file()
                && modified.is_ok_and(|modified| modified.elapsed().is_ok_and(|left| left > age))
        });
        if is_left && is_old && fs::remove_file(entry.path()).is_ok() {
            log::info!(file:% = entry.path().display(); "removed what interrupted work left");
        }
    }
}

/// A name beside `path` that no other file has.
pub fn temporary_beside(path: &Path) -> PathBuf {
    beside(path, &format!(".temporary-{}", Uuid::now_v7().simple()))
}

/// Opens a file to lock it, made first where there is none.
///
/// # Errors
/// The operating system's.
pub fn open_lock(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(FILE_MODE)
        .open(path)
}

/// Makes the directory of `path` and those above it, where they are missing.
///
/// # Errors
/// The operating system's.
pub fn create_directory_of(path: &Path) -> io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(DIRECTORY_MODE)
        .create(directory_of(path))
}

/// Brings to the disk which files the directory of `path` has.
///
/// # Errors
/// The operating system's.
pub fn sync_directory_of(path: &Path) -> io::Result<()> {
    File::open(directory_of(path))?.sync_all()
}

/// Whether others may read or write the file at `path`, or change which files its
/// directory has; each that is open to them with its mode.
pub fn open_to_others(path: &Path) -> Vec<(PathBuf, u32)> {
    let looked_at = [
        (path.to_owned(), 0o077),
        (directory_of(path).to_owned(), 0o022),
    ];
    let open = looked_at.into_iter().filter_map(|(path, others)| {
        let mode = fs::metadata(&path).ok()?.permissions().mode() & 0o7777;
        (mode & others != 0).then_some((path, mode))
    });
    open.collect()
}

/// The directory of `path`; of a bare name the current one.
pub fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// The path of a file beside `path`, whose name is longer by `suffix`.
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
