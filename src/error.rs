//! What can go wrong, in the address book's words: no HTTP, no SQL. How each
//! error looks to a caller is decided in one table, `http/envelope.rs`.

use crate::permission::Permission;

/// Why an operation of the address book did not happen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// What was sent is wrong in itself.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// Another contact has the alias.
    #[error("Alias already exists")]
    AliasTaken,
    /// No key has the id.
    #[error("API key not found")]
    KeyNotFound,
    /// The key may be used from other addresses only.
    #[error("API key is not allowed from this address")]
    AddressNotAllowed,
    /// A key would make one that has not its own limit.
    #[error("API key cannot give more than it has ({0})")]
    KeyWider(&'static str),
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
    /// `If-Match` or `If-None-Match` does not hold.
    #[error("The contact is not in the state that the request names")]
    ConditionFailed,
    /// An idempotency key was used for another request.
    #[error("Idempotency-Key was used for another request")]
    IdempotencyMismatch,
    /// A contact of a bulk request was not stored, though nothing is wrong with it.
    #[error("Not stored, because of others in this request")]
    NotTried,
    /// No key was presented.
    #[error("API key is missing")]
    KeyMissing,
    /// A key was presented and is not a valid one; never says why.
    #[error("API key is invalid or has expired")]
    KeyInvalid,
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
    /// The disk is full; nothing was stored.
    #[error("The disk is full, nothing was stored")]
    StorageFull,
    /// A fault of ours; the log says more.
    #[error("Internal server error")]
    Internal,
}

/// What is wrong with something that was sent: one variant, one message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each message says what its variant means")]
pub enum Invalid {
    #[error("Request body is not valid JSON")]
    BodyNotJson,
    #[error("Request body could not be read")]
    BodyUnreadable,
    #[error("Request body must be a JSON object")]
    BodyNotObject,
    #[error("Unknown field: {0}")]
    FieldUnknown(String),
    #[error("Duplicate field: {0}")]
    FieldTwice(String),

    #[error("Idempotency-Key must be 1 to 255 visible ASCII characters, once")]
    IdempotencyKey,

    #[error("Mode must be create or upsert")]
    BulkMode,
    #[error("Atomic must be true or false")]
    BulkAtomic,
    #[error("DryRun must be true or false")]
    BulkDryRun,
    #[error("Contacts must be an array of 1 to 10000 objects")]
    BulkContacts,
    #[error("Contact must be a JSON object")]
    ContactNotObject,
    #[error("Alias is the same as that of contact {0} in this request")]
    AliasOfAnother(usize),
    #[error("Nothing was stored, contacts with errors: {0}")]
    BulkRefused(usize),

    #[error("Line {0}: {1}")]
    FileLine(u64, Box<Invalid>),
    #[error("The first line must name the columns alias and msisdn, separated by , or ;")]
    ColumnsMissing,
    #[error("Column {0} has no name")]
    ColumnNameless(usize),
    #[error("Duplicate column: {0}")]
    ColumnTwice(String),
    #[error("There must be at most 1024 columns")]
    ColumnsTooMany,
    #[error("Column {0} cannot be a member of meta: {1}")]
    ColumnName(usize, Box<Invalid>),
    #[error("The file must be text in UTF-8")]
    FileNotText,
    #[error("Row is not text in UTF-8")]
    RowNotText,
    #[error("Row is not valid JSON")]
    RowNotJson,
    #[error("Row must have {columns} cells, as the first line has, not {cells}")]
    RowRagged { columns: usize, cells: usize },
    #[error("Row must be at most 65536 bytes")]
    RowTooLarge,
    #[error("Row has a quote that is never closed")]
    QuoteOpen,

    #[error("Parameter mode must be create or upsert")]
    ImportMode,
    #[error("Parameter dryRun must be true or false")]
    ImportDryRun,

    #[error("Recipients must be an array of 1 to 10000 strings")]
    Recipients,
    #[error("Text must be a string of 1 to 4096 characters")]
    Text,
    #[error("The answer would be larger than 33554432 bytes, send fewer recipients at once")]
    AnswerTooLarge,

    #[error("Nothing to update")]
    NothingToUpdate,
    #[error("Alias must equal the alias in the path")]
    AliasNotOfPath,

