//! What the store does with one contact.

use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use super::failure::{self, Failure};
use super::transaction::{Counter, Transaction};
use super::{Engine, Snapshot, checksum, idempotency, memberships};
use crate::bulk::Deleted;
use crate::change::{Condition, ContactChange, MetaChange, Outcome};
use crate::contact::{Alias, Contact, ContactId, ContactKey, FullContact, Msisdn, NewContact};
use crate::error::Error;
use crate::idempotency::{Once, StoredResponse};
use crate::key::Grant;
use crate::meta::Meta;
use crate::moment::Moment;
use crate::store::ids::IDS;

/// Whole contacts, as [`full_contact`] reads them: the groups of each in one
/// column, which costs a contact without any one look into an index.
macro_rules! select_full {
    ($from:literal) => {
        concat!(
            "SELECT id, alias, msisdn, checksum, meta, updated_on,
                (SELECT group_concat(hex(groups.id) || groups.name, char(10))
                    FROM memberships AS of_contact
                    CROSS JOIN groups ON groups.id = of_contact.group_id
                    WHERE of_contact.contact_id = contacts.id AND groups.deleted_on IS NULL) ",
            $from
        )
    };
}

const INSERT: &str = "INSERT INTO contacts (id, alias, msisdn, meta, updated_on, checksum)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const BY_ID: &str = select_full!("FROM contacts WHERE id = ?1");
const BY_ALIAS: &str = select_full!("FROM contacts WHERE alias = ?1");
const BY_MSISDN: &str = select_full!("FROM contacts WHERE msisdn = ?1 LIMIT 1");
const ID_BY_ALIAS: &str = "SELECT id FROM contacts WHERE alias = ?1";
const COUNT_BY_MSISDN: &str = "SELECT count(*) FROM contacts WHERE msisdn = ?1";
const UPDATE: &str = "UPDATE contacts SET alias = ?2, msisdn = ?3, meta = ?4, updated_on = ?5,
    checksum = ?6 WHERE id = ?1";
const DELETE: &str = "DELETE FROM contacts WHERE id = ?1";

impl Snapshot {
    pub(crate) async fn contact(
        &self,
        _grant: Grant,
        key: &ContactKey,
    ) -> Result<FullContact, Error> {
        self.read(|connection| find(connection, key))?
            .ok_or(Error::ContactNotFound)
    }
}

impl Engine {
    pub(crate) async fn create_contact(
        &self,
        grant: Grant,
        contact: NewContact,
    ) -> Result<FullContact, Error> {
        self.writer
            .submit(grant, move |transaction| insert(transaction, contact))
            .await
    }

    pub(crate) async fn create_contact_once(
        &self,
        grant: Grant,
        once: Once,
        contact: NewContact,
        render: impl Fn(Result<FullContact, Error>) -> StoredResponse + Send + 'static,
    ) -> Result<(StoredResponse, bool), Error> {
        self.writer
            .submit(grant, move |transaction| {
                let work = |transaction: &Transaction<'_>| insert(transaction, contact);
                idempotency::once(transaction, grant.key(), &once, work, render)
            })
            .await
    }

    pub(crate) async fn update_contact(
        &self,
        grant: Grant,
        id: ContactId,
        change: ContactChange,
        condition: Condition,
    ) -> Result<(FullContact, Outcome), Error> {
        self.writer
            .submit(grant, move |transaction| {
                update(transaction, id, &change, &condition)
            })
            .await
    }

    pub(crate) async fn put_contact(
        &self,
        grant: Grant,
        contact: NewContact,
        condition: Condition,
    ) -> Result<(FullContact, Outcome), Error> {
        self.writer
            .submit(grant, move |transaction| {
                put(transaction, contact, &condition)
            })
            .await
    }

    pub(crate) async fn put_contact_once(
        &self,
        grant: Grant,
        once: Once,
        contact: NewContact,
        condition: Condition,
        render: impl Fn(Result<(FullContact, Outcome), Error>) -> StoredResponse + Send + 'static,
    ) -> Result<(StoredResponse, bool), Error> {
        self.writer
            .submit(grant, move |transaction| {
                let work = |transaction: &Transaction<'_>| put(transaction, contact, &condition);
                idempotency::once(transaction, grant.key(), &once, work, render)
            })
            .await
    }

