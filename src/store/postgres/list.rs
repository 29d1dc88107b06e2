//! Lists of contacts: a selection becomes one query, its values all bound.

use std::ops::ControlFlow;
use std::time::Instant;

use tokio_postgres::Row;

use super::conditions::Conditions;
use super::connection::Link;
use super::failure::Failure;
use super::readers::LIST_TIME_MAX;
use super::transaction::{Counter, unsigned};
use super::{Snapshot, groups};
use crate::contact::{ContactId, ContactView};
use crate::error::Error;
use crate::group::Group;
use crate::key::Grant;
use crate::selection::{Filter, Listed, Page, Position, Selection};

const SELECT: &str = "SELECT contacts.id, contacts.alias, contacts.msisdn";
const SELECT_WITH_META: &str =
    "SELECT contacts.id, contacts.alias, contacts.msisdn, contacts.meta::text";
const COUNT: &str = "SELECT count(*)";
const DECLARE: &str = "DECLARE scanned NO SCROLL CURSOR FOR";
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

/// Reads a selection. Page and total are of one state where `link` is in a transaction
/// that has one.
pub(super) async fn list<C>(
    link: &Link,
    selection: &Selection,
    collected: C,
    each: fn(&mut C, &ContactView<'_>),
) -> Result<(C, Listed), Failure> {
    let Some((conditions, group)) = conditions(link, selection).await? else {
        return Ok((collected, Listed::nothing(&selection.page)));
    };
    if conditions.are_of_metas() {
        return scan(link, selection, conditions, collected, each).await;
    }
    let total = match &selection.page {
        Page::After(_) => None,
        Page::Offset(_) => Some(total(link, &conditions, group.as_ref()).await?),
    };
    let (collected, next) = page(link, selection, conditions, collected, each).await?;
    Ok((collected, Listed { total, next }))
}

/// The conditions of a selection, and the group that it is of. None where no contact can
/// be meant: nobody is in a group that is not, as nobody has an alias that is not.
pub(super) async fn conditions(
    link: &Link,
    selection: &Selection,
) -> Result<Option<(Conditions, Option<Group>)>, Failure> {
    let conditions = Conditions::of(&selection.filters);
    let group = match conditions.group {
        Some(id) => match groups::find(link, id).await? {
            Some(group) => Some(group),
            None => return Ok(None),
        },
        None => None,
    };
    Ok(match conditions.is_nothing {
        true => None,
        false => Some((conditions, group)),
    })
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
        Page::Offset(skipped) => {
            // With room for the limit, which Citus adds to it.
            let skipped = i64::try_from(*skipped).unwrap_or(i64::MAX);
            offset = skipped.min(i64::MAX / 2);
        }
        Page::After(Some(position)) => conditions.begin_behind(position, selection.sort),
        Page::After(None) => {}
    }
    if conditions.is_nothing {
        return Ok((collected, None));
    }
    let select = select(selection.with_meta);
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

/// Reads a selection of which the metas decide.
async fn scan<C>(
    link: &Link,
    selection: &Selection,
    mut conditions: Conditions,
    mut collected: C,
    each: fn(&mut C, &ContactView<'_>),
) -> Result<(C, Listed), Failure> {
    let (skipped, is_counted) = match &selection.page {
        Page::Offset(skipped) => (*skipped, true),
        Page::After(position) => {
            if let Some(position) = position {
                conditions.begin_behind(position, selection.sort);
            }
            (0, false)
        }
    };
    if conditions.is_nothing {
        return Ok((collected, Listed::nothing(&selection.page)));
    }
    let order = conditions.order(selection.sort);
    let end = skipped.saturating_add(selection.limit.into());
    let (mut found, mut last) = (0_u64, None);
    each_match(link, &conditions, &order, |contact| {
        found += 1;
        if found > skipped && found <= end {
            let meta = contact.meta.filter(|_| selection.with_meta);
            each(&mut collected, &ContactView { meta, ..*contact });
            last = Some(Position::of(contact, selection.sort));
        }
        match found > end && !is_counted {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    })
    .await?;
    let total = is_counted.then_some(found);
    let next = last.filter(|_| found > end);
    Ok((collected, Listed { total, next }))
}

/// Walks through all contacts that match, those of which the metas decide looked at here:
/// numbers are compared to the digit, which SQL's are not. Inside a transaction.
pub(super) async fn each_match(
    link: &Link,
    conditions: &Conditions,
    order: &str,
    mut take: impl FnMut(&ContactView<'_>) -> ControlFlow<()>,
) -> Result<(), Failure> {
    let begun = Instant::now();
    let with_meta = conditions.are_of_metas();
    let select = select(with_meta);
    let declared = format!("{DECLARE} {select}{}{order}", conditions.to_sql());
    link.execute(&declared, &conditions.values()).await?;
    'reading: loop {
        let rows = link.client().query(FETCH, &[]).await?;
        if rows.is_empty() {
            break;
        }
        for row in &rows {
            let contact = view(row, with_meta)?;
            let is_match = contact.meta.is_none_or(|meta| conditions.match_meta(meta));
            if is_match && take(&contact).is_break() {
                break 'reading;
            }
        }
        if begun.elapsed() > LIST_TIME_MAX {
            return Err(Error::ListTooSlow.into());
        }
    }
    Ok(link.batch(CLOSE).await?)
}

/// Selects what [`view`] reads.
pub(super) fn select(with_meta: bool) -> &'static str {
    match with_meta {
        true => SELECT_WITH_META,
        false => SELECT,
    }
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
