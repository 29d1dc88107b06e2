//! Changes API keys: for requests in the name of a key that gives no more than it
//! has; for the command line in the operator's. Every change is in the audit, in the
//! same transaction, and no other write is under way meanwhile.

use std::time::Duration;

use super::connection::Values;
use super::failure::Failure;
use super::transaction::{Counter, Transaction};
use super::{Database, Engine, audit, idempotency, keys};
use crate::error::Error;
use crate::event::{Action, Changes, NewEvent};
use crate::key::{ApiKey, Grant, KeyChange, KeyState, KeyTerms, is_beyond};
use crate::moment::Moment;
use crate::permission::Permission;
use crate::token::{KeyId, NewSecret, SecretHash, Tag};

const INSERT: &str = "INSERT INTO api_keys
        (id, name, hash, tag, permissions, created_on, expires_on, allowed_ips, rate_limit, created_by)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
const UPDATE: &str = "UPDATE api_keys
    SET name = $2, permissions = $3, expires_on = $4, allowed_ips = $5, rate_limit = $6
    WHERE id = $1";
const REPLACE: &str = "UPDATE api_keys SET expires_on = $2, replaced_by = $3 WHERE id = $1";
const REVOKE: &str = "UPDATE api_keys SET revoked_on = $2 WHERE id = $1";
/// In a table of its own, so that the key's row stays as it is while it is used.
const TOUCH: &str = "INSERT INTO key_uses (key_id, last_used_on) VALUES ($1, $2)
    ON CONFLICT (key_id) DO UPDATE SET last_used_on = excluded.last_used_on";
/// Another key that is good and holds a permission; names are whole words.
const ANOTHER_HOLDS: &str = "SELECT EXISTS (SELECT 1 FROM api_keys
    WHERE id <> $1 AND revoked_on IS NULL AND replaced_by IS NULL AND (expires_on IS NULL OR expires_on > $2)
        AND rate_limit IS NULL
        AND strpos(' ' || permissions || ' ', ' ' || $3 || ' ') > 0)";
/// Who holds this can make keys of every other permission it has.
const MANAGES_KEYS: Permission = Permission::CreateApiKeys;

impl Engine {
    pub(crate) async fn create_key(
        &self,
        grant: Grant,
        secret: NewSecret,
        terms: KeyTerms,
    ) -> Result<(ApiKey, NewSecret), Error> {
        let kept = Kept::of(&secret);
        let created = self.writer.submit_change(grant, async move |transaction| {
            create(transaction, Some(grant), &kept, terms.clone()).await
        });
        Ok((created.await?, secret))
    }

    pub(crate) async fn update_key(
        &self,
        grant: Grant,
        id: KeyId,
        change: KeyChange,
    ) -> Result<ApiKey, Error> {
        let updated = self.writer.submit_change(grant, async move |transaction| {
            update(transaction, Some(grant), id, change.clone()).await
        });
        updated.await
    }

    pub(crate) async fn rotate_key(
        &self,
        grant: Grant,
        id: KeyId,
        secret: NewSecret,
        overlap: Duration,
    ) -> Result<(ApiKey, NewSecret), Error> {
        let kept = Kept::of(&secret);
        let rotated = self.writer.submit_change(grant, async move |transaction| {
            rotate(transaction, Some(grant), id, &kept, overlap).await
        });
        Ok((rotated.await?, secret))
    }

    pub(crate) async fn revoke_key(
        &self,
        grant: Grant,
        id: KeyId,
        force: bool,
    ) -> Result<(), Error> {
        let revoked = self.writer.submit_change(grant, async move |transaction| {
            revoke(transaction, Some(grant), id, force).await
        });
        revoked.await
    }

    pub(crate) async fn touch_key(&self, grant: Grant) -> Result<(), Error> {
        let touched = self.writer.submit(grant, async move |transaction| {
            touch(transaction, grant.key()).await
        });
        touched.await
    }
}

/// In whose name a key is changed: a key's, or the command line's.
pub(super) type Actor = Option<Grant>;

/// What is kept of a secret.
pub(super) struct Kept {
    id: KeyId,
    hash: SecretHash,
    tag: Tag,
}

impl Kept {
    fn of(secret: &NewSecret) -> Self {
        Self {
            id: secret.token.id(),
            hash: secret.hash.clone(),
            tag: secret.token.fingerprint().tag(),
        }
    }
}

