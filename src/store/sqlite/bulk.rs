//! Stores many contacts in one transaction.

use super::failure::{self, Failure};
use super::transaction::Transaction;
use super::{Engine, contacts as one, idempotency};
use crate::bulk::{BulkMode, BulkOrder, ItemOutcome, Stored};
use crate::change::{MetaChange, Outcome};
use crate::contact::{ContactKey, NewContact};
use crate::error::Error;
use crate::idempotency::{Once, StoredResponse};
use crate::key::Grant;
use crate::meta::Meta;

impl Engine {
    pub(crate) async fn store_contacts(
        &self,
        grant: Grant,
        order: BulkOrder,
        contacts: Vec<NewContact>,
    ) -> Result<Vec<ItemOutcome>, Error> {
        let rows = contacts.len();
        self.writer
            .submit_rows(grant, rows, move |transaction| {
                store(transaction, order, contacts)
            })
            .await
    }

    pub(crate) async fn store_contacts_once(
        &self,
        grant: Grant,
        once: Once,
        order: BulkOrder,
        contacts: Vec<NewContact>,
        render: impl Fn(Result<Vec<ItemOutcome>, Error>) -> StoredResponse + Send + 'static,
    ) -> Result<(StoredResponse, bool), Error> {
        let rows = contacts.len();
        self.writer
            .submit_rows(grant, rows, move |transaction| {
                let work = |transaction: &Transaction<'_>| store(transaction, order, contacts);
                idempotency::once(transaction, grant.key(), &once, work, render)
            })
            .await
    }
}

/// Stores each contact by itself: a refused one never fails its neighbours. Where
/// the order is atomic and one is refused, or it is a dry run, nothing stays.
pub(super) fn store(
    transaction: &Transaction<'_>,
    order: BulkOrder,
    contacts: Vec<NewContact>,
) -> Result<Vec<ItemOutcome>, Failure> {
    if !order.atomic && !order.dry_run {
        return store_each(transaction, order.mode, contacts);
    }
    transaction.within_savepoint(
        || store_each(transaction, order.mode, contacts),
        |outcomes| {
            let refused = outcomes.iter().any(Result::is_err);
            !order.dry_run && !refused
        },
    )
}

/// Creates the contact, or changes the one that has its alias.
fn store_over(
    transaction: &Transaction<'_>,
    contact: NewContact,
    change: fn(Meta) -> MetaChange,
) -> Result<Stored, Failure> {
    let alias = ContactKey::Alias(contact.alias.clone());
    let old = one::find(transaction, &alias)?;
    let old_meta = old.as_ref().map(|old| old.meta.clone());
    let (full, outcome) = one::store_over(transaction, contact, old, change)?;
    let cleared = match (&old_meta, outcome) {
        (Some(old), Outcome::Updated) => old.lost_in(&full.meta),
        _ => 0,
    };
    Ok(Stored {
        id: full.contact.id,
        outcome,
        cleared,
    })
}

fn store_each(
    transaction: &Transaction<'_>,
    mode: BulkMode,
    contacts: Vec<NewContact>,
) -> Result<Vec<ItemOutcome>, Failure> {
    let mut outcomes = Vec::with_capacity(contacts.len());
    for contact in contacts {
        let stored = match mode {
            BulkMode::Create => one::insert(transaction, contact).map(|full| Stored {
                id: full.contact.id,
                outcome: Outcome::Created,
                cleared: 0,
            }),
            BulkMode::Upsert => store_over(transaction, contact, MetaChange::Replace),
            BulkMode::Merge => store_over(transaction, contact, MetaChange::Merge),
        };
        outcomes.push(failure::each(stored)?);
    }
    Ok(outcomes)
}
