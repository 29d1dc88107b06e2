//! An import: each batch one transaction; or a dry run, which says what would become
//! of the rows.

use std::fs;
use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};
use tokio::task::spawn_blocking;

use super::database::SCHEMA;
use super::failure::{self, Failure, classify};
use super::pool::Reader;
use super::readers::Readers;
use super::transaction::Transaction;
use super::{Database, Engine, bulk, contacts};
use crate::bulk::{BulkMode, BulkOrder, ItemOutcome};
use crate::contact::{ContactKey, NewContact};
use crate::error::Error;
use crate::files;
use crate::key::Grant;
use crate::permits::Permit;

/// Pages of 4 KiB that a dry run may take on the disk: 8 GiB.
const SCRATCH_PAGES_MAX: u32 = 2 * 1024 * 1024;

const COPY: &str = "INSERT INTO contacts (id, alias, msisdn, meta, updated_on, checksum)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)
    -- One that was renamed meanwhile is there already.
    ON CONFLICT (id) DO NOTHING";

impl Engine {
    pub(crate) fn import_permit(&self, grant: Grant) -> Result<Permit, Error> {
        self.imports.try_acquire(grant.key())
    }

    pub(crate) async fn dry_run(&self, _grant: Grant) -> Result<DryRun, Error> {
        let (path, readers) = (self.path.clone(), self.readers.clone());
        let begun = spawn_blocking(move || DryRun::begin(&path, &readers)).await;
        begun.map_err(|_| Error::Internal)?
    }
}

impl Database {
    pub(crate) fn import(
        &mut self,
        mode: BulkMode,
        contacts: Vec<NewContact>,
    ) -> Result<Vec<ItemOutcome>, Error> {
        if self.room.is_short(&self.connection, &self.path) {
            return Err(Error::StorageFull);
        }
        self.transaction(|transaction| bulk::store(transaction, BulkOrder::each(mode), contacts))
    }

    pub(crate) fn dry_run(&self) -> Result<DryRun, Error> {
        DryRun::begin(self.path(), &Readers::of(self.path(), 1))
    }
}

/// A dry run: an address book of its own, on the disk and without a name, that
/// holds what the rows so far named, as it was and as they would have left it.
pub struct DryRun {
    scratch: Connection,
    book: Reader,
}

impl DryRun {
    fn begin(path: &Path, readers: &Readers) -> Result<Self, Error> {
        let failed = |error: rusqlite::Error| {
            failure::log(&error, "a dry run could not begin");
            classify(&error)
        };
        let path = files::temporary_beside(path);
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
            book: readers.connection()?,
        })
    }

    pub(crate) async fn import(
        self,
        mode: BulkMode,
        contacts: Vec<NewContact>,
    ) -> Result<(Self, Vec<ItemOutcome>), Error> {
        let tried = spawn_blocking(move || {
            let outcomes = self.import_blocking(mode, contacts)?;
            Ok((self, outcomes))
        });
        tried.await.map_err(|_| Error::Internal)?
    }

    /// Fetches what the contacts name and is not there yet, then does to it what
    /// storing does, by the same function.
    pub(crate) fn import_blocking(
        &self,
        mode: BulkMode,
        contacts: Vec<NewContact>,
    ) -> Result<Vec<ItemOutcome>, Error> {
        let failed = |error: rusqlite::Error| {
            failure::log(&error, "a dry run failed");
            classify(&error)
        };
        let immediate = TransactionBehavior::Immediate;
        let scratch = rusqlite::Transaction::new_unchecked(&self.scratch, immediate);
        let scratch = scratch.map_err(failed)?;
        self.fetch(&contacts).map_err(failed)?;
        let order = BulkOrder::each(mode);
        let stored = bulk::store(&Transaction::on(&scratch), order, contacts);
        let outcomes = stored.map_err(|failure| match failure {
            Failure::Refused(error) => error,
            Failure::Storage(error) => failed(error),
        })?;
        scratch.commit().map_err(failed)?;
        Ok(outcomes)
    }

    fn fetch(&self, named: &[NewContact]) -> Result<(), rusqlite::Error> {
        let book = rusqlite::Transaction::new_unchecked(&self.book, TransactionBehavior::Deferred)?;
        for contact in named {
            let key = ContactKey::Alias(contact.alias.clone());
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
    use crate::contact::{Alias, Msisdn};
    use crate::meta::Meta;

    /// Few contacts of few states, so that they meet.
    fn any_batches() -> impl Strategy<Value = Vec<Vec<NewContact>>> {
        let contact = (0..6_u8, 0..2_u8, 0..2_u8).prop_map(|(alias, msisdn, meta)| NewContact {
            alias: Alias::parse(&format!("c{alias}")).expect("an alias"),
            msisdn: Msisdn::parse(&format!("1555000000{msisdn}")).expect("a number"),
            meta: Meta::from_stored(format!("{{\"n\":{meta}}}")),
        });
        let batch = prop::collection::vec(contact, 1..5);
        prop::collection::vec(batch, 1..5)
    }

    fn without_ids(outcomes: Vec<ItemOutcome>) -> Vec<Result<Outcome, String>> {
        let outcomes = outcomes.into_iter();
        outcomes
            .map(|outcome| {
                outcome
                    .map(|stored| stored.outcome)
                    .map_err(|error| error.kind())
            })
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
            for contacts in before {
                book.import(BulkMode::Upsert, contacts).expect("stored");
            }
            let count = book.contact_count();
            let mode = if upserts { BulkMode::Upsert } else { BulkMode::Create };
            let dry_run = book.dry_run().expect("begun");
            let tried: Vec<_> = batches
                .iter()
                .map(|contacts| dry_run.import_blocking(mode, contacts.clone()).expect("tried"))
                .map(without_ids)
                .collect();
            prop_assert_eq!(book.contact_count(), count, "nothing was stored");
            for (contacts, tried) in batches.into_iter().zip(tried) {
                let stored = book.import(mode, contacts).expect("stored");
                prop_assert_eq!(without_ids(stored), tried);
            }
        }
    }
}
