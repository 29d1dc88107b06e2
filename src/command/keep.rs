//! `addressbook backup`, `restore` and `check`: keeping an address book.

use std::fs::{self, File};
use std::io::{self, Write, stdout};
use std::path::Path;
use std::time::Instant;

use serde::Serialize;

use super::{CommandError, check_target, open_existing, print_json};
use crate::cli::{Backup, Check, Restore};
use crate::files;
use crate::store::{self, Operator, RestoreError, is_url, locate};

/// Stands for standard output in place of a file.
const STREAM: &str = "-";

/// Writes the whole address book to a file, whether a server runs or not.
///
/// # Errors
/// One line for the operator; `PipeClosed` where nobody reads any more.
pub fn backup(arguments: &Backup) -> Result<(), CommandError> {
    let begun = Instant::now();
    let operator = open_existing(&arguments.database.path)?;
    if arguments.file.as_os_str() == STREAM {
        return stream(&operator);
    }
    let file = arguments.file.as_path();
    check_target(&operator, file)?;
    let draft = files::temporary_beside(file);
    let contacts = operator.backup(&draft)?;
    let named = fs::rename(&draft, file).and_then(|()| files::sync_directory_of(file));
    named.map_err(|source| {
        // It may have its name already; what failed is what is told.
        let _ = fs::remove_file(&draft);
        CommandError::file(file, source)
    })?;
    let size = fs::metadata(file).map_err(|source| CommandError::file(file, source))?;
    print_json(&BackupRecord {
        file: &file.to_string_lossy(),
        size_bytes: size.len(),
        took_ms: begun.elapsed().as_millis(),
        contacts,
    })
}

#[derive(Serialize)]
struct BackupRecord<'a> {
    file: &'a str,
    size_bytes: u64,
    took_ms: u128,
    contacts: u64,
}

/// Made beside the address book first, where it has no name any more once it is sent.
fn stream(operator: &Operator) -> Result<(), CommandError> {
    let draft = files::temporary_beside(operator.path());
    operator.backup(&draft)?;
    let opened = File::open(&draft);
    let removed = fs::remove_file(&draft);
    let mut file = opened.map_err(|source| CommandError::file(&draft, source))?;
    removed.map_err(|source| CommandError::file(&draft, source))?;
    let mut out = stdout().lock();
    io::copy(&mut file, &mut out)?;
    out.flush()?;
    Ok(())
}

/// Puts a backup in the place of the address book.
///
/// # Errors
/// One line for the operator: then the old address book is where it was.
pub fn restore(arguments: &Restore) -> Result<(), CommandError> {
    #[derive(Serialize)]
    struct Restored<'a> {
        restored: &'a str,
        old: Option<&'a str>,
    }
    // Before anything is made for it.
    fs::metadata(&arguments.file).map_err(|source| CommandError::file(&arguments.file, source))?;
    let path = locate(&arguments.database.path)?;
    if is_url(&path) {
        return Err(RestoreError::OfPostgres.into());
    }
    if fs::canonicalize(&arguments.file).is_ok_and(|file| file == path) {
        return Err(CommandError::OwnFile(path));
    }
    let old = store::restore(&arguments.file, &path)?;
    let old = old.as_deref().map(Path::to_string_lossy);
    print_json(&Restored {
        restored: &path.to_string_lossy(),
        old: old.as_deref(),
    })
}

/// Looks through a whole address book, whether a server runs or not.
///
/// # Errors
/// `Damage` where something is wrong, each told on standard error.
pub fn check(arguments: &Check) -> Result<(), CommandError> {
    #[derive(Serialize)]
    struct Checked {
        contacts: u64,
        damage: usize,
        older_aliases: u64,
        older_numbers: u64,
    }
    let operator = open_existing(&arguments.database.path)?;
    let report = operator.check()?.ok_or(CommandError::CheckOfPostgres)?;
    for line in &report.damage {
        eprintln!("{line}");
    }
    print_json(&Checked {
        contacts: report.contacts,
        damage: report.damage.len(),
        older_aliases: report.older_aliases,
        older_numbers: report.older_numbers,
    })?;
    match report.damage.len() {
        0 => Ok(()),
        damage => Err(CommandError::Damage(damage)),
    }
}