    pub(crate) async fn delete_contact(
        &self,
        grant: Grant,
        key: ContactKey,
        condition: Condition,
    ) -> Result<(), Error> {
        self.writer
            .submit_always(grant, move |transaction| {
                delete(transaction, &key, &condition).map(drop)
            })
            .await
    }
}

/// Reads the contact that `key` names; of several with one number, any.
pub(super) fn find(
    connection: &Connection,
    key: &ContactKey,
) -> Result<Option<FullContact>, rusqlite::Error> {
    match key {
        ContactKey::Id(id) => connection
            .prepare_cached(BY_ID)?
            .query_row([id.as_bytes()], full_contact)
            .optional(),
        ContactKey::Alias(alias) => connection
            .prepare_cached(BY_ALIAS)?
            .query_row([alias.as_str()], full_contact)
            .optional(),
        ContactKey::Msisdn(msisdn) => connection
            .prepare_cached(BY_MSISDN)?
            .query_row([msisdn.as_str()], full_contact)
            .optional(),
    }
}

/// Inserts a contact under a new id. Ids are made here, on the one thread that
/// writes, so that their order is the order of the commits.
pub(super) fn insert(
    transaction: &Transaction<'_>,
    contact: NewContact,
) -> Result<FullContact, Failure> {
    contact.check_new().map_err(Error::Invalid)?;
    let mut full = FullContact {
        contact: Contact {
            id: ContactId::from_uuid(IDS.next()),
            alias: contact.alias,
            msisdn: contact.msisdn,
        },
        meta: contact.meta,
        updated_on: Moment::from_millis(0),
        groups: Vec::new(),
    };
    let mut inserted = insert_row(transaction, &mut full);
    if matches!(&inserted, Err(error) if failure::code(error) == failure::PRIMARY_KEY) {
        full.contact.id = ContactId::from_uuid(IDS.next());
        inserted = insert_row(transaction, &mut full);
    }
    inserted.map_err(|error| or_alias_taken(transaction, error, &full))?;
    transaction.count(Counter::Contacts, 1);
    Ok(full)
}

/// Updates the contact `id`, unless nothing of it would change.
pub(super) fn update(
    transaction: &Transaction<'_>,
    id: ContactId,
    change: &ContactChange,
    condition: &Condition,
) -> Result<(FullContact, Outcome), Failure> {
    let old = find(transaction, &ContactKey::Id(id))?.ok_or(Error::ContactNotFound)?;
    condition.check(Some(&old))?;
    apply(transaction, old, change)
}

/// Creates the contact, or replaces the one that has its alias.
pub(super) fn put(
    transaction: &Transaction<'_>,
    contact: NewContact,
    condition: &Condition,
) -> Result<(FullContact, Outcome), Failure> {
    let old = find(transaction, &ContactKey::Alias(contact.alias.clone()))?;
    condition.check(old.as_ref())?;
    store_over(transaction, contact, old, MetaChange::Replace)
}

/// Changes `old`, who has the contact's alias, to what the contact is; creates it where
/// there is none.
pub(super) fn store_over(
    transaction: &Transaction<'_>,
    contact: NewContact,
    old: Option<FullContact>,
    change: fn(Meta) -> MetaChange,
) -> Result<(FullContact, Outcome), Failure> {
    let meta = change(contact.meta);
    let Some(old) = old else {
        let meta = meta.apply(&Meta::empty()).map_err(Error::Invalid)?;
        let contact = NewContact { meta, ..contact };
        return Ok((insert(transaction, contact)?, Outcome::Created));
    };
    let change =
        ContactChange::new(None, Some(contact.msisdn), Some(meta)).map_err(Error::Invalid)?;
    apply(transaction, old, &change)
}

