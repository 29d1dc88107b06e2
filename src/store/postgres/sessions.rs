//! What the store does with sessions: they are found together with their keys, so that
//! both are of one state.

use super::connection::{Link, Values};
use super::failure::Failure;
use super::transaction::Transaction;
use super::{Engine, Snapshot, audit, keys};
use crate::error::Error;
use crate::event::NewEvent;
use crate::key::Grant;
use crate::moment::Moment;
use crate::session::{Opened, SESSIONS_OF_KEY_MAX, Session};
use crate::session_hash::SessionHash;
use crate::token::KeyId;

/// The columns of a key's credential, then those of the session.
const FIND: &str = "SELECT permissions, api_keys.expires_on, revoked_on, allowed_ips,
        tag, api_keys.hash, rate_limit,
        (SELECT last_used_on FROM key_uses WHERE key_uses.key_id = api_keys.id),
        id, sessions.expires_on
    FROM sessions JOIN api_keys ON id = key_id AND api_keys.hash = key_hash
    WHERE sessions.hash = $1";
/// Whoever opens one of the same key waits here, so that there are never too many.
const LOCK: &str = "SELECT pg_advisory_xact_lock(
    hashtextextended('addressbook sessions ' || current_schema() || ' ' || $1, 0))";
const INSERT: &str = "INSERT INTO sessions (hash, key_id, key_hash, created_on, expires_on)
    SELECT $1, id, hash, $3, $4 FROM api_keys WHERE id = $2";
const END: &str = "DELETE FROM sessions WHERE hash = $1 AND key_id = $2";
/// The oldest sessions of a key beyond the newest ones that go on.
const END_OLDEST: &str = "DELETE FROM sessions WHERE hash IN
    (SELECT hash FROM sessions WHERE key_id = $1 ORDER BY created_on DESC, hash OFFSET $2)";
/// Two that forget at once forget different ones.
const FORGET_ENDED: &str = "DELETE FROM sessions WHERE hash IN
    (SELECT hash FROM sessions WHERE expires_on <= $1
        ORDER BY expires_on LIMIT $2 FOR UPDATE SKIP LOCKED)";
/// Sessions forgotten at once; more than one for each that is opened.
const FORGOTTEN_MAX: i64 = 100;

impl Snapshot {
    pub(crate) async fn session(&self, hash: SessionHash) -> Result<Option<Session>, Error> {
        self.readers.read(async |link| find(link, hash).await).await
    }
}

impl Engine {
    pub(crate) async fn session(&self, hash: SessionHash) -> Result<Option<Session>, Error> {
        self.readers.read(async |link| find(link, hash).await).await
    }

    pub(crate) async fn open_session(
        &self,
        grant: Grant,
        hash: SessionHash,
        event: Option<NewEvent>,
    ) -> Result<Opened, Error> {
        let opened = self.writer.submit(grant, async move |transaction| {
            let opened = open(transaction, grant.key(), hash).await?;
            if let Some(event) = &event {
                audit::insert(transaction, event).await?;
            }
            Ok(opened)
        });
        opened.await
    }

    pub(crate) async fn end_session(&self, grant: Grant, hash: SessionHash) -> Result<(), Error> {
        let ended = self.writer.submit(grant, async move |transaction| {
            let key = grant.key();
            let values: &Values<'_> = &[&hash.as_bytes().as_slice(), &key.as_str()];
            transaction.execute(END, values).await?;
            Ok(())
        });
        ended.await
    }
}

pub(super) async fn find(link: &Link, hash: SessionHash) -> Result<Option<Session>, Failure> {
    let row = link.query_opt(FIND, &[&hash.as_bytes().as_slice()]).await?;
    let session = row.as_ref().map(|row| {
        Ok::<_, Failure>(Session {
            credential: keys::credential_of(row, keys::id_of(row, 8)?)?,
            expires_on: Moment::from_millis(row.try_get(9)?),
        })
    });
    session.transpose()
}

/// Stores a session, and ends those that are over or too many.
async fn open(
    transaction: &Transaction<'_>,
    key: KeyId,
    hash: SessionHash,
) -> Result<Opened, Failure> {
    transaction.query(LOCK, &[&key.as_str()]).await?;
    let now = Moment::now();
    let found = keys::find(transaction, key).await?;
    let opened = Opened::of(found.ok_or(Error::KeyInvalid)?, now)?;
    let ended: &Values<'_> = &[&now.millis(), &FORGOTTEN_MAX];
    transaction.execute(FORGET_ENDED, ended).await?;
    let kept = i64::try_from(SESSIONS_OF_KEY_MAX - 1).unwrap_or(i64::MAX);
    let oldest: &Values<'_> = &[&key.as_str(), &kept];
    transaction.execute(END_OLDEST, oldest).await?;
    let values: &Values<'_> = &[
        &hash.as_bytes().as_slice(),
        &key.as_str(),
        &now.millis(),
        &opened.expires_on.millis(),
    ];
    transaction.execute(INSERT, values).await?;
    Ok(opened)
}
