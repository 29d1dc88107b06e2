//! The calls about the members of one group.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde_json::value::RawValue;

use super::gate::auth::{Allowed, ReadGroups, UpdateGroups};
use super::lists::answer;
use super::wire::body::JsonBody;
use super::wire::envelope::{self, ErrorBody, Refusal};
use super::wire::many;
use super::wire::query::Query;
use super::wire::record::write_next_member;
use crate::contact::Alias;
use crate::error::Error;
use crate::fields::present;
use crate::group::GroupId;
use crate::invalid::Invalid;
use crate::membership::{MemberChange, MemberOutcome};

/// Bytes of a body with many aliases.
pub(crate) const MEMBERS_BODY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Aliases of one request.
pub(crate) const ALIASES_MAX: usize = 10_000;

type MembersBody = JsonBody<MEMBERS_BODY_BYTES_MAX>;
type Answer = Result<HttpResponse, Refusal>;

pub(super) async fn list(
    allowed: Allowed<ReadGroups>,
    id: web::Path<String>,
    request: HttpRequest,
) -> Answer {
    let id = GroupId::parse(&id).ok_or(Error::GroupNotFound)?;
    let selection = Query::parse(request.query_string())?.into_members(id)?;
    let begun = allowed.count_from(many::begin(selection.limit));
    let listed = allowed.store().members(
        allowed.grant(),
        id,
        selection.clone(),
        begun,
        write_next_member,
    );
    let (json, listed) = listed.await?;
    Ok(answer(json, &listed, &selection)?)
}

pub(super) async fn change(
    allowed: Allowed<UpdateGroups>,
    id: web::Path<String>,
    body: MembersBody,
) -> Answer {
    let permit = body.permit();
    let sent = permit.run(move || parse(&body)).await?;
    let id = GroupId::parse(&id).ok_or(Error::GroupNotFound)?;
    let changes = sent.iter().filter_map(|one| one.change.clone()).collect();
    let store = allowed.store();
    let outcomes = store.change_members(allowed.grant(), id, changes).await?;
    let results = results(&sent, outcomes);
    Ok(envelope::succeeded(Changed { results }))
}

/// An alias as it was sent, and what is to become of the contact that it names;
/// nothing where it can be no alias.
struct SentMember {
    sent: String,
    change: Option<MemberChange>,
}

fn parse(body: &MembersBody) -> Result<Vec<SentMember>, Invalid> {
    let [add, remove] = body.fields(["add", "remove"])?;
    let add = aliases(add).ok_or(Invalid::MembersToAdd)?;
    let remove = aliases(remove).ok_or(Invalid::MembersToRemove)?;
    if !(1..=ALIASES_MAX).contains(&(add.len() + remove.len())) {
        return Err(Invalid::MembersCount);
    }
    let member = |sent: String, change: fn(Alias) -> MemberChange| SentMember {
        change: Alias::parse(&sent).ok().map(change),
        sent,
    };
    let add = add.into_iter().map(|sent| member(sent, MemberChange::Add));
    let remove = remove.into_iter();
    Ok(add
        .chain(remove.map(|sent| member(sent, MemberChange::Remove)))
        .collect())
}

fn aliases(value: Option<&RawValue>) -> Option<Vec<String>> {
    match present(value) {
        Some(value) => serde_json::from_str(value.get()).ok(),
        None => Some(Vec::new()),
    }
}

/// What came of each alias, in the order of the request.
fn results(
    sent: &[SentMember],
    outcomes: Vec<Result<MemberOutcome, Error>>,
) -> Vec<WrittenResult<'_>> {
    let mut outcomes = outcomes.into_iter();
    let results = sent.iter().map(|SentMember { sent, change }| {
        let (alias, outcome) = match change {
            Some(MemberChange::Add(alias) | MemberChange::Remove(alias)) => (
                alias.as_str(),
                outcomes.next().unwrap_or(Err(Error::NotTried)),
            ),
            None => (sent.as_str(), Ok(MemberOutcome::NotFound)),
        };
        let (status, error) = match outcome {
            Ok(MemberOutcome::Added) => ("added", None),
            Ok(MemberOutcome::Removed) => ("removed", None),
            Ok(MemberOutcome::Unchanged) => ("unchanged", None),
            Ok(MemberOutcome::NotFound) => ("not_found", None),
            Err(error) => ("error", Some(Refusal::from(error).error_body())),
        };
        WrittenResult {
            alias,
            status,
            error,
        }
    });
    results.collect()
}

#[derive(Serialize)]
struct Changed<'a> {
    results: Vec<WrittenResult<'a>>,
}

#[derive(Serialize)]
struct WrittenResult<'a> {
    alias: &'a str,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorBody>,
}
