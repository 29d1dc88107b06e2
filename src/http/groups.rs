//! The calls about groups: their wire form and handlers.

use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;

use super::gate::auth::{Allowed, CreateGroups, DeleteGroups, ReadGroups, UpdateGroups};
use super::wire::body::JsonBody;
use super::wire::envelope::{self, Refusal};
use super::wire::many;
use super::wire::query::Query;
use super::wire::segment::Segment;
use crate::error::Error;
use crate::fields::required_group_name;
use crate::group::{Group, GroupId};
use crate::invalid::Invalid;
use crate::moment::Moment;

/// Bytes of a group's body.
pub(crate) const GROUP_BODY_BYTES_MAX: usize = 64 * 1024;

type GroupBody = JsonBody<GROUP_BODY_BYTES_MAX>;
type Answer = Result<HttpResponse, Refusal>;

pub(super) async fn create(allowed: Allowed<CreateGroups>, body: GroupBody) -> Answer {
    let [name] = body.fields(["name"])?;
    let name = required_group_name(name)?;
    let store = allowed.store();
    let group = store.create_group(allowed.grant(), name).await?;
    Ok(envelope::one(GroupRecord::of(&group)))
}

pub(super) async fn list(allowed: Allowed<ReadGroups>, request: HttpRequest) -> Answer {
    let (offset, limit) = Query::parse(request.query_string())?.into_page()?;
    let store = allowed.store();
    let (groups, total) = store.groups(allowed.grant(), offset, limit).await?;
    let records = groups.iter().map(GroupRecord::of).collect();
    Ok(many::whole(records, offset, limit, total))
}

pub(super) async fn get(allowed: Allowed<ReadGroups>, id: Segment) -> Answer {
    let id = id.parse(GroupId::parse).ok_or(Error::GroupNotFound)?;
    let group = allowed.snapshot()?.group(allowed.grant(), id).await?;
    Ok(envelope::one(GroupRecord::of(&group)))
}

pub(super) async fn patch(allowed: Allowed<UpdateGroups>, id: Segment, body: GroupBody) -> Answer {
    let [name] = body.fields(["name"])?;
    let name = required_group_name(Some(name.ok_or(Invalid::NothingToUpdate)?))?;
    let id = id.parse(GroupId::parse).ok_or(Error::GroupNotFound)?;
    let store = allowed.store();
    let group = store.rename_group(allowed.grant(), id, name).await?;
    Ok(envelope::one(GroupRecord::of(&group)))
}

pub(super) async fn delete(allowed: Allowed<DeleteGroups>, id: Segment) -> Answer {
    let id = id.parse(GroupId::parse).ok_or(Error::GroupNotFound)?;
    allowed.store().delete_group(allowed.grant(), id).await?;
    Ok(envelope::done())
}

#[derive(Serialize)]
struct GroupRecord<'a> {
    id: GroupId,
    name: &'a str,
    created_on: Moment,
    members: u64,
}

impl<'a> GroupRecord<'a> {
    fn of(group: &'a Group) -> Self {
        Self {
            id: group.id,
            name: group.name.as_str(),
            created_on: group.id.created_on(),
            members: group.members,
        }
    }
}
