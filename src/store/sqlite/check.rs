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
const FOREIGN_KEYS: &str = "SELECT DISTINCT \"table\" || ' has rows that belong to no '
        || parent FROM pragma_foreign_key_check";
/// What is counted as rows change, beside the rows themselves.
const COUNTS: &str = "SELECT 'the counter of ' || name || ' says ' || value || ', and there are '
        || counted
    FROM (SELECT name, value, CASE name
            WHEN 'contacts' THEN (SELECT count(*) FROM contacts)
            WHEN 'optouts' THEN (SELECT count(*) FROM optouts)
            WHEN 'api_keys' THEN (SELECT count(*) FROM api_keys)
            WHEN 'audit' THEN (SELECT count(*) FROM audit)
            WHEN 'groups' THEN (SELECT count(*) FROM groups WHERE deleted_on IS NULL)
        END AS counted FROM counters)
    WHERE value IS NOT counted
    UNION ALL SELECT 'a group says ' || members || ' members, and there are ' || counted
    FROM (SELECT members,
            (SELECT count(*) FROM memberships WHERE group_id = groups.id) AS counted
        FROM groups)
    WHERE members <> counted";
const CONTACTS: &str = "SELECT id, alias, msisdn, checksum, meta, updated_on FROM contacts";
const OPTOUTS: &str = "SELECT msisdn FROM optouts";

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
        check_contacts(&state, &mut report)?;
        check_optouts(&state, &mut report)?;
    }
    Ok(report)
}

fn lines(connection: &Connection, query: &str) -> Result<Vec<String>, rusqlite::Error> {
    let mut statement = connection.prepare(query)?;
    let lines = statement.query_map([], |row| row.get(0))?;
    lines.collect()
}

fn check_contacts(
    connection: &Connection,
    report: &mut CheckReport,
) -> Result<(), rusqlite::Error> {
    let mut statement = connection.prepare(CONTACTS)?;
    let mut rows = statement.query([])?;
    let mut wrong = 0;
    while let Some(row) = rows.next()? {
        report.contacts += 1;
        let Some(fault) = fault_of(row, report) else {
            continue;
        };
        wrong += 1;
        if wrong <= LINES_MAX {
            let id: [u8; 16] = row.get(0).unwrap_or_default();
            let id = uuid::Uuid::from_bytes(id);
            report.damage.push(format!("contact {id} {fault}"));
        }
    }
    if wrong > LINES_MAX {
        report
            .damage
            .push(format!("{} more contacts", wrong - LINES_MAX));
    }
    Ok(())
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
    for number in lines(connection, OPTOUTS)? {
        match Msisdn::parse(&number)
            .ok()
            .filter(|read| read.as_str() == number)
        {
            Some(number) => report.older_numbers += u64::from(number.check_new().is_err()),
            None => {
                let line = "an opt-out has a number that is not in its normal form";
                report.damage.push(line.to_owned());
            }
        }
    }
    Ok(())
}
