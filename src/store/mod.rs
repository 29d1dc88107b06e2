//! The store: the only rooms that know SQL. This page is its contract, in words of
//! the address book; an engine fulfils it.
//!
//! # The contract
//! - One engine serves one address book. [`Store`] is what a server asks of it,
//!   [`Operator`] what the command line asks.
//! - An answer to a write is given after its commit has reached the disk.
//! - Every write acts under a [`Grant`], whose key, and session where one stands in for it,
//!   are read again inside the transaction: what a key was not allowed to do at that moment is not stored.
//! - An error that says "nothing was stored" is true after a crash, too;
//!   [`Error::OutcomeUnknown`] is the one that does not know.
//! - Reads never wait for writes.
//! - The database decides uniqueness; nothing looks before it inserts.
//! - The order of ids is the order of commits: a promise of an engine with one
//!   writer alone. A walk by cursor over `created_on` rests on it. With several writers
//!   such a walk never skips what was committed before it began.

mod ids;
mod many;
mod measures;
mod moving;
mod open_error;
mod operator;
mod patterns;
mod postgres;
mod remembered;
mod report;
mod shelf;
mod sqlite;
mod transfer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use measures::{Figures, Measures};
pub use moving::{MoveError, MoveStep, Moved, TableSum, move_book};
pub use open_error::OpenError;
pub use operator::Operator;
pub use postgres::{is_url, without_secrets};
pub use report::{CheckReport, Integrity, Readiness, RestoreError, Standby};
pub use shelf::{Backup, Shelf, ShelfError};
pub use sqlite::{ServerLock, restore, sqlite_version};
pub use transfer::DryRun;

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

/// Where the address book really is, so that every name of a file has the one lock; the
/// file's directory is made where there is none. A URL is what it is.
///
/// # Errors
/// `Io`, `Storage` for a path that SQLite could not name.
pub fn locate(path: &Path) -> Result<PathBuf, OpenError> {
    match is_url(path) {
        true => Ok(path.to_owned()),
        false => sqlite::locate(path),
    }
}

/// An address book that is being served, by one of the engines.
///
/// Every read may fail with `StorageUnreadable`, a list also with `ListsBusy` or
/// `ListTooSlow`. Every write may fail with `KeyInvalid`, `SessionEnded` or
/// `NotPermitted`, where key or session changed since the check, and with `Busy`, `Stopping`,
/// `StorageFailed`, `StorageFull`, `OutcomeUnknown` or `Internal`.
#[expect(
    clippy::large_enum_variant,
    reason = "there is one, which stays where it is"
)]
pub enum Store {
    /// The engine of one file.
    Sqlite(sqlite::Engine),
    /// The engine of one schema of a PostgreSQL database.
    Postgres(postgres::Engine),
}

/// One state of the address book, read on the thread that holds it: what is read
/// together belongs together. Short-lived.
pub enum Snapshot {
    /// Of the engine of one file.
    Sqlite(sqlite::Snapshot),
    /// Of the engine of PostgreSQL, where each statement has a state of its own: the
    /// key's row is read first.
    Postgres(postgres::Snapshot),
}

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

impl Store {
    /// Serves the book of `operator` to `workers` threads that do point lookups.
    ///
    /// # Errors
    /// [`OpenError::Storage`] where a connection or a thread cannot be made.
    pub fn start(operator: Operator, workers: usize) -> Result<Self, OpenError> {
        match operator {
            Operator::Sqlite(database) => {
                Ok(Self::Sqlite(sqlite::Engine::start(database, workers)?))
            }
            Operator::Postgres(database) => Ok(Self::Postgres(postgres::Engine::start(database)?)),
        }
    }

    /// Writes what is queued and leaves the book whole on the disk. Writes that
    /// come later get `Stopping`.
    pub fn stop(&self) {
        match self {
            Self::Sqlite(engine) => engine.stop(),
            Self::Postgres(engine) => engine.stop(),
        }
    }

    /// As [`Operator::backup`]; for a thread that may block.
    ///
    /// # Errors
    /// The same.
    pub fn backup(&self, path: &Path) -> Result<u64, RestoreError> {
        match self {
            Self::Sqlite(engine) => engine.backup(path),
            Self::Postgres(_) => Err(RestoreError::OfPostgres),
        }
    }

    /// Looks through the whole book beside everything else, once `after` is over; what
    /// comes of it is told by [`Store::readiness`] and the log.
    ///
    /// # Errors
    /// `Internal` where there is no thread for it.
    pub fn begin_check(&self, after: Duration) -> Result<(), Error> {
        match self {
            Self::Sqlite(engine) => engine.begin_check(after),
            // Its checksums of pages are looked at whenever one is read.
            Self::Postgres(_) => Ok(()),
        }
    }

    /// What its writer does, measured as it does it.
    pub fn measures(&self) -> &Measures {
        match self {
            Self::Sqlite(engine) => engine.measures(),
            Self::Postgres(engine) => engine.measures(),
        }
    }

    /// What the engine is called.
    pub fn engine(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "sqlite",
            Self::Postgres(_) => "postgres",
        }
    }

    /// The damage that was found since the process began.
    pub fn damage(&self) -> FoundDamage {
        match self {
            Self::Sqlite(engine) => engine.damage(),
            Self::Postgres(engine) => engine.damage(),
        }
    }

    /// Begins point lookups, all of one state; for a moment on one thread.
    ///
    /// # Errors
    /// Those of every read.
    pub fn snapshot(&self) -> Result<Snapshot, Error> {
        match self {
            Self::Sqlite(engine) => engine.snapshot().map(Snapshot::Sqlite),
            Self::Postgres(engine) => engine.snapshot().map(Snapshot::Postgres),
        }
    }
}

/// Damage that was found since the process began.
#[derive(Clone, Copy, Debug)]
pub struct FoundDamage {
    /// WALs of which commits were lost.
    pub broken_wals: u64,
    /// Rows that were read, as often as they were, and are not what was stored.
    pub damaged_rows: u64,
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
        render: impl FnOnce(Result<FullContact, Error>) -> StoredResponse + Send + 'static,
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
        render: impl FnOnce(Result<(FullContact, Outcome), Error>) -> StoredResponse + Send + 'static,
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
        render: impl FnOnce(Result<Vec<ItemOutcome>, Error>) -> StoredResponse + Send + 'static,
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
