//! All contacts of one state, handed over row by row: read in one transaction that
//! ends before anybody waits for a slow reader.

use std::io::Write;
use std::time::Duration;

use tokio::task::spawn_blocking;

use super::connection::Link;
use super::list::view;
use super::{Database, Engine, failure};
use crate::error::Error;
use crate::key::Grant;
use crate::permits::Permit;
use crate::transfer::{ContactsFile, ExportError};

/// Exports that are written at once, to be sent when they are whole.
pub(super) const EXPORTS_MAX: usize = 4;
pub(super) const EXPORTS_OF_KEY_MAX: usize = 2;
/// How long an export waits for its permit.
pub(super) const EXPORT_WAIT_MAX: Duration = Duration::from_secs(2);
/// Exports that are sent at once, and wait to be: each has its file.
pub(super) const SPOOLS_MAX: usize = 32;
pub(super) const SPOOLS_OF_KEY_MAX: usize = 16;

const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
const METAS: &str = "DECLARE surveyed NO SCROLL CURSOR FOR
    SELECT meta::text FROM contacts ORDER BY id";
const NEXT_METAS: &str = "FETCH 1000 FROM surveyed";
const CONTACTS: &str = "DECLARE exported NO SCROLL CURSOR FOR
    SELECT id, alias, msisdn, meta::text FROM contacts ORDER BY id";
const NEXT_CONTACTS: &str = "FETCH 1000 FROM exported";

impl Engine {
    pub(crate) fn spool_permit(&self, grant: Grant) -> Result<Permit, Error> {
        self.spools.try_acquire(grant.key())
    }

    pub(crate) async fn export_permit(&self, grant: Grant) -> Result<Permit, Error> {
        self.exports.acquire(grant.key()).await
    }

    pub(crate) async fn export<W: Write + Send + 'static>(
        &self,
        _grant: Grant,
        file: ContactsFile<W, impl FnMut(u64) -> bool + Send + 'static>,
    ) -> Result<W, ExportError> {
        let location = self.location.clone();
        let exporting = spawn_blocking(move || {
            let database = Database::connect(&location);
            let database = database.map_err(|error| {
                log::error!(error:% = error; "an export failed");
                Error::StorageUnreadable
            })?;
            database.export(file)
        });
        exporting.await.map_err(|_| Error::Internal)?
    }
}

impl Database {
    pub(crate) fn export<W: Write>(
        &self,
        file: ContactsFile<W, impl FnMut(u64) -> bool>,
    ) -> Result<W, ExportError> {
        let exported = self.wait(hand_over(&self.link, file));
        // Nothing was changed, however this ends.
        let _ = self.wait(self.link.batch("COMMIT"));
        exported
    }
}

/// Metas and contacts are read in one transaction.
async fn hand_over<W: Write>(
    link: &Link,
    mut file: ContactsFile<W, impl FnMut(u64) -> bool>,
) -> Result<W, ExportError> {
    link.batch(BEGIN).await.map_err(unreadable)?;
    if file.wants_metas() {
        link.batch(METAS).await.map_err(unreadable)?;
        while file.wants_metas() {
            let rows = link.client().query(NEXT_METAS, &[]).await;
            let rows = rows.map_err(unreadable)?;
            if rows.is_empty() {
                break;
            }
            for row in rows {
                if file.wants_metas() {
                    file.survey(row.try_get(0).map_err(unreadable)?)?;
                }
            }
        }
    }
    link.batch(CONTACTS).await.map_err(unreadable)?;
    loop {
        let rows = link.client().query(NEXT_CONTACTS, &[]).await;
        let rows = rows.map_err(unreadable)?;
        if rows.is_empty() {
            return file.finish();
        }
        for row in &rows {
            let contact = view(row, true).map_err(unreadable)?;
            file.write(
                contact.alias,
                contact.msisdn,
                contact.meta.unwrap_or_default(),
            )?;
        }
    }
}

fn unreadable(error: tokio_postgres::Error) -> ExportError {
    ExportError::Store(failure::unreadable(&error, "an export failed"))
}
