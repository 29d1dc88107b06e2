//! Rows of a file become contacts, a batch in each transaction; or a dry run,
//! which says what would become of them.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::contacts::{self, ContactKey};
use super::database::SCHEMA;
use super::failure::{self, Failure, classify};
use super::transaction::Transaction;
use super::{Database, Store, bulk};
use crate::bulk::{BulkItem, BulkMode, BulkOrder, ItemOutcome};
use crate::error::Error;
use crate::files;
use crate::key::Grant;

/// Imports over HTTP that run at once.
pub(super) const IMPORTS_MAX: usize = 2;
/// How long a batch waits for a busy writer: an import is patient.
const BUSY_WAIT_MAX: Duration = Duration::from_secs(30);
const BUSY_POLL: Duration = Duration::from_millis(50);
/// Pages of 4 KiB of a dry run's memory on the disk: 8 GiB.
const SCRATCH_PAGES_MAX: u32 = 2 * 1024 * 1024;

const COPY: &str = "INSERT INTO contacts (id, alias, msisdn, meta, updated_on)
    VALUES (?1, ?2, ?3, ?4, ?5)
    -- One that was renamed meanwhile is there already.
    ON CONFLICT (id) DO NOTHING";

/// What came of the items of a batch, by their index.
type Outcomes = Vec<(usize, ItemOutcome)>;

