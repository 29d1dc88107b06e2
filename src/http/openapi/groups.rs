//! The calls about groups.

use serde_json::{Value, json};

use super::contacts::alias;
use super::described::{Described, Tag};
use super::shapes::{Record, Shape, number, text, time, uuid};
use crate::error::Error;
use crate::group::GROUPS_MAX;
use crate::http::groups::GROUP_BODY_BYTES_MAX;
use crate::invalid::Invalid;
use crate::text::NAME_CHARACTERS_MAX;

pub(crate) fn create() -> Described {
    Described::new("createGroup", Tag::Groups, "Creates a group")
        .note(format!("An address book has at most {GROUPS_MAX} groups."))
        .takes_json("GroupFields", &fields_example(), GROUP_BODY_BYTES_MAX)
        .answers_record("Group", &example())
        .refuses(wrong_name())
        .refuses([Error::GroupNameTaken, Error::GroupsTooMany])
        .writes()
}

pub(crate) fn list() -> Described {
    Described::new(
        "listGroups",
        Tag::Groups,
        "Lists the groups, those created first coming first",
    )
    .answers_page("Group", &example())
    .reads_many()
}

pub(crate) fn get() -> Described {
    one("getGroup", "Answers one group").answers_record("Group", &example())
}

pub(crate) fn patch() -> Described {
    one("renameGroup", "Renames a group")
        .takes_patch("GroupFields", &fields_example(), GROUP_BODY_BYTES_MAX)
        .answers_record("Group", &example())
        .refuses([Invalid::NothingToUpdate])
        .refuses(wrong_name())
        .refuses([Error::GroupNameTaken])
        .writes()
}

pub(crate) fn delete() -> Described {
    one("deleteGroup", "Deletes a group; its contacts stay")
        .answers_done()
        .writes()
}

/// A call about one group.
pub(super) fn one(id: &'static str, summary: &'static str) -> Described {
    Described::new(id, Tag::Groups, summary)
        .segment("id", uuid("The group's id"))
        .refuses([Error::GroupNotFound])
}

fn wrong_name() -> [Invalid; 3] {
    [
        Invalid::GroupNameMissing,
        Invalid::GroupNameTooLong,
        Invalid::GroupNameCharacters,
    ]
}

fn fields_example() -> Value {
    json!({"name": "Friends"})
}

fn example() -> Value {
    json!({
        "id": "01a20902-1f60-7a31-9d15-3f0c2b7b8a10",
        "name": "Friends",
        "created_on": "2026-11-23T15:24:23.680Z",
        "members": 2,
    })
}

pub(super) fn shapes() -> Vec<(&'static str, Shape)> {
    let rule =
        format!("Unique; follows the rules of an alias, up to {NAME_CHARACTERS_MAX} characters");
    let fields = Record::new("What a group is called")
        .closed()
        .with("name", text(&rule).min_length(Some(1)));
    let group = Record::new("A group")
        .with("id", uuid(""))
        .with("name", alias(""))
        .with("created_on", time("The millisecond inside the id"))
        .with("members", number(0, "How many contacts are in it"));
    let name = Record::new("A group that a contact is in")
        .with("id", uuid(""))
        .with("name", alias(""));
    vec![
        ("GroupFields", fields.into()),
        ("Group", group.into()),
        ("GroupName", name.into()),
    ]
}
