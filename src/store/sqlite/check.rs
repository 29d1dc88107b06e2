//! Looks through a whole book: whether the file is whole, whether what is kept twice
//! agrees, and whether each contact is what was stored.

use rusqlite::{Connection, TransactionBehavior};
use serde_json::value::RawValue;

use super::checksum;
use super::file::SCHEMA_VERSION;
use crate::contact::{Alias, Msisdn};
use crate::meta::Meta;
use crate::store::CheckReport;

/// Lines that a report has of one kind; what is beyond them is only counted.
const LINES_MAX: usize = 20;

const INTEGRITY: &str = "PRAGMA integrity_check(20)";
const TABLES: &str = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name";
const FOREIGN_KEYS: &str = "SELECT DISTINCT \"table\" || ' has rows that belong to no '
        || parent FROM pragma_foreign_key_check";
/// What is counted as rows change, beside the rows themselves.
const COUNTS: &str = "SELECT 'the counter of ' || name || ' says ' || value || ', and there are '
        || coalesce(counted, 'no such rows')
    FROM (SELECT name, value, CASE name
            WHEN 'contacts' THEN (SELECT count(*) FROM contacts)
            WHEN 'optouts' THEN (SELECT count(*) FROM optouts)
            WHEN 'api_keys' THEN (SELECT count(*) FROM api_keys)
            WHEN 'audit' THEN (SELECT count(*) FROM audit)
            WHEN 'groups' THEN (SELECT count(*) FROM groups WHERE deleted_on IS NULL)
        END AS counted FROM counters)
    WHERE value IS NOT counted
    UNION ALL SELECT 'there is no counter of ' || column1
    FROM (VALUES ('contacts'), ('optouts'), ('api_keys'), ('audit'), ('groups'))
    WHERE column1 NOT IN (SELECT name FROM counters)
    UNION ALL SELECT 'a group says ' || members || ' members, and there are ' || counted
    FROM (SELECT members,
            (SELECT count(*) FROM memberships WHERE group_id = groups.id) AS counted
        FROM groups)
    WHERE members <> counted";
/// Rows behind the one that has an id, in the order of ids.
const CONTACTS: &str = "SELECT id, alias, msisdn, checksum, meta, updated_on FROM contacts
    WHERE id > ?1 ORDER BY id LIMIT ?2";
const OPTOUTS: &str = "SELECT msisdn FROM optouts";
/// Contacts that are looked at in one state of the book.
const CONTACTS_OF_PART: i64 = 1000;

/// A part of a book that is looked at in one state of it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    /// The pages of the table at this place among all.
    Table(usize),
    /// What refers to what is not there.
    ForeignKeys,
    /// What is kept twice.
    Counts,
    /// The contacts behind the one that has this id, or all.
    Contacts(Option<[u8; 16]>),
    /// The numbers of opt-outs.
    Optouts,
}

/// Each part, the first of those that have several.
pub(super) fn parts() -> [Part; 5] {
    [
        Part::Table(0),
        Part::ForeignKeys,
        Part::Counts,
        Part::Contacts(None),
        Part::Optouts,
    ]
}

impl Part {
    /// What is behind a part that took too long.
    pub(super) fn behind(self) -> Option<Self> {
        match self {
            Self::Table(place) => Some(Self::Table(place + 1)),
            // Nobody knows where the next one begins.
            Self::Contacts(_) | Self::ForeignKeys | Self::Counts | Self::Optouts => None,
        }
    }

    /// Looks at it; the next one of its kind, if there is one.
    pub(super) fn look(
        self,
        connection: &Connection,
        report: &mut CheckReport,
    ) -> Result<Option<Self>, rusqlite::Error> {
        match self {
            Self::Table(place) => {
                let tables = lines(connection, TABLES)?;
                let Some(table) = tables.get(place) else {
                    return Ok(None);
                };
                let found = lines(connection, &format!("PRAGMA integrity_check('{table}')"))?;
                report
                    .damage
                    .extend(found.into_iter().filter(|line| line != "ok"));
                return Ok(Some(Self::Table(place + 1)));
            }
            Self::ForeignKeys => report.damage.extend(lines(connection, FOREIGN_KEYS)?),
            Self::Counts => report.damage.extend(lines(connection, COUNTS)?),
            Self::Contacts(behind) => {
                let last = check_contacts(connection, behind, CONTACTS_OF_PART, report)?;
                return Ok(last.map(|last| Self::Contacts(Some(last))));
            }
            Self::Optouts => check_optouts(connection, report)?,
        }
        Ok(None)
    }
}

