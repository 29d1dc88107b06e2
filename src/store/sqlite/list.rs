//! Lists of contacts: a selection becomes one query, its values all bound.

use std::fmt::Write;

use rusqlite::functions::FunctionFlags;
use rusqlite::types::Value;
use rusqlite::{Connection, Row};
use uuid::Uuid;

use super::transaction::Counter;
use super::{Snapshot, checksum, groups};
use crate::contact::{ContactId, ContactView, Msisdn};
use crate::error::Error;
use crate::group::{Group, GroupId};
use crate::key::Grant;
use crate::meta::has_member;
use crate::msisdn::digits_of_part;
use crate::selection::{Filter, Listed, Page, Position, Selection, Sort, SortField};

const SELECT: &str = "SELECT id, alias, msisdn, checksum";
pub(super) const SELECT_WITH_META: &str = "SELECT id, alias, msisdn, checksum, meta, updated_on";
const COUNT: &str = "SELECT count(*)";

const CONTACTS: &str = " FROM contacts";
/// A `CROSS JOIN` is done from left to right: <https://sqlite.org/optoverview.html>
const MEMBERS_FIRST: &str = " FROM memberships
    CROSS JOIN contacts ON contacts.id = memberships.contact_id";
const CONTACTS_FIRST: &str = " FROM contacts
    CROSS JOIN memberships ON memberships.contact_id = contacts.id";
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

const ALIAS_IS: &str = "alias = ?";
const MSISDN_IS: &str = "msisdn = ?";
const GROUP_IS: &str = "group_id = ?";
const ALIAS_FROM: &str = "alias >= ?";
const ALIAS_BEFORE: &str = "alias < ?";
const ALIAS_HOLDS: &str = "alias LIKE ? ESCAPE '\\'";
const HOLDS: &str = "(alias LIKE ? ESCAPE '\\' OR msisdn LIKE ? ESCAPE '\\')";
/// Of a text with a NUL, at which LIKE would stop, and which no contact holds.
const NOTHING: &str = "FALSE";
const META_IS: &str = "meta_has_member(meta, ?, ?)";

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
fn is_scan(selection: &Selection) -> bool {
    let is_far = match &selection.page {
        Page::Offset(skipped) => *skipped > SKIPPED_FAR,
        Page::After(_) => false,
    };
    is_far
        || selection.filters.iter().any(|filter| match filter {
            Filter::Search(_) | Filter::Meta { .. } | Filter::AliasPrefix(_) => true,
            Filter::Alias(_) | Filter::Msisdn(_) | Filter::Group(_) => false,
        })
}