/// Deletes the one contact that `key` names.
pub(super) fn delete(
    transaction: &Transaction<'_>,
    key: &ContactKey,
    condition: &Condition,
) -> Result<Deleted, Failure> {
    if let ContactKey::Msisdn(msisdn) = key {
        let sharing: u64 = transaction
            .prepare_cached(COUNT_BY_MSISDN)?
            .query_row([msisdn.as_str()], |row| row.get(0))?;
        if sharing > 1 {
            return Err(Error::NumberShared(sharing).into());
        }
    }
    let deleted = match (find(transaction, key), key) {
        // So that a damaged one can be taken away.
        (Err(error), ContactKey::Id(id))
            if condition.is_none() && failure::is_of_damaged_row(&error) =>
        {
            let (id, alias) = (*id, None);
            Deleted { id, alias }
        }
        (found, _) => {
            let old = found?.ok_or(Error::ContactNotFound)?;
            condition.check(Some(&old))?;
            let (id, alias) = (old.contact.id, Some(old.contact.alias));
            Deleted { id, alias }
        }
    };
    remove(transaction, deleted.id)?;
    Ok(deleted)
}

/// Takes a contact that is there out of all groups and out of the book.
pub(super) fn remove(transaction: &Transaction<'_>, id: ContactId) -> Result<(), Failure> {
    memberships::remove_from_all(transaction, id)?;
    transaction
        .prepare_cached(DELETE)?
        .execute([id.as_bytes()])?;
    transaction.count(Counter::Contacts, -1);
    Ok(())
}

fn apply(
    transaction: &Transaction<'_>,
    old: FullContact,
    change: &ContactChange,
) -> Result<(FullContact, Outcome), Failure> {
    let changed = change.apply(&old, Moment::now()).map_err(Error::Invalid)?;
    let Some(new) = changed else {
        return Ok((old, Outcome::Unchanged));
    };
    write_row(transaction, UPDATE, &new)
        .map_err(|error| or_alias_taken(transaction, error, &new))?;
    Ok((new, Outcome::Updated))
}

/// The failure of a write that gives a contact an alias: another contact may have it.
fn or_alias_taken(connection: &Connection, error: rusqlite::Error, full: &FullContact) -> Failure {
    if failure::code(&error) != failure::UNIQUE {
        return error.into();
    }
    let holder = connection
        .prepare_cached(ID_BY_ALIAS)
        .and_then(|mut statement| {
            statement.query_row([full.contact.alias.as_str()], |row| row.get(0))
        });
    match holder {
        Ok(id) => Error::AliasTaken(ContactId::from_uuid(Uuid::from_bytes(id))).into(),
        Err(error) => error.into(),
    }
}

fn insert_row(connection: &Connection, full: &mut FullContact) -> Result<(), rusqlite::Error> {
    full.updated_on = full.contact.id.created_on();
    write_row(connection, INSERT, full)
}

/// Writes all columns of a contact by `statement`, which takes them in their order.
pub(super) fn write_row(
    connection: &Connection,
    statement: &str,
    full: &FullContact,
) -> Result<(), rusqlite::Error> {
    let id = full.contact.id.as_bytes();
    let (alias, msisdn) = (full.contact.alias.as_str(), full.contact.msisdn.as_str());
    let (meta, updated_on_ms) = (full.meta.as_json(), full.updated_on.millis());
    let checksum = checksum::of(id, alias, msisdn, meta, updated_on_ms);
    let row = params![id, alias, msisdn, meta, updated_on_ms, checksum];
    connection.prepare_cached(statement)?.execute(row)?;
    Ok(())
}

/// Reads a row of [`select_full`], which is what its checksum says.
pub(super) fn full_contact(row: &Row<'_>) -> Result<FullContact, rusqlite::Error> {
    let (id, alias, msisdn): (_, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
    let (meta, updated_on_ms): (String, _) = (row.get(4)?, row.get(5)?);
    let checksum = row.get(3)?;
    checksum::check_head(checksum, &id, &alias, &msisdn)?;
    checksum::check_rest(checksum, &meta, updated_on_ms)?;
    Ok(FullContact {
        contact: Contact {
            id: ContactId::from_uuid(Uuid::from_bytes(id)),
            alias: Alias::from_stored(alias),
            msisdn: Msisdn::from_stored(msisdn),
        },
        meta: Meta::from_stored(meta),
        updated_on: Moment::from_millis(updated_on_ms),
        groups: memberships::of_column(row.get(6)?),
    })
}
