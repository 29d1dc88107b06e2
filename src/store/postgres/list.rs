//! Lists of contacts: a selection becomes one query, its values all bound.

use std::fmt::Write;
use std::time::Instant;

use serde_json::to_string as to_json;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::connection::Link;
use super::contacts::uuid;
use super::failure::Failure;
use super::readers::LIST_TIME_MAX;
use super::transaction::{Counter, unsigned};
use super::{Snapshot, groups};
use crate::contact::{ContactId, ContactView, Msisdn};
use crate::error::Error;
use crate::group::{Group, GroupId};
use crate::key::Grant;
use crate::meta::has_member;
use crate::msisdn::digits_of_part;
use crate::selection::{Filter, Listed, Page, Position, Selection, Sort, SortField};

const SELECT: &str = "SELECT contacts.id, contacts.alias, contacts.msisdn";
const SELECT_WITH_META: &str =
    "SELECT contacts.id, contacts.alias, contacts.msisdn, contacts.meta::text";
const COUNT: &str = "SELECT count(*)";
const CONTACTS: &str = " FROM contacts";
const MEMBERS: &str = " FROM memberships JOIN contacts ON contacts.alias = memberships.alias";
const FETCH: &str = "FETCH 1000 FROM scanned";
const CLOSE: &str = "CLOSE scanned";

/// Rows that are skipped one by one, beyond which a list is a scan.
const SKIPPED_FAR: u64 = 10_000;

