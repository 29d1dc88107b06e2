//! Who is in which group. Each change keeps the count of its group.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::connection::{Values, uuid};
use super::failure::Failure;
use super::list::list;
use super::transaction::Transaction;
use super::{Engine, groups, locks};
use crate::contact::{Alias, ContactId, ContactView};
use crate::error::Error;
use crate::group::{GroupId, GroupName, Membership};
use crate::key::Grant;
use crate::membership::{MemberChange, MemberOutcome};
use crate::selection::{Listed, Selection};

/// Contacts that stay under their aliases until the end of the transaction, in one order
/// by everybody.
const HOLD: &str = "SELECT alias, id FROM contacts WHERE alias = ANY($1)
    ORDER BY alias FOR KEY SHARE";
const ADD: &str = "INSERT INTO memberships (group_id, alias, contact_id)
    SELECT $1, alias, contact_id FROM unnest($2::text[], $3::uuid[]) AS new (alias, contact_id)
    ON CONFLICT (alias, group_id) DO NOTHING RETURNING alias";
const REMOVE: &str =
    "DELETE FROM memberships WHERE group_id = $1 AND alias = ANY($2) RETURNING alias";
const REMOVE_FROM_ALL: &str = "DELETE FROM memberships WHERE alias = $1 RETURNING group_id";
const REMOVE_MANY_FROM_ALL: &str =
    "DELETE FROM memberships WHERE alias = ANY($1) RETURNING group_id";
const PUT: &str = "INSERT INTO memberships (group_id, alias, contact_id)
    SELECT group_id, $2, $3 FROM unnest($1::uuid[]) AS moved (group_id)";

impl Engine {
    pub(crate) async fn change_members(
        &self,
        grant: Grant,
        group: GroupId,
        changes: Vec<MemberChange>,
    ) -> Result<Vec<MemberOutcome>, Error> {
        let rows = changes.len();
        let changed = self
            .writer
            .submit_rows(grant, rows, async move |transaction| {
                change(transaction, group, &changes).await
            });
        changed.await
    }

    pub(crate) async fn members<C: Send + 'static>(
        &self,
        grant: Grant,
        group: GroupId,
        selection: Selection,
        collected: C,
        each: fn(&mut C, &ContactView<'_>),
    ) -> Result<(C, Listed), Error> {
        let listed = self.readers.list(grant.key(), async move |link| {
            if groups::find(link, group).await?.is_none() {
                return Err(Error::GroupNotFound.into());
            }
            list(link, &selection, collected, each).await
        });
        listed.await
    }
}

async fn change(
    transaction: &Transaction<'_>,
    group: GroupId,
    changes: &[MemberChange],
) -> Result<Vec<MemberOutcome>, Failure> {
    groups::find_shared(transaction, group).await?;
    let aliases: Vec<&str> = changes
        .iter()
        .map(|change| alias_of(change).as_str())
        .collect();
    let mut contacts: HashMap<String, Uuid> = HashMap::new();
    for row in locks::lock_aliases(transaction, HOLD, &aliases).await? {
        contacts.insert(row.try_get(0)?, row.try_get(1)?);
    }
    let mut outcomes = Vec::with_capacity(changes.len());
    let mut rest = changes;
    while !rest.is_empty() {
        // Those that can be done in one: alike, and each of another contact.
        let mut met = HashSet::new();
        let is_add = matches!(rest[0], MemberChange::Add(_));
        let alike = rest.iter().take_while(|change| {
            matches!(change, MemberChange::Add(_)) == is_add
                && met.insert(alias_of(change).as_str())
        });
        let (now, later) = rest.split_at(alike.count());
        change_alike(transaction, group, now, &contacts, &mut outcomes).await?;
        rest = later;
    }
    Ok(outcomes)
}

fn alias_of(change: &MemberChange) -> &Alias {
    match change {
        MemberChange::Add(alias) | MemberChange::Remove(alias) => alias,
    }
}