/// The turn of an import; its end is the next one's beginning.
pub struct ImportPermit(#[allow(dead_code, reason = "held, never read")] OwnedSemaphorePermit);

fn order(mode: BulkMode) -> BulkOrder {
    BulkOrder {
        mode,
        atomic: false,
        dry_run: false,
    }
}

impl Store {
    /// Takes one of the few turns, or none where there is none at once.
    ///
    /// # Errors
    /// `ImportsBusy`.
    pub fn import_permit(&self) -> Result<ImportPermit, Error> {
        let turn = Arc::clone(&self.imports).try_acquire_owned();
        turn.map(ImportPermit).map_err(|_| Error::ImportsBusy)
    }

    /// Stores a batch in one transaction, waiting for a busy writer.
    ///
    /// # Errors
    /// Those of every write; `Busy` only after thirty seconds.
    pub async fn import(
        &self,
        grant: Grant,
        mode: BulkMode,
        items: Vec<BulkItem>,
    ) -> Result<Outcomes, Error> {
        let begun = Instant::now();
        loop {
            match self
                .create_contacts(grant, order(mode), items.clone())
                .await
            {
                Err(Error::Busy) if begun.elapsed() < BUSY_WAIT_MAX => sleep(BUSY_POLL).await,
                done => return done,
            }
        }
    }

    /// Begins a dry run.
    ///
    /// # Errors
    /// `StorageFailed`, `StorageFull`.
    pub async fn rehearsal(&self, _grant: Grant) -> Result<DryRun, Error> {
        let path = self.path.clone();
        let begun = spawn_blocking(move || DryRun::begin(&path)).await;
        begun.map_err(|_| Error::Internal)?
    }

    /// Does to a dry run what storing the batch would do to the address book.
    ///
    /// # Errors
    /// Those of every read; `StorageFailed`, `StorageFull`.
    pub async fn rehearse(
        &self,
        rehearsal: DryRun,
        mode: BulkMode,
        items: Vec<BulkItem>,
    ) -> Result<(DryRun, Outcomes), Error> {
        let readers = self.readers.clone();
        let rehearsed = spawn_blocking(move || {
            let book = readers.connection()?;
            let outcomes = rehearsal.store(&book, mode, items)?;
            Ok((rehearsal, outcomes))
        });
        rehearsed.await.map_err(|_| Error::Internal)?
    }
}

impl Database {
    /// Stores a batch in one transaction, synced to the disk.
    ///
    /// # Errors
    /// `Busy`, `StorageFailed`, `StorageFull` or `OutcomeUnknown`; but for the
    /// last, nothing of the batch was stored.
    pub fn import(&mut self, mode: BulkMode, items: Vec<BulkItem>) -> Result<Outcomes, Error> {
        self.transaction(|transaction| bulk::store(transaction, order(mode), items))
    }

    /// Begins a dry run.
    ///
    /// # Errors
    /// `StorageFailed`, `StorageFull`.
    pub fn rehearsal(&self) -> Result<DryRun, Error> {
        DryRun::begin(self.path())
    }

    /// Does to a dry run what [`Database::import`] would do to the address book.
    ///
    /// # Errors
    /// `StorageUnreadable`, `StorageFailed`, `StorageFull`.
    pub fn rehearse(
        &self,
        rehearsal: &DryRun,
        mode: BulkMode,
        items: Vec<BulkItem>,
    ) -> Result<Outcomes, Error> {
        rehearsal.store(&self.connection, mode, items)
    }
}

/// A dry run: an address book of its own, on the disk and without a name, that
/// holds what the rows so far named, as it was and as they would have left it.
/// Nobody waits for it, and what is stored meanwhile it may see or not.
pub struct DryRun {
    scratch: Connection,
}

impl DryRun {
    fn begin(book: &std::path::Path) -> Result<Self, Error> {
        let failed = |error: rusqlite::Error| {
            failure::log(&error, "a dry run could not begin");
            classify(&error)
        };
        let path = files::temporary_beside(book);
        let unwritable = |error: std::io::Error| {
            log::error!(error:% = error; "a dry run could not begin");
            Error::StorageFailed
        };
        files::create_private(&path).map_err(unwritable)?;
        let opened = Connection::open(&path).and_then(|scratch| {
            scratch.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
            scratch.pragma_update(None, "journal_mode", "MEMORY")?;
            scratch.pragma_update(None, "synchronous", "OFF")?;
            scratch.pragma_update(None, "max_page_count", SCRATCH_PAGES_MAX)?;
            scratch.execute_batch(SCHEMA)?;
            Ok(scratch)
        });
        fs::remove_file(&path).map_err(unwritable)?;
        Ok(Self {
            scratch: opened.map_err(failed)?,
        })
    }

    /// Fetches what the items name and is not there yet, then does to it what
    /// storing does, by the same function.
    fn store(
        &self,
        book: &Connection,
        mode: BulkMode,
        items: Vec<BulkItem>,
    ) -> Result<Outcomes, Error> {
        let failed = |error: rusqlite::Error| {
            failure::log(&error, "a dry run failed");
            classify(&error)
        };
        let immediate = TransactionBehavior::Immediate;
        let scratch = rusqlite::Transaction::new_unchecked(&self.scratch, immediate);
        let scratch = scratch.map_err(failed)?;
        self.fetch(book, &items).map_err(failed)?;
        let stored = bulk::store(&Transaction::on(&scratch), order(mode), items);
        let outcomes = stored.map_err(|failure| match failure {
            Failure::Refused(error) => error,
            Failure::Storage(error) => failed(error),
        })?;
        scratch.commit().map_err(failed)?;
        Ok(outcomes)
    }

    fn fetch(&self, book: &Connection, items: &[BulkItem]) -> Result<(), rusqlite::Error> {
        let book = rusqlite::Transaction::new_unchecked(book, TransactionBehavior::Deferred)?;
        for item in items {
            let key = ContactKey::Alias(item.contact.alias.clone());
            if contacts::find(&self.scratch, &key)?.is_some() {
                continue;
            }
            let Some(full) = contacts::find(&book, &key)? else {
                continue;
            };
            contacts::write_row(&self.scratch, COPY, &full)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::change::Outcome;
    use crate::contact::{Alias, Msisdn, NewContact};
    use crate::meta::Meta;

    /// Few contacts of few states, so that they meet.
    fn any_batches() -> impl Strategy<Value = Vec<Vec<BulkItem>>> {
        let contact = (0..6_u8, 0..2_u8, 0..2_u8).prop_map(|(alias, msisdn, meta)| NewContact {
            alias: Alias::parse(&format!("c{alias}")).expect("an alias"),
            msisdn: Msisdn::parse(&format!("1555000000{msisdn}")).expect("a number"),
            meta: Meta::from_stored(format!("{{\"n\":{meta}}}")),
        });
        let batch = prop::collection::vec(contact, 1..5).prop_map(|contacts| {
            let items = contacts.into_iter().enumerate();
            items
                .map(|(index, contact)| BulkItem { index, contact })
                .collect()
        });
        prop::collection::vec(batch, 1..5)
    }

    fn without_ids(outcomes: Outcomes) -> Vec<(usize, Result<Outcome, Error>)> {
        let outcomes = outcomes.into_iter();
        outcomes
            .map(|(index, outcome)| (index, outcome.map(|(_, outcome)| outcome)))
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn a_dry_run_of_many_batches_comes_to_what_the_real_run_comes_to(
            before in any_batches(),
            batches in any_batches(),
            upserts in any::<bool>(),
        ) {
            let directory = tempfile::tempdir().expect("made");
            let path = directory.path().join("book.db");
            let mut book = Database::open_or_create(&path, None).expect("opened");
            for items in before {
                book.import(BulkMode::Upsert, items).expect("stored");
            }
            let count = book.contact_count();
            let mode = if upserts { BulkMode::Upsert } else { BulkMode::Create };
            let rehearsal = book.rehearsal().expect("begun");
            let rehearsed: Vec<_> = batches
                .iter()
                .map(|items| book.rehearse(&rehearsal, mode, items.clone()).expect("rehearsed"))
                .map(without_ids)
                .collect();
            prop_assert_eq!(book.contact_count(), count, "nothing was stored");
            for (items, rehearsed) in batches.into_iter().zip(rehearsed) {
                let stored = book.import(mode, items).expect("stored");
                prop_assert_eq!(without_ids(stored), rehearsed);
            }
        }
    }
}