impl Snapshot {
    pub(crate) async fn contacts<C: Send + 'static>(
        self,
        grant: Grant,
        selection: &Selection,
        collected: C,
        each: fn(&mut C, &ContactView<'_>),
    ) -> Result<(C, Listed), Error> {
        let selection = selection.clone();
        let is_scan = is_scan(&selection);
        let query = async move |link: &Link| list(link, &selection, collected, each).await;
        if is_scan {
            self.readers.scan(grant.key(), query).await
        } else {
            self.readers.list(grant.key(), query).await
        }
    }
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

/// Reads a selection. Page and total are of one state where `link` is in a transaction
/// that has one.
pub(super) async fn list<C>(
    link: &Link,
    selection: &Selection,
    collected: C,
    each: fn(&mut C, &ContactView<'_>),
) -> Result<(C, Listed), Failure> {
    let conditions = Conditions::of(&selection.filters);
    let group = match conditions.group {
        Some(id) => match groups::find(link, id).await? {
            Some(group) => Some(group),
            // Nobody is in a group that is not, as nobody has an alias that is not.
            None => return Ok((collected, Listed::nothing(&selection.page))),
        },
        None => None,
    };
    if conditions.is_nothing {
        return Ok((collected, Listed::nothing(&selection.page)));
    }
    if !conditions.metas.is_empty() {
        return scan(link, selection, conditions, collected, each).await;
    }
    let total = match &selection.page {
        Page::After(_) => None,
        Page::Offset(_) => Some(total(link, &conditions, group.as_ref()).await?),
    };
    let (collected, next) = page(link, selection, conditions, collected, each).await?;
    Ok((collected, Listed { total, next }))
}

async fn total(
    link: &Link,
    conditions: &Conditions,
    group: Option<&Group>,
) -> Result<u64, Failure> {
    match group {
        None if conditions.terms.is_empty() => Ok(Counter::Contacts.read(link).await?),
        Some(group) if conditions.terms.len() == 1 => Ok(group.members),
        _ => {
            let query = format!("{COUNT}{}", conditions.to_sql());
            let counted = link.query_one(&query, &conditions.values()).await?;
            Ok(unsigned(&counted, 0)?)
        }
    }
}

async fn page<C>(
    link: &Link,
    selection: &Selection,
    mut conditions: Conditions,
    mut collected: C,
    each: fn(&mut C, &ContactView<'_>),
) -> Result<(C, Option<Position>), Failure> {
    let mut offset = 0;
    match &selection.page {
        Page::Offset(skipped) => offset = i64::try_from(*skipped).unwrap_or(i64::MAX),
        Page::After(Some(position)) => conditions.begin_behind(position, selection.sort),
        Page::After(None) => {}
    }
    let select = match selection.with_meta {
        true => SELECT_WITH_META,
        false => SELECT,
    };
    let order = conditions.order(selection.sort);
    // One more than the limit: it tells whether a page follows.
    let rows_max = conditions.place(i64::from(selection.limit) + 1);
    let skipped = conditions.place(offset);
    let query = format!(
        "{select}{}{order} LIMIT {rows_max} OFFSET {skipped}",
        conditions.to_sql()
    );
    let rows = link.query(&query, &conditions.values()).await?;
    let limit = usize::try_from(selection.limit).unwrap_or(usize::MAX);
    for row in rows.iter().take(limit) {
        each(&mut collected, &view(row, selection.with_meta)?);
    }
    let next = match rows.len() > limit && limit > 0 {
        true => Some(Position::of(
            &view(&rows[limit - 1], false)?,
            selection.sort,
        )),
        false => None,
    };
    Ok((collected, next))
}

/// Reads a selection of which the metas decide, each looked at here: numbers are compared
/// to the digit, which SQL's are not.
async fn scan<C>(
    link: &Link,
    selection: &Selection,
    mut conditions: Conditions,
    mut collected: C,
    each: fn(&mut C, &ContactView<'_>),
) -> Result<(C, Listed), Failure> {
    let begun = Instant::now();
    let skipped = match &selection.page {
        Page::Offset(skipped) => *skipped,
        Page::After(position) => {
            if let Some(position) = position {
                conditions.begin_behind(position, selection.sort);
            }
            0
        }
    };
    let order = conditions.order(selection.sort);
    let declared = format!(
        "DECLARE scanned NO SCROLL CURSOR FOR {SELECT_WITH_META}{}{order}",
        conditions.to_sql()
    );
    link.execute(&declared, &conditions.values()).await?;
    let end = skipped.saturating_add(selection.limit.into());
    let (mut found, mut last) = (0_u64, None);
    'reading: loop {
        let rows = link.client().query(FETCH, &[]).await?;
        if rows.is_empty() {
            break;
        }
        for row in &rows {
            let contact = view(row, true)?;
            if !conditions.match_meta(contact.meta.unwrap_or_default()) {
                continue;
            }
            found += 1;
            if found > end {
                if matches!(selection.page, Page::After(_)) {
                    break 'reading;
                }
            } else if found > skipped {
                let shown = match selection.with_meta {
                    true => contact,
                    false => ContactView {
                        meta: None,
                        ..contact
                    },
                };
                each(&mut collected, &shown);
                last = Some(Position::of(&contact, selection.sort));
            }
        }
        if begun.elapsed() > LIST_TIME_MAX {
            return Err(Error::ListTooSlow.into());
        }
    }
    link.batch(CLOSE).await?;
    let total = match selection.page {
        Page::Offset(_) => Some(found),
        Page::After(_) => None,
    };
    let next = last.filter(|_| found > end);
    Ok((collected, Listed { total, next }))
}

pub(super) fn view(row: &Row, with_meta: bool) -> Result<ContactView<'_>, tokio_postgres::Error> {
    Ok(ContactView {
        id: ContactId::from_uuid(row.try_get(0)?),
        alias: row.try_get(1)?,
        msisdn: row.try_get(2)?,
        meta: if with_meta {
            Some(row.try_get(3)?)
        } else {
            None
        },
    })
}

type Value = Box<dyn ToSql + Sync + Send>;

/// Where contacts are taken from; terms of a `WHERE`, and the values that they name.
struct Conditions {
    from: &'static str,
    group: Option<GroupId>,
    terms: Vec<String>,
    values: Vec<Value>,
    metas: Vec<(String, String)>,
    /// No contact can be meant.
    is_nothing: bool,
}

impl Conditions {
    fn of(filters: &[Filter]) -> Self {
        let mut conditions = Self {
            from: CONTACTS,
            group: None,
            terms: Vec::new(),
            values: Vec::new(),
            metas: Vec::new(),
            is_nothing: false,
        };
        for filter in filters {
            conditions.add_filter(filter);
        }
        conditions
    }

    fn add_filter(&mut self, filter: &Filter) {
        match filter {
            Filter::Alias(alias) => self.add("contacts.alias = ", alias.as_str().to_owned()),
            Filter::Msisdn(msisdn) => self.add("contacts.msisdn = ", msisdn.as_str().to_owned()),
            Filter::Group(group) => {
                self.from = MEMBERS;
                self.group = Some(*group);
                self.add("memberships.group_id = ", groups::uuid(*group));
            }
            // No stored text has a NUL, and PostgreSQL takes none.
            Filter::AliasPrefix(text) | Filter::Search(text) if text.contains('\0') => {
                self.is_nothing = true;
            }
            Filter::AliasPrefix(prefix) => {
                self.add("contacts.alias >= ", prefix.clone());
                if let Some(end) = end_of_prefix(prefix) {
                    self.add("contacts.alias < ", end);
                }
            }
            Filter::Search(text) => {
                let pattern = |text: &str| format!("%{}%", escaped_for_like(text));
                let digits = match Msisdn::parse(text) {
                    Ok(whole) => whole.as_str().to_owned(),
                    Err(_) => digits_of_part(text),
                };
                let alias = self.place(pattern(text));
                // By the collation, ASCII letters alone have two cases.
                let mut term = format!("(contacts.alias ILIKE {alias}");
                if !digits.is_empty() {
                    let number = self.place(pattern(&digits));
                    write!(term, " OR contacts.msisdn LIKE {number}")
                        .expect("a String takes everything");
                }
                term.push(')');
                self.terms.push(term);
            }
            Filter::Meta { name, value } if name.contains('\0') || value.contains('\0') => {
                self.is_nothing = true;
            }
            Filter::Meta { name, value } => {
                // Compact as it is stored, a meta that has the member has this text.
                let member = format!("{}:", to_json(name).unwrap_or_default());
                let place = self.place(member);
                self.terms
                    .push(format!("strpos(contacts.meta::text, {place}) > 0"));
                self.metas.push((name.clone(), value.clone()));
            }
        }
    }

    fn match_meta(&self, meta: &str) -> bool {
        let mut metas = self.metas.iter();
        metas.all(|(name, value)| has_member(meta, name, value))
    }

    fn begin_behind(&mut self, position: &Position, sort: Sort) {
        let relation = if sort.descending { "<" } else { ">" };
        match sort.field {
            SortField::CreatedOn => {
                let column = self.id_column();
                self.add(&format!("{column} {relation} "), uuid(position.id));
            }
            SortField::Alias => {
                self.add(&format!("contacts.alias {relation} "), position.key.clone());
            }
            SortField::Msisdn => {
                let (key, id) = (
                    self.place(position.key.clone()),
                    self.place(uuid(position.id)),
                );
                let columns = "(contacts.msisdn, contacts.id)";
                self.terms
                    .push(format!("{columns} {relation} ({key}, {id})"));
            }
        }
    }

    /// Of the members of a group, the one that their index has.
    fn id_column(&self) -> &'static str {
        match self.group {
            Some(_) => "memberships.contact_id",
            None => "contacts.id",
        }
    }

    fn order(&self, sort: Sort) -> String {
        let id = self.id_column();
        let direction = if sort.descending { " DESC" } else { "" };
        match sort.field {
            SortField::CreatedOn => format!(" ORDER BY {id}{direction}"),
            SortField::Alias => format!(" ORDER BY contacts.alias{direction}"),
            SortField::Msisdn => {
                format!(" ORDER BY contacts.msisdn{direction}, contacts.id{direction}")
            }
        }
    }

    fn add(&mut self, begin: &str, value: impl ToSql + Sync + Send + 'static) {
        let place = self.place(value);
        self.terms.push(format!("{begin}{place}"));
    }

    /// Takes a value in; how the query names it.
    fn place(&mut self, value: impl ToSql + Sync + Send + 'static) -> String {
        self.values.push(Box::new(value));
        format!("${}", self.values.len())
    }

    fn values(&self) -> Vec<&(dyn ToSql + Sync)> {
        let values = self.values.iter();
        values
            .map(|value| &**value as &(dyn ToSql + Sync))
            .collect()
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
