//! Who is in which group. Each change keeps the count of its group.

use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::failure::Failure;
use super::list::list;
use super::transaction::Transaction;
use super::{Engine, groups};
use crate::contact::{Alias, ContactId, ContactView};
use crate::error::Error;
use crate::group::{GroupId, GroupName, Membership};
use crate::key::Grant;
use crate::membership::{MemberChange, MemberOutcome};
use crate::selection::{Listed, Selection};

const CONTACT: &str = "SELECT id FROM contacts WHERE alias = ?1";
const ADD: &str = "INSERT INTO memberships (group_id, contact_id) VALUES (?1, ?2)
    ON CONFLICT DO NOTHING";
const REMOVE: &str = "DELETE FROM memberships WHERE group_id = ?1 AND contact_id = ?2";
const COUNT: &str = "UPDATE groups SET members = members + ?2 WHERE id = ?1";
/// Deleted groups, too, which still have memberships to be swept.
const COUNT_ONE_LESS: &str = "UPDATE groups SET members = members - 1
    WHERE id IN (SELECT group_id FROM memberships WHERE contact_id = ?1)";
const REMOVE_FROM_ALL: &str = "DELETE FROM memberships WHERE contact_id = ?1";

impl Engine {
    pub(crate) async fn change_members(
        &self,
        grant: Grant,
        group: GroupId,
        changes: Vec<MemberChange>,
    ) -> Result<Vec<MemberOutcome>, Error> {
        let rows = changes.len();
        self.writer
            .submit_rows(grant, rows, move |transaction| {
                change(transaction, group, &changes)
            })
            .await
    }

    pub(crate) async fn members<C: Send + 'static>(
        &self,
        grant: Grant,
        group: GroupId,
        selection: Selection,
        collected: C,
        each: fn(&mut C, &ContactView<'_>),
    ) -> Result<(C, Listed), Error> {
        let listed = self.readers.list(grant.key(), move |connection| {
            if groups::find(connection, group)?.is_none() {
                return Ok(None);
            }
            list(connection, &selection, collected, each).map(Some)
        });
        listed.await?.ok_or(Error::GroupNotFound)
    }
}

fn change(
    transaction: &Transaction<'_>,
    group: GroupId,
    changes: &[MemberChange],
) -> Result<Vec<MemberOutcome>, Failure> {
    groups::find(transaction, group)?.ok_or(Error::GroupNotFound)?;
    let mut more = 0_i64;
    let mut outcomes = Vec::with_capacity(changes.len());
    for change in changes {
        let (alias, query) = match change {
            MemberChange::Add(alias) => (alias, ADD),
            MemberChange::Remove(alias) => (alias, REMOVE),
        };
        let Some(contact) = contact_of(transaction, alias)? else {
            outcomes.push(MemberOutcome::NotFound);
            continue;
        };
        let changed = transaction
            .prepare_cached(query)?
            .execute(params![group.as_bytes(), contact.as_bytes()])?;
        outcomes.push(match change {
            _ if changed == 0 => MemberOutcome::Unchanged,
            MemberChange::Add(_) => {
                more += 1;
                MemberOutcome::Added
            }
            MemberChange::Remove(_) => {
                more -= 1;
                MemberOutcome::Removed
            }
        });
    }
    if more != 0 {
        transaction
            .prepare_cached(COUNT)?
            .execute(params![group.as_bytes(), more])?;
    }
    Ok(outcomes)
}

fn contact_of(
    connection: &Connection,
    alias: &Alias,
) -> Result<Option<ContactId>, rusqlite::Error> {
    connection
        .prepare_cached(CONTACT)?
        .query_row([alias.as_str()], |row| {
            Ok(ContactId::from_uuid(Uuid::from_bytes(row.get(0)?)))
        })
        .optional()
}

/// Takes a contact out of all groups, before it is deleted.
pub(super) fn remove_from_all(
    transaction: &Transaction<'_>,
    contact: ContactId,
) -> Result<(), rusqlite::Error> {
    let groups = transaction
        .prepare_cached(COUNT_ONE_LESS)?
        .execute([contact.as_bytes()])?;
    if groups > 0 {
        transaction
            .prepare_cached(REMOVE_FROM_ALL)?
            .execute([contact.as_bytes()])?;
    }
    Ok(())
}

/// Characters of an id in the column of [`of_column`].
const ID_CHARACTERS: usize = 32;

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
