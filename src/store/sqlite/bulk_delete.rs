//! Deletes many contacts: each by itself, or all that a filter matches or none.

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use uuid::Uuid;

use super::conditions::CONTACTS_FIRST;
use super::failure::{self, Failure};
use super::transaction::Transaction;
use super::{Engine, contacts as one, idempotency, list};
use crate::bulk::{DeleteOutcome, MATCHING_MAX, Matching};
use crate::change::Condition;
use crate::contact::{ContactId, ContactKey};
use crate::error::Error;
use crate::idempotency::{Once, StoredResponse};
use crate::key::Grant;
use crate::selection::Selection;

const ID: &str = "SELECT id";
const IS_THERE: &str = "SELECT 1";
const ID_IS: &str = "id = ?";

impl Engine {
    pub(crate) async fn delete_contacts(
        &self,
        grant: Grant,
        dry_run: bool,
        keys: Vec<ContactKey>,
    ) -> Result<Vec<DeleteOutcome>, Error> {
        let rows = keys.len();
        self.writer
            .submit_rows_always(grant, rows, move |transaction| match dry_run {
                false => delete_each(transaction, &keys),
                true => transaction.within_savepoint(|| delete_each(transaction, &keys), |_| false),
            })
            .await
    }

    /// What it remembers takes room, so it is not done where that is short.
    pub(crate) async fn delete_contacts_once(
        &self,
        grant: Grant,
        once: Once,
        keys: Vec<ContactKey>,
        render: impl Fn(Result<Vec<DeleteOutcome>, Error>) -> StoredResponse + Send + 'static,
    ) -> Result<(StoredResponse, bool), Error> {
        let rows = keys.len();
        self.writer
            .submit_rows(grant, rows, move |transaction| {
                let work = |transaction: &Transaction<'_>| delete_each(transaction, &keys);
                idempotency::once(transaction, grant.key(), &once, work, render)
            })
            .await
    }

    pub(crate) async fn delete_matching(
        &self,
        grant: Grant,
        dry_run: bool,
        matching: Matching,
    ) -> Result<u64, Error> {
        let order = self.order(grant, matching).await?;
        order.check()?;
        if dry_run {
            return Ok(order.expect);
        }
        let rows = order.found.ids.len();
        self.writer
            .submit_rows_always(grant, rows, move |transaction| order.perform(transaction))
            .await
    }

    /// As [`Engine::delete_contacts_once`].
    pub(crate) async fn delete_matching_once(
        &self,
        grant: Grant,
        once: Once,
        matching: Matching,
        render: impl Fn(Result<u64, Error>) -> StoredResponse + Send + 'static,
    ) -> Result<(StoredResponse, bool), Error> {
        let order = self.order(grant, matching).await?;
        let rows = order.found.ids.len();
        self.writer
            .submit_rows(grant, rows, move |transaction| {
                // Of a retry the filter may match nothing any more: its answer is looked for
                // before anybody counts.
                let work = |transaction: &Transaction<'_>| order.perform(transaction);
                idempotency::once(transaction, grant.key(), &once, work, render)
            })
            .await
    }

    /// Looks up whom the filters match, beside the writer: it may take seconds.
    async fn order(&self, grant: Grant, matching: Matching) -> Result<Order, Error> {
        let selection = Selection::every(matching.filters);
        let is_scan = list::is_scan(&selection);
        let query = move |connection: &Connection| {
            Ok(Order {
                found: find(connection, &selection)?,
                selection,
                expect: matching.expect,
            })
        };
        match is_scan {
            true => self.readers.scan(grant.key(), query).await,
            false => self.readers.list(grant.key(), query).await,
        }
    }
}

fn delete_each(
    transaction: &Transaction<'_>,
    keys: &[ContactKey],
) -> Result<Vec<DeleteOutcome>, Failure> {
    let no_condition = Condition::default();
    let deleted = keys.iter().map(|key| {
        let deleted = one::delete(transaction, key, &no_condition);
        failure::each(deleted)
    });
    deleted.collect()
}

/// Whom a filter matches: all are counted, and as many kept as may be deleted.
#[derive(Default)]
struct Found {
    count: u64,
    ids: Vec<ContactId>,
}

/// An order to delete whom a filter matches, and whom it matched a moment ago.
struct Order {
    selection: Selection,
    expect: u64,
    found: Found,
}

impl Order {
    /// # Errors
    /// `OtherCount`.
    fn check(&self) -> Result<(), Error> {
        match self.found.count == self.expect {
            true => Ok(()),
            false => Err(Error::OtherCount(self.found.count)),
        }
    }

    /// Deletes all of them where all still match: who came since then came after this.
    /// Where one does not, what the filter matches now decides.
    fn perform(mut self, transaction: &Transaction<'_>) -> Result<u64, Failure> {
        self.check()?;
        if !self.all_match(transaction)? {
            self.found = find(transaction, &self.selection)?;
            self.check()?;
        }
        for id in &self.found.ids {
            one::remove(transaction, *id)?;
        }
        Ok(self.expect)
    }

    fn all_match(&self, connection: &Connection) -> Result<bool, rusqlite::Error> {
        let Some((mut conditions, group)) = list::conditions(connection, &self.selection)? else {
            return Ok(self.found.ids.is_empty());
        };
        if group.is_some() {
            conditions.from = CONTACTS_FIRST;
        }
        conditions.add(ID_IS, []);
        let query = format!("{IS_THERE}{}", conditions.to_sql());
        let mut statement = connection.prepare_cached(&query)?;
        for id in &self.found.ids {
            let id = Value::Blob(id.as_bytes().to_vec());
            let values = conditions.values.iter().chain([&id]);
            if !statement.exists(params_from_iter(values))? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn find(connection: &Connection, selection: &Selection) -> Result<Found, rusqlite::Error> {
    let mut found = Found::default();
    let Some((conditions, _)) = list::conditions(connection, selection)? else {
        return Ok(found);
    };
    let query = format!("{ID}{}", conditions.to_sql());
    let mut statement = connection.prepare_cached(&query)?;
    let mut rows = statement.query(params_from_iter(&conditions.values))?;
    while let Some(row) = rows.next()? {
        if found.count < MATCHING_MAX {
            let id = ContactId::from_uuid(Uuid::from_bytes(row.get(0)?));
            found.ids.push(id);
        }
        found.count += 1;
    }
    Ok(found)
}
