//! Holds the schema that a file has against the one that its version should have: a
//! file may be a gift, and what it defines would run with our rights.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::Connection;

use super::migrations;
use crate::store::OpenError;

/// Tables of SQLite itself, and the two that Litestream makes, which hold a number and
/// nothing. A virtual table would run code by whatever name.
const OBJECTS: &str = "SELECT type || ' ' || name, coalesce(sql, '') FROM sqlite_schema
    WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
        AND NOT (type = 'table' AND name IN ('_litestream_seq', '_litestream_lock')
            AND sql LIKE 'CREATE TABLE %')";

/// Every object by its type and name, with its statement.
type Objects = BTreeMap<String, String>;

/// Compares the schema of `connection`'s file, which says that it is of `version`,
/// statement by statement; comments and white space aside.
///
/// # Errors
/// `Altered` with the first object that is another, missing or too many.
pub(super) fn check(connection: &Connection, path: &Path, version: u32) -> Result<(), OpenError> {
    let failed = |error: rusqlite::Error| OpenError::storage(path, error);
    let found = objects(connection).map_err(failed)?;
    let expected = migrations::in_memory(version).map_err(failed)?;
    let expected = objects(&expected).map_err(failed)?;
    let names = expected.keys().chain(found.keys());
    match names
        .into_iter()
        .find(|name| expected.get(*name) != found.get(*name))
    {
        None => Ok(()),
        Some(name) => Err(OpenError::Altered {
            path: path.to_owned(),
            object: name.clone(),
        }),
    }
}

fn objects(connection: &Connection) -> Result<Objects, rusqlite::Error> {
    let mut statement = connection.prepare(OBJECTS)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, bare(row.get_ref(1)?.as_str()?))))?;
    rows.collect()
}

/// A statement without comments and white space.
fn bare(statement: &str) -> String {
    let lines = statement.lines();
    let lines = lines.map(|line| line.split("--").next().unwrap_or_default());
    lines.flat_map(str::split_whitespace).collect()
}
