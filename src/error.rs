//! What can go wrong, in the address book's words: no HTTP, no SQL. How each
//! error looks to a caller is decided in one table, `http/envelope.rs`.

use crate::contact::ContactId;
use crate::invalid::Invalid;
use crate::permission::Permission;

/// Why an operation of the address book did not happen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// What was sent is wrong in itself.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// Another contact has the alias.
    #[error("Alias already exists")]
    AliasTaken(ContactId),
    /// No key has the id.
    #[error("API key not found")]
    KeyNotFound,
    /// The key may be used from other addresses only.
    #[error("API key is not allowed from this address")]
    AddressNotAllowed,
    /// A key would make one that has not its own limit.
    #[error("API key cannot give more than it has ({0})")]
    KeyWider(&'static str),
    /// A key whose requests are limited would make another one.
    #[error("API key with a rate_limit cannot make API keys")]
    RatedKeyMakesNone,
    /// A revoked key is to be changed.
    #[error("API key is revoked")]
    KeyRevoked,
    /// A key that is not good any more is to be rotated.
    #[error("API key is not active")]
    KeyNotActive,
    /// A key is to be rotated twice.
    #[error("API key was rotated already")]
    KeyRotated,
    /// Nobody could make keys over HTTP any more.
    #[error("This is the last API key that manages API keys, revoke it with force=true")]
    LastManagingKey,
    /// A key made more requests than it may.
    #[error("API key may make at most {per_second} requests a second")]
    TooFast {
        /// The key's limit.
        per_second: u32,
        /// Seconds until the next request is worth a try.
        wait_s: u64,
    },
    /// Too many invalid keys came from one address.
    #[error("Too many invalid API keys from this address")]
    TooManyFailures {
        /// Seconds until the next attempt is worth a try.
        wait_s: u64,
    },
    /// The server was given no directory for backups.
    #[error("The server has no directory for backups")]
    NoBackupDirectory,
    /// One backup at a time.
    #[error("Another backup is being made")]
    BackupRunning,
    /// A backup was not made, or the backups cannot be listed.
    #[error("The backup was not made or cannot be read, the log of the server says why")]
    BackupFailed,
    /// No contact has the id, the alias or the number.
    #[error("Contact not found")]
    ContactNotFound,
    /// The number is not opted out.
    #[error("Opt-out not found")]
    OptoutNotFound,
    /// No group has the id.
    #[error("Group not found")]
    GroupNotFound,
    /// Another group has the name.
    #[error("Group name already exists")]
    GroupNameTaken,
    /// The address book has [`GROUPS_MAX`](crate::group::GROUPS_MAX) groups.
    #[error("An address book has at most 1000 groups")]
    GroupsTooMany,
    /// Several contacts share a number that was to name one.
    #[error("{0} contacts have this number, nothing was deleted, delete by id")]
    NumberShared(u64),
    /// A filter matches another number of contacts than whoever deletes by it expects.
    #[error("Nothing was deleted, contacts that match the filter: {0}")]
    OtherCount(u64),
    /// `If-Match` or `If-None-Match` does not hold.
    #[error("The contact is not in the state that the request names")]
    ConditionFailed,
    /// An idempotency key was used for another request.
    #[error("Idempotency-Key was used for another request")]
    IdempotencyMismatch,
    /// What a key's responses take, which are stored for retries, is at its limit.
    #[error("The stored responses of this API key are full, nothing was stored, try again later")]
    ResponsesFull,
    /// A contact of a bulk request was not stored, though nothing is wrong with it.
    #[error("Not stored, because of others in this request")]
    NotTried,
    /// No key was presented.
    #[error("API key is missing")]
    KeyMissing,
    /// A key was presented and is not a valid one; never says why.
    #[error("API key is invalid or has expired")]
    KeyInvalid,
    /// A session was presented that is over, or never was.
    #[error("Session has ended")]
    SessionEnded,
    /// A session is to be ended where none was presented.
    #[error("Session not found")]
    SessionNotFound,
    /// A browser sends the session for a page of another site.
    #[error("Request comes from another site")]
    OtherSite,
    /// The code is not the one that signs in once, any more.
    #[error("Code is invalid or has expired")]
    CodeInvalid,
    /// The key is valid and lacks this permission.
    #[error("API Key is not permitted to perform this action. ({0})")]
    NotPermitted(Permission),
    /// The write queue is full, or the job was withdrawn before it was taken.
    #[error("The server is busy, nothing was stored, try again")]
    Busy,
    /// Too many unknown keys wait to be verified.
    #[error("Too many keys are being verified, nothing was stored, try again")]
    VerifierBusy,
    /// The server is stopping and takes no more writes.
    #[error("The server is stopping, nothing was stored, try again")]
    Stopping,
    /// The job was taken, and no outcome arrived in time or the disk gave none.
    #[error("It is unknown whether the change was stored, read it back before trying again")]
    OutcomeUnknown,
    /// The storage failed before anything was stored.
    #[error("The storage failed, nothing was stored, try again")]
    StorageFailed,
    /// Too many lists run at once.
    #[error("Too many large reads are under way, try again")]
    ListsBusy,
    /// Answers that wait to be taken hold all the memory that they may.
    #[error("Too many answers wait to be taken, try again")]
    AnswersWaiting,
    /// A list was interrupted at its time limit.
    #[error("The read took too long, ask for less at once")]
    ListTooSlow,
    /// Too many imports run at once.
    #[error("Too many imports are under way, nothing was stored, try again")]
    ImportsBusy,
    /// An export finds no room beside the address book, or is beyond its limit.
    #[error("There is no room for the export on the disk")]
    NoRoomForExport,
    /// The storage failed while reading.
    #[error("The storage cannot be read, try again")]
    StorageUnreadable,
    /// The file holds what no address book does; the log says more.
    #[error("The address book is damaged, nothing was stored")]
    Damaged,
    /// A row is not what was stored, by its checksum; the others are.
    #[error("A contact that this needs is damaged, nothing was stored")]
    RowDamaged,
    /// The disk is full; nothing was stored.
    #[error("The disk is full, nothing was stored")]
    StorageFull,
    /// The server is not ready; which checks failed.
    #[error("Not ready: {0}")]
    NotReady(String),
    /// A fault of ours; the log says more.
    #[error("Internal server error")]
    Internal,
}

