//! What the store does with opt-outs.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::Engine;
use super::failure::Failure;
use super::transaction::{Counter, Transaction};
use crate::contact::Msisdn;
use crate::error::Error;
use crate::key::Grant;
use crate::moment::Moment;
use crate::optout::Optout;

/// Of all spellings of a number, the one of older rules among them.
const FIND: &str = "SELECT msisdn, created_on FROM optouts WHERE msisdn IN (?1, ?2)";
const IS_STORED: &str = "SELECT 1 FROM contacts WHERE msisdn = ?1
    UNION ALL SELECT 1 FROM optouts WHERE msisdn = ?1";
const INSERT: &str = "INSERT INTO optouts (msisdn, created_on) VALUES (?1, ?2)";
const DELETE: &str = "DELETE FROM optouts WHERE msisdn IN (?1, ?2)";
const LIST: &str = "SELECT msisdn, created_on FROM optouts
    ORDER BY created_on, msisdn LIMIT ?1 OFFSET ?2";

impl Engine {
    pub(crate) async fn create_optout(
        &self,
        grant: Grant,
        msisdn: Msisdn,
    ) -> Result<Optout, Error> {
        self.writer
            .submit_always(grant, move |transaction| insert(transaction, msisdn))
            .await
    }

    pub(crate) async fn delete_optout(&self, grant: Grant, msisdn: Msisdn) -> Result<(), Error> {
        self.writer
            .submit_always(grant, move |transaction| delete(transaction, &msisdn))
            .await
    }

    pub(crate) async fn optouts(
        &self,
        grant: Grant,
        offset: u64,
        limit: u32,
    ) -> Result<(Vec<Optout>, u64), Error> {
        self.readers
            .list(grant.key(), move |connection| {
                Counter::Optouts.page(connection, LIST, (offset, limit), optout)
            })
            .await
    }
}

/// Opts a number out; one that is already keeps its first record.
pub(super) fn insert(transaction: &Transaction<'_>, msisdn: Msisdn) -> Result<Optout, Failure> {
    if let Err(invalid) = msisdn.check_new()
        && !transaction
            .prepare_cached(IS_STORED)?
            .exists([msisdn.as_str()])?
    {
        return Err(Error::Invalid(invalid).into());
    }
    let first = transaction
        .prepare_cached(FIND)?
        .query_row(msisdn.spellings(), optout)
        .optional()?;
    if let Some(first) = first {
        return Ok(first);
    }
    let created_on = Moment::now();
    transaction
        .prepare_cached(INSERT)?
        .execute(params![msisdn.as_str(), created_on.millis()])?;
    transaction.count(Counter::Optouts, 1);
    Ok(Optout { msisdn, created_on })
}

/// Whether a number is opted out, in any spelling that is stored.
pub(super) fn exists(connection: &Connection, msisdn: &Msisdn) -> Result<bool, rusqlite::Error> {
    connection.prepare_cached(FIND)?.exists(msisdn.spellings())
}

/// Takes an opt-out back.
pub(super) fn delete(transaction: &Transaction<'_>, msisdn: &Msisdn) -> Result<(), Failure> {
    let spellings = match msisdn.check_new() {
        Ok(()) => msisdn.spellings(),
        // A spelling that is refused names what is stored under it, and nothing else.
        Err(_) => [msisdn.as_str().into(), msisdn.as_str().into()],
    };
    let deleted = transaction.prepare_cached(DELETE)?.execute(spellings)?;
    let deleted = i64::try_from(deleted).unwrap_or(i64::MAX);
    if deleted == 0 {
        return Err(Error::OptoutNotFound.into());
    }
    transaction.count(Counter::Optouts, -deleted);
    Ok(())
}

fn optout(row: &Row<'_>) -> Result<Optout, rusqlite::Error> {
    Ok(Optout {
        msisdn: Msisdn::from_stored(row.get(0)?),
        created_on: Moment::from_millis(row.get(1)?),
    })
}
