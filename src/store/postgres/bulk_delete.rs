//! Deletes many contacts: each by itself, or all that a filter matches or none.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use uuid::Uuid;

use super::connection::{Link, uuid};
use super::failure::Failure;
use super::idempotency::{self, Rendering};
use super::list::{self, each_match};
use super::transaction::{Counter, Transaction};
use super::{Engine, locks, memberships};
use crate::bulk::{DeleteOutcome, Deleted, MATCHING_MAX, Matching};
use crate::contact::{Alias, ContactId, ContactKey};
use crate::error::Error;
use crate::idempotency::{Once, StoredResponse};
use crate::key::Grant;
use crate::selection::Selection;

const ALIASES_BY_IDS: &str = "SELECT id, alias FROM contacts WHERE id = ANY($1)";
/// In one order by everybody, so that no two wait for each other.
const LOCK: &str = "SELECT alias, id FROM contacts WHERE alias = ANY($1)
    ORDER BY alias FOR UPDATE";
/// The same behind conditions, which it looks at once more where it had to wait.
const LOCKED: &str = " ORDER BY contacts.alias FOR UPDATE";
const DELETE: &str = "DELETE FROM contacts WHERE alias = ANY($1)";
/// A walk to which the order does not matter.
const ANYHOW: &str = "";

impl Engine {
    pub(crate) async fn delete_contacts(
        &self,
        grant: Grant,
        dry_run: bool,
        keys: Vec<ContactKey>,
    ) -> Result<Vec<DeleteOutcome>, Error> {
        let rows = keys.len();
        let deleted = self
            .writer
            .submit_rows(grant, rows, async move |transaction| {
                delete_each(transaction, dry_run, &keys).await
            });
        deleted.await
    }

    pub(crate) async fn delete_contacts_once(
        &self,
        grant: Grant,
        once: Once,
        keys: Vec<ContactKey>,
        render: impl Fn(Result<Vec<DeleteOutcome>, Error>) -> StoredResponse + Send + 'static,
    ) -> Result<(StoredResponse, bool), Error> {
        let rows = keys.len();
        let render: Rendering<_> = Box::new(render);
        let deleted = self
            .writer
            .submit_once(grant, rows, async move |transaction| {
                let work = async || delete_each(transaction, false, &keys).await;
                idempotency::once(transaction, grant.key(), &once, work, &render).await
            });
        deleted.await
    }

    pub(crate) async fn delete_matching(
        &self,
        grant: Grant,
        dry_run: bool,
        matching: Matching,
    ) -> Result<u64, Error> {
        let order = self.order(grant, matching).await?;
        order.check(&order.found)?;
        if dry_run {
            return Ok(order.expect);
        }
        let rows = order.found.contacts.len();
        let deleted = self
            .writer
            .submit_rows(grant, rows, async move |transaction| {
                order.perform(transaction).await
            });
        deleted.await
    }

    pub(crate) async fn delete_matching_once(
        &self,
        grant: Grant,
        once: Once,
        matching: Matching,
        render: impl Fn(Result<u64, Error>) -> StoredResponse + Send + 'static,
    ) -> Result<(StoredResponse, bool), Error> {
        let order = self.order(grant, matching).await?;
        let rows = order.found.contacts.len();
        let render: Rendering<_> = Box::new(render);
        let deleted = self
            .writer
            .submit_once(grant, rows, async move |transaction| {
                // Of a retry the filter may match nothing any more: its answer is looked for
                // before anybody counts.
                let work = async || order.perform(transaction).await;
                idempotency::once(transaction, grant.key(), &once, work, &render).await
            });
        deleted.await
    }

