//! Locks of contacts: of all at once where one PostgreSQL has them, shard by shard where
//! Citus spreads them; and whether it does.

use tokio_postgres::Row;

use super::connection::{Link, Values, uuid};
use crate::contact::ContactKey;

/// A row that is about to change: nobody else changes it, and who only names it goes on.
const LOCK_ID: &str = "SELECT alias FROM contacts WHERE id = $1 FOR NO KEY UPDATE";
const LOCK_ALIAS: &str = "SELECT alias FROM contacts WHERE alias = $1 FOR NO KEY UPDATE";
const LOCK_MSISDN: &str =
    "SELECT alias FROM contacts WHERE msisdn = $1 ORDER BY alias FOR NO KEY UPDATE";
/// In one order by everybody, so that no two wait for each other.
pub(super) const LOCK_ALIASES: &str =
    "SELECT alias FROM contacts WHERE alias = ANY($1) ORDER BY alias FOR NO KEY UPDATE";
const ALIASES_BY_ID: &str = "SELECT alias FROM contacts WHERE id = $1";
const ALIASES_BY_MSISDN: &str = "SELECT alias FROM contacts WHERE msisdn = $1";
const HAS_CITUS: &str = "SELECT EXISTS (SELECT 1 FROM pg_extension WHERE extname = 'citus')";
/// By a table that is there only with the extension.
const ARE_SPREAD: &str = "SELECT EXISTS (SELECT 1 FROM pg_dist_partition
    WHERE logicalrelid = to_regclass('contacts') AND partmethod = 'h')";
/// The aliases of each shard together, in one order by everybody.
const BY_SHARD: &str = "SELECT array_agg(alias ORDER BY alias COLLATE \"C\")
    FROM (SELECT get_shard_id_for_distribution_column('contacts', alias) AS shard, alias
        FROM unnest($1::text[]) AS named (alias)) AS placed
    GROUP BY shard ORDER BY shard";

/// Whether the database is the coordinator of a cluster of Citus.
pub(super) async fn has_citus(link: &Link) -> Result<bool, tokio_postgres::Error> {
    link.query_one(HAS_CITUS, &[]).await?.try_get(0)
}

/// Whether the contacts of the book are spread over shards.
pub(super) async fn are_sharded(link: &Link) -> Result<bool, tokio_postgres::Error> {
    if !has_citus(link).await? {
        return Ok(false);
    }
    link.query_one(ARE_SPREAD, &[]).await?.try_get(0)
}

/// Locks the contacts that `key` names; their aliases.
pub(super) async fn lock(link: &Link, key: &ContactKey) -> Result<Vec<Row>, tokio_postgres::Error> {
    let named = match (key, link.is_sharded) {
        (ContactKey::Alias(alias), _) => return link.query(LOCK_ALIAS, &[&alias.as_str()]).await,
        (ContactKey::Id(id), false) => return link.query(LOCK_ID, &[&uuid(*id)]).await,
        (ContactKey::Msisdn(msisdn), false) => {
            return link.query(LOCK_MSISDN, &[&msisdn.as_str()]).await;
        }
        // They are on any shard: it is looked up on which.
        (ContactKey::Id(id), true) => link.query(ALIASES_BY_ID, &[&uuid(*id)]).await,
        (ContactKey::Msisdn(msisdn), true) => {
            let number: &Values<'_> = &[&msisdn.as_str()];
            link.query(ALIASES_BY_MSISDN, number).await
        }
    };
    let named = named?;
    let aliases = named.iter().map(|row| row.try_get(0));
    let aliases: Vec<&str> = aliases.collect::<Result<_, _>>()?;
    lock_aliases(link, LOCK_ALIASES, &aliases).await
}

/// Locks contacts by their aliases, by a statement that takes those; what it finds.
pub(super) async fn lock_aliases(
    link: &Link,
    statement: &str,
    aliases: &[&str],
) -> Result<Vec<Row>, tokio_postgres::Error> {
    if !link.is_sharded {
        return link.query(statement, &[&aliases]).await;
    }
    let mut locked = Vec::new();
    for part in parts(link, aliases).await? {
        locked.extend(link.query(statement, &[&part]).await?);
    }
    Ok(locked)
}

/// Aliases in parts of which each can be locked by one statement: Citus refuses to lock
/// rows of several shards at once. They are one part where there are no shards.
pub(super) async fn lockable(
    link: &Link,
    aliases: Vec<String>,
) -> Result<Vec<Vec<String>>, tokio_postgres::Error> {
    if !link.is_sharded {
        return Ok(vec![aliases]);
    }
    let aliases: Vec<&str> = aliases.iter().map(String::as_str).collect();
    parts(link, &aliases).await
}

async fn parts(link: &Link, aliases: &[&str]) -> Result<Vec<Vec<String>>, tokio_postgres::Error> {
    let rows = link.query(BY_SHARD, &[&aliases]).await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}