impl Error {
    /// Its message without what was sent, by which many of one kind are counted.
    pub fn kind(&self) -> String {
        match self {
            Self::Invalid(invalid) => invalid.kind(),
            other => other.to_string(),
        }
    }

    /// The field of a contact that is wrong, where it is one of them alone.
    pub fn field(&self) -> Option<&'static str> {
        match self {
            Self::Invalid(invalid) => invalid.field(),
            Self::AliasTaken(_) => Some("alias"),
            Self::KeyNotFound
            | Self::AddressNotAllowed
            | Self::KeyWider(..)
            | Self::RatedKeyMakesNone
            | Self::KeyRevoked
            | Self::KeyNotActive
            | Self::KeyRotated
            | Self::LastManagingKey
            | Self::TooFast { .. }
            | Self::TooManyFailures { .. }
            | Self::NoBackupDirectory
            | Self::BackupRunning
            | Self::BackupFailed
            | Self::ContactNotFound
            | Self::OptoutNotFound
            | Self::GroupNotFound
            | Self::GroupNameTaken
            | Self::GroupsTooMany
            | Self::NumberShared(..)
            | Self::OtherCount(..)
            | Self::ConditionFailed
            | Self::IdempotencyMismatch
            | Self::ResponsesFull
            | Self::NotTried
            | Self::KeyMissing
            | Self::KeyInvalid
            | Self::SessionEnded
            | Self::SessionNotFound
            | Self::OtherSite
            | Self::CodeInvalid
            | Self::NotPermitted(..)
            | Self::Busy
            | Self::VerifierBusy
            | Self::Stopping
            | Self::OutcomeUnknown
            | Self::StorageFailed
            | Self::ListsBusy
            | Self::AnswersWaiting
            | Self::ListTooSlow
            | Self::ImportsBusy
            | Self::NoRoomForExport
            | Self::StorageUnreadable
            | Self::Damaged
            | Self::RowDamaged
            | Self::StorageFull
            | Self::NotReady(..)
            | Self::Internal => None,
        }
    }
}
