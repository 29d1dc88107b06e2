//! What can be wrong with something that was sent: one variant, one message.

use crate::json::Place;

/// What is wrong with something that was sent: one variant, one message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each message says what its variant means")]
pub enum Invalid {
    #[error("Request body is not valid JSON: {0}")]
    BodyNotJson(Place),
    #[error("Request body could not be read")]
    BodyUnreadable,
    #[error("Request body must be a JSON object")]
    BodyNotObject,
    #[error("Field names must not contain a lone surrogate")]
    FieldNotText,
    #[error("Unknown field: {0}")]
    FieldUnknown(String),
    #[error("Duplicate field: {0}")]
    FieldTwice(String),

    #[error("Idempotency-Key must be 1 to 255 visible ASCII characters, once")]
    IdempotencyKey,

    #[error("Mode must be create, upsert or merge")]
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

    #[error("One of ids, aliases and filter is required, and no more")]
    DeleteOneOf,
    #[error("Ids must be an array of 1 to 10000 strings")]
    DeleteIds,
    #[error("Aliases must be an array of 1 to 10000 strings")]
    DeleteAliases,
    #[error("Filter must be an object of one or more strings")]
    DeleteFilter,
    #[error("Expect must be a whole number from 0 to 100000")]
    DeleteExpect,
    #[error("Expect goes with filter alone")]
    DeleteExpectAlone,

    #[error("Line {0}: {1}")]
    FileLine(u64, Box<Invalid>),
    #[error("The file has no rows")]
    FileNoRows,
    #[error(
        "The first line must name the columns alias and msisdn, missing: {missing}, found: {found}"
    )]
    ColumnsMissing {
        missing: &'static str,
        found: String,
    },
    #[error("Column {0} is nearly {1}, name it so or otherwise")]
    ColumnNearly(usize, &'static str),
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

    #[error("Parameter mode must be create, upsert or merge")]
    ImportMode,
    #[error("Parameter dryRun must be true or false")]
    ImportDryRun,
    #[error("Parameter encoding must be utf-8 or windows-1252")]
    ImportEncoding,
    #[error("Parameter bom must be true or false")]
    ExportBom,
    #[error("Parameter bom is for CSV alone")]
    ExportBomOfJson,

    #[error("Recipients must be an array of 1 to 10000 strings")]
    Recipients,
    #[error("Text must be a string of 1 to 4096 characters")]
    Text,
    #[error("OnMissing must be keep, empty or skip")]
    OnMissing,
    #[error("The answer would be larger than 33554432 bytes, send fewer recipients at once")]
    AnswerTooLarge,

    #[error("Code is required")]
    CodeMissing,

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
    #[error("Parameter optedOut must be true or false")]
    OptedOutFilter,
    #[error("Parameter meta.NAME may be given for at most 16 names")]
    MetaFilters,
    #[error("Parameter meta.NAME must be at most 1024 characters")]
    MetaFilterValue,
    #[error("There must be at most 64 parameters")]
    ParametersTooMany,
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

    #[error("Msisdns must be an array of 1 to 10000 strings")]
    Msisdns,

    #[error("Msisdn must be a string")]
    MsisdnNotString,
    #[error("Msisdn is required")]
    MsisdnMissing,
    #[error("Msisdn must be a phone number in international format")]
    MsisdnFormat,
    #[error("Msisdn must be a phone number in international format: U+{0:04X} at character {1}")]
    MsisdnCharacter(u32, usize),
    #[error("Msisdn must not have a decimal part")]
    MsisdnDecimal,
    #[error("Msisdn must be one number")]
    MsisdnSeveral,
    #[error("Msisdn must not have a 0 behind the country code")]
    MsisdnTrunkZero,
    #[error("Msisdn was rounded by a spreadsheet")]
    MsisdnRounded,

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

impl Invalid {
    /// Its message without what was sent, by which many of one kind are counted.
    pub fn kind(&self) -> String {
        match self {
            Self::RowRagged { .. } => "Row must have as many cells as the first line".to_owned(),
            Self::ColumnNameless(_) => "Column has no name".to_owned(),
            other => {
                let message = other.to_string();
                message.split(": ").next().unwrap_or_default().to_owned()
            }
        }
    }

    /// The field of a contact that is wrong, where it is one of them alone.
    pub fn field(&self) -> Option<&'static str> {
        match self {
            Self::AliasNotString
            | Self::AliasMissing
            | Self::AliasTooLong
            | Self::AliasCharacters => Some("alias"),
            Self::MsisdnNotString
            | Self::MsisdnMissing
            | Self::MsisdnFormat
            | Self::MsisdnCharacter(..)
            | Self::MsisdnDecimal
            | Self::MsisdnSeveral
            | Self::MsisdnTrunkZero
            | Self::MsisdnRounded => Some("msisdn"),
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
            Self::BodyNotJson(..)
            | Self::FieldNotText
            | Self::BodyUnreadable
            | Self::BodyNotObject
            | Self::FieldUnknown(..)
            | Self::FieldTwice(..)
            | Self::IdempotencyKey
            | Self::BulkMode
            | Self::BulkAtomic
            | Self::BulkDryRun
            | Self::BulkContacts
            | Self::ContactNotObject
            | Self::AliasOfAnother(..)
            | Self::BulkRefused(..)
            | Self::DeleteOneOf
            | Self::DeleteIds
            | Self::DeleteAliases
            | Self::DeleteFilter
            | Self::DeleteExpect
            | Self::DeleteExpectAlone
            | Self::FileLine(..)
            | Self::FileNoRows
            | Self::ColumnsMissing { .. }
            | Self::ColumnNearly(..)
            | Self::ColumnNameless(..)
            | Self::ColumnTwice(..)
            | Self::ColumnsTooMany
            | Self::ColumnName(..)
            | Self::FileNotText
            | Self::RowNotText
            | Self::RowNotJson
            | Self::RowRagged { .. }
            | Self::RowTooLarge
            | Self::QuoteOpen
            | Self::ImportMode
            | Self::ImportDryRun
            | Self::ImportEncoding
            | Self::ExportBom
            | Self::ExportBomOfJson
            | Self::Recipients
            | Self::Msisdns
            | Self::Text
            | Self::OnMissing
            | Self::AnswerTooLarge
            | Self::CodeMissing
            | Self::NothingToUpdate
            | Self::AliasNotOfPath
            | Self::QueryNotText
            | Self::ParameterUnknown(..)
            | Self::ParameterTwice(..)
            | Self::SortField
            | Self::SortDir
            | Self::Offset
            | Self::Limit
            | Self::AliasPrefix
            | Self::Search
            | Self::GroupFilter
            | Self::OptedOutFilter
            | Self::MetaFilters
            | Self::MetaFilterValue
            | Self::ParametersTooMany
            | Self::Include
            | Self::CursorUnknown
            | Self::CursorWithOffset
            | Self::GroupNameNotString
            | Self::GroupNameMissing
            | Self::GroupNameTooLong
            | Self::GroupNameCharacters
            | Self::MembersToAdd
            | Self::MembersToRemove
            | Self::MembersCount
            | Self::KeyNameMissing
            | Self::KeyNameTooLong
            | Self::KeyNameCharacters
            | Self::KeyNameNotString
            | Self::PermissionsNotStrings
            | Self::ExpiryNotTime
            | Self::ExpiryPast
            | Self::AddressRangesNotStrings
            | Self::AddressRangesTooMany
            | Self::AddressRange(..)
            | Self::RateLimit
            | Self::Overlap
            | Self::Force
            | Self::PermissionUnknown(..)
            | Self::PermissionsMissing => None,
        }
    }
}
