//! What a sender needs of its recipients in one call.

use serde_json::json;

use super::contacts::{alias, meta, stored_msisdn};
use super::described::{Described, Tag};
use super::shapes::{Record, Shape, array, named, text, word};
use crate::error::Error;
use crate::http::resolve::RESOLVE_BODY_BYTES_MAX;
use crate::invalid::Invalid;
use crate::resolve::{ANSWER_BYTES_MAX, RECIPIENTS_MAX};
use crate::template::TEXT_CHARACTERS_MAX;

pub(crate) fn resolve() -> Described {
    let sent = json!({
        "recipients": ["john", "joe"],
        "text": "How is the weather in {{CITY}}, {{NAME|friend}}?",
    });
    let filled = "How is the weather in London, John?";
    let answered = json!({
        "success": true,
        "results": [
            {
                "recipient": "john",
                "status": "ok",
                "msisdn": "4479000000001",
                "meta": {"NAME": "John", "CITY": "London"},
                "text": filled,
            },
            {"recipient": "joe", "status": "not_found"},
        ],
        "recipients": [{"alias": "john", "msisdn": "4479000000001", "text": filled}],
    });
    Described::new(
        "resolveRecipients",
        Tag::Many,
        "Finds recipients, and fills in a text for each",
    )
    .note("A recipient is an alias, or the id of a group, which stands for its members.")
    .note(format!("The answer has at most {ANSWER_BYTES_MAX} bytes."))
    .takes_json("Resolve", &sent, RESOLVE_BODY_BYTES_MAX)
    .answers(
        Record::succeeded()
            .with(
                "results",
                array(named("ResolveResult"), "One for each recipient, in order"),
            )
            .with(
                "recipients",
                array(
                    named("ResolvedRecipient"),
                    "Those that may be sent to, each number once",
                ),
            ),
        &answered,
    )
    .refuses([
        Invalid::Recipients,
        Invalid::Text,
        Invalid::OnMissing,
        Invalid::AnswerTooLarge,
    ])
    .refuses([Error::RowDamaged])
    .reads_many()
}

pub(super) fn shapes() -> Vec<(&'static str, Shape)> {
    let recipients = array(text(""), "Aliases and ids of groups")
        .min_items(Some(1))
        .max_items(Some(RECIPIENTS_MAX));
    let on_missing = word(
        ["keep", "empty", "skip"],
        "What becomes of a placeholder without a value: it stays, nothing stands in its place, or its recipient is left out",
    );
    let template = text(
        "`{{NAME}}` stands for that member of `meta`, or for `alias` and `msisdn`; in `{{NAME|friend}}`, `friend` stands in where there is no value",
    );
    let template = template
        .min_length(Some(1))
        .max_length(Some(TEXT_CHARACTERS_MAX));
    let resolve = Record::new("Recipients, and what they are to get")
        .closed()
        .with("recipients", recipients)
        .maybe("text", template)
        .maybe("onMissing", on_missing.default(Some(json!("keep"))));
    let statuses = ["ok", "not_found", "opted_out", "duplicate", "incomplete"];
    let missing = || array(text(""), "Placeholders without a value");
    let result = Record::new("What came of one recipient")
        .with(
            "recipient",
            text("As it was sent; of a group, each member's alias"),
        )
        .with("status", word(statuses, "The first that applies"))
        .maybe("msisdn", stored_msisdn())
        .maybe("meta", meta(""))
        .maybe("text", text(""))
        .maybe("missing", missing());
    let recipient = Record::new("Who may be sent to")
        .with("alias", alias(""))
        .with("msisdn", stored_msisdn())
        .maybe("text", text(""))
        .maybe("missing", missing());
    vec![
        ("Resolve", resolve.into()),
        ("ResolveResult", result.into()),
        ("ResolvedRecipient", recipient.into()),
    ]
}