/// What the command line does, each operation one transaction: `Busy`,
/// `StorageFailed`, `StorageFull`, `OutcomeUnknown` or `Internal` may come of all.
impl Database {
    pub(crate) fn create_key(
        &mut self,
        secret: &NewSecret,
        terms: &KeyTerms,
    ) -> Result<ApiKey, Error> {
        let kept = Kept::of(secret);
        self.change(async |transaction| create(transaction, None, &kept, terms.clone()).await)
    }

    pub(crate) fn create_first_key(
        &mut self,
        secret: &NewSecret,
        terms: &KeyTerms,
    ) -> Result<bool, Error> {
        let kept = Kept::of(secret);
        self.change(async |transaction| {
            let first = keys::none_exists(transaction).await?;
            if first {
                create(transaction, None, &kept, terms.clone()).await?;
            }
            Ok(first)
        })
    }

    pub(crate) fn update_key(&mut self, id: KeyId, change: KeyChange) -> Result<ApiKey, Error> {
        self.change(async |transaction| update(transaction, None, id, change.clone()).await)
    }

    pub(crate) fn rotate_key(
        &mut self,
        id: KeyId,
        secret: &NewSecret,
        overlap: Duration,
    ) -> Result<ApiKey, Error> {
        let kept = Kept::of(secret);
        self.change(async |transaction| rotate(transaction, None, id, &kept, overlap).await)
    }

    pub(crate) fn undo_rotation(&mut self, old: &ApiKey, successor: KeyId) -> Result<(), Error> {
        self.change(async |transaction| {
            let rotated = keys::existing(transaction, old.id).await?;
            let changes = Changes::between(Some(&rotated.terms), &old.terms)?;
            replace(transaction, old.id, old.terms.expires_on, None).await?;
            record(transaction, Action::KeyUpdated, None, old.id, Some(changes)).await?;
            revoke(transaction, None, successor, true).await
        })
    }

    pub(crate) fn revoke_key(&mut self, id: KeyId, force: bool) -> Result<(), Error> {
        self.change(async |transaction| revoke(transaction, None, id, force).await)
    }
}

async fn create(
    transaction: &Transaction<'_>,
    actor: Actor,
    secret: &Kept,
    terms: KeyTerms,
) -> Result<ApiKey, Failure> {
    may_make_keys(transaction, actor).await?;
    must_cover(transaction, actor, &[&terms]).await?;
    insert(transaction, actor, secret, terms).await
}

async fn update(
    transaction: &Transaction<'_>,
    actor: Actor,
    id: KeyId,
    change: KeyChange,
) -> Result<ApiKey, Failure> {
    let mut key = keys::existing(transaction, id).await?;
    let terms = change.apply(key.terms.clone());
    must_cover(transaction, actor, &[&key.terms, &terms]).await?;
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
    let values: &Values<'_> = &[
        &id.as_str(),
        &key.terms.name.as_str(),
        &key.terms.permissions.to_string(),
        &key.terms.expires_on.map(Moment::millis),
        &key.terms.allowed_ips.to_string(),
        &key.terms.rate_limit.map(i64::from),
    ];
    transaction.execute(UPDATE, values).await?;
    record(transaction, Action::KeyUpdated, actor, id, Some(changes)).await?;
    Ok(key)
}

/// Stores a successor of the same terms; the old key ends with the overlap.
async fn rotate(
    transaction: &Transaction<'_>,
    actor: Actor,
    id: KeyId,
    secret: &Kept,
    overlap: Duration,
) -> Result<ApiKey, Failure> {
    let now = Moment::now();
    let old = keys::existing(transaction, id).await?;
    may_make_keys(transaction, actor).await?;
    must_cover(transaction, actor, &[&old.terms]).await?;
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
    let new = insert(transaction, actor, secret, old.terms).await?;
    replace(transaction, id, Some(end), Some(new.id)).await?;
    record(transaction, Action::KeyRotated, actor, id, Some(changes)).await?;
    Ok(new)
}

async fn replace(
    transaction: &Transaction<'_>,
    id: KeyId,
    expires_on: Option<Moment>,
    replaced_by: Option<KeyId>,
) -> Result<(), Failure> {
    let replaced_by = replaced_by.as_ref().map(KeyId::as_str);
    let expires_on = expires_on.map(Moment::millis);
    let values: &Values<'_> = &[&id.as_str(), &expires_on, &replaced_by];
    transaction.execute(REPLACE, values).await?;
    Ok(())
}

