//! What the store does with opt-outs.

use rusqlite::{Connection, OptionalExtension, Row, params};

use std::borrow::Cow;

use super::failure::{self, Failure};
use super::transaction::{Counter, Transaction};
use super::{Engine, Snapshot};
use crate::contact::Msisdn;
use crate::error::Error;
use crate::key::Grant;
use crate::moment::Moment;
use crate::optout::{OptedOut, Optout, OptoutSelection};
use crate::selection::{Listed, Page};

/// Of all spellings of a number, the one of older rules among them.
const FIND: &str = "SELECT msisdn, created_on FROM optouts WHERE msisdn IN (?1, ?2)";
const IS_STORED: &str = "SELECT 1 FROM contacts WHERE msisdn = ?1
    UNION ALL SELECT 1 FROM optouts WHERE msisdn = ?1";
const INSERT: &str = "INSERT INTO optouts (msisdn, created_on) VALUES (?1, ?2)";
const DELETE: &str = "DELETE FROM optouts WHERE msisdn IN (?1, ?2)";
const LIST: &str = "SELECT msisdn, created_on FROM optouts
    ORDER BY created_on, msisdn LIMIT ?1 OFFSET ?2";
const LIST_BEHIND: &str = "SELECT msisdn, created_on FROM optouts
    WHERE (created_on, msisdn) > (?1, ?2) ORDER BY created_on, msisdn LIMIT ?3";
const LIST_OF_NUMBER: &str = "SELECT msisdn, created_on FROM optouts WHERE msisdn IN (?1, ?2)
    ORDER BY created_on, msisdn";

impl Snapshot {
    pub(crate) async fn optout(&self, _grant: Grant, msisdn: &Msisdn) -> Result<Optout, Error> {
        let found = self.read(|connection| {
            let mut statement = connection.prepare_cached(FIND)?;
            statement.query_row(named_by(msisdn), optout).optional()
        });
        found?.ok_or(Error::OptoutNotFound)
    }
}

impl Engine {
    pub(crate) async fn create_optout(
        &self,
        grant: Grant,
        msisdn: Msisdn,
    ) -> Result<Optout, Error> {
        self.writer
            .submit_always(grant, move |transaction| {
                insert(transaction, msisdn).map(|done| done.optout)
            })
            .await
    }

    pub(crate) async fn create_optouts(
        &self,
        grant: Grant,
        msisdns: Vec<Msisdn>,
    ) -> Result<Vec<Result<OptedOut, Error>>, Error> {
        let rows = msisdns.len();
        self.writer
            .submit_rows_always(grant, rows, move |transaction| {
                let numbers = msisdns.into_iter();
                let opted_out = numbers.map(|msisdn| failure::each(insert(transaction, msisdn)));
                opted_out.collect()
            })
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
        selection: OptoutSelection,
    ) -> Result<(Vec<Optout>, Listed<Optout>), Error> {
        self.readers
            .list(grant.key(), move |connection| list(connection, &selection))
            .await
    }
}

fn list(
    connection: &Connection,
    selection: &OptoutSelection,
) -> Result<(Vec<Optout>, Listed<Optout>), rusqlite::Error> {
    match (&selection.msisdn, &selection.page) {
        (Some(msisdn), _) => {
            // One, or two where an older spelling is opted out as well.
            let mut all = connection.prepare_cached(LIST_OF_NUMBER)?;
            let all = all.query_map(named_by(msisdn), optout)?;
            Ok(selection.page_of(all.collect::<Result<_, _>>()?))
        }
        (None, Page::Offset(offset)) => {
            let page = (*offset, selection.limit);
            let (rows, total) = Counter::Optouts.page(connection, LIST, page, optout)?;
            Ok(selection.cut(rows, Some(total)))
        }
        (None, Page::After(position)) => {
            let position = position.as_ref();
            let behind = position.map_or(i64::MIN, |position| position.created_on.millis());
            let number = position.map_or("", |position| position.msisdn.as_str());
            let mut rows = connection.prepare_cached(LIST_BEHIND)?;
            // One more than the limit: it tells whether a page follows.
            let rows_max = i64::from(selection.limit) + 1;
            let rows = rows.query_map(params![behind, number, rows_max], optout)?;
            Ok(selection.cut(rows.collect::<Result<_, _>>()?, None))
        }
    }
}

/// Opts a number out; one that is already keeps its first record.
fn insert(transaction: &Transaction<'_>, msisdn: Msisdn) -> Result<OptedOut, Failure> {
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
    if let Some(optout) = first {
        let is_new = false;
        return Ok(OptedOut { optout, is_new });
    }
    let created_on = Moment::now();
    transaction
        .prepare_cached(INSERT)?
        .execute(params![msisdn.as_str(), created_on.millis()])?;
    transaction.count(Counter::Optouts, 1);
    let optout = Optout { msisdn, created_on };
    let is_new = true;
    Ok(OptedOut { optout, is_new })
}

/// Whether a number is opted out, in any spelling that is stored.
pub(super) fn exists(connection: &Connection, msisdn: &Msisdn) -> Result<bool, rusqlite::Error> {
    connection.prepare_cached(FIND)?.exists(msisdn.spellings())
}

/// Takes an opt-out back.
pub(super) fn delete(transaction: &Transaction<'_>, msisdn: &Msisdn) -> Result<(), Failure> {
    let named = named_by(msisdn);
    let deleted = transaction.prepare_cached(DELETE)?.execute(named)?;
    let deleted = i64::try_from(deleted).unwrap_or(i64::MAX);
    if deleted == 0 {
        return Err(Error::OptoutNotFound.into());
    }
    transaction.count(Counter::Optouts, -deleted);
    Ok(())
}

/// The spellings that a number names: all of it, but where it is refused today only the
/// very one, which may be stored.
fn named_by(msisdn: &Msisdn) -> [Cow<'_, str>; 2] {
    match msisdn.check_new() {
        Ok(()) => msisdn.spellings(),
        Err(_) => [msisdn.as_str().into(), msisdn.as_str().into()],
    }
}

fn optout(row: &Row<'_>) -> Result<Optout, rusqlite::Error> {
    Ok(Optout {
        msisdn: Msisdn::from_stored(row.get(0)?),
        created_on: Moment::from_millis(row.get(1)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::file::SCHEMA_VERSION;
    use crate::store::sqlite::migrations;

    #[test]
    fn a_page_by_cursor_is_a_step_into_an_index_ties_among_it() {
        let book = migrations::in_memory(SCHEMA_VERSION).expect("the steps");
        let plan = format!("EXPLAIN QUERY PLAN {LIST_BEHIND}");
        let plan: String = book
            .query_row(&plan, params![0, "", 10], |row| row.get(3))
            .expect("a plan");
        let step = "USING COVERING INDEX optouts_by_created_on ((created_on,msisdn)>(?,?))";
        assert!(plan.ends_with(step), "{plan}");
    }
}
