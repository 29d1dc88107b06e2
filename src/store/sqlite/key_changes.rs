//! Changes API keys: for requests as jobs of the writer, in the name of a key
//! that gives no more than it has; for the command line in the operator's.
//! Every change is in the audit, in the same transaction.

use std::time::Duration;

use rusqlite::params;

use super::failure::Failure;
use super::transaction::{Counter, Transaction};
use super::{Database, Engine, audit, idempotency, keys};
use crate::error::Error;
use crate::event::{Action, Changes, NewEvent};
use crate::key::{ApiKey, Grant, KeyChange, KeyState, KeyTerms, is_beyond};
use crate::moment::Moment;
use crate::permission::Permission;
use crate::token::{KeyId, NewSecret};

const INSERT: &str = "INSERT INTO api_keys
        (id, name, hash, tag, permissions, created_on, expires_on, allowed_ips, rate_limit, created_by)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
const UPDATE: &str = "UPDATE api_keys
    SET name = ?2, permissions = ?3, expires_on = ?4, allowed_ips = ?5, rate_limit = ?6
    WHERE id = ?1";
const REPLACE: &str = "UPDATE api_keys SET expires_on = ?2, replaced_by = ?3 WHERE id = ?1";
const REVOKE: &str = "UPDATE api_keys SET revoked_on = ?2 WHERE id = ?1";
const TOUCH: &str = "UPDATE api_keys SET last_used_on = ?2 WHERE id = ?1";
/// Another key that is good and holds a permission; names are whole words.
const ANOTHER_HOLDS: &str = "SELECT EXISTS (SELECT 1 FROM api_keys
    WHERE id <> ?1 AND revoked_on IS NULL AND replaced_by IS NULL AND (expires_on IS NULL OR expires_on > ?2)
        AND rate_limit IS NULL
        AND instr(' ' || permissions || ' ', ' ' || ?3 || ' ') > 0)";
/// Who holds this can make keys of every other permission it has.
const MANAGES_KEYS: Permission = Permission::CreateApiKeys;

impl Engine {
    pub(crate) async fn create_key(
        &self,
        grant: Grant,
        secret: NewSecret,
        terms: KeyTerms,
    ) -> Result<(ApiKey, NewSecret), Error> {
        self.writer
            .submit_always(grant, move |transaction| {
                let key = create(transaction, Some(grant), &secret, terms)?;
                Ok((key, secret))
            })
            .await
    }

    pub(crate) async fn update_key(
        &self,
        grant: Grant,
        id: KeyId,
        change: KeyChange,
    ) -> Result<ApiKey, Error> {
        self.writer
            .submit_always(grant, move |transaction| {
                update(transaction, Some(grant), id, change)
            })
            .await
    }

    pub(crate) async fn rotate_key(
        &self,
        grant: Grant,
        id: KeyId,
        secret: NewSecret,
        overlap: Duration,
    ) -> Result<(ApiKey, NewSecret), Error> {
        self.writer
            .submit_always(grant, move |transaction| {
                let key = rotate(transaction, Some(grant), id, &secret, overlap)?;
                Ok((key, secret))
            })
            .await
    }

    pub(crate) async fn revoke_key(
        &self,
        grant: Grant,
        id: KeyId,
        force: bool,
    ) -> Result<(), Error> {
        self.writer
            .submit_always(grant, move |transaction| {
                revoke(transaction, Some(grant), id, force)
            })
            .await
    }

    pub(crate) async fn touch_key(&self, grant: Grant) -> Result<(), Error> {
        self.writer
            .submit_always(grant, move |transaction| touch(transaction, grant.key()))
            .await
    }
}

/// In whose name a key is changed: a key's, or the command line's.
pub(super) type Actor = Option<Grant>;

/// What the command line does, each operation one transaction: `Busy`,
/// `StorageFailed`, `StorageFull`, `OutcomeUnknown` or `Internal` may come of all.
impl Database {
    pub(crate) fn create_key(
        &mut self,
        secret: &NewSecret,
        terms: &KeyTerms,
    ) -> Result<ApiKey, Error> {
        self.transaction(|transaction| create(transaction, None, secret, terms.clone()))
    }

    pub(crate) fn create_first_key(
        &mut self,
        secret: &NewSecret,
        terms: &KeyTerms,
    ) -> Result<bool, Error> {
        self.transaction(|transaction| {
            let first = keys::none_exists(transaction)?;
            if first {
                create(transaction, None, secret, terms.clone())?;
            }
            Ok(first)
        })
    }

