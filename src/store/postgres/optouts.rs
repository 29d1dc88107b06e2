//! What the store does with opt-outs.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use tokio_postgres::Row;

use super::connection::{Link, Values};
use super::failure::Failure;
use super::transaction::{Counter, Transaction};
use super::{Engine, Snapshot};
use crate::contact::Msisdn;
use crate::error::Error;
use crate::key::Grant;
use crate::moment::Moment;
use crate::optout::{OptedOut, Optout, OptoutSelection};
use crate::selection::{Listed, Page};

/// Of all spellings of a number, the one of older rules among them.
const FIND: &str = "SELECT msisdn, created_on FROM optouts WHERE msisdn IN ($1, $2)
    ORDER BY msisdn LIMIT 1";
const FIND_ALL: &str = "SELECT msisdn, created_on FROM optouts WHERE msisdn = ANY($1)";
/// Two spellings of one number are two rows, which do not meet by themselves. A few locks
/// for all numbers, taken in one order by everybody.
const LOCK: &str = "SELECT pg_advisory_xact_lock(
        hashtextextended('addressbook optouts ' || current_schema(), lock))
    FROM (
        SELECT DISTINCT hashtext(msisdn) & 63 AS lock FROM contacts
        WHERE msisdn = ANY($1) ORDER BY lock
    ) AS locks";
const STORED: &str = "SELECT DISTINCT msisdn FROM contacts WHERE msisdn = ANY($1)";
/// Says what is stored: of a reference table, Citus counts what was not, too.
const INSERT: &str = "INSERT INTO optouts (msisdn, created_on)
    SELECT msisdn, $2 FROM unnest($1::text[]) AS new (msisdn)
    ON CONFLICT (msisdn) DO NOTHING RETURNING 1";
const DELETE: &str = "DELETE FROM optouts WHERE msisdn IN ($1, $2)";
const LIST: &str = "SELECT msisdn, created_on FROM optouts
    ORDER BY created_on, msisdn LIMIT $1 OFFSET $2";
const LIST_BEHIND: &str = "SELECT msisdn, created_on FROM optouts
    WHERE (created_on, msisdn) > ($1, $2) ORDER BY created_on, msisdn LIMIT $3";
const LIST_OF_NUMBER: &str = "SELECT msisdn, created_on FROM optouts WHERE msisdn IN ($1, $2)
    ORDER BY created_on, msisdn";

impl Snapshot {
    pub(crate) async fn optout(&self, _grant: Grant, msisdn: &Msisdn) -> Result<Optout, Error> {
        let [one, other] = named_by(msisdn);
        let found = self.readers.read(async |link| {
            let spellings: &Values<'_> = &[&one.as_ref(), &other.as_ref()];
            let row = link.query_opt(FIND, spellings).await?;
            Ok(row.as_ref().map(optout).transpose()?)
        });
        found.await?.ok_or(Error::OptoutNotFound)
    }
}

impl Engine {
    pub(crate) async fn create_optout(
        &self,
        grant: Grant,
        msisdn: Msisdn,
    ) -> Result<Optout, Error> {
        let created = self.create_optouts(grant, vec![msisdn]).await?;
        let created = created.into_iter().next().ok_or(Error::Internal)?;
        created.map(|done| done.optout)
    }