    #[error("Query parameters must be UTF-8")]
    QueryNotText,
    #[error("Unknown parameter: {0}")]
    ParameterUnknown(String),
    #[error("Duplicate parameter: {0}")]
    ParameterTwice(String),
    #[error("Parameter sortField must be created_on, alias or msisdn")]
    SortField,
    #[error("Parameter sortDir must be ASC or DESC")]
    SortDir,
    #[error("Parameter offset must be a whole number, 0 or more")]
    Offset,
    #[error("Parameter limit must be a whole number from 1 to 1000")]
    Limit,
    #[error("Parameter aliasPrefix must be 1 to 128 characters")]
    AliasPrefix,
    #[error("Parameter search must be 1 to 128 characters")]
    Search,
    #[error("Parameter group must be the id of a group")]
    GroupFilter,
    #[error("Parameter meta.NAME may be given for at most 16 names")]
    MetaFilters,
    #[error("Parameter include must be meta")]
    Include,
    #[error("Parameter cursor does not belong to this list")]
    CursorUnknown,
    #[error("Parameter cursor cannot be combined with offset")]
    CursorWithOffset,

    #[error("Alias must be a string")]
    AliasNotString,
    #[error("Alias is required")]
    AliasMissing,
    #[error("Alias must be at most 128 characters")]
    AliasTooLong,
    #[error("Alias contains characters that are not allowed")]
    AliasCharacters,

    #[error("Msisdn must be a string")]
    MsisdnNotString,
    #[error("Msisdn is required")]
    MsisdnMissing,
    #[error("Msisdn must be a phone number in international format")]
    MsisdnFormat,

    #[error("Meta is not valid JSON")]
    MetaNotJson,
    #[error("Meta must be an object")]
    MetaNotObject,
    #[error("Meta must have at most 64 members")]
    MetaTooManyMembers,
    #[error("Meta must not have an empty name")]
    MetaNameEmpty,
    #[error("Meta names must be at most 64 characters")]
    MetaNameTooLong,
    #[error("Meta must not have the same name twice: {0}")]
    MetaNameTwice(String),
    #[error("Meta must be at most 8 levels deep")]
    MetaTooDeep,
    #[error("Meta must be at most 16384 bytes of compact JSON")]
    MetaTooLarge,
    #[error("Meta must not contain the character U+0000")]
    MetaNul,
    #[error("Meta must not contain a lone surrogate")]
    MetaLoneSurrogate,

    #[error("Name must be a string")]
    GroupNameNotString,
    #[error("Name is required")]
    GroupNameMissing,
    #[error("Name must be at most 128 characters")]
    GroupNameTooLong,
    #[error("Name contains characters that are not allowed")]
    GroupNameCharacters,

    #[error("Add must be an array of strings")]
    MembersToAdd,
    #[error("Remove must be an array of strings")]
    MembersToRemove,
    #[error("Add and remove must have 1 to 10000 aliases together")]
    MembersCount,

    #[error("Key name is required")]
    KeyNameMissing,
    #[error("Key name must be at most 128 characters")]
    KeyNameTooLong,
    #[error("Key name contains characters that are not allowed")]
    KeyNameCharacters,
    #[error("Key name must be a string")]
    KeyNameNotString,
    #[error("Permissions must be an array of strings")]
    PermissionsNotStrings,
    #[error("Expires_on must be a time such as 2025-11-10T20:15:12.000Z")]
    ExpiryNotTime,
    #[error("Expires_on must be in the future")]
    ExpiryPast,
    #[error("Allowed_ips must be an array of strings")]
    AddressRangesNotStrings,
    #[error("Allowed_ips must have at most 64 entries")]
    AddressRangesTooMany,
    #[error("Allowed_ips has an entry that is no address range: {0}")]
    AddressRange(String),
    #[error("Rate_limit must be a whole number from 1 to 1000000")]
    RateLimit,
    #[error("OverlapSeconds must be a whole number from 0 to 2592000")]
    Overlap,
    #[error("Parameter force must be true or false")]
    Force,
    #[error("Unknown permission: {0}")]
    PermissionUnknown(String),
    #[error("At least one permission is required")]
    PermissionsMissing,
}

impl Error {
    /// The field of a contact that is wrong, where it is one of them alone.
    pub fn field(&self) -> Option<&'static str> {
        match self {
            Self::Invalid(invalid) => invalid.field(),
            Self::AliasTaken => Some("alias"),
            _ => None,
        }
    }
}

impl Invalid {
    /// The field of a contact that is wrong, where it is one of them alone.
    pub fn field(&self) -> Option<&'static str> {
        match self {
            Self::AliasNotString
            | Self::AliasMissing
            | Self::AliasTooLong
            | Self::AliasCharacters => Some("alias"),
            Self::MsisdnNotString | Self::MsisdnMissing | Self::MsisdnFormat => Some("msisdn"),
            Self::MetaNotJson
            | Self::MetaNotObject
            | Self::MetaTooManyMembers
            | Self::MetaNameEmpty
            | Self::MetaNameTooLong
            | Self::MetaNameTwice(_)
            | Self::MetaTooDeep
            | Self::MetaTooLarge
            | Self::MetaNul
            | Self::MetaLoneSurrogate => Some("meta"),
            _ => None,
        }
    }
}
