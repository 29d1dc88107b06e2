//! Makes a book where there is none, and brings an older one to today's schema. Two
//! servers may do it at once: the second waits, and finds it done.

use super::connection::{Link, quoted};
use super::failure::told;
use super::location::Location;
use super::locks;
use crate::store::OpenError;

/// Today's schema, all of it.
const SCHEMA: &str = include_str!("../../../schema.postgres.sql");
/// What spreads it over a cluster, where the database is the coordinator of one.
const CITUS: &str = include_str!("../../../schema.citus.sql");
/// Its number.
pub(super) const SCHEMA_VERSION: i32 = 8;
/// The first that books on PostgreSQL had; a step with index `n` leads on from
/// `FIRST_VERSION + n`. On Citus, what a step changes of a table is done on all nodes; a
/// table that it adds has to be placed as in `schema.citus.sql`.
const FIRST_VERSION: i32 = 8;
const STEPS: [&str; (SCHEMA_VERSION - FIRST_VERSION) as usize] = [];

/// Until the commit, so that only one server migrates.
const LOCK: &str = "SELECT pg_advisory_xact_lock(hashtextextended('addressbook schema', 0))";
const PLACE: &str = "SELECT current_schema()";
const IS_MADE: &str = "SELECT to_regclass('book') IS NOT NULL, to_regclass('contacts') IS NOT NULL";
const VERSION: &str = "SELECT schema_version FROM book WHERE id = 1";
const SET_VERSION: &str = "UPDATE book SET schema_version = $1 WHERE id = 1";
const ENCODING: &str = "SELECT current_setting('server_encoding')";

/// Brings the book to today's schema, in one transaction.
///
/// # Errors
/// `Newer`, `Foreign`, `Storage`; then nothing was changed.
pub(super) async fn run(link: &Link, location: &Location) -> Result<(), OpenError> {
    let failed = |error: tokio_postgres::Error| location.storage_error(told(&error));
    let encoding = link.query_one(ENCODING, &[]).await.map_err(failed)?;
    let encoding: String = encoding.try_get(0).map_err(failed)?;
    if encoding != "UTF8" {
        let reason = format!("the database has the encoding {encoding}, and not UTF8");
        return Err(location.storage_error(reason));
    }
    // Most starts find all done, and need no right to make anything.
    if version(link, location).await? == Some(SCHEMA_VERSION) {
        return Ok(());
    }
    link.batch("BEGIN").await.map_err(failed)?;
    let migrated = migrate(link, location).await;
    let end = if migrated.is_ok() {
        "COMMIT"
    } else {
        "ROLLBACK"
    };
    let ended = link.batch(end).await.map_err(failed);
    migrated.and(ended)
}

async fn migrate(link: &Link, location: &Location) -> Result<(), OpenError> {
    let failed = |error: tokio_postgres::Error| location.storage_error(told(&error));
    link.query_one(LOCK, &[]).await.map_err(failed)?;
    make_place(link, location).await.map_err(failed)?;
    let Some(found) = version(link, location).await? else {
        let is_sharded = make(link).await.map_err(failed)?;
        log::info!(schema = SCHEMA_VERSION, is_sharded; "made a new address book");
        return Ok(());
    };
    if found > SCHEMA_VERSION {
        return Err(OpenError::Newer {
            path: location.shown().to_owned(),
            found: found.unsigned_abs(),
            known: SCHEMA_VERSION.unsigned_abs(),
        });
    }
    let lacking = usize::try_from(found - FIRST_VERSION).unwrap_or(0);
    for step in STEPS.iter().skip(lacking) {
        link.batch(step).await.map_err(failed)?;
    }
    let set = link.execute(SET_VERSION, &[&SCHEMA_VERSION]).await;
    set.map_err(failed).map(drop)
}

/// Makes the tables of a book; whether they are spread over a cluster.
async fn make(link: &Link) -> Result<bool, tokio_postgres::Error> {
    link.batch(SCHEMA).await?;
    let has_citus = locks::has_citus(link).await?;
    if has_citus {
        // One by one: to its workers, Citus sends what came as one text as one statement.
        for statement in CITUS.split_inclusive(";\n") {
            link.batch(statement).await?;
        }
    }
    Ok(has_citus)
}

/// The schema of the book, or none where there is no book.
pub(super) async fn version(link: &Link, location: &Location) -> Result<Option<i32>, OpenError> {
    let failed = |error: tokio_postgres::Error| location.storage_error(told(&error));
    let made = link.query_one(IS_MADE, &[]).await.map_err(failed)?;
    let (is_made, has_contacts): (bool, bool) = (
        made.try_get(0).map_err(failed)?,
        made.try_get(1).map_err(failed)?,
    );
    if !is_made {
        return match has_contacts {
            true => Err(OpenError::Foreign(location.shown().to_owned())),
            false => Ok(None),
        };
    }
    let found = link.query_opt(VERSION, &[]).await.map_err(failed)?;
    let foreign = || OpenError::Foreign(location.shown().to_owned());
    let found = found.ok_or_else(foreign)?;
    found.try_get(0).map(Some).map_err(failed)
}

/// Makes the schema of the book, where it is not there.
async fn make_place(link: &Link, location: &Location) -> Result<(), tokio_postgres::Error> {
    let current: Option<String> = link.query_one(PLACE, &[]).await?.try_get(0)?;
    match (current, &location.schema) {
        (None, Some(schema)) => {
            let made = format!("CREATE SCHEMA IF NOT EXISTS {}", quoted(schema));
            link.batch(&made).await
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{CITUS, SCHEMA};

    #[test]
    fn each_table_is_said_once_to_be_spread_or_not() {
        let names = |text: &'static str, before: &'static str, after: char| {
            let begun = text.lines().filter_map(move |line| line.split_once(before));
            begun.filter_map(move |(_, rest)| Some(rest.split_once(after)?.0.to_owned()))
        };
        let mut tables: Vec<String> = names(SCHEMA, "CREATE TABLE ", ' ').collect();
        let placements = [
            "create_distributed_table('",
            "create_reference_table('",
            "citus_add_local_table_to_metadata('",
        ];
        let placed = placements
            .iter()
            .flat_map(|placement| names(CITUS, placement, '\''));
        let local = CITUS
            .lines()
            .filter_map(|line| line.strip_prefix("-- local: "));
        let mut placed: Vec<String> = placed.chain(local.map(str::to_owned)).collect();
        tables.sort();
        placed.sort();
        assert_eq!(placed, tables);
    }

    #[test]
    fn no_comment_ends_as_a_statement_does() {
        let comments = CITUS.lines().filter(|line| line.contains("--"));
        for comment in comments {
            assert!(!comment.ends_with(';'), "{comment}");
        }
    }
}
