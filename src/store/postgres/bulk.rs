//! Stores many contacts in one transaction: what is there is read at once, what is to be
//! is decided in order, and all of it is written at once.

use std::collections::HashMap;

use uuid::Uuid;

use super::Engine;
use super::connection::{Values, uuid};
use super::contacts::{self, BY_ALIASES, IDS_BY_ALIASES, Rows, new_contact};
use super::failure::Failure;
use super::idempotency::{self, Rendering};
use super::locks::{self, LOCK_ALIASES};
use super::transaction::{Counter, Transaction};
use crate::bulk::{BulkMode, BulkOrder, ItemOutcome, Stored};
use crate::change::{ContactChange, MetaChange, Outcome};
use crate::contact::{ContactId, FullContact, NewContact};
use crate::error::Error;
use crate::idempotency::{Once, StoredResponse};
use crate::key::Grant;
use crate::meta::Meta;
use crate::moment::Moment;

const UPDATE: &str = "UPDATE contacts
    SET msisdn = new.msisdn, meta = new.meta::json, updated_on = new.updated_on
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bigint[])
        AS new (id, alias, msisdn, meta, updated_on)
    WHERE contacts.alias = new.alias";

impl Engine {
    pub(crate) async fn store_contacts(
        &self,
        grant: Grant,
        order: BulkOrder,
        contacts: Vec<NewContact>,
    ) -> Result<Vec<ItemOutcome>, Error> {
        let rows = contacts.len();
        let stored = self
            .writer
            .submit_rows(grant, rows, async move |transaction| {
                store(transaction, order, &contacts).await
            });
        stored.await
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
        let render: Rendering<_> = Box::new(render);
        let stored = self
            .writer
            .submit_once(grant, rows, async move |transaction| {
                let work = async || store(transaction, order, &contacts).await;
                idempotency::once(transaction, grant.key(), &once, work, &render).await
            });
        stored.await
    }
}

/// Stores each contact by itself: a refused one never fails its neighbours. Where
/// the order is atomic and one is refused, or it is a dry run, nothing stays.
pub(super) async fn store(
    transaction: &Transaction<'_>,
    order: BulkOrder,
    contacts: &[NewContact],
) -> Result<Vec<ItemOutcome>, Failure> {
    if !order.atomic && !order.dry_run {
        return store_each(transaction, order.mode, contacts).await;
    }
    let stored =
        transaction.within_savepoint(store_each(transaction, order.mode, contacts), |outcomes| {
            let refused = outcomes.iter().any(Result::is_err);
            !order.dry_run && !refused
        });
    stored.await
}

/// A contact on its way through the batch.
struct Draft {
    full: FullContact,
    /// Whether it is to be inserted; else it is there.
    is_new: bool,
    is_changed: bool,
}

async fn store_each(
    transaction: &Transaction<'_>,
    mode: BulkMode,
    contacts: &[NewContact],
) -> Result<Vec<ItemOutcome>, Failure> {
    let mut drafts = match mode {
        BulkMode::Create => HashMap::new(),
        BulkMode::Upsert | BulkMode::Merge => present(transaction, contacts).await?,
    };
    let mut outcomes: Vec<ItemOutcome> = contacts
        .iter()
        .map(|contact| match mode {
            BulkMode::Create => create(&mut drafts, contact),
            BulkMode::Upsert => store_over(&mut drafts, contact, MetaChange::Replace),
            BulkMode::Merge => store_over(&mut drafts, contact, MetaChange::Merge),
        })
        .collect();
    let taken = write(transaction, &drafts).await?;
    if taken.is_empty() {
        return Ok(outcomes);
    }
    if mode != BulkMode::Create {
        // Somebody created them in between: they are changed, then.
        return Err(Failure::Overtaken);
    }
    let aliases: Vec<&str> = taken.iter().map(String::as_str).collect();
    let mut holders: HashMap<String, ContactId> = HashMap::new();
    for row in transaction.query(IDS_BY_ALIASES, &[&aliases]).await? {
        holders.insert(row.try_get(0)?, ContactId::from_uuid(row.try_get(1)?));
    }
    if holders.len() < taken.len() {
        return Err(Failure::Overtaken);
    }
    for (outcome, contact) in outcomes.iter_mut().zip(contacts) {
        if let Some(holder) = holders.get(contact.alias.as_str())
            && !matches!(outcome, Err(Error::Invalid(_)))
        {
            *outcome = Err(Error::AliasTaken(*holder));
        }
    }
    Ok(outcomes)
}

