//! Remembers answers in the transaction of the write that they are about, so
//! that a write happens once, whatever happens to the answer. What the answers of
//! one key take is bounded.

use rusqlite::types::FromSqlError;
use rusqlite::{OptionalExtension, Params, params};

use super::failure::Failure;
use super::transaction::Transaction;
use crate::error::Error;
use crate::idempotency::{Once, StoredResponse};
use crate::moment::Moment;
use crate::store::remembered::{
    BYTES_MAX, FORGOTTEN_MAX, REMEMBERED_MS, ROW_BYTES, deflated, inflated,
};
use crate::token::KeyId;

const FIND: &str = "SELECT fingerprint, status, etag, body, is_deflated FROM idempotency
    WHERE key_id = ?1 AND name = ?2 AND created_on > ?3";
const INSERT: &str = "INSERT INTO idempotency
        (key_id, name, fingerprint, created_on, status, etag, body, is_deflated)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
/// What is forgotten says whose it was, and what it took beside [`ROW_BYTES`].
const FORGET_OLDEST: &str = "DELETE FROM idempotency WHERE (key_id, name) IN
        (SELECT key_id, name FROM idempotency WHERE created_on <= ?1 ORDER BY created_on LIMIT ?2)
    RETURNING key_id, 2 * length(name) + length(body)";
const FORGET_ONE: &str = "DELETE FROM idempotency WHERE key_id = ?1 AND name = ?2
    RETURNING key_id, 2 * length(name) + length(body)";
const BYTES: &str = "SELECT responses_bytes FROM api_keys WHERE id = ?1";
const COUNT: &str = "UPDATE api_keys SET responses_bytes = max(0, responses_bytes + ?2)
    WHERE id = ?1";

/// Does `work` and remembers what `render` makes of its result, or answers as
/// the first time. The second part says whether it is a replay.
///
/// A failure of the storage is not remembered: it undoes the write. Nor is
/// anything kept where there is no room for its answer.
pub(super) fn once<T>(
    transaction: &Transaction<'_>,
    key: KeyId,
    once: &Once,
    work: impl FnOnce(&Transaction<'_>) -> Result<T, Failure>,
    render: impl Fn(Result<T, Error>) -> StoredResponse,
) -> Result<(StoredResponse, bool), Failure> {
    let now = Moment::now().millis();
    if let Some((fingerprint, answer)) = find(transaction, key, once.name(), now - REMEMBERED_MS)? {
        if fingerprint != *once.fingerprint() {
            return Err(Error::IdempotencyMismatch.into());
        }
        return Ok((answer, true));
    }
    forget(transaction)?;
    // One of this name whose time is over, but not its turn.
    forget_by(transaction, FORGET_ONE, params![key.as_str(), once.name()])?;
    let room = BYTES_MAX.saturating_sub(bytes(transaction, key)?);
    let work_and_render = || {
        let answer = match work(transaction) {
            Ok(result) => render(Ok(result)),
            Err(Failure::Refused(error)) => render(Err(error)),
            Err(Failure::Storage(error)) => return Err(Failure::Storage(error)),
        };
        let deflated = deflated(&answer.body)?;
        let body_bytes = deflated.as_ref().unwrap_or(&answer.body).len();
        let bytes = ROW_BYTES + 2 * once.name().len() as u64 + body_bytes as u64;
        Ok((answer, deflated, bytes))
    };
    let (answer, deflated, bytes) =
        transaction.within_savepoint(work_and_render, |&(_, _, bytes)| bytes <= room)?;
    if bytes > room {
        return Err(Error::ResponsesFull.into());
    }
    transaction.prepare_cached(INSERT)?.execute(params![
        key.as_str(),
        once.name(),
        once.fingerprint(),
        now,
        answer.status,
        answer.etag,
        deflated.as_ref().unwrap_or(&answer.body),
        deflated.is_some(),
    ])?;
    count(transaction, key.as_str(), signed(bytes))?;
    Ok((answer, false))
}

/// Forgets some of the answers whose time is over.
pub(super) fn forget(transaction: &Transaction<'_>) -> Result<(), rusqlite::Error> {
    let over = Moment::now().millis() - REMEMBERED_MS;
    forget_by(transaction, FORGET_OLDEST, params![over, FORGOTTEN_MAX])
}

/// Forgets answers by one of the statements that tell what they took.
fn forget_by(
    transaction: &Transaction<'_>,
    statement: &str,
    values: impl Params,
) -> Result<(), rusqlite::Error> {
    let mut statement = transaction.prepare_cached(statement)?;
    let mut forgotten = statement.query(values)?;
    while let Some(row) = forgotten.next()? {
        let bytes = ROW_BYTES + row.get::<_, u64>(1)?;
        count(transaction, row.get_ref(0)?.as_str()?, -signed(bytes))?;
    }
    Ok(())
}

/// Counts what the answers of a key take.
fn count(transaction: &Transaction<'_>, key: &str, bytes: i64) -> Result<(), rusqlite::Error> {
    transaction
        .prepare_cached(COUNT)?
        .execute(params![key, bytes])?;
    Ok(())
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// What the answers of a key take.
fn bytes(transaction: &Transaction<'_>, key: KeyId) -> Result<u64, rusqlite::Error> {
    transaction
        .prepare_cached(BYTES)?
        .query_row([key.as_str()], |row| row.get(0))
}

fn find(
    transaction: &Transaction<'_>,
    key: KeyId,
    name: &str,
    not_before: i64,
) -> Result<Option<([u8; 32], StoredResponse)>, rusqlite::Error> {
    transaction
        .prepare_cached(FIND)?
        .query_row(params![key.as_str(), name, not_before], |row| {
            let (body, is_deflated): (Vec<u8>, bool) = (row.get(3)?, row.get(4)?);
            let answer = StoredResponse {
                status: row.get(1)?,
                etag: row.get(2)?,
                body: if is_deflated {
                    inflated(&body).map_err(FromSqlError::other)?
                } else {
                    body
                },
            };
            Ok((row.get(0)?, answer))
        })
        .optional()
}