    pub(crate) fn update_key(&mut self, id: KeyId, change: KeyChange) -> Result<ApiKey, Error> {
        self.transaction(|transaction| update(transaction, None, id, change))
    }

    pub(crate) fn rotate_key(
        &mut self,
        id: KeyId,
        secret: &NewSecret,
        overlap: Duration,
    ) -> Result<ApiKey, Error> {
        self.transaction(|transaction| rotate(transaction, None, id, secret, overlap))
    }

    pub(crate) fn undo_rotation(&mut self, old: &ApiKey, successor: KeyId) -> Result<(), Error> {
        self.transaction(|transaction| {
            let rotated = keys::find(transaction, old.id)?.ok_or(Error::KeyNotFound)?;
            let changes = Changes::between(Some(&rotated.terms), &old.terms)?;
            let expires_on = old.terms.expires_on.map(Moment::millis);
            let values = params![old.id.as_str(), expires_on, None::<&str>];
            transaction.prepare_cached(REPLACE)?.execute(values)?;
            record(transaction, Action::KeyUpdated, None, old.id, Some(changes))?;
            revoke(transaction, None, successor, true)
        })
    }

    pub(crate) fn revoke_key(&mut self, id: KeyId, force: bool) -> Result<(), Error> {
        self.transaction(|transaction| revoke(transaction, None, id, force))
    }
}

pub(super) fn create(
    transaction: &Transaction<'_>,
    actor: Actor,
    secret: &NewSecret,
    terms: KeyTerms,
) -> Result<ApiKey, Failure> {
    may_make_keys(transaction, actor)?;
    must_cover(transaction, actor, &[&terms])?;
    insert(transaction, actor, secret, terms)
}

pub(super) fn update(
    transaction: &Transaction<'_>,
    actor: Actor,
    id: KeyId,
    change: KeyChange,
) -> Result<ApiKey, Failure> {
    let mut key = keys::find(transaction, id)?.ok_or(Error::KeyNotFound)?;
    let terms = change.apply(key.terms.clone());
    must_cover(transaction, actor, &[&key.terms, &terms])?;
    if key.revoked_on.is_some() {
        return Err(Error::KeyRevoked.into());
    }
    if key.replaced_by.is_some() && is_beyond(terms.expires_on, key.terms.expires_on) {
        return Err(Error::KeyRotated.into());
    }
    if terms == key.terms {
        return Ok(key);
    }
    let changes = Changes::between(Some(&key.terms), &terms)?;
    key.terms = terms;
    transaction.prepare_cached(UPDATE)?.execute(params![
        id.as_str(),
        key.terms.name.as_str(),
        key.terms.permissions.to_string(),
        key.terms.expires_on.map(Moment::millis),
        key.terms.allowed_ips.to_string(),
        key.terms.rate_limit,
    ])?;
    record(transaction, Action::KeyUpdated, actor, id, Some(changes))?;
    Ok(key)
}

/// Stores a successor of the same terms; the old key ends with the overlap.
pub(super) fn rotate(
    transaction: &Transaction<'_>,
    actor: Actor,
    id: KeyId,
    secret: &NewSecret,
    overlap: Duration,
) -> Result<ApiKey, Failure> {
    let now = Moment::now();
    let old = keys::find(transaction, id)?.ok_or(Error::KeyNotFound)?;
    may_make_keys(transaction, actor)?;
    must_cover(transaction, actor, &[&old.terms])?;
    if old.replaced_by.is_some() {
        return Err(Error::KeyRotated.into());
    }
    if old.state(now) != KeyState::Active {
        return Err(Error::KeyNotActive.into());
    }
    let end = now.checked_add(overlap).ok_or(Error::Internal)?;
    let end = old.terms.expires_on.map_or(end, |expiry| expiry.min(end));
    let ended = KeyTerms {
        expires_on: Some(end),
        ..old.terms.clone()
    };
    let changes = Changes::between(Some(&old.terms), &ended)?;
    let new = insert(transaction, actor, secret, old.terms)?;
    let values = params![id.as_str(), end.millis(), new.id.as_str()];
    transaction.prepare_cached(REPLACE)?.execute(values)?;
    record(transaction, Action::KeyRotated, actor, id, Some(changes))?;
    Ok(new)
}

