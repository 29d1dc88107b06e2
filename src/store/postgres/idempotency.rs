//! Remembers answers in the transaction of the write that they are about, so
//! that a write happens once, whatever happens to the answer. What the answers of
//! one key take is bounded.

use super::connection::Values;
use super::failure::Failure;
use super::transaction::{Transaction, unsigned};
use crate::error::Error;
use crate::idempotency::{Once, StoredResponse};
use crate::moment::Moment;
use crate::store::remembered::{
    BYTES_MAX, FORGOTTEN_MAX, REMEMBERED_MS, ROW_BYTES, deflated, inflated,
};
use crate::token::KeyId;

/// Whoever comes second under one name waits here for the first, on whichever server.
const LOCK: &str = "SELECT pg_advisory_xact_lock(
    hashtextextended('addressbook once ' || current_schema() || ' ' || $1 || ' ' || $2, 0))";
const FIND: &str = "SELECT fingerprint, status, etag, body, is_deflated FROM idempotency
    WHERE key_id = $1 AND name = $2 AND created_on > $3";
const INSERT: &str = "INSERT INTO idempotency
        (key_id, name, fingerprint, created_on, status, etag, body, is_deflated)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
/// What is forgotten says whose it was, and what it took beside [`ROW_BYTES`]. Two that
/// forget at once forget different ones.
const FORGET_OLDEST: &str = "DELETE FROM idempotency WHERE (key_id, name) IN
        (SELECT key_id, name FROM idempotency WHERE created_on <= $1
            ORDER BY created_on LIMIT $2 FOR UPDATE SKIP LOCKED)
    RETURNING key_id, (2 * octet_length(name) + octet_length(body))::bigint";
const FORGET_ONE: &str = "DELETE FROM idempotency WHERE key_id = $1 AND name = $2
    RETURNING key_id, (2 * octet_length(name) + octet_length(body))::bigint";
const BYTES: &str = "SELECT coalesce(sum(bytes), 0)::bigint FROM response_counts WHERE key_id = $1";

/// What makes an answer of a result; once more where its transaction met another one.
pub(super) type Rendering<T> = Box<dyn Fn(Result<T, Error>) -> StoredResponse + Send>;

/// Does `work` and remembers what `render` makes of its result, or answers as
/// the first time. The second part says whether it is a replay.
///
/// A failure of the storage is not remembered: it undoes the write. Nor is
/// anything kept where there is no room for its answer.
pub(super) async fn once<T>(
    transaction: &Transaction<'_>,
    key: KeyId,
    once: &Once,
    work: impl AsyncFnOnce() -> Result<T, Failure>,
    render: &Rendering<T>,
) -> Result<(StoredResponse, bool), Failure> {
    transaction
        .query(LOCK, &[&key.as_str(), &once.name()])
        .await?;
    let now = Moment::now().millis();
    let found = find(transaction, key, once.name(), now - REMEMBERED_MS).await?;
    if let Some((fingerprint, answer)) = found {
        if fingerprint != *once.fingerprint() {
            return Err(Error::IdempotencyMismatch.into());
        }
        return Ok((answer, true));
    }
    forget(transaction).await?;
    // One of this name whose time is over, but not its turn.
    forget_by(transaction, FORGET_ONE, &[&key.as_str(), &once.name()]).await?;
    let counted = transaction.query_one(BYTES, &[&key.as_str()]).await?;
    let room = BYTES_MAX.saturating_sub(unsigned(&counted, 0)?);
    let work_and_render = async {
        let answer = match work().await {
            Ok(result) => render(Ok(result)),
            Err(Failure::Refused(error)) => render(Err(error)),
            Err(failure) => return Err(failure),
        };
        let deflated = deflated(&answer.body)?;
        let body_bytes = deflated.as_ref().unwrap_or(&answer.body).len();
        let bytes = ROW_BYTES + 2 * once.name().len() as u64 + body_bytes as u64;
        Ok((answer, deflated, bytes))
    };
    let (answer, deflated, bytes) = transaction
        .within_savepoint(work_and_render, |&(_, _, bytes)| bytes <= room)
        .await?;
    if bytes > room {
        return Err(Error::ResponsesFull.into());
    }
    let values: &Values<'_> = &[
        &key.as_str(),
        &once.name(),
        &once.fingerprint().as_slice(),
        &now,
        &i16::try_from(answer.status).map_err(|_| Error::Internal)?,
        &answer.etag,
        deflated.as_ref().unwrap_or(&answer.body),
        &deflated.is_some(),
    ];
    transaction.execute(INSERT, values).await?;
    transaction.count_responses(key, signed(bytes));
    Ok((answer, false))
}

/// Forgets some of the answers whose time is over.
pub(super) async fn forget(transaction: &Transaction<'_>) -> Result<(), Failure> {
    let over = Moment::now().millis() - REMEMBERED_MS;
    forget_by(transaction, FORGET_OLDEST, &[&over, &FORGOTTEN_MAX]).await
}

/// Forgets answers by one of the statements that tell what they took.
async fn forget_by(
    transaction: &Transaction<'_>,
    statement: &str,
    values: &Values<'_>,
) -> Result<(), Failure> {
    for row in transaction.query(statement, values).await? {
        let bytes = ROW_BYTES + unsigned(&row, 1)?;
        if let Some(key) = KeyId::parse(row.try_get(0)?) {
            transaction.count_responses(key, -signed(bytes));
        }
    }
    Ok(())
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

async fn find(
    transaction: &Transaction<'_>,
    key: KeyId,
    name: &str,
    not_before: i64,
) -> Result<Option<([u8; 32], StoredResponse)>, Failure> {
    let values: &Values<'_> = &[&key.as_str(), &name, &not_before];
    let Some(row) = transaction.query_opt(FIND, values).await? else {
        return Ok(None);
    };
    let (fingerprint, status): (&[u8], i16) = (row.try_get(0)?, row.try_get(1)?);
    let (body, is_deflated): (Vec<u8>, bool) = (row.try_get(3)?, row.try_get(4)?);
    let answer = StoredResponse {
        status: u16::try_from(status).map_err(|_| Error::Internal)?,
        etag: row.try_get(2)?,
        body: if is_deflated {
            inflated(&body).map_err(|_| Error::Internal)?
        } else {
            body
        },
    };
    let fingerprint = fingerprint.try_into().map_err(|_| Error::Internal)?;
    Ok(Some((fingerprint, answer)))
}
