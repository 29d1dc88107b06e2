//! What many contacts need: several transactions, with single writes served between
//! two of them, wherever a request need not be one.

use std::iter::repeat_n;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::Store;
use crate::bulk::{BulkMode, BulkOrder, DeleteOutcome, ItemOutcome, Matching};
use crate::contact::{ContactKey, ContactView, Msisdn, NewContact};
use crate::error::Error;
use crate::group::GroupId;
use crate::idempotency::{Once, StoredResponse};
use crate::key::Grant;
use crate::membership::{MemberChange, MemberOutcome};
use crate::optout::OptedOut;
use crate::selection::{Listed, Selection};

/// Rows of one transaction, where a request need not be one.
const ROWS_AT_ONCE_MAX: usize = 500;
/// How long a batch of an import waits for a busy writer: an import is patient.
const BUSY_WAIT_MAX: Duration = Duration::from_secs(30);
const BUSY_POLL: Duration = Duration::from_millis(50);

impl Store {
    /// Stores many contacts: in one transaction where the order has to be one, else
    /// in several; what came of each, in order.
    ///
    /// # Errors
    /// Those of every write, where nothing was stored.
    pub async fn store_contacts(
        &self,
        grant: Grant,
        order: BulkOrder,
        contacts: Vec<NewContact>,
    ) -> Result<Vec<ItemOutcome>, Error> {
        if order.atomic || order.dry_run {
            return self.store_batch(grant, order, contacts).await;
        }
        if contacts.is_empty() {
            return Ok(Vec::new());
        }
        let store = async |some| self.store_batch(grant, order, some).await;
        in_transactions(contacts, store).await
    }

    /// Stores a batch of an import in one transaction, waiting for a busy writer;
    /// what came of each contact, in order.
    ///
    /// # Errors
    /// Those of every write; `Busy` only after thirty seconds.
    pub async fn import(
        &self,
        grant: Grant,
        mode: BulkMode,
        contacts: Vec<NewContact>,
    ) -> Result<Vec<ItemOutcome>, Error> {
        let begun = Instant::now();
        let order = BulkOrder::each(mode);
        loop {
            match self.store_batch(grant, order, contacts.clone()).await {
                Err(Error::Busy) if begun.elapsed() < BUSY_WAIT_MAX => sleep(BUSY_POLL).await,
                done => return done,
            }
        }
    }

    /// Deletes many contacts, each by itself; a dry run deletes none, but as if. What
    /// came of each, in order.
    ///
    /// # Errors
    /// Those of every write, where nothing was deleted.
    pub async fn delete_contacts(
        &self,
        grant: Grant,
        dry_run: bool,
        keys: Vec<ContactKey>,
    ) -> Result<Vec<DeleteOutcome>, Error> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let delete = async |some| match self {
            Self::Sqlite(engine) => engine.delete_contacts(grant, dry_run, some).await,
            Self::Postgres(engine) => Box::pin(engine.delete_contacts(grant, dry_run, some)).await,
        };
        match dry_run {
            true => delete(keys).await,
            false => in_transactions(keys, delete).await,
        }
    }

    /// Deletes them in one transaction, once, as [`Store::create_contact_once`].
    ///
    /// # Errors
    /// `IdempotencyMismatch`; those of every write.
    pub async fn delete_contacts_once(
        &self,
        grant: Grant,
        once: Once,
        keys: Vec<ContactKey>,
        render: impl Fn(Result<Vec<DeleteOutcome>, Error>) -> StoredResponse + Send + 'static,
    ) -> Result<(StoredResponse, bool), Error> {
        match self {
            Self::Sqlite(engine) => engine.delete_contacts_once(grant, once, keys, render).await,
            Self::Postgres(engine) => {
                let deleting = engine.delete_contacts_once(grant, once, keys, render);
                Box::pin(deleting).await
            }
        }
    }

    /// Deletes all contacts that match, in one transaction, or none; a dry run only
    /// counts them. How many.
    ///
    /// # Errors
    /// `OtherCount`; those of every list and every write.
    pub async fn delete_matching(
        &self,
        grant: Grant,
        dry_run: bool,
        matching: Matching,
    ) -> Result<u64, Error> {
        match self {
            Self::Sqlite(engine) => engine.delete_matching(grant, dry_run, matching).await,
            Self::Postgres(engine) => {
                Box::pin(engine.delete_matching(grant, dry_run, matching)).await
            }
        }
    }

    /// The same once, as [`Store::create_contact_once`].
    ///
    /// # Errors
    /// `IdempotencyMismatch`; those of every list and every write.
    pub async fn delete_matching_once(
        &self,
        grant: Grant,
        once: Once,
        matching: Matching,
        render: impl Fn(Result<u64, Error>) -> StoredResponse + Send + 'static,
    ) -> Result<(StoredResponse, bool), Error> {
        match self {
            Self::Sqlite(engine) => {
                let deleting = engine.delete_matching_once(grant, once, matching, render);
                deleting.await
            }
            Self::Postgres(engine) => {
                let deleting = engine.delete_matching_once(grant, once, matching, render);
                Box::pin(deleting).await
            }
        }
    }

    /// Adds contacts to a group and removes others, in order; what came of each.
    ///
    /// # Errors
    /// `GroupNotFound`; those of every write, where nothing was stored.
    pub async fn change_members(
        &self,
        grant: Grant,
        group: GroupId,
        changes: Vec<MemberChange>,
    ) -> Result<Vec<Result<MemberOutcome, Error>>, Error> {
        let store = async |some| {
            let stored = match self {
                Self::Sqlite(engine) => engine.change_members(grant, group, some).await?,
                Self::Postgres(engine) => {
                    Box::pin(engine.change_members(grant, group, some)).await?
                }
            };
            Ok(stored.into_iter().map(Ok).collect())
        };
        in_transactions(changes, store).await
    }

    /// Opts numbers out, each by itself; what came of each, in order.
    ///
    /// # Errors
    /// Those of every write, where nothing was stored.
    pub async fn create_optouts(
        &self,
        grant: Grant,
        msisdns: Vec<Msisdn>,
    ) -> Result<Vec<Result<OptedOut, Error>>, Error> {
        if msisdns.is_empty() {
            return Ok(Vec::new());
        }
        let store = async |some| match self {
            Self::Sqlite(engine) => engine.create_optouts(grant, some).await,
            Self::Postgres(engine) => Box::pin(engine.create_optouts(grant, some)).await,
        };
        in_transactions(msisdns, store).await
    }

    /// Reads a list of contacts that `selection` filters by one group, `group`.
    ///
    /// # Errors
    /// `GroupNotFound`; those of every read and every list.
    pub async fn members<C: Send + 'static>(
        &self,
        grant: Grant,
        group: GroupId,
        selection: Selection,
        collected: C,
        each: fn(&mut C, &ContactView<'_>),
    ) -> Result<(C, Listed), Error> {
        match self {
            Self::Sqlite(engine) => {
                let members = engine.members(grant, group, selection, collected, each);
                members.await
            }
            Self::Postgres(engine) => {
                let members = engine.members(grant, group, selection, collected, each);
                Box::pin(members).await
            }
        }
    }

    async fn store_batch(
        &self,
        grant: Grant,
        order: BulkOrder,
        contacts: Vec<NewContact>,
    ) -> Result<Vec<ItemOutcome>, Error> {
        match self {
            Self::Sqlite(engine) => engine.store_contacts(grant, order, contacts).await,
            Self::Postgres(engine) => Box::pin(engine.store_contacts(grant, order, contacts)).await,
        }
    }
}