    /// Looks up whom the filters match, before anything is locked: it may take seconds.
    async fn order(&self, grant: Grant, matching: Matching) -> Result<Order, Error> {
        let selection = Selection::every(matching.filters);
        let is_scan = list::is_scan(&selection);
        let query = async move |link: &Link| {
            Ok(Order {
                found: find(link, &selection).await?,
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

/// Deletes each by itself, in order: one that is named twice is gone the second time. A
/// dry run only says what would come of each.
async fn delete_each(
    transaction: &Transaction<'_>,
    dry_run: bool,
    keys: &[ContactKey],
) -> Result<Vec<DeleteOutcome>, Failure> {
    let by_id = aliases_by_id(transaction, keys).await?;
    let alias_of = |key: &ContactKey| match key {
        ContactKey::Id(id) => by_id.get(&uuid(*id)).cloned(),
        ContactKey::Alias(alias) => Some(alias.as_str().to_owned()),
        // It may name several, so nobody deletes many by it.
        ContactKey::Msisdn(_) => None,
    };
    let aliases: Vec<String> = keys.iter().filter_map(alias_of).collect();
    let mut aliases: Vec<&str> = aliases.iter().map(String::as_str).collect();
    aliases.sort_unstable();
    aliases.dedup();
    let mut locked: HashMap<String, Uuid> = HashMap::new();
    for row in locks::lock_aliases(transaction, LOCK, &aliases).await? {
        locked.insert(row.try_get(0)?, row.try_get(1)?);
    }
    if by_id
        .iter()
        .any(|(id, alias)| locked.get(alias) != Some(id))
    {
        // One got another alias, or went, while it was waited for.
        return Err(Failure::Overtaken);
    }
    let mut gone = Vec::new();
    let outcomes = keys.iter().map(|key| {
        let named = alias_of(key).and_then(|alias| locked.remove_entry(&alias));
        let (alias, id) = named.ok_or(Error::ContactNotFound)?;
        gone.push(alias.clone());
        Ok(Deleted {
            id: ContactId::from_uuid(id),
            alias: Some(Alias::from_stored(alias)),
        })
    });
    let outcomes = outcomes.collect();
    if !dry_run {
        remove(transaction, &gone).await?;
    }
    Ok(outcomes)
}

async fn aliases_by_id(
    transaction: &Transaction<'_>,
    keys: &[ContactKey],
) -> Result<HashMap<Uuid, String>, Failure> {
    let ids = keys.iter().filter_map(|key| match key {
        ContactKey::Id(id) => Some(uuid(*id)),
        ContactKey::Alias(_) | ContactKey::Msisdn(_) => None,
    });
    let ids: Vec<Uuid> = ids.collect();
    let mut aliases = HashMap::new();
    if ids.is_empty() {
        return Ok(aliases);
    }
    for row in transaction.query(ALIASES_BY_IDS, &[&ids]).await? {
        aliases.insert(row.try_get(0)?, row.try_get(1)?);
    }
    Ok(aliases)
}

/// Takes contacts that are locked out of all groups and out of the book.
async fn remove(transaction: &Transaction<'_>, aliases: &[String]) -> Result<(), Failure> {
    if aliases.is_empty() {
        return Ok(());
    }
    memberships::remove_many_from_all(transaction, aliases).await?;
    let removed = transaction.execute(DELETE, &[&aliases]).await?;
    if removed != aliases.len() as u64 {
        return Err(Failure::Overtaken);
    }
    let removed = i64::try_from(removed).unwrap_or(i64::MAX);
    transaction.count(Counter::Contacts, -removed);
    Ok(())
}

/// Whom a filter matches: all are counted, and as many kept as may be deleted.
#[derive(Default)]
struct Found {
    count: u64,
    contacts: Vec<(ContactId, String)>,
}

impl Found {
    fn aliases(&self) -> Vec<String> {
        let aliases = self.contacts.iter().map(|(_, alias)| alias.clone());
        aliases.collect()
    }
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
    fn check(&self, found: &Found) -> Result<(), Error> {
        match found.count == self.expect {
            true => Ok(()),
            false => Err(Error::OtherCount(found.count)),
        }
    }

    /// Deletes all of them where all still match: who came since then came after this.
    /// Where one does not, what the filter matches now decides.
    async fn perform(&self, transaction: &Transaction<'_>) -> Result<u64, Failure> {
        self.check(&self.found)?;
        if self.lock(transaction, &self.found).await? {
            remove(transaction, &self.found.aliases()).await?;
            return Ok(self.expect);
        }
        let found = find(transaction, &self.selection).await?;
        self.check(&found)?;
        if !self.lock(transaction, &found).await? {
            return Err(Failure::Overtaken);
        }
        remove(transaction, &found.aliases()).await?;
        Ok(self.expect)
    }

    /// Locks contacts, and the memberships by which they match; whether all of them
    /// still do.
    async fn lock(&self, transaction: &Transaction<'_>, found: &Found) -> Result<bool, Failure> {
        let mut lacking: HashSet<ContactId> = found.contacts.iter().map(|(id, _)| *id).collect();
        for aliases in locks::lockable(transaction, found.aliases()).await? {
            let Some((mut conditions, _)) = list::conditions(transaction, &self.selection).await?
            else {
                return Ok(found.contacts.is_empty());
            };
            conditions.be_among(aliases);
            let with_meta = conditions.are_of_metas();
            let select = list::select(with_meta);
            let query = format!("{select}{}{LOCKED}", conditions.to_sql());
            for row in transaction.query(&query, &conditions.values()).await? {
                let contact = list::view(&row, with_meta)?;
                if contact.meta.is_none_or(|meta| conditions.match_meta(meta)) {
                    lacking.remove(&contact.id);
                }
            }
        }
        Ok(lacking.is_empty())
    }
}

async fn find(link: &Link, selection: &Selection) -> Result<Found, Failure> {
    let mut found = Found::default();
    let Some((conditions, _)) = list::conditions(link, selection).await? else {
        return Ok(found);
    };
    each_match(link, &conditions, ANYHOW, |contact| {
        if found.count < MATCHING_MAX {
            let kept = (contact.id, contact.alias.to_owned());
            found.contacts.push(kept);
        }
        found.count += 1;
        ControlFlow::Continue(())
    })
    .await?;
    Ok(found)
}
