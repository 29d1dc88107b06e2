//! Lists of contacts: a selection becomes one query, its values all bound.

use std::borrow::Cow;

use rusqlite::functions::FunctionFlags;
use rusqlite::types::Value;
use rusqlite::{Connection, Row};
use uuid::Uuid;

use super::conditions::{CONTACTS_FIRST, Conditions, MEMBERS_FIRST};
use super::transaction::Counter;
use super::{Snapshot, checksum, groups};
use crate::contact::{ContactId, ContactView, Msisdn};
use crate::error::Error;
use crate::group::Group;
use crate::key::Grant;
use crate::meta::has_member;
use crate::selection::{Filter, Listed, Page, Position, Selection, SortField};

const SELECT: &str = "SELECT id, alias, msisdn, checksum";
pub(super) const SELECT_WITH_META: &str = "SELECT id, alias, msisdn, checksum, meta, updated_on";
const COUNT: &str = "SELECT count(*)";

/// In the order of alias or number, a group of less than this part of all
/// contacts is read whole and sorted (an eighth of a million: 65 ms). A larger one
/// is met on the walk through the index: it looks at eight for one at the most,
/// unless all of them stand at the end.
const SORTED_PART: u64 = 8;

/// Rows of a list that is read without a hop to a thread that may block: the hop
/// costs as much as a few dozen.
const SHORT_ROWS_MAX: u64 = 200;
/// Rows that are skipped one by one, beyond which a list is a scan.
const SKIPPED_FAR: u64 = 10_000;

/// A bare parameter would have the statement planned anew for every value.
const PART: &str = " LIMIT CAST(? AS INTEGER) OFFSET CAST(? AS INTEGER)";

impl Snapshot {
    pub(crate) async fn contacts<C: Send + 'static>(
        self,
        grant: Grant,
        selection: &Selection,
        collected: C,
        each: fn(&mut C, &ContactView<'_>),
    ) -> Result<(C, Listed), Error> {
        if is_short(selection) {
            return self.read(|connection| list(connection, selection, collected, each));
        }
        let (readers, selection) = (self.into_readers(), selection.clone());
        let is_scan = is_scan(&selection);
        let query = move |connection: &Connection| list(connection, &selection, collected, each);
        if is_scan {
            readers.scan(grant.key(), query).await
        } else {
            readers.list(grant.key(), query).await
        }
    }
}

/// Whether it takes few steps to read, whatever the book holds.
fn is_short(selection: &Selection) -> bool {
    let skipped = match &selection.page {
        Page::Offset(skipped) => *skipped,
        Page::After(_) => 0,
    };
    selection.filters.is_empty() && skipped.saturating_add(selection.limit.into()) <= SHORT_ROWS_MAX
}

/// Whether it may look at every contact, or at very many: such lists never keep
/// those waiting that an index answers.
pub(super) fn is_scan(selection: &Selection) -> bool {
    let is_far = match &selection.page {
        Page::Offset(skipped) => *skipped > SKIPPED_FAR,
        Page::After(_) => false,
    };
    is_far
        || selection.filters.iter().any(|filter| match filter {
            Filter::Search(_)
            | Filter::Meta { .. }
            | Filter::AliasPrefix(_)
            | Filter::OptedOut(_) => true,
            Filter::Alias(_) | Filter::Msisdn(_) | Filter::Group(_) => false,
        })
}

/// Teaches a connection the functions by which lists filter.
pub(super) fn add_functions(connection: &Connection) -> Result<(), rusqlite::Error> {
    let flags = FunctionFlags::SQLITE_UTF8
        | FunctionFlags::SQLITE_DETERMINISTIC
        | FunctionFlags::SQLITE_DIRECTONLY;
    connection.create_scalar_function("meta_has_member", 3, flags, |arguments| {
        let text = |at| arguments.get_raw(at).as_str();
        Ok(has_member(text(0)?, text(1)?, text(2)?))
    })?;
    connection.create_scalar_function("other_spelling", 1, flags, |arguments| {
        let digits = arguments.get_raw(0).as_str()?.to_owned();
        let [newer, older] = Msisdn::from_stored(digits.clone())
            .spellings()
            .map(Cow::into_owned);
        Ok(if newer == digits { older } else { newer })
    })
}

