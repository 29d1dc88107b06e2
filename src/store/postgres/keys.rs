//! Reads API keys: what decides over a request, and what operators see.

use tokio_postgres::Row;

use super::connection::Link;
use super::failure::Failure;
use super::transaction::{Counter, page, unsigned};
use super::{Database, Engine, Snapshot};
use crate::address::AddressRanges;
use crate::error::Error;
use crate::key::{ApiKey, Credential, Grant, KeyName, KeyTerms, Standing};
use crate::moment::Moment;
use crate::permission::PermissionSet;
use crate::token::{KeyId, SecretHash, Tag};

const CREDENTIAL: &str = "SELECT permissions, expires_on, revoked_on, allowed_ips,
        tag, hash, rate_limit,
        (SELECT last_used_on FROM key_uses WHERE key_uses.key_id = api_keys.id)
    FROM api_keys WHERE id = $1";
pub(super) const STANDING: &str = "SELECT permissions, expires_on, revoked_on, allowed_ips
    FROM api_keys WHERE id = $1";
pub(super) const STANDINGS: &str = "SELECT permissions, expires_on, revoked_on, allowed_ips, id
    FROM api_keys WHERE id = ANY($1)";
const FIND: &str = "SELECT id, name, permissions, expires_on, allowed_ips, rate_limit,
        created_on, last_used_on, revoked_on, replaced_by, created_by
    FROM api_keys LEFT JOIN key_uses ON key_uses.key_id = api_keys.id WHERE id = $1";
const LIST: &str = "SELECT id, name, permissions, expires_on, allowed_ips, rate_limit,
        created_on, last_used_on, revoked_on, replaced_by, created_by
    FROM api_keys LEFT JOIN key_uses ON key_uses.key_id = api_keys.id
    ORDER BY created_on, id LIMIT $1 OFFSET $2";
const NONE_EXISTS: &str = "SELECT NOT EXISTS (SELECT 1 FROM api_keys)";

impl Snapshot {
    pub(crate) async fn own_key(&self, grant: Grant) -> Result<ApiKey, Error> {
        let found = self
            .readers
            .read(async |link| find(link, grant.key()).await);
        found.await?.ok_or(Error::KeyInvalid)
    }

    pub(crate) async fn key(&self, _grant: Grant, id: KeyId) -> Result<ApiKey, Error> {
        let found = self.readers.read(async |link| find(link, id).await);
        found.await?.ok_or(Error::KeyNotFound)
    }
}

impl Engine {
    pub(crate) async fn confirm(&self, grant: Grant) -> Result<(), Error> {
        if let Some(session) = grant.session() {
            let found = self.session(session).await?.ok_or(Error::SessionEnded)?;
            return found.confirm(&grant, Moment::now());
        }
        let standing = self.readers.read(async |link| {
            let row = link.query_opt(STANDING, &[&grant.key().as_str()]).await?;
            Ok(row.as_ref().map(standing_of).transpose()?)
        });
        grant.confirm(standing.await?.as_ref(), Moment::now())
    }

    pub(crate) async fn keys(
        &self,
        grant: Grant,
        offset: u64,
        limit: u32,
    ) -> Result<(Vec<ApiKey>, u64), Error> {
        self.readers
            .list(grant.key(), async move |link| {
                Counter::ApiKeys
                    .page(link, LIST, (offset, limit), key_of)
                    .await
            })
            .await
    }
}

impl Database {
    pub(crate) fn has_no_key(&self) -> Result<bool, Error> {
        self.read(async |link| none_exists(link).await)
    }

    pub(crate) fn keys(&self) -> Result<Vec<ApiKey>, Error> {
        self.read(async |link| page(link, LIST, (0, i64::MAX), key_of).await)
    }

    pub(crate) fn key(&self, id: KeyId) -> Result<ApiKey, Error> {
        let found = self.read(async |link| find(link, id).await);
        found?.ok_or(Error::KeyNotFound)
    }
}

