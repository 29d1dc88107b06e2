//! What the store does with groups. A deleted one exists for nobody: each query
//! here leaves it out, until `sweep` has taken its memberships and it away.

use tokio_postgres::Row;
use uuid::Uuid;

use super::connection::{Link, Values};
use super::failure::Failure;
use super::transaction::{Counter, Transaction, unsigned};
use super::{Engine, Snapshot, sweep};
use crate::error::Error;
use crate::group::{GROUPS_MAX, Group, GroupId, GroupName};
use crate::key::Grant;
use crate::moment::Moment;
use crate::store::ids::IDS;

/// Groups as [`group`] reads them: how many members each has is a sum.
macro_rules! select_group {
    ($from:literal) => {
        concat!(
            "SELECT id, name, (SELECT coalesce(sum(members), 0)::bigint
                FROM group_counts WHERE group_counts.group_id = groups.id) ",
            $from
        )
    };
}

/// One at a time makes or renames groups: so there are never more than there may be, and
/// never two of one name.
const LOCK: &str = "SELECT pg_advisory_xact_lock(
    hashtextextended('addressbook groups ' || current_schema(), 0))";
const INSERT: &str = "INSERT INTO groups (id, name) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
const FIND: &str = select_group!("FROM groups WHERE id = $1 AND deleted_on IS NULL");
/// Nobody deletes or renames one meanwhile. Not a lock of the row, which newcomers would
/// share for ever while somebody waits to change it; this one has a fair queue.
const SHARE: &str = "SELECT pg_advisory_xact_lock_shared(
    hashtextextended('addressbook groups ' || current_schema(), 0))";
const LIST: &str =
    select_group!("FROM groups WHERE deleted_on IS NULL ORDER BY id LIMIT $1 OFFSET $2");
const RENAME: &str = "UPDATE groups SET name = $2 WHERE id = $1 AND deleted_on IS NULL
    AND NOT EXISTS (SELECT 1 FROM groups AS other WHERE other.name = $2 AND other.id <> $1)";
/// Its memberships stay for the moment: a million of them take many seconds.
const DELETE: &str = "UPDATE groups SET name = NULL, deleted_on = $2
    WHERE id = $1 AND deleted_on IS NULL";

impl Snapshot {
    pub(crate) async fn group(&self, _grant: Grant, id: GroupId) -> Result<Group, Error> {
        let found = self.readers.read(async |link| find(link, id).await);
        found.await?.ok_or(Error::GroupNotFound)
    }
}

impl Engine {
    pub(crate) async fn create_group(&self, grant: Grant, name: GroupName) -> Result<Group, Error> {
        let created = self.writer.submit(grant, async move |transaction| {
            insert(transaction, name.clone()).await
        });
        created.await
    }

    pub(crate) async fn groups(
        &self,
        grant: Grant,
        offset: u64,
        limit: u32,
    ) -> Result<(Vec<Group>, u64), Error> {
        self.readers
            .list(grant.key(), async move |link| {
                Counter::Groups
                    .page(link, LIST, (offset, limit), |row| Ok(group(row)?))
                    .await
            })
            .await
    }

    pub(crate) async fn rename_group(
        &self,
        grant: Grant,
        id: GroupId,
        name: GroupName,
    ) -> Result<Group, Error> {
        let renamed = self.writer.submit(grant, async move |transaction| {
            rename(transaction, id, name.clone()).await
        });
        renamed.await
    }

    pub(crate) async fn delete_group(&self, grant: Grant, id: GroupId) -> Result<(), Error> {
        let deleted = self.writer.submit(grant, async move |transaction| {
            delete(transaction, id).await
        });
        deleted.await?;
        sweep::begin(&self.threads);
        Ok(())
    }
}

pub(super) async fn find(link: &Link, id: GroupId) -> Result<Option<Group>, Failure> {
    let row = link.query_opt(FIND, &[&uuid(id)]).await?;
    Ok(row.as_ref().map(group).transpose()?)
}

/// Finds out that a group is there, and has it stay until the end of the transaction.
pub(super) async fn find_shared(transaction: &Transaction<'_>, id: GroupId) -> Result<(), Failure> {
    transaction.query(SHARE, &[]).await?;
    let found = find(transaction, id).await?;
    found.map(drop).ok_or(Error::GroupNotFound.into())
}

async fn insert(transaction: &Transaction<'_>, name: GroupName) -> Result<Group, Failure> {
    transaction.query(LOCK, &[]).await?;
    if Counter::Groups.read(transaction).await? >= GROUPS_MAX {
        return Err(Error::GroupsTooMany.into());
    }
    let id = GroupId::from_uuid(IDS.next());
    let values: &Values<'_> = &[&uuid(id), &name.as_str()];
    if transaction.execute(INSERT, values).await? == 0 {
        return Err(Error::GroupNameTaken.into());
    }
    transaction.count(Counter::Groups, 1);
    let members = 0;
    Ok(Group { id, name, members })
}

async fn rename(
    transaction: &Transaction<'_>,
    id: GroupId,
    name: GroupName,
) -> Result<Group, Failure> {
    transaction.query(LOCK, &[]).await?;
    let group = find(transaction, id).await?.ok_or(Error::GroupNotFound)?;
    let values: &Values<'_> = &[&uuid(id), &name.as_str()];
    if transaction.execute(RENAME, values).await? == 0 {
        return Err(Error::GroupNameTaken.into());
    }
    Ok(Group { name, ..group })
}

async fn delete(transaction: &Transaction<'_>, id: GroupId) -> Result<(), Failure> {
    transaction.query(LOCK, &[]).await?;
    let values: &Values<'_> = &[&uuid(id), &Moment::now().millis()];
    if transaction.execute(DELETE, values).await? == 0 {
        return Err(Error::GroupNotFound.into());
    }
    transaction.count(Counter::Groups, -1);
    Ok(())
}

pub(super) fn uuid(id: GroupId) -> Uuid {
    Uuid::from_bytes(*id.as_bytes())
}

fn group(row: &Row) -> Result<Group, tokio_postgres::Error> {
    Ok(Group {
        id: GroupId::from_uuid(row.try_get(0)?),
        name: GroupName::from_stored(row.try_get(1)?),
        members: unsigned(row, 2)?,
    })
}