/// Reads a selection. Page and total are of one state where `connection` is in
/// a transaction.
pub(super) fn list<C>(
    connection: &Connection,
    selection: &Selection,
    collected: C,
    each: fn(&mut C, &ContactView<'_>),
) -> Result<(C, Listed), rusqlite::Error> {
    let Some((filter, group)) = conditions(connection, selection)? else {
        return Ok((collected, Listed::nothing(&selection.page)));
    };
    let total = match (&selection.page, &group) {
        (Page::After(_), _) => None,
        (Page::Offset(_), None) if filter.terms.is_empty() => {
            Some(Counter::Contacts.read(connection)?)
        }
        (Page::Offset(_), Some(group)) if filter.terms.len() == 1 => Some(group.members),
        (Page::Offset(_), _) => Some(count(connection, &filter)?),
    };
    let (collected, next) = page(connection, selection, filter, collected, each)?;
    Ok((collected, Listed { total, next }))
}

/// The conditions of a selection, and the group that it is of. None of a group that is
/// not: nobody is in it, as nobody has an alias that is not.
pub(super) fn conditions(
    connection: &Connection,
    selection: &Selection,
) -> Result<Option<(Conditions, Option<Group>)>, rusqlite::Error> {
    let mut conditions = Conditions::of(&selection.filters);
    let Some(id) = conditions.group else {
        return Ok(Some((conditions, None)));
    };
    let Some(group) = groups::find(connection, id)? else {
        return Ok(None);
    };
    conditions.from = join(connection, &group, selection)?;
    Ok(Some((conditions, Some(group))))
}

/// Where to begin with the contacts of a group: with its members, who are in the
/// order of their creation, or with the contacts that an index puts into order.
fn join(
    connection: &Connection,
    group: &Group,
    selection: &Selection,
) -> Result<&'static str, rusqlite::Error> {
    let few = |filter: &Filter| matches!(filter, Filter::Alias(_) | Filter::Msisdn(_));
    if selection.filters.iter().any(few) {
        return Ok(CONTACTS_FIRST);
    }
    if selection.sort.field == SortField::CreatedOn {
        return Ok(MEMBERS_FIRST);
    }
    let contacts = Counter::Contacts.read(connection)?;
    Ok(if group.members < contacts / SORTED_PART {
        MEMBERS_FIRST
    } else {
        CONTACTS_FIRST
    })
}

fn count(connection: &Connection, filter: &Conditions) -> Result<u64, rusqlite::Error> {
    let query = format!("{COUNT}{}", filter.to_sql());
    let mut statement = connection.prepare_cached(&query)?;
    statement.query_row(rusqlite::params_from_iter(&filter.values), |row| row.get(0))
}

fn page<C>(
    connection: &Connection,
    selection: &Selection,
    mut conditions: Conditions,
    mut collected: C,
    each: fn(&mut C, &ContactView<'_>),
) -> Result<(C, Option<Position>), rusqlite::Error> {
    let mut offset = 0;
    match &selection.page {
        Page::Offset(skipped) => offset = i64::try_from(*skipped).unwrap_or(i64::MAX),
        Page::After(Some(position)) => conditions.begin_behind(position, selection.sort),
        Page::After(None) => {}
    }
    let select = if selection.with_meta {
        SELECT_WITH_META
    } else {
        SELECT
    };
    let query = format!(
        "{select}{}{}{PART}",
        conditions.to_sql(),
        conditions.order(selection.sort)
    );
    // One more than the limit: it tells whether a page follows.
    let rows_max = i64::from(selection.limit) + 1;
    conditions
        .values
        .extend([Value::from(rows_max), Value::from(offset)]);
    let mut statement = connection.prepare_cached(&query)?;
    let mut rows = statement.query(rusqlite::params_from_iter(&conditions.values))?;
    let mut last = None;
    for number in 1..=selection.limit {
        let Some(row) = rows.next()? else {
            return Ok((collected, None));
        };
        let contact = view(row, selection.with_meta)?;
        each(&mut collected, &contact);
        if number == selection.limit {
            last = Some(Position::of(&contact, selection.sort));
        }
    }
    let more = rows.next()?.is_some();
    Ok((collected, last.filter(|_| more)))
}

pub(super) fn view<'r>(
    row: &'r Row<'_>,
    with_meta: bool,
) -> Result<ContactView<'r>, rusqlite::Error> {
    let text = |column| Ok::<_, rusqlite::Error>(row.get_ref(column)?.as_str()?);
    let (id, alias, msisdn) = (row.get(0)?, text(1)?, text(2)?);
    let checksum = row.get(3)?;
    checksum::check_head(checksum, &id, alias, msisdn)?;
    let meta = if with_meta { Some(text(4)?) } else { None };
    if let Some(meta) = meta {
        checksum::check_rest(checksum, meta, row.get(5)?)?;
    }
    Ok(ContactView {
        id: ContactId::from_uuid(Uuid::from_bytes(id)),
        alias,
        msisdn,
        meta,
    })
}
