//! Reads API keys: what decides over a request, and what operators see.

use rusqlite::types::FromSqlError;
use rusqlite::{Connection, OptionalExtension, Row};

use super::transaction::{Counter, page};
use super::{Database, Engine, Snapshot};
use crate::address::AddressRanges;
use crate::error::Error;
use crate::key::{ApiKey, Credential, Grant, KeyName, KeyTerms, Standing};
use crate::moment::Moment;
use crate::permission::PermissionSet;
use crate::token::{KeyId, SecretHash, Tag};

const CREDENTIAL: &str = "SELECT permissions, expires_on, revoked_on, allowed_ips,
        tag, hash, rate_limit, last_used_on
    FROM api_keys WHERE id = ?1";
const STANDING: &str = "SELECT permissions, expires_on, revoked_on, allowed_ips
    FROM api_keys WHERE id = ?1";
const FIND: &str = "SELECT id, name, permissions, expires_on, allowed_ips, rate_limit,
        created_on, last_used_on, revoked_on, replaced_by, created_by
    FROM api_keys WHERE id = ?1";
const LIST: &str = "SELECT id, name, permissions, expires_on, allowed_ips, rate_limit,
        created_on, last_used_on, revoked_on, replaced_by, created_by
    FROM api_keys ORDER BY created_on, id LIMIT ?1 OFFSET ?2";
const NONE_EXISTS: &str = "SELECT NOT EXISTS (SELECT 1 FROM api_keys)";
/// SQLite's way to say: all of them.
const NO_LIMIT: i64 = -1;

impl Snapshot {
    pub(crate) async fn credential(&self, id: KeyId) -> Result<Option<Credential>, Error> {
        self.read(|connection| credential(connection, id))
    }

    pub(crate) async fn own_key(&self, grant: Grant) -> Result<ApiKey, Error> {
        self.read(|connection| find(connection, grant.key()))?
            .ok_or(Error::KeyInvalid)
    }

    pub(crate) async fn key(&self, _grant: Grant, id: KeyId) -> Result<ApiKey, Error> {
        self.read(|connection| find(connection, id))?
            .ok_or(Error::KeyNotFound)
    }
}

impl Engine {
    pub(crate) async fn credential(&self, id: KeyId) -> Result<Option<Credential>, Error> {
        self.readers.read(|connection| credential(connection, id))
    }

    pub(crate) async fn keys(
        &self,
        grant: Grant,
        offset: u64,
        limit: u32,
    ) -> Result<(Vec<ApiKey>, u64), Error> {
        self.readers
            .list(grant.key(), move |connection| {
                Counter::ApiKeys.page(connection, LIST, (offset, limit), key_of)
            })
            .await
    }
}

impl Database {
    pub(crate) fn has_no_key(&self) -> Result<bool, Error> {
        self.read(none_exists)
    }

    pub(crate) fn keys(&self) -> Result<Vec<ApiKey>, Error> {
        self.read(|connection| page(connection, LIST, (0, NO_LIMIT), key_of))
    }

    pub(crate) fn key(&self, id: KeyId) -> Result<ApiKey, Error> {
        self.read(|connection| find(connection, id))?
            .ok_or(Error::KeyNotFound)
    }
}

pub(super) fn none_exists(connection: &Connection) -> Result<bool, rusqlite::Error> {
    connection.query_row(NONE_EXISTS, [], |row| row.get(0))
}

/// What decides over a request of the key `id`.
pub(super) fn credential(
    connection: &Connection,
    id: KeyId,
) -> Result<Option<Credential>, rusqlite::Error> {
    connection
        .prepare_cached(CREDENTIAL)?
        .query_row([id.as_str()], |row| credential_of(row, id))
        .optional()
}

/// Reads the columns of [`CREDENTIAL`].
pub(super) fn credential_of(row: &Row<'_>, id: KeyId) -> Result<Credential, rusqlite::Error> {
    Ok(Credential {
        id,
        standing: standing_of(row)?,
        tag: Tag(row.get(4)?),
        hash: SecretHash::from_phc(row.get(5)?),
        rate_limit: row.get(6)?,
        last_used_on: moment(row, 7)?,
    })
}

/// Reads a column that has a key's id.
pub(super) fn id_of(row: &Row<'_>, column: usize) -> Result<KeyId, rusqlite::Error> {
    let id = KeyId::parse(row.get_ref(column)?.as_str()?);
    Ok(id.ok_or(FromSqlError::InvalidType)?)
}

/// How the key `id` stands now.
pub(super) fn standing(
    transaction: &Connection,
    id: KeyId,
) -> Result<Option<Standing>, rusqlite::Error> {
    transaction
        .prepare_cached(STANDING)?
        .query_row([id.as_str()], standing_of)
        .optional()
}

/// The key `id` as operators see it.
pub(super) fn find(connection: &Connection, id: KeyId) -> Result<Option<ApiKey>, rusqlite::Error> {
    connection
        .prepare_cached(FIND)?
        .query_row([id.as_str()], key_of)
        .optional()
}

/// Reads the columns of [`LIST`] and [`FIND`].
fn key_of(row: &Row<'_>) -> Result<ApiKey, rusqlite::Error> {
    let id = |text: &str| KeyId::parse(text).ok_or(FromSqlError::InvalidType);
    let id_or_null = |column| -> Result<Option<KeyId>, rusqlite::Error> {
        let text = row.get_ref(column)?.as_str_or_null()?;
        Ok(text.map(id).transpose()?)
    };
    Ok(ApiKey {
        id: id_of(row, 0)?,
        terms: KeyTerms {
            name: KeyName::from_stored(row.get(1)?),
            permissions: PermissionSet::from_stored(row.get_ref(2)?.as_str()?),
            expires_on: moment(row, 3)?,
            allowed_ips: AddressRanges::from_stored(row.get_ref(4)?.as_str()?),
            rate_limit: row.get(5)?,
        },
        created_on: Moment::from_millis(row.get(6)?),
        last_used_on: moment(row, 7)?,
        revoked_on: moment(row, 8)?,
        replaced_by: id_or_null(9)?,
        created_by: id_or_null(10)?,
    })
}

/// Reads the first four columns of [`CREDENTIAL`] and [`STANDING`].
fn standing_of(row: &Row<'_>) -> Result<Standing, rusqlite::Error> {
    Ok(Standing {
        permissions: PermissionSet::from_stored(row.get_ref(0)?.as_str()?),
        expires_on: moment(row, 1)?,
        revoked_on: moment(row, 2)?,
        allowed_ips: AddressRanges::from_stored(row.get_ref(3)?.as_str()?),
    })
}

fn moment(row: &Row<'_>, column: usize) -> Result<Option<Moment>, rusqlite::Error> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Moment::from_millis))
}
