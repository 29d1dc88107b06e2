//! What the store does with one contact.

use tokio_postgres::Row;
use uuid::Uuid;

use super::connection::{Link, Values, uuid};
use super::failure::Failure;
use super::idempotency::{self, Rendering};
use super::transaction::{Counter, Transaction, unsigned};
use super::{Engine, Snapshot, locks, memberships};
use crate::change::{Condition, ContactChange, MetaChange, Outcome};
use crate::contact::{Alias, Contact, ContactId, ContactKey, FullContact, Msisdn, NewContact};
use crate::error::Error;
use crate::idempotency::{Once, StoredResponse};
use crate::key::Grant;
use crate::meta::Meta;
use crate::moment::Moment;
use crate::store::ids::IDS;

/// Whole contacts, as [`full_contact`] reads them: the groups of each in one column.
macro_rules! select_full {
    ($from:literal) => {
        concat!(
            "SELECT id, alias, msisdn, meta::text, updated_on,
                (SELECT string_agg(groups.id::text || groups.name, chr(10))
                    FROM memberships AS of_contact JOIN groups ON groups.id = of_contact.group_id
                    WHERE of_contact.alias = contacts.alias AND groups.deleted_on IS NULL) ",
            $from
        )
    };
}

/// Those that are taken already are not among the ids that come back.
pub(super) const INSERT: &str = "INSERT INTO contacts (id, alias, msisdn, meta, updated_on)
    SELECT id, alias, msisdn, meta::json, updated_on
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bigint[])
        AS new (id, alias, msisdn, meta, updated_on)
    ON CONFLICT (alias) DO NOTHING RETURNING id";
const BY_ID: &str = select_full!("FROM contacts WHERE id = $1");
const BY_ALIAS: &str = select_full!("FROM contacts WHERE alias = $1");
const BY_MSISDN: &str = select_full!("FROM contacts WHERE msisdn = $1 LIMIT 1");
pub(super) const BY_ALIASES: &str = select_full!("FROM contacts WHERE alias = ANY($1)");
pub(super) const IDS_BY_ALIASES: &str = "SELECT alias, id FROM contacts WHERE alias = ANY($1)";
const COUNT_BY_MSISDN: &str = "SELECT count(*) FROM contacts WHERE msisdn = $1";
const UPDATE: &str = "UPDATE contacts SET msisdn = $2, meta = $3::text::json, updated_on = $4
    WHERE alias = $1";
const DELETE: &str = "DELETE FROM contacts WHERE alias = $1";

impl Snapshot {
    pub(crate) async fn contact(
        &self,
        _grant: Grant,
        key: &ContactKey,
    ) -> Result<FullContact, Error> {
        let found = self.readers.read(async |link| find(link, key).await);
        found.await?.ok_or(Error::ContactNotFound)
    }
}

impl Engine {
    pub(crate) async fn create_contact(
        &self,
        grant: Grant,
        contact: NewContact,
    ) -> Result<FullContact, Error> {
        contact.check_new().map_err(Error::Invalid)?;
        if grant.session().is_none() {
            return self.lanes.create(grant, new_contact(contact)).await;
        }
        // A person's, by a session, which the lanes do not read.
        let created = self.writer.submit(grant, async move |transaction| {
            insert(transaction, contact.clone()).await
        });
        created.await
    }

    pub(crate) async fn create_contact_once(
        &self,
        grant: Grant,
        once: Once,
        contact: NewContact,
        render: impl Fn(Result<FullContact, Error>) -> StoredResponse + Send + 'static,
    ) -> Result<(StoredResponse, bool), Error> {
        let render: Rendering<_> = Box::new(render);
        let created = self.writer.submit_once(grant, 1, async move |transaction| {
            let work = async || insert(transaction, contact.clone()).await;
            idempotency::once(transaction, grant.key(), &once, work, &render).await
        });
        created.await
    }

    pub(crate) async fn update_contact(
        &self,
        grant: Grant,
        id: ContactId,
        change: ContactChange,
        condition: Condition,
    ) -> Result<(FullContact, Outcome), Error> {
        let updated = self.writer.submit(grant, async move |transaction| {
            update(transaction, id, &change, &condition).await
        });
        updated.await
    }

    pub(crate) async fn put_contact(
        &self,
        grant: Grant,
        contact: NewContact,
        condition: Condition,
    ) -> Result<(FullContact, Outcome), Error> {
        let put = self.writer.submit(grant, async move |transaction| {
            put(transaction, contact.clone(), &condition).await
        });
        put.await
    }