/// Revokes a key, whose row stays. `force` is asked for where it is the last
/// that manages keys. A key that is revoked already stays as it is.
async fn revoke(
    transaction: &Transaction<'_>,
    actor: Actor,
    id: KeyId,
    force: bool,
) -> Result<(), Failure> {
    let now = Moment::now();
    let key = keys::existing(transaction, id).await?;
    if key.revoked_on.is_some() {
        return Ok(());
    }
    if let Some(acting) = acting(transaction, actor).await?
        && acting.id != id
    {
        acting.terms.cover_permissions(key.terms.permissions)?;
    }
    // One that is limited makes none.
    let manages = key.state(now) == KeyState::Active
        && key.terms.permissions.contains(MANAGES_KEYS)
        && key.terms.rate_limit.is_none();
    if manages && !force {
        let values: &Values<'_> = &[&id.as_str(), &now.millis(), &MANAGES_KEYS.as_str()];
        let another: bool = transaction
            .query_one(ANOTHER_HOLDS, values)
            .await?
            .try_get(0)?;
        if !another {
            return Err(Error::LastManagingKey.into());
        }
    }
    let values: &Values<'_> = &[&id.as_str(), &now.millis()];
    transaction.execute(REVOKE, values).await?;
    record(transaction, Action::KeyRevoked, actor, id, None).await
}

/// Writes down that a key was used, and forgets answers that are over: while
/// keys are used, this happens every minute.
async fn touch(transaction: &Transaction<'_>, id: KeyId) -> Result<(), Failure> {
    let values: &Values<'_> = &[&id.as_str(), &Moment::now().millis()];
    transaction.execute(TOUCH, values).await?;
    idempotency::forget(transaction).await
}

/// The acting key, which is active; none is the command line.
async fn acting(transaction: &Transaction<'_>, actor: Actor) -> Result<Option<ApiKey>, Failure> {
    let Some(actor) = actor else { return Ok(None) };
    let acting = keys::find(transaction, actor.key()).await?;
    let acting = acting.ok_or(Error::KeyInvalid)?;
    if acting.state(Moment::now()) != KeyState::Active {
        return Err(Error::KeyInvalid.into());
    }
    Ok(Some(acting))
}

/// A key whose requests are limited makes no other: each would have a limit of
/// its own.
async fn may_make_keys(transaction: &Transaction<'_>, actor: Actor) -> Result<(), Failure> {
    let acting = acting(transaction, actor).await?;
    if acting.is_some_and(|acting| acting.terms.rate_limit.is_some()) {
        return Err(Error::RatedKeyMakesNone.into());
    }
    Ok(())
}

/// Whether the acting key covers all of `terms`; the command line covers everything.
async fn must_cover(
    transaction: &Transaction<'_>,
    actor: Actor,
    terms: &[&KeyTerms],
) -> Result<(), Failure> {
    let Some(acting) = acting(transaction, actor).await? else {
        return Ok(());
    };
    for covered in terms {
        acting.terms.cover(covered)?;
    }
    Ok(())
}

/// Stores a key, and writes down that it was made.
async fn insert(
    transaction: &Transaction<'_>,
    actor: Actor,
    secret: &Kept,
    terms: KeyTerms,
) -> Result<ApiKey, Failure> {
    let key = ApiKey {
        id: secret.id,
        terms,
        created_on: Moment::now(),
        last_used_on: None,
        revoked_on: None,
        replaced_by: None,
        created_by: actor.map(|grant| grant.key()),
    };
    let values: &Values<'_> = &[
        &key.id.as_str(),
        &key.terms.name.as_str(),
        &secret.hash.as_phc(),
        &secret.tag.0.as_slice(),
        &key.terms.permissions.to_string(),
        &key.created_on.millis(),
        &key.terms.expires_on.map(Moment::millis),
        &key.terms.allowed_ips.to_string(),
        &key.terms.rate_limit.map(i64::from),
        &key.created_by.as_ref().map(KeyId::as_str),
    ];
    transaction.execute(INSERT, values).await?;
    transaction.count(Counter::ApiKeys, 1);
    let changes = Changes::between(None, &key.terms)?;
    record(
        transaction,
        Action::KeyCreated,
        actor,
        key.id,
        Some(changes),
    )
    .await?;
    Ok(key)
}

async fn record(
    transaction: &Transaction<'_>,
    action: Action,
    actor: Actor,
    target: KeyId,
    changes: Option<Changes>,
) -> Result<(), Failure> {
    let event = NewEvent {
        action,
        actor: actor.map(|grant| grant.key()),
        target: Some(target),
        permission: None,
        address: actor.map(|grant| grant.address()),
        changes,
    };
    audit::insert(transaction, &event).await
}
