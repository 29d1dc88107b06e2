//! What the store does with API keys: for the command line, each operation one
//! transaction of a [`Database`]; for a server, what decides over a request.

use rusqlite::types::FromSqlError;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::Database;
use crate::error::Error;
use crate::key::{ApiKey, Credential, KeyName, NewKey, Standing};
use crate::moment::Moment;
use crate::permission::PermissionSet;
use crate::token::{KeyId, SecretHash, Tag, Token};

const INSERT: &str =
    "INSERT INTO api_keys (id, name, hash, tag, permissions, created_on, expires_on)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
const CREDENTIAL: &str = "SELECT permissions, expires_on, revoked_on, tag, hash
    FROM api_keys WHERE id = ?1";
const STANDING: &str = "SELECT permissions, expires_on, revoked_on
    FROM api_keys WHERE id = ?1";
const LIST: &str = "SELECT id, name, permissions, created_on, expires_on, revoked_on
    FROM api_keys ORDER BY created_on, id";
const FIND: &str = "SELECT id, name, permissions, created_on, expires_on, revoked_on
    FROM api_keys WHERE id = ?1";
const REVOKE: &str = "UPDATE api_keys SET revoked_on = ?2 WHERE id = ?1 AND revoked_on IS NULL";
const EXISTS: &str = "SELECT EXISTS (SELECT 1 FROM api_keys WHERE id = ?1)";
const NONE_EXISTS: &str = "SELECT NOT EXISTS (SELECT 1 FROM api_keys)";

impl Database {
    /// Stores a key for `token`, whose secret hashes to `hash`.
    ///
    /// # Errors
    /// Those of every transaction: `Busy`, `StorageFailed`, `StorageFull`,
    /// `OutcomeUnknown`, `Internal`.
    pub fn create_key(
        &mut self,
        token: &Token,
        hash: &SecretHash,
        key: &NewKey,
    ) -> Result<(), Error> {
        self.transaction(|transaction| Ok(insert(transaction, token, hash, key)?))
    }

    /// The same, but only while there is no key at all; whether it was stored.
    ///
    /// # Errors
    /// Those of every transaction.
    pub fn create_first_key(
        &mut self,
        token: &Token,
        hash: &SecretHash,
        key: &NewKey,
    ) -> Result<bool, Error> {
        self.transaction(|transaction| {
            let first = transaction.query_row(NONE_EXISTS, [], |row| row.get(0))?;
            if first {
                insert(transaction, token, hash, key)?;
            }
            Ok(first)
        })
    }

    /// Whether there is no key at all, not even a revoked one.
    ///
    /// # Errors
    /// `StorageUnreadable`.
    pub fn has_no_key(&self) -> Result<bool, Error> {
        self.read(|connection| connection.query_row(NONE_EXISTS, [], |row| row.get(0)))
    }

    /// Every key, the oldest first.
    ///
    /// # Errors
    /// `StorageUnreadable`.
    pub fn keys(&self) -> Result<Vec<ApiKey>, Error> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(LIST)?;
            let keys = statement.query_map([], key_of)?;
            keys.collect()
        })
    }

    /// Revokes the key `id`; whether there is such a key. A key that is revoked
    /// already keeps the moment of it.
    ///
    /// # Errors
    /// Those of every transaction.
    pub fn revoke_key(&mut self, id: KeyId) -> Result<bool, Error> {
        let now = Moment::now();
        self.transaction(|transaction| {
            transaction.execute(REVOKE, params![id.as_str(), now.millis()])?;
            Ok(transaction.query_row(EXISTS, [id.as_str()], |row| row.get(0))?)
        })
    }
}

fn insert(
    transaction: &Connection,
    token: &Token,
    hash: &SecretHash,
    key: &NewKey,
) -> Result<(), rusqlite::Error> {
    transaction.prepare_cached(INSERT)?.execute(params![
        token.id().as_str(),
        key.name.as_str(),
        hash.as_phc(),
        token.fingerprint().tag().0,
        key.permissions.to_string(),
        Moment::now().millis(),
        key.expires_on.map(Moment::millis),
    ])?;
    Ok(())
}

/// What decides over a request of the key `id`.
pub(super) fn credential(
    connection: &Connection,
    id: KeyId,
) -> Result<Option<Credential>, rusqlite::Error> {
    connection
        .prepare_cached(CREDENTIAL)?
        .query_row([id.as_str()], |row| {
            Ok(Credential {
                id,
                standing: standing_of(row)?,
                tag: Tag(row.get(3)?),
                hash: SecretHash::from_phc(row.get(4)?),
            })
        })
        .optional()
}

/// The key `id` as operators see it.
pub(super) fn find(connection: &Connection, id: KeyId) -> Result<Option<ApiKey>, rusqlite::Error> {
    connection
        .prepare_cached(FIND)?
        .query_row([id.as_str()], key_of)
        .optional()
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

/// Reads the columns of [`LIST`] and [`FIND`].
fn key_of(row: &Row<'_>) -> Result<ApiKey, rusqlite::Error> {
    let id = row.get_ref(0)?.as_str()?;
    Ok(ApiKey {
        id: KeyId::parse(id).ok_or(FromSqlError::InvalidType)?,
        name: KeyName::from_stored(row.get(1)?),
        permissions: PermissionSet::from_stored(row.get_ref(2)?.as_str()?),
        created_on: Moment::from_millis(row.get(3)?),
        expires_on: row.get::<_, Option<i64>>(4)?.map(Moment::from_millis),
        revoked_on: row.get::<_, Option<i64>>(5)?.map(Moment::from_millis),
    })
}

/// Reads the first three columns of [`CREDENTIAL`] and [`STANDING`].
fn standing_of(row: &Row<'_>) -> Result<Standing, rusqlite::Error> {
    Ok(Standing {
        permissions: PermissionSet::from_stored(row.get_ref(0)?.as_str()?),
        expires_on: row.get::<_, Option<i64>>(1)?.map(Moment::from_millis),
        revoked_on: row.get::<_, Option<i64>>(2)?.map(Moment::from_millis),
    })
}
