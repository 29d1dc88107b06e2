//! The store: the only rooms that know SQL.
//!
//! # The contract
//! - One file is one address book. [`Database`] opens it, [`Store`] serves it.
//! - Every write of a server is a job of its one writer thread. Its answer is
//!   given after the commit has reached the disk (`synchronous=FULL`).
//! - Every write acts under a [`Grant`], whose key is read again inside the
//!   transaction: what a key was not allowed to do at that moment is not stored.
//! - An error that says "nothing was stored" is true after a crash, too;
//!   [`Error::OutcomeUnknown`] is the one that does not know.
//! - Reads come from read-only connections and never wait for the writer.
//! - The database decides uniqueness; nothing looks before it inserts.

mod audit;
mod bulk;
mod contacts;
mod database;
mod failure;
mod file;
mod idempotency;
mod key_changes;
mod keys;
mod list;
mod migrations;
mod optouts;
mod readers;
mod resolve;
mod transaction;
mod writer;

pub use contacts::ContactKey;
pub use database::Database;
pub use file::{OpenError, ServerLock, locate};
pub use list::Listed;

use std::time::Duration;

use crate::audit::{Event, NewEvent};
use crate::bulk::{BulkItem, BulkOrder, ItemOutcome};
use crate::change::{Condition, ContactChange, Outcome};
use crate::contact::{ContactId, FullContact, Msisdn, NewContact};
use crate::error::Error;
use crate::idempotency::{Once, RememberedAnswer};
use crate::key::{ApiKey, Credential, Grant, KeyChange, KeyTerms};
use crate::optout::Optout;
use crate::resolve::{Recipient, Resolved};
use crate::selection::Selection;
use crate::template::Template;
use crate::token::{KeyId, NewSecret};
use readers::Readers;
use transaction::Transaction;
use writer::Writer;

/// An address book that is being served: one writer thread and a pool of
/// read-only connections.
///
/// Every read may fail with `StorageUnreadable`, a list also with `ListsBusy` or
/// `ListTooSlow`. Every write may fail with `KeyInvalid` or `NotPermitted`, where
/// the key changed since it was checked, and with `Busy`, `Stopping`,
/// `StorageFailed`, `StorageFull`, `OutcomeUnknown` or `Internal`.
pub struct Store {
    readers: Readers,
    writer: Writer,
}

impl Store {
    /// Serves `database` to `readers_max` threads that read points.
    ///
    /// # Errors
    /// [`OpenError::Storage`] where a connection or the thread cannot be made.
    pub fn start(database: Database, readers_max: u32) -> Result<Self, OpenError> {
        let readers = Readers::open(database.path(), readers_max)
            .map_err(|error| OpenError::storage(database.path(), error))?;
        let writer = Writer::start(database)?;
        Ok(Self { readers, writer })
    }

    /// Writes what is queued, moves the log into the file and closes it. Writes
    /// that come later get `Stopping`.
    pub fn stop(&self) {
        self.writer.stop();
    }

    /// Takes a connection for reading away, as long as there is one.
    #[cfg(test)]
    pub(crate) fn hold_reader(&self) -> Option<impl Sized + use<>> {
        self.readers.hold()
    }

    /// Reads what decides over a request of the key `id`.
    ///
    /// # Errors
    /// Those of every read.
    pub fn credential(&self, id: KeyId) -> Result<Option<Credential>, Error> {
        self.readers
            .read(|connection| keys::credential(connection, id))
    }

    /// Reads the key in whose name `grant` was given.
    ///
    /// # Errors
    /// `KeyInvalid` where it is gone; those of every read.
    pub fn own_key(&self, grant: Grant) -> Result<ApiKey, Error> {
        self.readers
            .read(|connection| keys::find(connection, grant.key()))?
            .ok_or(Error::KeyInvalid)
    }

    /// Reads one contact.
    ///
    /// # Errors
    /// `ContactNotFound`; those of every read.
    pub fn contact(&self, _grant: Grant, key: &ContactKey) -> Result<FullContact, Error> {
        self.readers
            .read(|connection| contacts::find(connection, key))?
            .ok_or(Error::ContactNotFound)
    }

    /// Reads a list of contacts.
    ///
    /// # Errors
    /// Those of every read and every list.
    pub async fn contacts(&self, _grant: Grant, selection: Selection) -> Result<Listed, Error> {
        self.readers
            .list(move |connection| list::list(connection, &selection))
            .await
    }