/// Stores `items`, a part of them in each transaction; what came of each, in order.
///
/// # Errors
/// What fails as a whole before anything was stored. Later it is told of those
/// that met it, and those behind them are `NotTried`.
async fn in_transactions<I, O>(
    mut items: Vec<I>,
    mut store: impl AsyncFnMut(Vec<I>) -> Result<Vec<Result<O, Error>>, Error>,
) -> Result<Vec<Result<O, Error>>, Error> {
    let mut outcomes = Vec::with_capacity(items.len());
    loop {
        let rest = items.split_off(items.len().min(ROWS_AT_ONCE_MAX));
        let tried = items.len();
        match store(items).await {
            Ok(stored) => outcomes.extend(stored),
            Err(error) if outcomes.is_empty() && error != Error::OutcomeUnknown => {
                return Err(error);
            }
            Err(error) => {
                outcomes.extend(repeat_n(error, tried).map(Err));
                outcomes.extend(repeat_n(Error::NotTried, rest.len()).map(Err));
                return Ok(outcomes);
            }
        }
        if rest.is_empty() {
            return Ok(outcomes);
        }
        items = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stores numbers until `broken` comes; what came of all 1,200, in runs.
    async fn stored_until(
        broken: usize,
        error: Error,
    ) -> Result<Vec<(Option<Error>, usize)>, Error> {
        let store = async |some: Vec<usize>| {
            if some.contains(&broken) {
                return Err(error.clone());
            }
            Ok(some.into_iter().map(Ok).collect())
        };
        let outcomes = in_transactions((0..1200).collect(), store).await?;
        let mut runs: Vec<(Option<Error>, usize)> = Vec::new();
        for outcome in outcomes {
            let error = outcome.err();
            match runs.last_mut() {
                Some((last, count)) if *last == error => *count += 1,
                _ => runs.push((error, 1)),
            }
        }
        Ok(runs)
    }

    #[tokio::test]
    async fn what_fails_later_is_told_of_those_that_met_it_and_the_rest_is_not_tried() {
        let later = stored_until(600, Error::GroupNotFound).await;
        let expected = vec![
            (None, 500),
            (Some(Error::GroupNotFound), 500),
            (Some(Error::NotTried), 200),
        ];
        assert_eq!(later, Ok(expected));
        let first = stored_until(499, Error::GroupNotFound).await;
        assert_eq!(first, Err(Error::GroupNotFound));
        let unknown = stored_until(0, Error::OutcomeUnknown).await;
        let expected = vec![
            (Some(Error::OutcomeUnknown), 500),
            (Some(Error::NotTried), 700),
        ];
        assert_eq!(unknown, Ok(expected));
    }
}
