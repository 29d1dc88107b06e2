//! Filters become terms of SQL, their values all bound.

use std::fmt::Write;

use rusqlite::types::Value;

use crate::contact::Msisdn;
use crate::group::GroupId;
use crate::msisdn::digits_of_part;
use crate::selection::{Filter, Position, Sort, SortField};
use crate::store::patterns::{end_of_prefix, escaped_for_like};

const CONTACTS: &str = " FROM contacts";
/// A `CROSS JOIN` is done from left to right: <https://sqlite.org/optoverview.html>
pub(super) const MEMBERS_FIRST: &str = " FROM memberships
    CROSS JOIN contacts ON contacts.id = memberships.contact_id";
pub(super) const CONTACTS_FIRST: &str = " FROM contacts
    CROSS JOIN memberships ON memberships.contact_id = contacts.id";

const ALIAS_IS: &str = "alias = ?";
const MSISDN_IS: &str = "msisdn = ?";
const GROUP_IS: &str = "group_id = ?";
const ALIAS_FROM: &str = "alias >= ?";
const ALIAS_BEFORE: &str = "alias < ?";
const ALIAS_HOLDS: &str = "alias LIKE ? ESCAPE '\\'";
const HOLDS: &str = "(alias LIKE ? ESCAPE '\\' OR msisdn LIKE ? ESCAPE '\\')";
/// Of a text with a NUL, at which LIKE would stop, and which no contact holds.
const NOTHING: &str = "FALSE";
/// Of a number or of its other spelling, each looked up by itself.
const OPTED_OUT: &str = "EXISTS (SELECT 1 FROM optouts
    WHERE optouts.msisdn IN (contacts.msisdn, other_spelling(contacts.msisdn)))";
const NOT_OPTED_OUT: &str = "NOT EXISTS (SELECT 1 FROM optouts
    WHERE optouts.msisdn IN (contacts.msisdn, other_spelling(contacts.msisdn)))";
const META_IS: &str = "meta_has_member(meta, ?, ?)";

/// Where contacts are taken from; terms of a `WHERE` and their values, in the
/// same order.
pub(super) struct Conditions {
    pub(super) from: &'static str,
    pub(super) group: Option<GroupId>,
    pub(super) terms: Vec<&'static str>,
    pub(super) values: Vec<Value>,
}

impl Conditions {
    /// Those of all filters, from all contacts.
    pub(super) fn of(filters: &[Filter]) -> Self {
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
            Filter::OptedOut(true) => self.add(OPTED_OUT, []),
            Filter::OptedOut(false) => self.add(NOT_OPTED_OUT, []),
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

    /// Begins behind a position of this sort.
    pub(super) fn begin_behind(&mut self, position: &Position, sort: Sort) {
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

    /// What puts them into this order.
    pub(super) fn order(&self, sort: Sort) -> &'static str {
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

    /// Adds a term and its values.
    pub(super) fn add<const VALUES: usize>(&mut self, term: &'static str, values: [Value; VALUES]) {
        self.terms.push(term);
        self.values.extend(values);
    }

    /// What stands behind the columns of a query.
    pub(super) fn to_sql(&self) -> String {
        let mut sql = self.from.to_owned();
        for (position, term) in self.terms.iter().enumerate() {
            let joint = if position == 0 { "WHERE" } else { "AND" };
            write!(sql, " {joint} {term}").expect("a String takes everything");
        }
        sql
    }
}
