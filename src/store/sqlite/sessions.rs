//! What the store does with sessions: they are found together with their keys, so that
//! both are of one state.

use rusqlite::{Connection, OptionalExtension, params};

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
        tag, api_keys.hash, rate_limit, last_used_on, id, sessions.expires_on
    FROM sessions JOIN api_keys ON id = key_id AND api_keys.hash = key_hash
    WHERE sessions.hash = ?1";
const INSERT: &str = "INSERT INTO sessions (hash, key_id, key_hash, created_on, expires_on)
    SELECT ?1, id, hash, ?3, ?4 FROM api_keys WHERE id = ?2";
const END: &str = "DELETE FROM sessions WHERE hash = ?1 AND key_id = ?2";
/// The oldest sessions of a key beyond the newest ones that go on.
const END_OLDEST: &str = "DELETE FROM sessions WHERE hash IN
    (SELECT hash FROM sessions WHERE key_id = ?1
        ORDER BY created_on DESC, hash LIMIT -1 OFFSET ?2)";
const FORGET_ENDED: &str = "DELETE FROM sessions WHERE hash IN
    (SELECT hash FROM sessions WHERE expires_on <= ?1 ORDER BY expires_on LIMIT ?2)";
/// Every one of a book.
pub(super) const FORGET_ALL: &str = "DELETE FROM sessions";
/// Sessions forgotten at once; more than one for each that is opened.
const FORGOTTEN_MAX: usize = 100;

impl Snapshot {
    pub(crate) async fn session(&self, hash: SessionHash) -> Result<Option<Session>, Error> {
        self.read(|connection| find(connection, hash))
    }
}

impl Engine {
    pub(crate) async fn confirm(&self, grant: Grant) -> Result<(), Error> {
        let now = Moment::now();
        self.readers.read(|connection| match grant.session() {
            Some(session) => confirm(connection, (&grant, session), now),
            None => {
                let standing = keys::standing(connection, grant.key())?;
                Ok(grant.confirm(standing.as_ref(), now))
            }
        })?
    }

    pub(crate) async fn session(&self, hash: SessionHash) -> Result<Option<Session>, Error> {
        self.readers.read(|connection| find(connection, hash))
    }

    pub(crate) async fn open_session(
        &self,
        grant: Grant,
        hash: SessionHash,
        event: Option<NewEvent>,
    ) -> Result<Opened, Error> {
        self.writer
            .submit_always(grant, move |transaction| {
                let opened = open(transaction, grant.key(), hash)?;
                if let Some(event) = event {
                    audit::insert(transaction, &event)?;
                }
                Ok(opened)
            })
            .await
    }

    pub(crate) async fn end_session(&self, grant: Grant, hash: SessionHash) -> Result<(), Error> {
        let key = grant.key();
        self.writer
            .submit_always(grant, move |transaction| {
                let values = params![hash.as_bytes(), key.as_str()];
                transaction.prepare_cached(END)?.execute(values)?;
                Ok(())
            })
            .await
    }
}

/// Whether a grant of the session `hash` still holds.
pub(super) fn confirm(
    connection: &Connection,
    (grant, hash): (&Grant, SessionHash),
    now: Moment,
) -> Result<Result<(), Error>, rusqlite::Error> {
    Ok(match find(connection, hash)? {
        Some(session) => session.confirm(grant, now),
        None => Err(Error::SessionEnded),
    })
}

fn find(connection: &Connection, hash: SessionHash) -> Result<Option<Session>, rusqlite::Error> {
    connection
        .prepare_cached(FIND)?
        .query_row([hash.as_bytes()], |row| {
            Ok(Session {
                credential: keys::credential_of(row, keys::id_of(row, 8)?)?,
                expires_on: Moment::from_millis(row.get(9)?),
            })
        })
        .optional()
}

/// Stores a session, and ends those that are over or too many.
fn open(transaction: &Transaction<'_>, key: KeyId, hash: SessionHash) -> Result<Opened, Failure> {
    let now = Moment::now();
    let found = keys::find(transaction, key)?.ok_or(Error::KeyInvalid)?;
    let opened = Opened::of(found, now)?;
    let ended = params![now.millis(), FORGOTTEN_MAX];
    transaction.prepare_cached(FORGET_ENDED)?.execute(ended)?;
    let oldest = params![key.as_str(), SESSIONS_OF_KEY_MAX - 1];
    transaction.prepare_cached(END_OLDEST)?.execute(oldest)?;
    transaction.prepare_cached(INSERT)?.execute(params![
        hash.as_bytes(),
        key.as_str(),
        now.millis(),
        opened.expires_on.millis(),
    ])?;
    Ok(opened)
}
