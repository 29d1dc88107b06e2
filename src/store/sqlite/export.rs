//! All contacts of one state, handed over row by row: read in one transaction that
//! ends before anybody waits for a slow reader.

use std::fs::File;
use std::io::{self, Write};
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};
use tokio::task::spawn_blocking;

use super::list::{SELECT_WITH_META, view};
use super::transaction::Counter;
use super::{Database, Engine, failure};
use crate::error::Error;
use crate::files;
use crate::key::Grant;
use crate::permits::Permit;
use crate::transfer::{ContactsFile, ExportError};

/// How long an export waits for its permit.
pub(super) const EXPORT_WAIT_MAX: Duration = Duration::from_secs(2);

/// Exports that are sent at once, and wait to be: each has its file.
pub(super) const SPOOLS_MAX: usize = 32;
pub(super) const SPOOLS_OF_KEY_MAX: usize = 16;

const METAS: &str = "SELECT meta FROM contacts ORDER BY id";
const CONTACTS: &str = " FROM contacts ORDER BY id";

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
        let readers = self.readers.clone();
        let exporting = spawn_blocking(move || {
            let handed_over = hand_over(&*readers.connection()?, file);
            handed_over.map_err(|error| match error {
                ExportError::Store(error) => ExportError::Store(readers.damage().note(error)),
                other => other,
            })
        });
        exporting.await.map_err(|_| Error::Internal)?
    }
}

impl Database {
    pub(crate) fn temporary_file(&self) -> io::Result<File> {
        files::create_nameless(self.path())
    }

    pub(crate) fn export<W: Write>(
        &self,
        file: ContactsFile<W, impl FnMut(u64) -> bool>,
    ) -> Result<W, ExportError> {
        hand_over(&self.connection, file)
    }

    pub(crate) fn contact_count(&self) -> Result<u64, Error> {
        self.read(|connection| Counter::Contacts.read(connection))
    }
}

/// Metas and contacts are read in one transaction.
fn hand_over<W: Write>(
    connection: &Connection,
    mut file: ContactsFile<W, impl FnMut(u64) -> bool>,
) -> Result<W, ExportError> {
    let transaction =
        rusqlite::Transaction::new_unchecked(connection, TransactionBehavior::Deferred);
    let transaction = transaction.map_err(unreadable)?;
    if file.wants_metas() {
        let mut statement = transaction.prepare_cached(METAS).map_err(unreadable)?;
        let mut rows = statement.query([]).map_err(unreadable)?;
        while file.wants_metas()
            && let Some(row) = rows.next().map_err(unreadable)?
        {
            let meta = row.get_ref(0).and_then(|meta| Ok(meta.as_str()?));
            file.survey(meta.map_err(unreadable)?)?;
        }
    }
    let contacts = format!("{SELECT_WITH_META}{CONTACTS}");
    let mut statement = transaction.prepare_cached(&contacts).map_err(unreadable)?;
    let mut rows = statement.query([]).map_err(unreadable)?;
    while let Some(row) = rows.next().map_err(unreadable)? {
        let contact = view(row, true).map_err(unreadable)?;
        file.write(
            contact.alias,
            contact.msisdn,
            contact.meta.unwrap_or_default(),
        )?;
    }
    file.finish()
}

fn unreadable(error: rusqlite::Error) -> ExportError {
    ExportError::Store(failure::unreadable(&error, "an export failed"))
}
