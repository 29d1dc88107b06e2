//! What the store does with the audit.

use rusqlite::types::FromSqlError;
use rusqlite::{Row, params};
use serde_json::value::RawValue;

use super::Engine;
use super::failure::Failure;
use super::transaction::{Counter, Transaction};
use crate::error::Error;
use crate::event::{Action, Event, NewEvent};
use crate::key::Grant;
use crate::moment::Moment;

const INSERT: &str = "INSERT INTO audit
        (created_on, action, actor, target, permission, address, changes)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
/// The oldest refusals beyond the newest ones that are kept.
const FORGET_REFUSALS: &str = "DELETE FROM audit WHERE permission IS NOT NULL AND id <=
    (SELECT id FROM audit WHERE permission IS NOT NULL ORDER BY id DESC LIMIT 1 OFFSET ?1)";
/// The same of opened sessions.
const FORGET_SESSIONS: &str = "DELETE FROM audit WHERE action = 'session.opened' AND id <=
    (SELECT id FROM audit WHERE action = 'session.opened' ORDER BY id DESC LIMIT 1 OFFSET ?1)";
const LIST: &str = "SELECT id, created_on, action, actor, target, permission, address, changes
    FROM audit
    ORDER BY id DESC LIMIT ?1 OFFSET ?2";
/// Refused permissions that are kept.
const REFUSALS_MAX: i64 = 10_000;
/// Opened sessions that are kept.
const SESSIONS_MAX: i64 = 10_000;

impl Engine {
    pub(crate) async fn record_event(&self, grant: Grant, event: NewEvent) -> Result<(), Error> {
        self.writer
            .submit_always(grant, move |transaction| insert(transaction, &event))
            .await
    }

    pub(crate) async fn events(
        &self,
        grant: Grant,
        offset: u64,
        limit: u32,
    ) -> Result<(Vec<Event>, u64), Error> {
        self.readers
            .list(grant.key(), move |connection| {
                Counter::Audit.page(connection, LIST, (offset, limit), event)
            })
            .await
    }
}

/// Writes an event down.
pub(super) fn insert(transaction: &Transaction<'_>, event: &NewEvent) -> Result<(), Failure> {
    transaction.prepare_cached(INSERT)?.execute(params![
        Moment::now().millis(),
        event.action.as_str(),
        event.actor.as_ref().map(|key| key.as_str()),
        event.target.as_ref().map(|key| key.as_str()),
        event.permission.map(|one| one.as_str()),
        event.address.map(|address| address.to_string()),
        event.changes.as_ref().map(|changes| changes.as_str()),
    ])?;
    transaction.count(Counter::Audit, 1);
    match event.action {
        Action::PermissionRefused => forget(transaction, FORGET_REFUSALS, REFUSALS_MAX),
        Action::SessionOpened => forget(transaction, FORGET_SESSIONS, SESSIONS_MAX),
        // Changes of keys are kept for ever.
        Action::KeyCreated | Action::KeyUpdated | Action::KeyRotated | Action::KeyRevoked => Ok(()),
    }
}

/// Forgets the oldest events of a kind, by a statement that takes how many are kept.
fn forget(transaction: &Transaction<'_>, statement: &str, kept: i64) -> Result<(), Failure> {
    let forgotten = transaction.prepare_cached(statement)?.execute([kept])?;
    transaction.count(Counter::Audit, -i64::try_from(forgotten).unwrap_or(0));
    Ok(())
}

fn event(row: &Row<'_>) -> Result<Event, rusqlite::Error> {
    let changes: Option<String> = row.get(7)?;
    let changes = changes.map(RawValue::from_string);
    Ok(Event {
        id: row.get(0)?,
        created_on: Moment::from_millis(row.get(1)?),
        action: row.get(2)?,
        actor: row.get(3)?,
        target: row.get(4)?,
        permission: row.get(5)?,
        address: row.get(6)?,
        changes: changes.transpose().map_err(|_| FromSqlError::InvalidType)?,
    })
}
