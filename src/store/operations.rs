//! What a server asks of its book, each handed to the engine that has it.

use std::sync::Arc;
use std::time::Duration;

use super::{Figures, Readiness, Snapshot, Store};
use crate::bulk::{BulkOrder, ItemOutcome};
use crate::change::{Condition, ContactChange, Outcome};
use crate::contact::{ContactId, ContactKey, ContactView, FullContact, Msisdn, NewContact};
use crate::error::Error;
use crate::event::{Event, NewEvent};
use crate::group::{Group, GroupId, GroupName};
use crate::idempotency::{Once, StoredResponse};
use crate::key::{ApiKey, Credential, Grant, KeyChange, KeyTerms};
use crate::optout::{Optout, OptoutSelection};
use crate::resolve::{Collect, Recipient};
use crate::selection::{Listed, Selection};
use crate::session::{Opened, Session};
use crate::session_hash::SessionHash;
use crate::template::Template;
use crate::token::{KeyId, NewSecret};

/// Declares operations of an engine: each is one match over the engines.
macro_rules! operations {
    ($face:ident: $(
        $(#[$doc:meta])*
        async fn $operation:ident(&self $(, $argument:ident: $type:ty)* $(,)?) -> $answer:ty;
    )+) => {
        impl $face {
            $(
                $(#[$doc])*
                pub async fn $operation(&self $(, $argument: $type)*) -> $answer {
                    match self {
                        Self::Sqlite(engine) => engine.$operation($($argument),*).await,
                        // In a box, so that the futures of the other engine stay small.
                        Self::Postgres(engine) => Box::pin(engine.$operation($($argument),*)).await,
                    }
                }
            )+
        }
    };
}

operations! { Snapshot:
    /// Reads what decides over a request of the key `id`.
    ///
    /// # Errors
    /// Those of every read.
    async fn credential(&self, id: KeyId) -> Result<Option<Credential>, Error>;

    /// Reads a session and what decides over requests of its key.
    ///
    /// # Errors
    /// Those of every read.
    async fn session(&self, hash: SessionHash) -> Result<Option<Session>, Error>;

    /// Reads the key in whose name `grant` was given.
    ///
    /// # Errors
    /// `KeyInvalid` where it is gone; those of every read.
    async fn own_key(&self, grant: Grant) -> Result<ApiKey, Error>;

    /// Reads one key.
    ///
    /// # Errors
    /// `KeyNotFound`; those of every read.
    async fn key(&self, grant: Grant, id: KeyId) -> Result<ApiKey, Error>;

    /// Reads one contact.
    ///
    /// # Errors
    /// `ContactNotFound`; those of every read.
    async fn contact(&self, grant: Grant, key: &ContactKey) -> Result<FullContact, Error>;

    /// Reads the opt-out that holds for a number.
    ///
    /// # Errors
    /// `OptoutNotFound`; those of every read.
    async fn optout(&self, grant: Grant, msisdn: &Msisdn) -> Result<Optout, Error>;

    /// Reads one group.
    ///
    /// # Errors
    /// `GroupNotFound`; those of every read.
    async fn group(&self, grant: Grant, id: GroupId) -> Result<Group, Error>;
}

impl Snapshot {
    /// Reads a list of contacts, each handed to `each` together with `collected`,
    /// which comes back. The engine decides whether that takes long, and gives the
    /// state up if it does.
    ///
    /// # Errors
    /// Those of every read and every list.
    pub async fn contacts<C: Send + 'static>(
        self,
        grant: Grant,
        selection: &Selection,
        collected: C,
        each: fn(&mut C, &ContactView<'_>),
    ) -> Result<(C, Listed), Error> {
        match self {
            Self::Sqlite(snapshot) => snapshot.contacts(grant, selection, collected, each).await,
            Self::Postgres(snapshot) => {
                let listing = snapshot.contacts(grant, selection, collected, each);
                Box::pin(listing).await
            }
        }
    }
}

impl Store {
    /// Finds out whom recipients name, whether they may be sent to, and the text
    /// for each, in one state of the address book; each is handed to `each` together
    /// with `collected`, which comes back.
    ///
    /// # Errors
    /// `Recipients` for none or too many with those of groups, `AnswerTooLarge`, and
    /// those of `each`, which end it; those of every read and every list.
    pub async fn resolve<C: Send + 'static>(
        &self,
        grant: Grant,
        recipients: Vec<Recipient>,
        template: Option<Arc<Template>>,
        collected: C,
        each: Collect<C>,
    ) -> Result<C, Error> {
        match self {
            Self::Sqlite(engine) => {
                let resolving = engine.resolve(grant, recipients, template, collected, each);
                resolving.await
            }
            Self::Postgres(engine) => {
                let resolving = engine.resolve(grant, recipients, template, collected, each);
                Box::pin(resolving).await
            }
        }
    }
}

operations! { Store:
    /// Reads what decides over a request of the key `id`, for a request that reads
    /// nothing else at once.
    ///
    /// # Errors
    /// Those of every read.
    async fn credential(&self, id: KeyId) -> Result<Option<Credential>, Error>;

    /// The same of a session, as [`Snapshot::session`].
    ///
    /// # Errors
    /// Those of every read.
    async fn session(&self, hash: SessionHash) -> Result<Option<Session>, Error>;

    /// How ready the address book is, by one read and one commit that changes nothing.
    async fn readiness(&self) -> Readiness;

    /// What the address book holds, and what holds it.
    ///
    /// # Errors
    /// Those of every read; `ListsBusy` where too many ask at once.
    async fn figures(&self) -> Result<Figures, Error>;

    /// Whether `grant` still holds, for what reads on for long.
    ///
    /// # Errors
    /// `KeyInvalid`, `SessionEnded`, `AddressNotAllowed`, `NotPermitted`; those of every read.
    async fn confirm(&self, grant: Grant) -> Result<(), Error>;

    /// Stores a new contact under a new id.
    ///
    /// # Errors
    /// `AliasTaken`; those of every write.
    async fn create_contact(&self, grant: Grant, contact: NewContact) -> Result<FullContact, Error>;

    /// The same once: a retry gets what `render` made of the first result, and
    /// the second part of the answer says so.
    ///
    /// # Errors
    /// `IdempotencyMismatch`; those of every write.
    async fn create_contact_once(
        &self,
        grant: Grant,
        once: Once,
        contact: NewContact,
        render: impl Fn(Result<FullContact, Error>) -> StoredResponse + Send + 'static,
    ) -> Result<(StoredResponse, bool), Error>;

    /// Changes a contact; where nothing would change, nothing is written.
    ///
    /// # Errors
    /// `ContactNotFound`, `ConditionFailed`, `AliasTaken`, or `Invalid` where a
    /// merged meta is beyond its limits; those of every write.
    async fn update_contact(
        &self,
        grant: Grant,
        id: ContactId,
        change: ContactChange,
        condition: Condition,
    ) -> Result<(FullContact, Outcome), Error>;

    /// Creates a contact, or replaces the one that has its alias.
    ///
    /// # Errors
    /// `ConditionFailed`; those of every write.
    async fn put_contact(
        &self,
        grant: Grant,
        contact: NewContact,
        condition: Condition,
    ) -> Result<(FullContact, Outcome), Error>;

    /// The same once, as [`Store::create_contact_once`].
    ///
    /// # Errors
    /// `IdempotencyMismatch`; those of every write.
    async fn put_contact_once(
        &self,
        grant: Grant,
        once: Once,
        contact: NewContact,
        condition: Condition,
        render: impl Fn(Result<(FullContact, Outcome), Error>) -> StoredResponse + Send + 'static,
    ) -> Result<(StoredResponse, bool), Error>;

    /// Deletes the one contact that `key` names.
    ///
    /// # Errors
    /// `ContactNotFound`, `NumberShared`, `ConditionFailed`; those of every write.
    async fn delete_contact(
        &self,
        grant: Grant,
        key: ContactKey,
        condition: Condition,
    ) -> Result<(), Error>;

    /// Stores many contacts in one transaction, once, as [`Store::create_contact_once`].
    ///
    /// # Errors
    /// `IdempotencyMismatch`; those of every write.
    async fn store_contacts_once(
        &self,
        grant: Grant,
        once: Once,
        order: BulkOrder,
        contacts: Vec<NewContact>,
        render: impl Fn(Result<Vec<ItemOutcome>, Error>) -> StoredResponse + Send + 'static,
    ) -> Result<(StoredResponse, bool), Error>;

    /// Opts a number out; opting out again answers the first record.
    ///
    /// # Errors
    /// Those of every write.
    async fn create_optout(&self, grant: Grant, msisdn: Msisdn) -> Result<Optout, Error>;

    /// Takes an opt-out back.
    ///
    /// # Errors
    /// `OptoutNotFound`; those of every write.
    async fn delete_optout(&self, grant: Grant, msisdn: Msisdn) -> Result<(), Error>;

    /// Reads a list of opt-outs.
    ///
    /// # Errors
    /// Those of every read and every list.
    async fn optouts(
        &self,
        grant: Grant,
        selection: OptoutSelection,
    ) -> Result<(Vec<Optout>, Listed<Optout>), Error>;

    /// Makes an empty group under a new id.
    ///
    /// # Errors
    /// `GroupNameTaken`, `GroupsTooMany`; those of every write.
    async fn create_group(&self, grant: Grant, name: GroupName) -> Result<Group, Error>;

    /// Reads a page of the groups, the oldest first, and how many there are.
    ///
    /// # Errors
    /// Those of every read and every list.
    async fn groups(&self, grant: Grant, offset: u64, limit: u32) -> Result<(Vec<Group>, u64), Error>;

    /// Gives a group another name.
    ///
    /// # Errors
    /// `GroupNotFound`, `GroupNameTaken`; those of every write.
    async fn rename_group(&self, grant: Grant, id: GroupId, name: GroupName) -> Result<Group, Error>;

    /// Deletes a group, however many members it has.
    ///
    /// # Errors
    /// `GroupNotFound`; those of every write.
    async fn delete_group(&self, grant: Grant, id: GroupId) -> Result<(), Error>;

    /// Stores a key that gives no more than the acting one has.
    ///
    /// # Errors
    /// `RatedKeyMakesNone`, `NotPermitted`, `KeyWider`; those of every write.
    async fn create_key(
        &self,
        grant: Grant,
        secret: NewSecret,
        terms: KeyTerms,
    ) -> Result<(ApiKey, NewSecret), Error>;

    /// Changes a key that gives no more than the acting one has, before and after.
    ///
    /// # Errors
    /// `KeyNotFound`, `NotPermitted`, `KeyWider`, `KeyRevoked`; those of every write.
    async fn update_key(&self, grant: Grant, id: KeyId, change: KeyChange) -> Result<ApiKey, Error>;

    /// Gives a key a successor; the old one is good until the overlap ends.
    ///
    /// # Errors
    /// `KeyNotFound`, `RatedKeyMakesNone`, `NotPermitted`, `KeyWider`, `KeyNotActive`, `KeyRotated`;
    /// those of every write.
    async fn rotate_key(
        &self,
        grant: Grant,
        id: KeyId,
        secret: NewSecret,
        overlap: Duration,
    ) -> Result<(ApiKey, NewSecret), Error>;

    /// Revokes a key; `force` for the last one that manages keys.
    ///
    /// # Errors
    /// `KeyNotFound`, `NotPermitted` for a key that can more than the acting one,
    /// `LastManagingKey`; those of every write.
    async fn revoke_key(&self, grant: Grant, id: KeyId, force: bool) -> Result<(), Error>;

    /// Writes down that the granted key was used.
    ///
    /// # Errors
    /// Those of every write.
    async fn touch_key(&self, grant: Grant) -> Result<(), Error>;

    /// Opens a session of the granted key, under the hash of its secret, and writes
    /// `event` down; of too many, the oldest ends.
    ///
    /// # Errors
    /// Those of every write.
    async fn open_session(
        &self,
        grant: Grant,
        hash: SessionHash,
        event: Option<NewEvent>,
    ) -> Result<Opened, Error>;

    /// Ends a session of the granted key, where there still is one.
    ///
    /// # Errors
    /// Those of every write.
    async fn end_session(&self, grant: Grant, hash: SessionHash) -> Result<(), Error>;

    /// Reads a page of the keys, the oldest first, and how many there are.
    ///
    /// # Errors
    /// Those of every read and every list.
    async fn keys(&self, grant: Grant, offset: u64, limit: u32) -> Result<(Vec<ApiKey>, u64), Error>;

    /// Writes an event of the audit down.
    ///
    /// # Errors
    /// Those of every write.
    async fn record_event(&self, grant: Grant, event: NewEvent) -> Result<(), Error>;

    /// Reads a page of the audit, the newest first, and how many events there are.
    ///
    /// # Errors
    /// Those of every read and every list.
    async fn events(&self, grant: Grant, offset: u64, limit: u32) -> Result<(Vec<Event>, u64), Error>;
}