/// Looks through the book that `connection` has open, all of it in one state.
pub(super) fn check(connection: &Connection) -> Result<CheckReport, rusqlite::Error> {
    let state = rusqlite::Transaction::new_unchecked(connection, TransactionBehavior::Deferred)?;
    let mut report = CheckReport::default();
    for line in lines(&state, INTEGRITY)? {
        if line != "ok" {
            report.damage.push(line);
        }
    }
    report.damage.extend(lines(&state, FOREIGN_KEYS)?);
    let version: u32 = state.pragma_query_value(None, "user_version", |row| row.get(0))?;
    // The rest is of today's schema; an older file has none of its tables, perhaps.
    if version == SCHEMA_VERSION {
        report.damage.extend(lines(&state, COUNTS)?);
        check_contacts(&state, None, -1, &mut report)?;
        report.tell_rest();
        check_optouts(&state, &mut report)?;
    }
    Ok(report)
}

fn lines(connection: &Connection, query: &str) -> Result<Vec<String>, rusqlite::Error> {
    let mut statement = connection.prepare(query)?;
    let lines = statement.query_map([], |row| row.get(0))?;
    lines.collect()
}

/// Looks at up to `limit` contacts behind the id `behind`, if there is one; the id of the last one, where
/// there may be more.
fn check_contacts(
    connection: &Connection,
    behind: Option<[u8; 16]>,
    limit: i64,
    report: &mut CheckReport,
) -> Result<Option<[u8; 16]>, rusqlite::Error> {
    let mut statement = connection.prepare_cached(CONTACTS)?;
    // Every id is greater than no byte at all.
    let begin = behind.as_ref().map_or(&[][..], |id| &id[..]);
    let mut rows = statement.query((begin, limit))?;
    let mut looked_at = 0;
    let mut last = None;
    while let Some(row) = rows.next()? {
        looked_at += 1;
        // A damaged id ends the walk: nobody knows what is behind it.
        let id: Option<[u8; 16]> = row.get(0).ok();
        last = id;
        let Some(fault) = fault_of(row, report) else {
            continue;
        };
        report.faulty_contacts += 1;
        if report.faulty_contacts <= LINES_MAX {
            let id = uuid::Uuid::from_bytes(id.unwrap_or_default());
            report.damage.push(format!("contact {id} {fault}"));
        }
    }
    report.contacts += looked_at;
    // A damaged id must not lead back.
    let last = last.filter(|last| Some(*last) > behind);
    Ok(last.filter(|_| i64::try_from(looked_at) == Ok(limit)))
}

/// What is wrong with a contact; counts what today's rules would refuse.
fn fault_of(row: &rusqlite::Row<'_>, report: &mut CheckReport) -> Option<&'static str> {
    let read = || -> Result<_, rusqlite::Error> {
        let (id, alias, msisdn): (_, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let (checksum, meta, updated_on_ms): (_, String, _) =
            (row.get(3)?, row.get(4)?, row.get(5)?);
        checksum::check_head(checksum, &id, &alias, &msisdn)?;
        checksum::check_rest(checksum, &meta, updated_on_ms)?;
        Ok((alias, msisdn, meta))
    };
    let Ok((alias, msisdn, meta)) = read() else {
        return Some("is not what was stored");
    };
    let Some(alias) = Alias::parse(&alias)
        .ok()
        .filter(|read| read.as_str() == alias)
    else {
        return Some("has an alias that is not in its normal form");
    };
    let Some(msisdn) = Msisdn::parse(&msisdn)
        .ok()
        .filter(|read| read.as_str() == msisdn)
    else {
        return Some("has a number that is not in its normal form");
    };
    let compact = serde_json::from_str::<&RawValue>(&meta).ok();
    if compact.and_then(|meta| Meta::parse(meta).ok()) != Some(Meta::from_stored(meta.clone())) {
        return Some("has a meta that is not in its normal form");
    }
    report.older_aliases += u64::from(alias.check_new().is_err());
    report.older_numbers += u64::from(msisdn.check_new().is_err());
    None
}

fn check_optouts(connection: &Connection, report: &mut CheckReport) -> Result<(), rusqlite::Error> {
    let mut statement = connection.prepare(OPTOUTS)?;
    let mut rows = statement.query([])?;
    let mut wrong = 0;
    while let Some(row) = rows.next()? {
        let number = row.get_ref(0)?.as_str()?;
        match Msisdn::parse(number)
            .ok()
            .filter(|read| read.as_str() == number)
        {
            Some(number) => report.older_numbers += u64::from(number.check_new().is_err()),
            None => wrong += 1,
        }
    }
    if wrong > 0 {
        report.damage.push(format!(
            "{wrong} opt-outs have a number that is not in its normal form"
        ));
    }
    Ok(())
}

impl CheckReport {
    /// Tells of the contacts that are beyond those that were named.
    pub(super) fn tell_rest(&mut self) {
        if self.faulty_contacts > LINES_MAX {
            let more = self.faulty_contacts - LINES_MAX;
            self.damage.push(format!("{more} more contacts"));
        }
    }
}
