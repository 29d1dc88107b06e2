//! Filters become terms of SQL, their values all bound.

use std::fmt::Write;

use serde_json::to_string as to_json;
use tokio_postgres::types::ToSql;

use super::connection::uuid;
use super::groups;
use crate::contact::Msisdn;
use crate::group::GroupId;
use crate::meta::has_member;
use crate::msisdn::{CODES_WITH_TRUNK_ZERO, digits_of_part};
use crate::selection::{Filter, Position, Sort, SortField};
use crate::store::patterns::{end_of_prefix, escaped_for_like};

const CONTACTS: &str = " FROM contacts";
const MEMBERS: &str = " FROM memberships JOIN contacts ON contacts.alias = memberships.alias";

type Value = Box<dyn ToSql + Sync + Send>;

/// Where contacts are taken from; terms of a `WHERE`, and the values that they name.
pub(super) struct Conditions {
    from: &'static str,
    pub(super) group: Option<GroupId>,
    pub(super) terms: Vec<String>,
    values: Vec<Value>,
    metas: Vec<(String, String)>,
    /// No contact can be meant.
    pub(super) is_nothing: bool,
}

impl Conditions {
    pub(super) fn of(filters: &[Filter]) -> Self {
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
            Filter::OptedOut(is_opted_out) => self.add_opted_out(*is_opted_out),
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

    /// Of a number or of its other spelling, each looked up by itself, or one after the
    /// other in a table made of all opt-outs: that is for PostgreSQL to decide.
    fn add_opted_out(&mut self, is_opted_out: bool) {
        let of_length = |length: usize| -> Vec<&'static str> {
            let codes = CODES_WITH_TRUNK_ZERO.iter().copied();
            codes.filter(|code| code.len() == length).collect()
        };
        let (two, three) = (self.place(of_length(2)), self.place(of_length(3)));
        let other = format!(
            "CASE WHEN left(contacts.msisdn, 2) = ANY({two}) THEN {}
                WHEN left(contacts.msisdn, 3) = ANY({three}) THEN {}
                ELSE contacts.msisdn END",
            other_behind_code(2),
            other_behind_code(3)
        );
        let not = if is_opted_out { "" } else { "NOT " };
        self.terms.push(format!(
            "{not}(EXISTS (SELECT 1 FROM optouts WHERE optouts.msisdn = contacts.msisdn)
                OR EXISTS (SELECT 1 FROM optouts WHERE optouts.msisdn = {other}))"
        ));
    }

    /// Whether the metas decide, of which no query does.
    pub(super) fn are_of_metas(&self) -> bool {
        !self.metas.is_empty()
    }

    pub(super) fn match_meta(&self, meta: &str) -> bool {
        let mut metas = self.metas.iter();
        metas.all(|(name, value)| has_member(meta, name, value))
    }

    pub(super) fn begin_behind(&mut self, position: &Position, sort: Sort) {
        let relation = if sort.descending { "<" } else { ">" };
        if position.key.contains('\0') {
            // No cursor of ours.
            self.is_nothing = true;
            return;
        }
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

    pub(super) fn order(&self, sort: Sort) -> String {
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

    /// Lets in only contacts of these aliases. Said of memberships as well: by which shard
    /// they are on, Citus does not conclude it from their join.
    pub(super) fn be_among(&mut self, aliases: Vec<String>) {
        let place = self.place(aliases);
        self.terms.push(format!("contacts.alias = ANY({place})"));
        if self.group.is_some() {
            self.terms.push(format!("memberships.alias = ANY({place})"));
        }
    }

    pub(super) fn add(&mut self, begin: &str, value: impl ToSql + Sync + Send + 'static) {
        let place = self.place(value);
        self.terms.push(format!("{begin}{place}"));
    }

    /// Takes a value in; how the query names it.
    pub(super) fn place(&mut self, value: impl ToSql + Sync + Send + 'static) -> String {
        self.values.push(Box::new(value));
        format!("${}", self.values.len())
    }

    pub(super) fn values(&self) -> Vec<&(dyn ToSql + Sync)> {
        let values = self.values.iter();
        values
            .map(|value| &**value as &(dyn ToSql + Sync))
            .collect()
    }

    pub(super) fn to_sql(&self) -> String {
        let mut sql = self.from.to_owned();
        for (position, term) in self.terms.iter().enumerate() {
            let joint = if position == 0 { "WHERE" } else { "AND" };
            write!(sql, " {joint} {term}").expect("a String takes everything");
        }
        sql
    }
}

/// The other spelling of a number whose country code has so many digits: with a 0 behind
/// it, or without.
fn other_behind_code(digits: usize) -> String {
    let (zero, rest) = (digits + 1, digits + 2);
    let (code, number) = (
        format!("left(contacts.msisdn, {digits})"),
        "contacts.msisdn",
    );
    format!(
        "CASE WHEN substr({number}, {zero}, 1) = '0' THEN {code} || substr({number}, {rest})
            ELSE {code} || '0' || substr({number}, {zero}) END"
    )
}
