//! The calls about backups.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;

use super::gate::auth::{Allowed, CreateBackups, ReadBackups};
use super::wire::envelope::{self, Refusal};
use super::wire::many;
use super::wire::query::Query;
use crate::error::Error;
use crate::moment::Moment;
use crate::store::{Backup, ShelfError};

pub(super) async fn create(allowed: Allowed<CreateBackups>) -> Result<HttpResponse, Refusal> {
    let (shelf, store) = allowed.keeping()?;
    let made = web::block(move || shelf.add(&store)).await;
    let made = made.map_err(|_| Error::Internal)?.map_err(refused)?;
    Ok(envelope::one(BackupRecord::of(&made)))
}

pub(super) async fn list(
    allowed: Allowed<ReadBackups>,
    request: HttpRequest,
) -> Result<HttpResponse, Refusal> {
    let (offset, limit) = Query::parse(request.query_string())?.into_page()?;
    let (shelf, _) = allowed.keeping()?;
    let page = web::block(move || shelf.page(offset, limit)).await;
    let page = page.map_err(|_| Error::Internal)?;
    let (backups, total) = page.map_err(|error| match error {
        ShelfError::Busy => Error::ListsBusy,
        error => refused(error),
    })?;
    let records = backups.iter().map(BackupRecord::of).collect();
    Ok(many::whole(records, offset, limit, total))
}

/// Its paths are the operator's alone.
fn refused(error: ShelfError) -> Error {
    match error {
        ShelfError::Busy => Error::BackupRunning,
        ShelfError::Copy(_) | ShelfError::File { .. } | ShelfError::OfAnother(_) => {
            log::error!(error:% = error; "a backup was not made, or not listed");
            Error::BackupFailed
        }
    }
}

#[derive(Serialize)]
struct BackupRecord<'a> {
    name: &'a str,
    size_bytes: u64,
    created_on: Moment,
    contacts: Option<u64>,
}

impl<'a> BackupRecord<'a> {
    fn of(backup: &'a Backup) -> Self {
        Self {
            name: &backup.name,
            size_bytes: backup.size_bytes,
            created_on: backup.created_on,
            contacts: backup.contacts,
        }
    }
}