pub(super) async fn none_exists(link: &Link) -> Result<bool, Failure> {
    let row = link.query_one(NONE_EXISTS, &[]).await?;
    Ok(row.try_get(0)?)
}

/// What decides over a request of the key `id`.
pub(super) async fn credential(link: &Link, id: KeyId) -> Result<Option<Credential>, Failure> {
    let row = link.query_opt(CREDENTIAL, &[&id.as_str()]).await?;
    row.as_ref().map(|row| credential_of(row, id)).transpose()
}

/// Reads the columns of [`CREDENTIAL`].
pub(super) fn credential_of(row: &Row, id: KeyId) -> Result<Credential, Failure> {
    let tag: &[u8] = row.try_get(4)?;
    Ok(Credential {
        id,
        standing: standing_of(row)?,
        tag: Tag(tag.try_into().map_err(|_| Error::Internal)?),
        hash: SecretHash::from_phc(row.try_get(5)?),
        rate_limit: rate_limit(row, 6)?,
        last_used_on: moment(row, 7)?,
    })
}

/// Reads a column that has a key's id.
pub(super) fn id_of(row: &Row, column: usize) -> Result<KeyId, Failure> {
    let id = KeyId::parse(row.try_get(column)?);
    Ok(id.ok_or(Error::Internal)?)
}

/// The key `id` as operators see it.
pub(super) async fn find(link: &Link, id: KeyId) -> Result<Option<ApiKey>, Failure> {
    let row = link.query_opt(FIND, &[&id.as_str()]).await?;
    row.as_ref().map(key_of).transpose()
}

/// The same of a key that has to be there.
pub(super) async fn existing(link: &Link, id: KeyId) -> Result<ApiKey, Failure> {
    Ok(find(link, id).await?.ok_or(Error::KeyNotFound)?)
}

/// Reads the columns of [`LIST`] and [`FIND`].
fn key_of(row: &Row) -> Result<ApiKey, Failure> {
    let id = |text: &str| KeyId::parse(text).ok_or(Error::Internal);
    let id_or_null = |column: usize| -> Result<Option<KeyId>, Failure> {
        let text: Option<&str> = row.try_get(column)?;
        Ok(text.map(id).transpose()?)
    };
    Ok(ApiKey {
        id: id_of(row, 0)?,
        terms: KeyTerms {
            name: KeyName::from_stored(row.try_get(1)?),
            permissions: PermissionSet::from_stored(row.try_get(2)?),
            expires_on: moment(row, 3)?,
            allowed_ips: AddressRanges::from_stored(row.try_get(4)?),
            rate_limit: rate_limit(row, 5)?,
        },
        created_on: Moment::from_millis(row.try_get(6)?),
        last_used_on: moment(row, 7)?,
        revoked_on: moment(row, 8)?,
        replaced_by: id_or_null(9)?,
        created_by: id_or_null(10)?,
    })
}

/// Reads the first four columns of [`CREDENTIAL`], [`STANDING`] and [`STANDINGS`].
pub(super) fn standing_of(row: &Row) -> Result<Standing, tokio_postgres::Error> {
    Ok(Standing {
        permissions: PermissionSet::from_stored(row.try_get(0)?),
        expires_on: moment(row, 1)?,
        revoked_on: moment(row, 2)?,
        allowed_ips: AddressRanges::from_stored(row.try_get(3)?),
    })
}

fn moment(row: &Row, column: usize) -> Result<Option<Moment>, tokio_postgres::Error> {
    let millis: Option<i64> = row.try_get(column)?;
    Ok(millis.map(Moment::from_millis))
}

fn rate_limit(row: &Row, column: usize) -> Result<Option<u32>, tokio_postgres::Error> {
    let limit: Option<i64> = row.try_get(column)?;
    if limit.is_none() {
        return Ok(None);
    }
    Ok(u32::try_from(unsigned(row, column)?).ok())
}