/// Revokes a key, whose row stays. `force` is asked for where it is the last
/// that manages keys. A key that is revoked already stays as it is.
pub(super) fn revoke(
    transaction: &Transaction<'_>,
    actor: Actor,
    id: KeyId,
    force: bool,
) -> Result<(), Failure> {
    let now = Moment::now();
    let key = keys::find(transaction, id)?.ok_or(Error::KeyNotFound)?;
    if key.revoked_on.is_some() {
        return Ok(());
    }
    if let Some(acting) = acting(transaction, actor)?
        && acting.id != id
    {
        acting.terms.cover_permissions(key.terms.permissions)?;
    }
    // One that is limited makes none.
    let manages = key.state(now) == KeyState::Active
        && key.terms.permissions.contains(MANAGES_KEYS)
        && key.terms.rate_limit.is_none();
    if manages && !force {
        let values = params![id.as_str(), now.millis(), MANAGES_KEYS.as_str()];
        let another: bool = transaction
            .prepare_cached(ANOTHER_HOLDS)?
            .query_row(values, |row| row.get(0))?;
        if !another {
            return Err(Error::LastManagingKey.into());
        }
    }
    let values = params![id.as_str(), now.millis()];
    transaction.prepare_cached(REVOKE)?.execute(values)?;
    record(transaction, Action::KeyRevoked, actor, id, None)
}

/// Writes down that a key was used, and forgets answers that are over: while
/// keys are used, this happens every minute.
pub(super) fn touch(transaction: &Transaction<'_>, id: KeyId) -> Result<(), Failure> {
    let values = params![id.as_str(), Moment::now().millis()];
    transaction.prepare_cached(TOUCH)?.execute(values)?;
    Ok(idempotency::forget(transaction)?)
}

/// The acting key, which is active; none is the command line.
fn acting(transaction: &Transaction<'_>, actor: Actor) -> Result<Option<ApiKey>, Failure> {
    let Some(actor) = actor else { return Ok(None) };
    let acting = keys::find(transaction, actor.key())?.ok_or(Error::KeyInvalid)?;
    if acting.state(Moment::now()) != KeyState::Active {
        return Err(Error::KeyInvalid.into());
    }
    Ok(Some(acting))
}

/// A key whose requests are limited makes no other: each would have a limit of
/// its own.
fn may_make_keys(transaction: &Transaction<'_>, actor: Actor) -> Result<(), Failure> {
    let acting = acting(transaction, actor)?;
    if acting.is_some_and(|acting| acting.terms.rate_limit.is_some()) {
        return Err(Error::RatedKeyMakesNone.into());
    }
    Ok(())
}

/// Whether the acting key covers all of `terms`; the command line covers everything.
fn must_cover(
    transaction: &Transaction<'_>,
    actor: Actor,
    terms: &[&KeyTerms],
) -> Result<(), Failure> {
    let Some(acting) = acting(transaction, actor)? else {
        return Ok(());
    };
    for covered in terms {
        acting.terms.cover(covered)?;
    }
    Ok(())
}

/// Stores a key, and writes down that it was made.
fn insert(
    transaction: &Transaction<'_>,
    actor: Actor,
    secret: &NewSecret,
    terms: KeyTerms,
) -> Result<ApiKey, Failure> {
    let key = ApiKey {
        id: secret.token.id(),
        terms,
        created_on: Moment::now(),
        last_used_on: None,
        revoked_on: None,
        replaced_by: None,
        created_by: actor.map(|grant| grant.key()),
    };
    transaction.prepare_cached(INSERT)?.execute(params![
        key.id.as_str(),
        key.terms.name.as_str(),
        secret.hash.as_phc(),
        secret.token.fingerprint().tag().0,
        key.terms.permissions.to_string(),
        key.created_on.millis(),
        key.terms.expires_on.map(Moment::millis),
        key.terms.allowed_ips.to_string(),
        key.terms.rate_limit,
        key.created_by.as_ref().map(|id| id.as_str()),
    ])?;
    transaction.count(Counter::ApiKeys, 1);
    let changes = Changes::between(None, &key.terms)?;
    record(
        transaction,
        Action::KeyCreated,
        actor,
        key.id,
        Some(changes),
    )?;
    Ok(key)
}

fn record(
    transaction: &Transaction<'_>,
    action: Action,
    actor: Actor,
    target: KeyId,
    changes: Option<Changes>,
) -> Result<(), Failure> {
    transaction.note_key_change();
    let event = NewEvent {
        action,
        actor: actor.map(|grant| grant.key()),
        target: Some(target),
        permission: None,
        address: actor.map(|grant| grant.address()),
        changes,
    };
    audit::insert(transaction, &event)
}
