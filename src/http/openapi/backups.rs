//! The calls about backups.

use serde_json::{Value, json};
use utoipa::openapi::Type;

use super::described::{Described, Tag};
use super::shapes::{Record, Shape, number, or_null, text, time};
use crate::error::Error;

pub(crate) fn create() -> Described {
    Described::new(
        "createBackup",
        Tag::Operations,
        "Makes a backup in the server's directory for them",
    )
    .note("Answers once the backup is whole and on the disk. One is made at a time.")
    .answers_record("Backup", &example())
    .refuses([
        Error::NoBackupDirectory,
        Error::BackupRunning,
        Error::BackupFailed,
    ])
}

pub(crate) fn list() -> Described {
    Described::new(
        "listBackups",
        Tag::Operations,
        "Lists backups, newest first",
    )
    .answers_page("Backup", &example())
    .refuses([
        Error::NoBackupDirectory,
        Error::BackupFailed,
        Error::ListsBusy,
    ])
}

fn example() -> Value {
    json!({
        "name": "addressbook-2026-11-27T15-37-26Z.db",
        "size_bytes": 98304,
        "created_on": "2026-11-27T15:37:26.000Z",
        "contacts": 128,
    })
}

pub(super) fn shapes() -> Vec<(&'static str, Shape)> {
    let contacts = number(0, "Contacts in it; `null` where the file cannot be read");
    let backup = Record::new("A backup")
        .with("name", text("The name of its file"))
        .with("size_bytes", number(0, "Bytes of the file"))
        .with("created_on", time("When it was begun, to the second"))
        .with("contacts", or_null(contacts, Type::Integer));
    vec![("Backup", backup.into())]
}
