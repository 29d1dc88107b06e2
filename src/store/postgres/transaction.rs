//! A transaction that writes, and the counters that it keeps. They are spread over
//! slots: one row for all would have every writer wait for the one before.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::Deref;

use tokio_postgres::Row;
use uuid::Uuid;

use super::connection::{Link, Values};
use super::failure::Failure;
use crate::group::GroupId;
use crate::token::KeyId;

const COUNT: &str = "UPDATE counters SET value = value + added.rows
    FROM unnest($1::text[], $2::bigint[]) AS added (name, rows)
    WHERE counters.name = added.name AND counters.slot = $3";
const COUNT_MEMBERS: &str = "INSERT INTO group_counts (group_id, slot, members)
    SELECT group_id, $3, members FROM unnest($1::uuid[], $2::bigint[]) AS added (group_id, members)
    ON CONFLICT (group_id, slot) DO UPDATE SET members = group_counts.members + excluded.members";
const COUNT_RESPONSES: &str = "INSERT INTO response_counts (key_id, slot, bytes)
    SELECT key_id, $3, bytes FROM unnest($1::text[], $2::bigint[]) AS added (key_id, bytes)
    ON CONFLICT (key_id, slot) DO UPDATE SET bytes = response_counts.bytes + excluded.bytes";
pub(super) const READ_COUNTER: &str =
    "SELECT coalesce(sum(value), 0)::bigint FROM counters WHERE name = $1";

/// A table whose rows are counted.
#[derive(Clone, Copy)]
pub(super) enum Counter {
    Contacts,
    Optouts,
    ApiKeys,
    Audit,
    Groups,
}

impl Counter {
    const ALL: [Self; 5] = [
        Self::Contacts,
        Self::Optouts,
        Self::ApiKeys,
        Self::Audit,
        Self::Groups,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Contacts => "contacts",
            Self::Optouts => "optouts",
            Self::ApiKeys => "api_keys",
            Self::Audit => "audit",
            Self::Groups => "groups",
        }
    }

    /// How many rows the table has.
    pub(super) async fn read(self, link: &Link) -> Result<u64, tokio_postgres::Error> {
        let row = link.query_one(READ_COUNTER, &[&self.name()]).await?;
        unsigned(&row, 0)
    }

    /// Reads a page of the table by `query`, which takes a limit and an offset;
    /// beside it how many rows there are in all.
    pub(super) async fn page<T>(
        self,
        link: &Link,
        query: &str,
        (offset, limit): (u64, u32),
        read: fn(&Row) -> Result<T, Failure>,
    ) -> Result<(Vec<T>, u64), Failure> {
        let total = self.read(link).await?;
        let rows = page(link, query, (offset, limit.into()), read).await?;
        Ok((rows, total))
    }
}

/// Reads a page by `query`, which takes a limit and an offset.
pub(super) async fn page<T>(
    link: &Link,
    query: &str,
    (offset, limit): (u64, i64),
    read: fn(&Row) -> Result<T, Failure>,
) -> Result<Vec<T>, Failure> {
    let offset = i64::try_from(offset).unwrap_or(i64::MAX);
    let values: &Values<'_> = &[&limit, &offset];
    let rows = link.query(query, values).await?;
    rows.iter().map(read).collect()
}

/// A column that counts, and is never below zero.
pub(super) fn unsigned(row: &Row, column: usize) -> Result<u64, tokio_postgres::Error> {
    let value: i64 = row.try_get(column)?;
    Ok(u64::try_from(value).unwrap_or(0))
}

/// A connection inside `BEGIN`. What it counts is written at its end, so that no
/// other transaction waits for it meanwhile.
pub(super) struct Transaction<'c> {
    link: &'c Link,
    added: [Cell<i64>; Counter::ALL.len()],
    members: RefCell<BTreeMap<Uuid, i64>>,
    responses: RefCell<BTreeMap<KeyId, i64>>,
}

impl<'c> Transaction<'c> {
    pub(super) fn on(link: &'c Link) -> Self {
        Self {
            link,
            added: Default::default(),
            members: RefCell::default(),
            responses: RefCell::default(),
        }
    }

    /// Remembers that `rows` were added to a counted table, or removed.
    pub(super) fn count(&self, counter: Counter, rows: i64) {
        let added = &self.added[counter as usize];
        added.set(added.get() + rows);
    }

    /// Remembers that a group has more members, or fewer.
    pub(super) fn count_members(&self, group: GroupId, members: i64) {
        let group = Uuid::from_bytes(*group.as_bytes());
        *self.members.borrow_mut().entry(group).or_default() += members;
    }

    /// Remembers that the answers of a key take more, or less.
    pub(super) fn count_responses(&self, key: KeyId, bytes: i64) {
        *self.responses.borrow_mut().entry(key).or_default() += bytes;
    }

    /// Does `work` and keeps it only if it is worth it; else it leaves nothing
    /// behind but its result. One at a time.
    pub(super) async fn within_savepoint<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
        is_kept: impl FnOnce(&T) -> bool,
    ) -> Result<T, Failure> {
        let added = Counter::ALL.map(|counter| self.added[counter as usize].get());
        let members = self.members.borrow().clone();
        self.link.batch("SAVEPOINT tentative").await?;
        let done = work.await?;
        if !is_kept(&done) {
            self.link.batch("ROLLBACK TO tentative").await?;
            for (counter, rows) in Counter::ALL.into_iter().zip(added) {
                self.added[counter as usize].set(rows);
            }
            self.members.replace(members);
        }
        self.link.batch("RELEASE tentative").await?;
        Ok(done)
    }

    /// Writes the counters, once for the whole transaction and at its end.
    pub(super) async fn write_counters(&self) -> Result<(), tokio_postgres::Error> {
        let slot = self.link.slot;
        let added =
            Counter::ALL.map(|counter| (counter.name(), self.added[counter as usize].take()));
        let (names, rows): (Vec<&str>, Vec<i64>) =
            added.into_iter().filter(|(_, rows)| *rows != 0).unzip();
        if !names.is_empty() {
            self.link.execute(COUNT, &[&names, &rows, &slot]).await?;
        }
        let members = self.members.take();
        let (groups, members): (Vec<Uuid>, Vec<i64>) = members
            .into_iter()
            .filter(|(_, members)| *members != 0)
            .unzip();
        if !groups.is_empty() {
            let values: &Values<'_> = &[&groups, &members, &slot];
            self.link.execute(COUNT_MEMBERS, values).await?;
        }
        let responses = self.responses.take();
        let responses = responses.into_iter().filter(|(_, bytes)| *bytes != 0);
        let (keys, bytes): (Vec<String>, Vec<i64>) = responses
            .map(|(key, bytes)| (key.as_str().to_owned(), bytes))
            .unzip();
        if !keys.is_empty() {
            let values: &Values<'_> = &[&keys, &bytes, &slot];
            self.link.execute(COUNT_RESPONSES, values).await?;
        }
        Ok(())
    }
}

impl Deref for Transaction<'_> {
    type Target = Link;

    fn deref(&self) -> &Link {
        self.link
    }
}
