//! The call about the audit.

use serde_json::json;
use utoipa::openapi::schema::AdditionalProperties;
use utoipa::openapi::{ObjectBuilder, Type};

use super::described::{Described, Tag};
use super::shapes::{Record, Shape, number, or_null, text, time, word};
use crate::event::Action;

pub(crate) fn list() -> Described {
    let example = json!({
        "id": 5,
        "created_on": "2026-11-27T15:37:26.422Z",
        "action": Action::KeyUpdated.as_str(),
        "actor": "y8YjjBMmtVQr",
        "target": "000000000000",
        "permission": null,
        "address": "127.0.0.1",
        "changes": {"rate_limit": {"from": 50, "to": null}},
    });
    Described::new(
        "listAudit",
        Tag::Keys,
        "Tells who did what with keys, newest first",
    )
    .answers_page("Event", &example)
    .reads_many()
}

pub(super) fn shapes() -> Vec<(&'static str, Shape)> {
    let actions = Action::ALL.iter().map(|one| one.as_str());
    let text_or_null = |says| or_null(text(says), Type::String);
    let changes = ObjectBuilder::new()
        .description(Some(
            "What of the key became what; of a name it keeps no text",
        ))
        .additional_properties(Some(AdditionalProperties::FreeForm(true)));
    let event = Record::new("What happened")
        .with("id", number(1, "Counts up"))
        .with("created_on", time(""))
        .with("action", word(actions, ""))
        .with(
            "actor",
            text_or_null("The key that acted; `null` is the command line"),
        )
        .with("target", text_or_null("The key that it happened to"))
        .with(
            "permission",
            text_or_null("The permission that was refused"),
        )
        .with("address", text_or_null("Where the request came from"))
        .with("changes", or_null(changes, Type::Object));
    vec![("Event", event.into())]
}
