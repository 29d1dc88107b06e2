//! What the store does with opt-outs.

use tokio_postgres::Row;

use super::Engine;
use super::connection::Values;
use super::failure::Failure;
use super::transaction::{Counter, Transaction};
use crate::contact::Msisdn;
use crate::error::Error;
use crate::key::Grant;
use crate::moment::Moment;
use crate::optout::Optout;

/// Of all spellings of a number, the one of older rules among them.
const FIND: &str = "SELECT msisdn, created_on FROM optouts WHERE msisdn IN ($1, $2)";
const IS_STORED: &str = "SELECT 1 FROM contacts WHERE msisdn = $1
    UNION ALL SELECT 1 FROM optouts WHERE msisdn = $1 LIMIT 1";
const INSERT: &str = "INSERT INTO optouts (msisdn, created_on) VALUES ($1, $2)
    ON CONFLICT (msisdn) DO NOTHING";
const DELETE: &str = "DELETE FROM optouts WHERE msisdn IN ($1, $2)";
const LIST: &str = "SELECT msisdn, created_on FROM optouts
    ORDER BY created_on, msisdn LIMIT $1 OFFSET $2";

impl Engine {
    pub(crate) async fn create_optout(
        &self,
        grant: Grant,
        msisdn: Msisdn,
    ) -> Result<Optout, Error> {
        let created = self.writer.submit(grant, async move |transaction| {
            insert(transaction, msisdn.clone()).await
        });
        created.await
    }

    pub(crate) async fn delete_optout(&self, grant: Grant, msisdn: Msisdn) -> Result<(), Error> {
        let deleted = self.writer.submit(grant, async move |transaction| {
            delete(transaction, &msisdn).await
        });
        deleted.await
    }

    pub(crate) async fn optouts(
        &self,
        grant: Grant,
        offset: u64,
        limit: u32,
    ) -> Result<(Vec<Optout>, u64), Error> {
        self.readers
            .list(grant.key(), async move |link| {
                Counter::Optouts
                    .page(link, LIST, (offset, limit), |row| Ok(optout(row)?))
                    .await
            })
            .await
    }
}

/// Opts a number out; one that is already keeps its first record.
async fn insert(transaction: &Transaction<'_>, msisdn: Msisdn) -> Result<Optout, Failure> {
    if let Err(invalid) = msisdn.check_new() {
        let stored = transaction
            .query_opt(IS_STORED, &[&msisdn.as_str()])
            .await?;
        if stored.is_none() {
            return Err(Error::Invalid(invalid).into());
        }
    }
    let [one, other] = msisdn.spellings();
    let spellings: &Values<'_> = &[&one.as_ref(), &other.as_ref()];
    if let Some(first) = transaction.query_opt(FIND, spellings).await? {
        return Ok(optout(&first)?);
    }
    let created_on = Moment::now();
    let values: &Values<'_> = &[&msisdn.as_str(), &created_on.millis()];
    if transaction.execute(INSERT, values).await? == 0 {
        return Err(Failure::Overtaken);
    }
    transaction.count(Counter::Optouts, 1);
    Ok(Optout { msisdn, created_on })
}

/// Takes an opt-out back.
async fn delete(transaction: &Transaction<'_>, msisdn: &Msisdn) -> Result<(), Failure> {
    let [one, other] = match msisdn.check_new() {
        Ok(()) => msisdn.spellings(),
        // A spelling that is refused names what is stored under it, and nothing else.
        Err(_) => [msisdn.as_str().into(), msisdn.as_str().into()],
    };
    let spellings: &Values<'_> = &[&one.as_ref(), &other.as_ref()];
    let deleted = transaction.execute(DELETE, spellings).await?;
    let deleted = i64::try_from(deleted).unwrap_or(i64::MAX);
    if deleted == 0 {
        return Err(Error::OptoutNotFound.into());
    }
    transaction.count(Counter::Optouts, -deleted);
    Ok(())
}

fn optout(row: &Row) -> Result<Optout, tokio_postgres::Error> {
    Ok(Optout {
        msisdn: Msisdn::from_stored(row.try_get(0)?),
        created_on: Moment::from_millis(row.try_get(1)?),
    })
}
