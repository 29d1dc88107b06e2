//! What the book holds, and what holds it.

use super::Engine;
use super::connection::{Link, Values};
use super::failure::Failure;
use super::transaction::{Counter, unsigned};
use crate::error::Error;
use crate::moment::Moment;
use crate::store::Figures;
use crate::token::KeyId;

/// How often figures are read at once.
pub(super) const FIGURES_MAX: usize = 2;
/// Keys whose expiry is told, those that end soonest.
const KEY_EXPIRIES_MAX: i64 = 1000;
const EXPIRIES: &str = "SELECT id, expires_on FROM api_keys
    WHERE expires_on > $1 AND revoked_on IS NULL AND replaced_by IS NULL
    ORDER BY expires_on LIMIT $2";
/// Of this book alone: others may share the database.
const BYTES: &str = "SELECT coalesce(sum(pg_total_relation_size(pg_class.oid)), 0)::bigint
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = pg_class.relnamespace
    WHERE pg_namespace.nspname = current_schema() AND pg_class.relkind = 'r'";

/// The same of all nodes of a cluster of Citus.
const BYTES_OF_CLUSTER: &str = "SELECT coalesce(sum(CASE
        WHEN logicalrelid IS NULL THEN pg_total_relation_size(pg_class.oid)
        ELSE citus_total_relation_size(logicalrelid, false) END), 0)::bigint
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = pg_class.relnamespace
        LEFT JOIN pg_dist_partition ON logicalrelid = pg_class.oid
    WHERE pg_namespace.nspname = current_schema() AND pg_class.relkind = 'r'";

impl Engine {
    pub(crate) async fn figures(&self) -> Result<Figures, Error> {
        let permit = self.figures.try_acquire()?;
        let read = self.readers.own(async move |link| {
            let _permit = permit;
            read(link).await
        });
        read.await
    }
}

async fn read(link: &Link) -> Result<Figures, Failure> {
    let bytes = match link.is_sharded {
        true => BYTES_OF_CLUSTER,
        false => BYTES,
    };
    let values: &Values<'_> = &[&Moment::now().millis(), &KEY_EXPIRIES_MAX];
    let mut key_expiries = Vec::new();
    for row in link.query(EXPIRIES, values).await? {
        let id = KeyId::parse(row.try_get(0)?).ok_or(Error::Internal)?;
        key_expiries.push((id, Moment::from_millis(row.try_get(1)?)));
    }
    Ok(Figures {
        contacts: Counter::Contacts.read(link).await?,
        optouts: Counter::Optouts.read(link).await?,
        groups: Counter::Groups.read(link).await?,
        key_expiries,
        database_bytes: unsigned(&link.query_one(bytes, &[]).await?, 0)?,
        // PostgreSQL's own, of all its books: its monitoring tells of them.
        wal_bytes: None,
        disk_bytes: None,
        disk_free_bytes: None,
    })
}
