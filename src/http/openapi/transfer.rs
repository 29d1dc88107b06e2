//! Import and export.

use serde_json::{Value, json};
use utoipa::openapi::{Content, ObjectBuilder, Type};

use super::bulk;
use super::described::{Described, Tag};
use super::parameters::{query, switch};
use super::shapes::{Record, Shape, array, content, named, number, or_null, text, word};
use crate::error::Error;
use crate::http::transfer;
use crate::http::wire::upload::{FILE_BYTES_MAX, MEDIA_TYPES, WANTED};
use crate::invalid::Invalid;
use crate::transfer::{ERRORS_MAX, ERRORS_OF_KIND_MAX, Format, KINDS_MAX, ROW_BYTES_MAX};

pub(crate) fn import() -> Described {
    let contents = MEDIA_TYPES.map(|(name, format)| (name, file(format)));
    let encoding = word(
        ["utf-8", "windows-1252"],
        "Of a CSV file without a byte order mark",
    );
    let (summary, errors) = counted_example();
    let mut answered = json!({"success": true});
    answered["summary"] = summary.clone();
    answered["errors"] = errors.clone();
    let ended = Record::new("Where it ended early: what was done until then")
        .maybe("summary", named("ImportSummary"))
        .maybe("errors", told());
    Described::new("importContacts", Tag::Many, "Stores a file of contacts")
        .note(format!("CSV or NDJSON, rows of at most {ROW_BYTES_MAX} bytes. A bad row never fails the others; a bad file stores nothing."))
        .note("Where it ends early, `summary` and `errors` stand beside the error of whatever status.")
        .also_needs_update()
        .takes_query([
            query("mode", bulk::mode()),
            query("encoding", encoding.default(Some(json!("utf-8")))),
            switch("dryRun", "Stores nothing; the answer says what would happen"),
        ])
        .takes_body(contents, WANTED, FILE_BYTES_MAX)
        .answers(
            Record::succeeded()
                .with("summary", named("ImportSummary"))
                .with("errors", told()),
            &answered,
        )
        .beside(400, ended, json!({}))
        .refuses([
            Invalid::ImportMode,
            Invalid::ImportEncoding,
            Invalid::FileNoRows,
            Invalid::ColumnsTooMany,
        ])
        .refuses([Error::ImportsBusy])
        .writes()
}

pub(crate) fn export() -> Described {
    let exported = Described::new("exportContacts", Tag::Many, "Sends all contacts as a file")
        .note("CSV, or NDJSON if `Accept` asks for it.")
        .takes_query([switch("bom", "Of CSV: with a byte order mark")])
        .with_header("Content-Disposition")
        .refuses([Invalid::ExportBom, Invalid::ExportBomOfJson])
        .refuses([Error::NoRoomForExport, Error::ListsBusy, Error::RowDamaged]);
    let formats = [Format::Csv, Format::Ndjson].into_iter();
    formats.fold(exported, |exported, format| {
        exported.answers_as(transfer::essence(format), file(format))
    })
}

/// A small file of the format.
fn file(format: Format) -> Content {
    let (says, example) = match format {
        Format::Csv => (
            "The first line names the columns: `alias`, `msisdn`, `meta`; any other is a member of `meta`",
            "alias,msisdn,NAME,CITY\njohn,4479000000001,John,London\n",
        ),
        Format::Ndjson => (
            "Each line is a contact as JSON",
            "{\"alias\":\"john\",\"msisdn\":\"4479000000001\",\"meta\":{\"NAME\":\"John\",\"CITY\":\"London\"}}\n",
        ),
    };
    content(text(says).into(), json!(example))
}

fn told() -> utoipa::openapi::schema::ArrayBuilder {
    let says = format!("The first {ERRORS_MAX}, at most {ERRORS_OF_KIND_MAX} of one kind");
    array(named("BadRow"), &says)
}

fn counted_example() -> (Value, Value) {
    let message = Invalid::MsisdnFormat.to_string();
    let mut summary = json!({"total": 2, "created": 1, "updated": 0, "unchanged": 0, "failed": 1, "messages": {}});
    summary["messages"][&message] = json!(1);
    let errors = json!([{"line": 3, "field": "msisdn", "message": message}]);
    (summary, errors)
}

pub(super) fn shapes() -> Vec<(&'static str, Shape)> {
    let says = format!("How often each kind of refusal came, at most {KINDS_MAX} kinds");
    let messages = ObjectBuilder::new()
        .description(Some(says))
        .additional_properties(Some(number(1, "")));
    let row_error = Record::new("What is wrong with one row")
        .with(
            "line",
            number(1, "Where the row begins, as an editor counts"),
        )
        .with(
            "field",
            or_null(text("`null` where it is the row as a whole"), Type::String),
        )
        .with("message", text(""));
    vec![
        (
            "ImportSummary",
            bulk::counts().with("messages", messages).into(),
        ),
        ("BadRow", row_error.into()),
    ]
}
