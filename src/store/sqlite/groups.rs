//! What the store does with groups. A deleted one exists for nobody: each query
//! here leaves it out, until `sweep` has taken its memberships and it away.

use std::sync::atomic::Ordering;

use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use super::failure::{Failure, or_taken};
use super::transaction::{Counter, Transaction};
use super::{Engine, Snapshot};
use crate::error::Error;
use crate::group::{GROUPS_MAX, Group, GroupId, GroupName};
use crate::key::Grant;
use crate::moment::Moment;
use crate::store::ids::IDS;

const INSERT: &str = "INSERT INTO groups (id, name) VALUES (?1, ?2)";
const FIND: &str = "SELECT id, name, members FROM groups WHERE id = ?1 AND deleted_on IS NULL";
const LIST: &str = "SELECT id, name, members FROM groups WHERE deleted_on IS NULL
    ORDER BY id LIMIT ?1 OFFSET ?2";
const RENAME: &str = "UPDATE groups SET name = ?2 WHERE id = ?1";
/// Its memberships stay for the moment: a million of them take many seconds.
const DELETE: &str = "UPDATE groups SET name = NULL, deleted_on = ?2
    WHERE id = ?1 AND deleted_on IS NULL";

impl Snapshot {
    pub(crate) async fn group(&self, _grant: Grant, id: GroupId) -> Result<Group, Error> {
        self.read(|connection| find(connection, id))?
            .ok_or(Error::GroupNotFound)
    }
}

impl Engine {
    pub(crate) async fn create_group(&self, grant: Grant, name: GroupName) -> Result<Group, Error> {
        self.writer
            .submit(grant, move |transaction| insert(transaction, name))
            .await
    }

    pub(crate) async fn groups(
        &self,
        grant: Grant,
        offset: u64,
        limit: u32,
    ) -> Result<(Vec<Group>, u64), Error> {
        self.readers
            .list(grant.key(), move |connection| {
                Counter::Groups.page(connection, LIST, (offset, limit), group)
            })
            .await
    }

    pub(crate) async fn rename_group(
        &self,
        grant: Grant,
        id: GroupId,
        name: GroupName,
    ) -> Result<Group, Error> {
        self.writer
            .submit(grant, move |transaction| rename(transaction, id, name))
            .await
    }

    pub(crate) async fn delete_group(&self, grant: Grant, id: GroupId) -> Result<(), Error> {
        let sweep_wanted = self.writer.sweep_wanted();
        self.writer
            .submit_always(grant, move |transaction| {
                delete(transaction, id)?;
                sweep_wanted.store(true, Ordering::Relaxed);
                Ok(())
            })
            .await
    }
}

/// The group of this id, if there is one.
pub(super) fn find(connection: &Connection, id: GroupId) -> Result<Option<Group>, rusqlite::Error> {
    connection
        .prepare_cached(FIND)?
        .query_row([id.as_bytes()], group)
        .optional()
}

fn insert(transaction: &Transaction<'_>, name: GroupName) -> Result<Group, Failure> {
    if transaction.counted(Counter::Groups)? >= GROUPS_MAX {
        return Err(Error::GroupsTooMany.into());
    }
    let id = GroupId::from_uuid(IDS.next());
    transaction
        .prepare_cached(INSERT)?
        .execute(params![id.as_bytes(), name.as_str()])
        .map_err(|error| or_taken(error, Error::GroupNameTaken))?;
    transaction.count(Counter::Groups, 1);
    let members = 0;
    Ok(Group { id, name, members })
}

fn rename(transaction: &Transaction<'_>, id: GroupId, name: GroupName) -> Result<Group, Failure> {
    let group = find(transaction, id)?.ok_or(Error::GroupNotFound)?;
    transaction
        .prepare_cached(RENAME)?
        .execute(params![id.as_bytes(), name.as_str()])
        .map_err(|error| or_taken(error, Error::GroupNameTaken))?;
    Ok(Group { name, ..group })
}

fn delete(transaction: &Transaction<'_>, id: GroupId) -> Result<(), Failure> {
    let deleted = transaction
        .prepare_cached(DELETE)?
        .execute(params![id.as_bytes(), Moment::now().millis()])?;
    if deleted == 0 {
        return Err(Error::GroupNotFound.into());
    }
    transaction.count(Counter::Groups, -1);
    Ok(())
}

fn group(row: &Row<'_>) -> Result<Group, rusqlite::Error> {
    Ok(Group {
        id: GroupId::from_uuid(Uuid::from_bytes(row.get(0)?)),
        name: GroupName::from_stored(row.get(1)?),
        members: row.get(2)?,
    })
}