async fn change_alike(
    transaction: &Transaction<'_>,
    group: GroupId,
    changes: &[MemberChange],
    contacts: &HashMap<String, Uuid>,
    outcomes: &mut Vec<MemberOutcome>,
) -> Result<(), Failure> {
    let known = changes.iter().filter_map(|change| {
        let alias = alias_of(change).as_str();
        Some((alias, *contacts.get(alias)?))
    });
    let mut known: Vec<(&str, Uuid)> = known.collect();
    // Rows are locked in one order by everybody.
    known.sort_unstable();
    let (aliases, ids): (Vec<&str>, Vec<Uuid>) = known.into_iter().unzip();
    let group_id = Uuid::from_bytes(*group.as_bytes());
    let (rows, done, one) = match changes.first() {
        Some(MemberChange::Add(_)) => {
            let values: &Values<'_> = &[&group_id, &aliases, &ids];
            (
                transaction.query(ADD, values).await?,
                MemberOutcome::Added,
                1,
            )
        }
        Some(MemberChange::Remove(_)) => {
            let rows = transaction.query(REMOVE, &[&group_id, &aliases]).await?;
            (rows, MemberOutcome::Removed, -1)
        }
        None => return Ok(()),
    };
    let changed = rows.iter().map(|row| row.try_get(0));
    let changed: HashSet<&str> = changed.collect::<Result<_, _>>()?;
    transaction.count_members(group, one * i64::try_from(changed.len()).unwrap_or(0));
    outcomes.extend(
        changes
            .iter()
            .map(|change| match alias_of(change).as_str() {
                alias if changed.contains(alias) => done,
                alias if contacts.contains_key(alias) => MemberOutcome::Unchanged,
                _ => MemberOutcome::NotFound,
            }),
    );
    Ok(())
}

/// Takes a contact out of all groups, before it is deleted; those that it was in.
pub(super) async fn remove_from_all(
    transaction: &Transaction<'_>,
    alias: &Alias,
) -> Result<(), Failure> {
    for group in taken_out(transaction, alias.as_str()).await? {
        transaction.count_members(GroupId::from_uuid(group), -1);
    }
    Ok(())
}

/// The same for many contacts.
pub(super) async fn remove_many_from_all(
    transaction: &Transaction<'_>,
    aliases: &[String],
) -> Result<(), Failure> {
    let rows = transaction.query(REMOVE_MANY_FROM_ALL, &[&aliases]).await?;
    for row in &rows {
        transaction.count_members(GroupId::from_uuid(row.try_get(0)?), -1);
    }
    Ok(())
}

/// Hands the memberships of a contact on to its new alias.
pub(super) async fn move_all(
    transaction: &Transaction<'_>,
    from: &str,
    to: &str,
    contact: ContactId,
) -> Result<(), Failure> {
    let groups = taken_out(transaction, from).await?;
    if !groups.is_empty() {
        let values: &Values<'_> = &[&groups, &to, &uuid(contact)];
        transaction.execute(PUT, values).await?;
    }
    Ok(())
}

async fn taken_out(transaction: &Transaction<'_>, alias: &str) -> Result<Vec<Uuid>, Failure> {
    let rows = transaction.query(REMOVE_FROM_ALL, &[&alias]).await?;
    let groups = rows.iter().map(|row| row.try_get(0));
    Ok(groups.collect::<Result<_, _>>()?)
}

/// Characters of an id in the column of [`of_column`].
const ID_CHARACTERS: usize = 36;

/// Reads the groups of a contact, by name, from the column in which they are one
/// text: lines, as no name holds a control, each an id and a name.
pub(super) fn of_column(column: Option<String>) -> Vec<Membership> {
    let column = column.unwrap_or_default();
    let mut memberships: Vec<Membership> = column
        .lines()
        .filter_map(|line| {
            let (id, name) = line.split_at_checked(ID_CHARACTERS)?;
            Some(Membership {
                group: GroupId::from_uuid(Uuid::try_parse(id).ok()?),
                name: GroupName::from_stored(name.to_owned()),
            })
        })
        .collect();
    memberships.sort_by(|one, other| one.name.as_str().cmp(other.name.as_str()));
    memberships
}