    /// Stores a new contact under a new id.
    ///
    /// # Errors
    /// `AliasTaken`; those of every write.
    pub async fn create_contact(
        &self,
        grant: Grant,
        contact: NewContact,
    ) -> Result<FullContact, Error> {
        self.writer
            .submit(grant, move |transaction| {
                contacts::insert(transaction, contact)
            })
            .await
    }

    /// The same once: a retry gets what `render` made of the first result, and
    /// the second part of the answer says so.
    ///
    /// # Errors
    /// `IdempotencyMismatch`; those of every write.
    pub async fn create_contact_once(
        &self,
        grant: Grant,
        once: Once,
        contact: NewContact,
        render: impl FnOnce(Result<FullContact, Error>) -> RememberedAnswer + Send + 'static,
    ) -> Result<(RememberedAnswer, bool), Error> {
        self.writer
            .submit(grant, move |transaction| {
                let work = |transaction: &Transaction<'_>| contacts::insert(transaction, contact);
                idempotency::once(transaction, grant.key(), &once, work, render)
            })
            .await
    }

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
                bulk::store(transaction, order, items)
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
        render: impl FnOnce(Result<Vec<(usize, ItemOutcome)>, Error>) -> RememberedAnswer
        + Send
        + 'static,
    ) -> Result<(RememberedAnswer, bool), Error> {
        let rows = items.len();
        self.writer
            .submit_rows(grant, rows, move |transaction| {
                let work = |transaction: &Transaction<'_>| bulk::store(transaction, order, items);
                idempotency::once(transaction, grant.key(), &once, work, render)
            })
            .await
    }

    /// Finds out whom recipients name, whether they may be sent to, and the text
    /// for each: in one state of the address book.
    ///
    /// # Errors
    /// Those of every read and every list.
    pub async fn resolve(
        &self,
        _grant: Grant,
        recipients: Vec<Recipient>,
        template: Option<Template>,
    ) -> Result<Vec<(String, Resolved)>, Error> {
        self.readers
            .list(move |connection| resolve::resolve(connection, recipients, template))
            .await
    }

    /// Changes a contact; where nothing would change, nothing is written.
    ///
    /// # Errors
    /// `ContactNotFound`, `ConditionFailed`, `AliasTaken`, or `Invalid` where a
    /// merged meta is beyond its limits; those of every write.
    pub async fn update_contact(
        &self,
        grant: Grant,
        id: ContactId,
        change: ContactChange,
        condition: Condition,
    ) -> Result<(FullContact, Outcome), Error> {
        self.writer
            .submit(grant, move |transaction| {
                contacts::update(transaction, id, &change, &condition)
            })
            .await
    }

    /// Creates a contact, or replaces the one that has its alias.
    ///
    /// # Errors
    /// `ConditionFailed`; those of every write.
    pub async fn put_contact(
        &self,
        grant: Grant,
        contact: NewContact,
        condition: Condition,
    ) -> Result<(FullContact, Outcome), Error> {
        self.writer
            .submit(grant, move |transaction| {
                contacts::put(transaction, contact, &condition)
            })
            .await
    }

    /// The same once, as [`Store::create_contact_once`].
    ///
    /// # Errors
    /// `IdempotencyMismatch`; those of every write.
    pub async fn put_contact_once(
        &self,
        grant: Grant,
        once: Once,
        contact: NewContact,
        condition: Condition,
        render: impl FnOnce(Result<(FullContact, Outcome), Error>) -> RememberedAnswer + Send + 'static,
    ) -> Result<(RememberedAnswer, bool), Error> {
        self.writer
            .submit(grant, move |transaction| {
                let work =
                    |transaction: &Transaction<'_>| contacts::put(transaction, contact, &condition);
                idempotency::once(transaction, grant.key(), &once, work, render)
            })
            .await
    }

    /// Deletes the one contact that `key` names.
    ///
    /// # Errors
    /// `ContactNotFound`, `NumberShared`, `ConditionFailed`; those of every write.
    pub async fn delete_contact(
        &self,
        grant: Grant,
        key: ContactKey,
        condition: Condition,
    ) -> Result<(), Error> {
        self.writer
            .submit(grant, move |transaction| {
                contacts::delete(transaction, &key, &condition)
            })
            .await
    }

    /// Opts a number out; opting out again answers the first record.
    ///
    /// # Errors
    /// Those of every write.
    pub async fn create_optout(&self, grant: Grant, msisdn: Msisdn) -> Result<Optout, Error> {
        self.writer
            .submit(grant, move |transaction| {
                optouts::insert(transaction, msisdn)
            })
            .await
    }

    /// Takes an opt-out back.
    ///
    /// # Errors
    /// `OptoutNotFound`; those of every write.
    pub async fn delete_optout(&self, grant: Grant, msisdn: Msisdn) -> Result<(), Error> {
        self.writer
            .submit(grant, move |transaction| {
                optouts::delete(transaction, &msisdn)
            })
            .await
    }

    /// Reads a page of the opt-outs, the oldest first, and how many there are.
    ///
    /// # Errors
    /// Those of every read and every list.
    pub async fn optouts(
        &self,
        _grant: Grant,
        offset: u64,
        limit: u32,
    ) -> Result<(Vec<Optout>, u64), Error> {
        self.readers
            .list(move |connection| optouts::list(connection, offset, limit))
            .await
    }

    /// Reads a page of the keys, the oldest first, and how many there are.
    ///
    /// # Errors
    /// Those of every read and every list.
    pub async fn keys(
        &self,
        _grant: Grant,
        offset: u64,
        limit: u32,
    ) -> Result<(Vec<ApiKey>, u64), Error> {
        self.readers
            .list(move |connection| keys::list(connection, offset, limit))
            .await
    }

    /// Reads one key.
    ///
    /// # Errors
    /// `KeyNotFound`; those of every read.
    pub fn key(&self, _grant: Grant, id: KeyId) -> Result<ApiKey, Error> {
        self.readers
            .read(|connection| keys::find(connection, id))?
            .ok_or(Error::KeyNotFound)
    }

    /// Stores a key that gives no more than the acting one has.
    ///
    /// # Errors
    /// `NotPermitted`, `KeyWider`; those of every write.
    pub async fn create_key(
        &self,
        grant: Grant,
        secret: NewSecret,
        terms: KeyTerms,
    ) -> Result<(ApiKey, NewSecret), Error> {
        self.writer
            .submit(grant, move |transaction| {
                let actor = Some(grant.key());
                let key = key_changes::create(transaction, actor, &secret, terms)?;
                Ok((key, secret))
            })
            .await
    }

    /// Changes a key that gives no more than the acting one has, before and after.
    ///
    /// # Errors
    /// `KeyNotFound`, `NotPermitted`, `KeyWider`, `KeyRevoked`; those of every write.
    pub async fn update_key(
        &self,
        grant: Grant,
        id: KeyId,
        change: KeyChange,
    ) -> Result<ApiKey, Error> {
        self.writer
            .submit(grant, move |transaction| {
                key_changes::update(transaction, Some(grant.key()), id, change)
            })
            .await
    }

    /// Gives a key a successor; the old one is good until the overlap ends.
    ///
    /// # Errors
    /// `KeyNotFound`, `NotPermitted`, `KeyWider`, `KeyNotActive`, `KeyRotated`;
    /// those of every write.
    pub async fn rotate_key(
        &self,
        grant: Grant,
        id: KeyId,
        secret: NewSecret,
        overlap: Duration,
    ) -> Result<(ApiKey, NewSecret), Error> {
        self.writer
            .submit(grant, move |transaction| {
                let actor = Some(grant.key());
                let key = key_changes::rotate(transaction, actor, id, &secret, overlap)?;
                Ok((key, secret))
            })
            .await
    }

    /// Revokes a key; `force` for the last one that manages keys.
    ///
    /// # Errors
    /// `KeyNotFound`, `LastManagingKey`; those of every write.
    pub async fn revoke_key(&self, grant: Grant, id: KeyId, force: bool) -> Result<(), Error> {
        self.writer
            .submit(grant, move |transaction| {
                key_changes::revoke(transaction, Some(grant.key()), id, force)
            })
            .await
    }

    /// Writes down that the granted key was used.
    ///
    /// # Errors
    /// Those of every write.
    pub async fn touch_key(&self, grant: Grant) -> Result<(), Error> {
        self.writer
            .submit(grant, move |transaction| {
                key_changes::touch(transaction, grant.key())
            })
            .await
    }

    /// Writes an event of the audit down.
    ///
    /// # Errors
    /// Those of every write.
    pub async fn record_event(&self, grant: Grant, event: NewEvent) -> Result<(), Error> {
        self.writer
            .submit(grant, move |transaction| audit::insert(transaction, &event))
            .await
    }

    /// Reads a page of the audit, the newest first, and how many events there are.
    ///
    /// # Errors
    /// Those of every read and every list.
    pub async fn events(
        &self,
        _grant: Grant,
        offset: u64,
        limit: u32,
    ) -> Result<(Vec<Event>, u64), Error> {
        self.readers
            .list(move |connection| audit::list(connection, offset, limit))
            .await
    }
}
