//! What the store does with the audit.

use serde_json::value::RawValue;
use tokio_postgres::Row;

use super::Engine;
use super::connection::Values;
use super::failure::Failure;
use super::transaction::{Counter, Transaction, unsigned};
use crate::error::Error;
use crate::event::{Action, Event, NewEvent};
use crate::key::Grant;
use crate::moment::Moment;
use crate::token::KeyId;

/// Until the commit, so that the order of ids is the order of commits.
const LOCK: &str = "SELECT pg_advisory_xact_lock(
    hashtextextended('addressbook audit ' || current_schema(), 0))";
const INSERT: &str = "INSERT INTO audit
        (created_on, action, actor, target, permission, address, changes)
    VALUES ($1, $2, $3, $4, $5, $6, $7)";
/// The oldest refusals beyond the newest ones that are kept.
const FORGET_REFUSALS: &str = "DELETE FROM audit WHERE permission IS NOT NULL AND id <=
    (SELECT id FROM audit WHERE permission IS NOT NULL ORDER BY id DESC LIMIT 1 OFFSET $1)";
/// The same of opened sessions.
const FORGET_SESSIONS: &str = "DELETE FROM audit WHERE action = 'session.opened' AND id <=
    (SELECT id FROM audit WHERE action = 'session.opened' ORDER BY id DESC LIMIT 1 OFFSET $1)";
const LIST: &str = "SELECT id, created_on, action, actor, target, permission, address, changes
    FROM audit
    ORDER BY id DESC LIMIT $1 OFFSET $2";
/// Refused permissions that are kept.
const REFUSALS_MAX: i64 = 10_000;
/// Opened sessions that are kept.
const SESSIONS_MAX: i64 = 10_000;

impl Engine {
    pub(crate) async fn record_event(&self, grant: Grant, event: NewEvent) -> Result<(), Error> {
        let recorded = self.writer.submit(grant, async move |transaction| {
            insert(transaction, &event).await
        });
        recorded.await
    }

    pub(crate) async fn events(
        &self,
        grant: Grant,
        offset: u64,
        limit: u32,
    ) -> Result<(Vec<Event>, u64), Error> {
        self.readers
            .list(grant.key(), async move |link| {
                Counter::Audit
                    .page(link, LIST, (offset, limit), event)
                    .await
            })
            .await
    }
}

/// Writes an event down.
pub(super) async fn insert(transaction: &Transaction<'_>, event: &NewEvent) -> Result<(), Failure> {
    let values: &Values<'_> = &[
        &Moment::now().millis(),
        &event.action.as_str(),
        &event.actor.as_ref().map(KeyId::as_str),
        &event.target.as_ref().map(KeyId::as_str),
        &event.permission.map(|one| one.as_str()),
        &event.address.map(|address| address.to_string()),
        &event.changes.as_ref().map(|changes| changes.as_str()),
    ];
    transaction.query(LOCK, &[]).await?;
    transaction.execute(INSERT, values).await?;
    transaction.count(Counter::Audit, 1);
    match event.action {
        Action::PermissionRefused => forget(transaction, FORGET_REFUSALS, REFUSALS_MAX).await,
        Action::SessionOpened => forget(transaction, FORGET_SESSIONS, SESSIONS_MAX).await,
        // Changes of keys are kept for ever.
        Action::KeyCreated | Action::KeyUpdated | Action::KeyRotated | Action::KeyRevoked => Ok(()),
    }
}

/// Forgets the oldest events of a kind, by a statement that takes how many are kept.
async fn forget(transaction: &Transaction<'_>, statement: &str, kept: i64) -> Result<(), Failure> {
    let forgotten = transaction.execute(statement, &[&kept]).await?;
    transaction.count(Counter::Audit, -i64::try_from(forgotten).unwrap_or(0));
    Ok(())
}

fn event(row: &Row) -> Result<Event, Failure> {
    let changes: Option<String> = row.try_get(7)?;
    let changes = changes.map(RawValue::from_string);
    Ok(Event {
        id: unsigned(row, 0)?,
        created_on: Moment::from_millis(row.try_get(1)?),
        action: row.try_get(2)?,
        actor: row.try_get(3)?,
        target: row.try_get(4)?,
        permission: row.try_get(5)?,
        address: row.try_get(6)?,
        changes: changes.transpose().map_err(|_| Error::Internal)?,
    })
}