/// Teaches a connection the function by which lists filter metas.
pub(super) fn add_functions(connection: &Connection) -> Result<(), rusqlite::Error> {
    let flags = FunctionFlags::SQLITE_UTF8
        | FunctionFlags::SQLITE_DETERMINISTIC
        | FunctionFlags::SQLITE_DIRECTONLY;
    connection.create_scalar_function("meta_has_member", 3, flags, |arguments| {
        let text = |at| arguments.get_raw(at).as_str();
        Ok(has_member(text(0)?, text(1)?, text(2)?))
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
    let mut filter = Conditions::of(&selection.filters);
    let group = match filter.group {
        Some(id) => match groups::find(connection, id)? {
            Some(group) => Some(group),
            // Nobody is in a group that is not, as nobody has an alias that is not.
            None => return Ok((collected, Listed::nothing(&selection.page))),
        },
        None => None,
    };
    if let Some(group) = &group {
        filter.from = join(connection, group, selection)?;
    }
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

/// Where contacts are taken from; terms of a `WHERE` and their values, in the
/// same order.
struct Conditions {
    from: &'static str,
    group: Option<GroupId>,
    terms: Vec<&'static str>,
    values: Vec<Value>,
}

impl Conditions {
    fn of(filters: &[Filter]) -> Self {
        let mut conditions = Self {
            from: CONTACTS,
            group: None,
            terms: Vec::new(),
            values: Vec::new(),
        };
        for filter in filters {
            conditions.add_filter(filter);
        }
        conditions
    }

    fn add_filter(&mut self, filter: &Filter) {
        match filter {
            Filter::Alias(alias) => self.add(ALIAS_IS, [alias.as_str().to_owned().into()]),
            Filter::Msisdn(msisdn) => self.add(MSISDN_IS, [msisdn.as_str().to_owned().into()]),
            Filter::Group(group) => {
                self.group = Some(*group);
                self.add(GROUP_IS, [Value::Blob(group.as_bytes().to_vec())]);
            }
            Filter::AliasPrefix(prefix) => {
                self.add(ALIAS_FROM, [prefix.clone().into()]);
                if let Some(end) = end_of_prefix(prefix) {
                    self.add(ALIAS_BEFORE, [end.into()]);
                }
            }
            Filter::Search(text) if text.contains('\0') => self.add(NOTHING, []),
            Filter::Search(text) => {
                let pattern = |text: &str| Value::from(format!("%{}%", escaped_for_like(text)));
                let digits = match Msisdn::parse(text) {
                    Ok(whole) => whole.as_str().to_owned(),
                    Err(_) => digits_of_part(text),
                };
                match digits.is_empty() {
                    true => self.add(ALIAS_HOLDS, [pattern(text)]),
                    false => self.add(HOLDS, [pattern(text), pattern(&digits)]),
                }
            }
            Filter::Meta { name, value } => {
                self.add(META_IS, [name.clone().into(), value.clone().into()]);
            }
        }
    }

    fn begin_behind(&mut self, position: &Position, sort: Sort) {
        let id = Value::Blob(position.id.as_bytes().to_vec());
        let key = Value::from(position.key.clone());
        let of_members = self.from == MEMBERS_FIRST;
        match (sort.field, sort.descending) {
            (SortField::CreatedOn, false) if of_members => self.add("contact_id > ?", [id]),
            (SortField::CreatedOn, true) if of_members => self.add("contact_id < ?", [id]),
            (SortField::CreatedOn, false) => self.add("id > ?", [id]),
            (SortField::CreatedOn, true) => self.add("id < ?", [id]),
            (SortField::Alias, false) => self.add("alias > ?", [key]),
            (SortField::Alias, true) => self.add("alias < ?", [key]),
            (SortField::Msisdn, false) => self.add("(msisdn, id) > (?, ?)", [key, id]),
            (SortField::Msisdn, true) => self.add("(msisdn, id) < (?, ?)", [key, id]),
        }
    }

    fn order(&self, sort: Sort) -> &'static str {
        let of_members = self.from == MEMBERS_FIRST;
        match (sort.field, sort.descending) {
            (SortField::CreatedOn, false) if of_members => " ORDER BY contact_id",
            (SortField::CreatedOn, true) if of_members => " ORDER BY contact_id DESC",
            (SortField::CreatedOn, false) => " ORDER BY id",
            (SortField::CreatedOn, true) => " ORDER BY id DESC",
            (SortField::Alias, false) => " ORDER BY alias",
            (SortField::Alias, true) => " ORDER BY alias DESC",
            (SortField::Msisdn, false) => " ORDER BY msisdn, id",
            (SortField::Msisdn, true) => " ORDER BY msisdn DESC, id DESC",
        }
    }

    fn add<const VALUES: usize>(&mut self, term: &'static str, values: [Value; VALUES]) {
        self.terms.push(term);
        self.values.extend(values);
    }

    fn to_sql(&self) -> String {
        let mut sql = self.from.to_owned();
        for (position, term) in self.terms.iter().enumerate() {
            let joint = if position == 0 { "WHERE" } else { "AND" };
            write!(sql, " {joint} {term}").expect("a String takes everything");
        }
        sql
    }
}

/// The smallest text behind every text that begins with `prefix`, or `None`
/// where there is none. UTF-8 sorts as its code points do.
fn end_of_prefix(prefix: &str) -> Option<String> {
    let mut characters: Vec<char> = prefix.chars().collect();
    while let Some(last) = characters.pop() {
        // Steps over the surrogates, which are no characters.
        if let Some(next) = (last..=char::MAX).nth(1) {
            characters.push(next);
            return Some(characters.into_iter().collect());
        }
    }
    None
}

fn escaped_for_like(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('%', "\\%")
        .replace('_', "\\_")
}