    pub(crate) async fn create_optouts(
        &self,
        grant: Grant,
        msisdns: Vec<Msisdn>,
    ) -> Result<Vec<Result<OptedOut, Error>>, Error> {
        let rows = msisdns.len();
        let created = self
            .writer
            .submit_rows(grant, rows, async move |transaction| {
                insert(transaction, &msisdns).await
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
        selection: OptoutSelection,
    ) -> Result<(Vec<Optout>, Listed<Optout>), Error> {
        self.readers
            .list(grant.key(), async move |link| list(link, &selection).await)
            .await
    }
}

async fn list(
    link: &Link,
    selection: &OptoutSelection,
) -> Result<(Vec<Optout>, Listed<Optout>), Failure> {
    let read = |rows: Vec<Row>| rows.iter().map(optout).collect::<Result<Vec<_>, _>>();
    match (&selection.msisdn, &selection.page) {
        (Some(msisdn), _) => {
            // One, or two where an older spelling is opted out as well.
            let [one, other] = named_by(msisdn);
            let spellings: &Values<'_> = &[&one.as_ref(), &other.as_ref()];
            let all = link.query(LIST_OF_NUMBER, spellings).await?;
            Ok(selection.page_of(read(all)?))
        }
        (None, Page::Offset(offset)) => {
            let page = (*offset, selection.limit);
            let read = |row: &Row| Ok(optout(row)?);
            let (rows, total) = Counter::Optouts.page(link, LIST, page, read).await?;
            Ok(selection.cut(rows, Some(total)))
        }
        // No cursor of ours.
        (None, Page::After(Some(position))) if position.msisdn.as_str().contains('\0') => {
            Ok(selection.cut(Vec::new(), None))
        }
        (None, Page::After(position)) => {
            let position = position.as_ref();
            let behind = position.map_or(i64::MIN, |position| position.created_on.millis());
            let number = position.map_or("", |position| position.msisdn.as_str());
            // One more than the limit: it tells whether a page follows.
            let rows_max = i64::from(selection.limit) + 1;
            let values: &Values<'_> = &[&behind, &number, &rows_max];
            let rows = link.query(LIST_BEHIND, values).await?;
            Ok(selection.cut(read(rows)?, None))
        }
    }
}

/// Opts numbers out, in order; one that is already keeps its first record.
async fn insert(
    transaction: &Transaction<'_>,
    msisdns: &[Msisdn],
) -> Result<Vec<Result<OptedOut, Error>>, Failure> {
    lock(transaction, msisdns).await?;
    let mut present = present(transaction, msisdns).await?;
    let stored = stored(transaction, msisdns).await?;
    let created_on = Moment::now();
    let mut new = Vec::new();
    let mut outcomes = Vec::with_capacity(msisdns.len());
    for msisdn in msisdns {
        let number = msisdn.as_str();
        if let Err(invalid) = msisdn.check_new()
            && !stored.contains(number)
            && !present.contains_key(number)
        {
            outcomes.push(Err(Error::Invalid(invalid)));
            continue;
        }
        let mut spellings = msisdn.spellings().map(Cow::into_owned);
        spellings.sort();
        let first = spellings.iter().find_map(|one| present.get(one));
        let is_new = first.is_none();
        let optout = first.cloned().unwrap_or_else(|| Optout {
            msisdn: msisdn.clone(),
            created_on,
        });
        if is_new {
            new.push(number);
            present.insert(number.to_owned(), optout.clone());
        }
        outcomes.push(Ok(OptedOut { optout, is_new }));
    }
    // Rows are locked in one order by everybody.
    new.sort_unstable();
    let values: &Values<'_> = &[&new, &created_on.millis()];
    if !new.is_empty() && transaction.query(INSERT, values).await?.len() < new.len() {
        return Err(Failure::Overtaken);
    }
    let inserted = i64::try_from(new.len()).unwrap_or(i64::MAX);
    transaction.count(Counter::Optouts, inserted);
    Ok(outcomes)
}

/// Has those wait for each other who opt out a number in different spellings; only one
/// that a contact has since older rules can be.
async fn lock(transaction: &Transaction<'_>, msisdns: &[Msisdn]) -> Result<(), Failure> {
    let spellings = msisdns.iter().map(Msisdn::spellings);
    let older = spellings.filter_map(|[new, old]| (new != old).then(|| old.into_owned()));
    let older: Vec<String> = older.collect();
    if !older.is_empty() {
        transaction.query(LOCK, &[&older]).await?;
    }
    Ok(())
}

/// The opt-outs of all spellings of these numbers, by number.
async fn present(
    transaction: &Transaction<'_>,
    msisdns: &[Msisdn],
) -> Result<HashMap<String, Optout>, Failure> {
    let spellings: Vec<Cow<'_, str>> = msisdns.iter().flat_map(Msisdn::spellings).collect();
    let spellings: Vec<&str> = spellings.iter().map(Cow::as_ref).collect();
    let rows = transaction.query(FIND_ALL, &[&spellings]).await?;
    let optouts = rows.iter().map(optout);
    let by_number = optouts.map(|read| read.map(|one| (one.msisdn.as_str().to_owned(), one)));
    Ok(by_number.collect::<Result<_, _>>()?)
}

/// Those of the numbers refused today that a contact has since older rules.
async fn stored(
    transaction: &Transaction<'_>,
    msisdns: &[Msisdn],
) -> Result<HashSet<String>, Failure> {
    let refused = msisdns.iter().filter(|one| one.check_new().is_err());
    let refused: Vec<&str> = refused.map(Msisdn::as_str).collect();
    if refused.is_empty() {
        return Ok(HashSet::new());
    }
    let rows = transaction.query(STORED, &[&refused]).await?;
    let numbers = rows.iter().map(|row| row.try_get(0));
    Ok(numbers.collect::<Result<_, _>>()?)
}

/// Takes an opt-out back.
async fn delete(transaction: &Transaction<'_>, msisdn: &Msisdn) -> Result<(), Failure> {
    let [one, other] = named_by(msisdn);
    let spellings: &Values<'_> = &[&one.as_ref(), &other.as_ref()];
    let deleted = transaction.execute(DELETE, spellings).await?;
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

fn optout(row: &Row) -> Result<Optout, tokio_postgres::Error> {
    Ok(Optout {
        msisdn: Msisdn::from_stored(row.try_get(0)?),
        created_on: Moment::from_millis(row.try_get(1)?),
    })
}
