//! Stores many contacts in one transaction.

use super::failure::Failure;
use super::transaction::Transaction;
use super::{Store, contacts, idempotency};
use crate::bulk::{BulkItem, BulkMode, BulkOrder, ItemOutcome};
use crate::change::{Condition, Outcome};
use crate::error::Error;
use crate::idempotency::{Once, StoredResponse};
use crate::key::Grant;

impl Store {
    /// Stores many contacts in one transaction; what came of each, by its index.
    ///
    /// # Errors
    /// Those of every write.
    pub async fn create_contacts(
        &self,
        grant: Grant,
        order: BulkOrder,
        items: Vec<BulkItem>,
    ) -> Result<Vec<(usize, ItemOutcome)>, Error> {
        let rows = items.len();
        self.writer
            .submit_rows(grant, rows, move |transaction| {
                store(transaction, order, items)
            })
            .await
    }

    /// The same once, as [`Store::create_contact_once`].
    ///
    /// # Errors
    /// `IdempotencyMismatch`; those of every write.
    pub async fn create_contacts_once(
        &self,
        grant: Grant,
        once: Once,
        order: BulkOrder,
        items: Vec<BulkItem>,
        render: impl FnOnce(Result<Vec<(usize, ItemOutcome)>, Error>) -> StoredResponse + Send + 'static,
    ) -> Result<(StoredResponse, bool), Error> {
        let rows = items.len();
        self.writer
            .submit_rows(grant, rows, move |transaction| {
                let work = |transaction: &Transaction<'_>| store(transaction, order, items);
                idempotency::once(transaction, grant.key(), &once, work, render)
            })
            .await
    }
}

/// Stores each item by itself: a refused one never fails its neighbours. Where
/// the order is atomic and one is refused, or it is a dry run, nothing stays.
pub(super) fn store(
    transaction: &Transaction<'_>,
    order: BulkOrder,
    items: Vec<BulkItem>,
) -> Result<Vec<(usize, ItemOutcome)>, Failure> {
    if !order.atomic && !order.dry_run {
        return store_each(transaction, order.mode, items);
    }
    transaction.within_savepoint(
        || store_each(transaction, order.mode, items),
        |outcomes| {
            let refused = outcomes.iter().any(|(_, outcome)| outcome.is_err());
            !order.dry_run && !refused
        },
    )
}

fn store_each(
    transaction: &Transaction<'_>,
    mode: BulkMode,
    items: Vec<BulkItem>,
) -> Result<Vec<(usize, ItemOutcome)>, Failure> {
    let unconditional = Condition::default();
    let mut outcomes = Vec::with_capacity(items.len());
    for BulkItem { index, contact } in items {
        let stored = match mode {
            BulkMode::Create => {
                contacts::insert(transaction, contact).map(|full| (full, Outcome::Created))
            }
            BulkMode::Upsert => contacts::put(transaction, contact, &unconditional),
        };
        let outcome = match stored {
            Ok((full, outcome)) => Ok((full.contact.id, outcome)),
            Err(Failure::Refused(error)) => Err(error),
            Err(Failure::Storage(error)) => return Err(Failure::Storage(error)),
        };
        outcomes.push((index, outcome));
    }
    Ok(outcomes)
}
