//! The calls about the members of a group.

use serde_json::{Value, json};

use super::contacts::{self, alias};
use super::described::Described;
use super::failures::ERROR;
use super::groups::one;
use super::parameters;
use super::shapes::{Record, Shape, array, named, text, uuid, word};
use crate::http::members::{ALIASES_MAX, MEMBERS_BODY_BYTES_MAX};
use crate::invalid::Invalid;

pub(crate) fn list() -> Described {
    one(
        "listMembers",
        "Lists the members of a group, those created first coming first",
    )
    .takes_query(parameters::page())
    .takes_query([parameters::cursor()])
    .answers_page_or_next("Member", &example())
    .reads_many()
}

pub(crate) fn change() -> Described {
    let sent = json!({"add": ["john", "joe"], "remove": ["jane"]});
    let answered = json!({"success": true, "results": [
        {"alias": "john", "status": "added"},
        {"alias": "joe", "status": "not_found"},
        {"alias": "jane", "status": "removed"},
    ]});
    let results = array(named("MemberResult"), "One for each alias, additions first");
    one(
        "changeMembers",
        "Adds contacts to a group and removes others",
    )
    .note(format!(
        "1 to {ALIASES_MAX} aliases, additions and removals together."
    ))
    .takes_json("MemberChanges", &sent, MEMBERS_BODY_BYTES_MAX)
    .answers(Record::succeeded().with("results", results), &answered)
    .refuses([
        Invalid::MembersToAdd,
        Invalid::MembersToRemove,
        Invalid::MembersCount,
    ])
    .writes()
}

fn example() -> Value {
    json!({"id": contacts::ID, "alias": "john"})
}

pub(super) fn shapes() -> Vec<(&'static str, Shape)> {
    let aliases = || array(text(""), "Aliases").max_items(Some(ALIASES_MAX));
    let changes = Record::new("Who is to be in a group, and who is not")
        .closed()
        .at_least(1)
        .maybe("add", aliases())
        .maybe("remove", aliases());
    let statuses = ["added", "removed", "unchanged", "not_found", "error"];
    let result = Record::new("What came of one alias")
        .with("alias", text(""))
        .with("status", word(statuses, ""))
        .maybe("error", named(ERROR));
    let member = Record::new("A contact in a group")
        .with("id", uuid(""))
        .with("alias", alias(""));
    vec![
        ("MemberChanges", changes.into()),
        ("MemberResult", result.into()),
        ("Member", member.into()),
    ]
}