    pub(crate) async fn put_contact_once(
        &self,
        grant: Grant,
        once: Once,
        contact: NewContact,
        condition: Condition,
        render: impl Fn(Result<(FullContact, Outcome), Error>) -> StoredResponse + Send + 'static,
    ) -> Result<(StoredResponse, bool), Error> {
        let render: Rendering<_> = Box::new(render);
        let put = self.writer.submit_once(grant, 1, async move |transaction| {
            let work = async || put(transaction, contact.clone(), &condition).await;
            idempotency::once(transaction, grant.key(), &once, work, &render).await
        });
        put.await
    }

    pub(crate) async fn delete_contact(
        &self,
        grant: Grant,
        key: ContactKey,
        condition: Condition,
    ) -> Result<(), Error> {
        let deleted = self.writer.submit(grant, async move |transaction| {
            delete(transaction, &key, &condition).await
        });
        deleted.await
    }
}

/// A contact under a new id, before it is stored.
pub(super) fn new_contact(contact: NewContact) -> FullContact {
    let id = ContactId::from_uuid(IDS.next());
    FullContact {
        contact: Contact {
            id,
            alias: contact.alias,
            msisdn: contact.msisdn,
        },
        meta: contact.meta,
        updated_on: id.created_on(),
        groups: Vec::new(),
    }
}

/// Reads the contact that `key` names; of several with one number, any.
async fn find(link: &Link, key: &ContactKey) -> Result<Option<FullContact>, Failure> {
    let row = match key {
        ContactKey::Id(id) => link.query_opt(BY_ID, &[&uuid(*id)]).await,
        ContactKey::Alias(alias) => link.query_opt(BY_ALIAS, &[&alias.as_str()]).await,
        ContactKey::Msisdn(msisdn) => link.query_opt(BY_MSISDN, &[&msisdn.as_str()]).await,
    };
    Ok(row?.as_ref().map(full_contact).transpose()?)
}

/// The same for one that is about to change: first it is locked, then read, as it is
/// once those before are done.
async fn find_locked(
    transaction: &Transaction<'_>,
    key: &ContactKey,
) -> Result<Option<FullContact>, Failure> {
    let locked = locks::lock(transaction, key).await?;
    let locked = locked.iter().map(|row| row.try_get(0));
    let locked: Vec<&str> = locked.collect::<Result<_, _>>()?;
    let found = find(transaction, key).await?;
    if let Some(found) = &found
        && !locked.contains(&found.contact.alias.as_str())
    {
        // It came, or got another alias, while it was waited for.
        return Err(Failure::Overtaken);
    }
    Ok(found)
}

/// Inserts a contact under a new id.
async fn insert(
    transaction: &Transaction<'_>,
    contact: NewContact,
) -> Result<FullContact, Failure> {
    contact.check_new().map_err(Error::Invalid)?;
    let full = new_contact(contact);
    if insert_rows(transaction, &[&full]).await?.is_empty() {
        return Err(taken(transaction, full.contact.alias.as_str()).await);
    }
    transaction.count(Counter::Contacts, 1);
    Ok(full)
}

/// Why a contact cannot have an alias.
async fn taken(transaction: &Transaction<'_>, alias: &str) -> Failure {
    let aliases: &[&str] = &[alias];
    let holder = match transaction.query_opt(IDS_BY_ALIASES, &[&aliases]).await {
        // He went in between.
        Ok(None) => return Failure::Overtaken,
        Ok(Some(row)) => row.try_get(1),
        Err(error) => Err(error),
    };
    match holder {
        Ok(holder) => Error::AliasTaken(ContactId::from_uuid(holder)).into(),
        Err(error) => error.into(),
    }
}

/// Inserts contacts, and says which of them are stored.
pub(super) async fn insert_rows(
    link: &Link,
    contacts: &[&FullContact],
) -> Result<Vec<Uuid>, Failure> {
    let rows = Rows::of(contacts);
    let inserted = link.query(INSERT, &rows.values()).await?;
    let ids = inserted.iter().map(|row| row.try_get(0));
    Ok(ids.collect::<Result<_, _>>()?)
}

/// The columns of several contacts.
pub(super) struct Rows<'c> {
    ids: Vec<Uuid>,
    aliases: Vec<&'c str>,
    msisdns: Vec<&'c str>,
    metas: Vec<&'c str>,
    updated_ons: Vec<i64>,
}