/// Those that are there already, locked.
async fn present(
    transaction: &Transaction<'_>,
    contacts: &[NewContact],
) -> Result<HashMap<String, Draft>, Failure> {
    let aliases: Vec<&str> = contacts
        .iter()
        .map(|contact| contact.alias.as_str())
        .collect();
    let locked = locks::lock_aliases(transaction, LOCK_ALIASES, &aliases)
        .await?
        .len();
    let mut drafts = HashMap::new();
    for row in transaction.query(BY_ALIASES, &[&aliases]).await? {
        let full = contacts::full_contact(&row)?;
        let draft = Draft {
            is_new: false,
            is_changed: false,
            full,
        };
        drafts.insert(draft.full.contact.alias.as_str().to_owned(), draft);
    }
    if drafts.len() > locked {
        // One came in between, and is not locked.
        return Err(Failure::Overtaken);
    }
    Ok(drafts)
}

fn create(drafts: &mut HashMap<String, Draft>, contact: &NewContact) -> ItemOutcome {
    contact.check_new().map_err(Error::Invalid)?;
    if let Some(first) = drafts.get(contact.alias.as_str()) {
        return Err(Error::AliasTaken(first.full.contact.id));
    }
    Ok(insert(drafts, contact.clone()))
}

fn insert(drafts: &mut HashMap<String, Draft>, contact: NewContact) -> Stored {
    let full = new_contact(contact);
    let id = full.contact.id;
    let draft = Draft {
        is_new: true,
        is_changed: true,
        full,
    };
    drafts.insert(draft.full.contact.alias.as_str().to_owned(), draft);
    Stored {
        id,
        outcome: Outcome::Created,
        cleared: 0,
    }
}

/// Creates the contact, or changes the one that has its alias.
fn store_over(
    drafts: &mut HashMap<String, Draft>,
    contact: &NewContact,
    change: fn(Meta) -> MetaChange,
) -> ItemOutcome {
    let meta = change(contact.meta.clone());
    let Some(draft) = drafts.get_mut(contact.alias.as_str()) else {
        let meta = meta.apply(&Meta::empty()).map_err(Error::Invalid)?;
        let contact = NewContact {
            meta,
            ..contact.clone()
        };
        contact.check_new().map_err(Error::Invalid)?;
        return Ok(insert(drafts, contact));
    };
    let change = ContactChange::new(None, Some(contact.msisdn.clone()), Some(meta));
    let change = change.map_err(Error::Invalid)?;
    let changed = change.apply(&draft.full, Moment::now());
    let id = draft.full.contact.id;
    let Some(new) = changed.map_err(Error::Invalid)? else {
        return Ok(Stored {
            id,
            outcome: Outcome::Unchanged,
            cleared: 0,
        });
    };
    let cleared = draft.full.meta.lost_in(&new.meta);
    draft.full = new;
    draft.is_changed = true;
    Ok(Stored {
        id,
        outcome: Outcome::Updated,
        cleared,
    })
}

/// Writes what is new and what is changed; the aliases that were taken meanwhile.
async fn write(
    transaction: &Transaction<'_>,
    drafts: &HashMap<String, Draft>,
) -> Result<Vec<String>, Failure> {
    let mut changed: Vec<&Draft> = drafts.values().filter(|draft| draft.is_changed).collect();
    changed.sort_by(|one, other| {
        let [one, other] = [one, other].map(|draft| draft.full.contact.alias.as_str());
        one.cmp(other)
    });
    let (new, old): (Vec<&Draft>, Vec<&Draft>) =
        changed.into_iter().partition(|draft| draft.is_new);
    let [new, old] = [new, old].map(|drafts| {
        let full = drafts.into_iter().map(|draft| &draft.full);
        full.collect::<Vec<&FullContact>>()
    });
    if !old.is_empty() {
        let rows = Rows::of(&old);
        let values: &Values<'_> = &rows.values();
        transaction.execute(UPDATE, values).await?;
    }
    if new.is_empty() {
        return Ok(Vec::new());
    }
    let stored = contacts::insert_rows(transaction, &new).await?;
    transaction.count(Counter::Contacts, i64::try_from(stored.len()).unwrap_or(0));
    let stored: std::collections::HashSet<Uuid> = stored.into_iter().collect();
    let taken = new
        .iter()
        .filter(|full| !stored.contains(&uuid(full.contact.id)));
    Ok(taken
        .map(|full| full.contact.alias.as_str().to_owned())
        .collect())
}
