//! Remembers answers in the transaction of the write that they are about, so
//! that a write happens once, whatever happens to the answer.

use rusqlite::{OptionalExtension, params};

use super::failure::Failure;
use super::transaction::Transaction;
use crate::error::Error;
use crate::idempotency::{Once, StoredResponse};
use crate::moment::Moment;
use crate::token::KeyId;

const FIND: &str = "SELECT fingerprint, status, etag, body FROM idempotency
    WHERE key_id = ?1 AND name = ?2 AND created_on > ?3";
const INSERT: &str = "INSERT OR REPLACE INTO idempotency
        (key_id, name, fingerprint, created_on, status, etag, body)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
const FORGET: &str = "DELETE FROM idempotency WHERE (key_id, name) IN
    (SELECT key_id, name FROM idempotency WHERE created_on <= ?1 ORDER BY created_on LIMIT ?2)";
/// How long an answer is remembered: 24 hours.
const REMEMBERED_MS: i64 = 24 * 60 * 60 * 1000;
/// Answers forgotten at once; more than one for each that is remembered.
const FORGOTTEN_MAX: usize = 100;

/// Does `work` and remembers what `render` makes of its result, or answers as
/// the first time. The second part says whether it is a replay.
///
/// A failure of the storage is not remembered: it undoes the write.
pub(super) fn once<T>(
    transaction: &Transaction<'_>,
    key: KeyId,
    once: &Once,
    work: impl FnOnce(&Transaction<'_>) -> Result<T, Failure>,
    render: impl FnOnce(Result<T, Error>) -> StoredResponse,
) -> Result<(StoredResponse, bool), Failure> {
    let now = Moment::now().millis();
    if let Some((fingerprint, answer)) = find(transaction, key, once.name(), now - REMEMBERED_MS)? {
        if fingerprint != *once.fingerprint() {
            return Err(Error::IdempotencyMismatch.into());
        }
        return Ok((answer, true));
    }
    let answer = match work(transaction) {
        Ok(result) => render(Ok(result)),
        Err(Failure::Refused(error)) => render(Err(error)),
        Err(Failure::Storage(error)) => return Err(Failure::Storage(error)),
    };
    forget(transaction)?;
    transaction.prepare_cached(INSERT)?.execute(params![
        key.as_str(),
        once.name(),
        once.fingerprint(),
        now,
        answer.status,
        answer.etag,
        answer.body,
    ])?;
    Ok((answer, false))
}

/// Forgets some of the answers whose time is over.
pub(super) fn forget(transaction: &Transaction<'_>) -> Result<(), rusqlite::Error> {
    let over = Moment::now().millis() - REMEMBERED_MS;
    let values = params![over, FORGOTTEN_MAX];
    transaction.prepare_cached(FORGET)?.execute(values)?;
    Ok(())
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
            let answer = StoredResponse {
                status: row.get(1)?,
                etag: row.get(2)?,
                body: row.get(3)?,
            };
            Ok((row.get(0)?, answer))
        })
        .optional()
}