impl<'c> Rows<'c> {
    pub(super) fn of(contacts: &[&'c FullContact]) -> Self {
        let all = || contacts.iter();
        Self {
            ids: all().map(|full| uuid(full.contact.id)).collect(),
            aliases: all().map(|full| full.contact.alias.as_str()).collect(),
            msisdns: all().map(|full| full.contact.msisdn.as_str()).collect(),
            metas: all().map(|full| full.meta.as_json()).collect(),
            updated_ons: all().map(|full| full.updated_on.millis()).collect(),
        }
    }

    /// What [`INSERT`] is given.
    pub(super) fn values(&self) -> [&(dyn tokio_postgres::types::ToSql + Sync); 5] {
        [
            &self.ids,
            &self.aliases,
            &self.msisdns,
            &self.metas,
            &self.updated_ons,
        ]
    }
}

/// Updates the contact `id`, unless nothing of it would change.
async fn update(
    transaction: &Transaction<'_>,
    id: ContactId,
    change: &ContactChange,
    condition: &Condition,
) -> Result<(FullContact, Outcome), Failure> {
    let old = find_locked(transaction, &ContactKey::Id(id)).await?;
    let old = old.ok_or(Error::ContactNotFound)?;
    condition.check(Some(&old))?;
    apply(transaction, old, change).await
}

/// Creates the contact, or replaces the one that has its alias.
async fn put(
    transaction: &Transaction<'_>,
    contact: NewContact,
    condition: &Condition,
) -> Result<(FullContact, Outcome), Failure> {
    let old = find_locked(transaction, &ContactKey::Alias(contact.alias.clone())).await?;
    condition.check(old.as_ref())?;
    let meta = MetaChange::Replace(contact.meta.clone());
    let Some(old) = old else {
        return match insert(transaction, contact).await {
            Ok(full) => Ok((full, Outcome::Created)),
            // Somebody created it in between: it is replaced, then.
            Err(Failure::Refused(Error::AliasTaken(_))) => Err(Failure::Overtaken),
            Err(failure) => Err(failure),
        };
    };
    let change =
        ContactChange::new(None, Some(contact.msisdn), Some(meta)).map_err(Error::Invalid)?;
    apply(transaction, old, &change).await
}

/// Deletes the one contact that `key` names.
async fn delete(
    transaction: &Transaction<'_>,
    key: &ContactKey,
    condition: &Condition,
) -> Result<(), Failure> {
    let old = find_locked(transaction, key).await?;
    if let ContactKey::Msisdn(msisdn) = key {
        let counted = transaction
            .query_one(COUNT_BY_MSISDN, &[&msisdn.as_str()])
            .await?;
        let sharing = unsigned(&counted, 0)?;
        if sharing > 1 {
            return Err(Error::NumberShared(sharing).into());
        }
    }
    let old = old.ok_or(Error::ContactNotFound)?;
    condition.check(Some(&old))?;
    memberships::remove_from_all(transaction, &old.contact.alias).await?;
    transaction
        .execute(DELETE, &[&old.contact.alias.as_str()])
        .await?;
    transaction.count(Counter::Contacts, -1);
    Ok(())
}

async fn apply(
    transaction: &Transaction<'_>,
    old: FullContact,
    change: &ContactChange,
) -> Result<(FullContact, Outcome), Failure> {
    let changed = change.apply(&old, Moment::now()).map_err(Error::Invalid)?;
    let Some(new) = changed else {
        return Ok((old, Outcome::Unchanged));
    };
    if new.contact.alias != old.contact.alias {
        rename(transaction, &old, &new).await?;
        return Ok((new, Outcome::Updated));
    }
    let values: &Values<'_> = &[
        &new.contact.alias.as_str(),
        &new.contact.msisdn.as_str(),
        &new.meta.as_json(),
        &new.updated_on.millis(),
    ];
    transaction.execute(UPDATE, values).await?;
    Ok((new, Outcome::Updated))
}

/// Gives a contact another alias: a new row, to which its memberships go, in place of
/// the old one. What rows are distributed by cannot be updated.
async fn rename(
    transaction: &Transaction<'_>,
    old: &FullContact,
    new: &FullContact,
) -> Result<(), Failure> {
    let (from, to) = (old.contact.alias.as_str(), new.contact.alias.as_str());
    if insert_rows(transaction, &[new]).await?.is_empty() {
        return Err(taken(transaction, to).await);
    }
    memberships::move_all(transaction, from, to, new.contact.id).await?;
    transaction.execute(DELETE, &[&from]).await?;
    Ok(())
}

/// Reads a row of [`select_full`].
pub(super) fn full_contact(row: &Row) -> Result<FullContact, tokio_postgres::Error> {
    Ok(FullContact {
        contact: Contact {
            id: ContactId::from_uuid(row.try_get(0)?),
            alias: Alias::from_stored(row.try_get(1)?),
            msisdn: Msisdn::from_stored(row.try_get(2)?),
        },
        meta: Meta::from_stored(row.try_get(3)?),
        updated_on: Moment::from_millis(row.try_get(4)?),
        groups: memberships::of_column(row.try_get(5)?),
    })
}
