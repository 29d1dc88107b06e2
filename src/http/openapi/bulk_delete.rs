//! Many contacts deleted in one request.

use serde_json::json;
use utoipa::openapi::ObjectBuilder;

use super::contacts;
use super::described::{Described, Tag};
use super::failures::ERROR;
use super::headers::RequestHeader;
use super::shapes::{Record, Shape, array, flag, named, number, text, uuid, word};
use crate::bulk::MATCHING_MAX;
use crate::error::Error;
use crate::http::bulk_delete::{DELETE_BODY_BYTES_MAX, KEYS_MAX};
use crate::invalid::Invalid;
use crate::permission::Permission;

/// What is needed of what tells who is there.
const READ: Permission = Permission::ReadContacts;

pub(crate) fn delete() -> Described {
    let sent = json!({"aliases": ["john", "joe"]});
    let results = json!([
        {"index": 0, "id": contacts::ID, "alias": "john", "status": "deleted"},
        {"index": 1, "alias": "joe", "status": "not_found"},
    ]);
    let summary = json!({"total": 2, "deleted": 1, "failed": 0});
    let told = "One for each that was named, in order; of a filter there are none";
    Described::new("bulkDeleteContacts", Tag::Many, "Deletes many contacts")
        .note(
            "By `ids` or `aliases`, each with a result; or by `filter` and `expect`: all that \
             the list with these parameters counts, in one transaction. Where they are not as \
             many as expected, none is deleted.",
        )
        .note(format!(
            "With `filter` or `dryRun` it needs `{READ}` as well."
        ))
        .takes_headers([RequestHeader::IdempotencyKey])
        .takes_json("BulkDelete", &sent, DELETE_BODY_BYTES_MAX)
        .answers(
            Record::succeeded()
                .with("summary", named("BulkDeleteSummary"))
                .maybe("results", array(named("BulkDeleteResult"), told)),
            &json!({"success": true, "summary": summary, "results": results}),
        )
        .refuses([
            Invalid::DeleteOneOf,
            Invalid::DeleteFilter,
            Invalid::DeleteExpect,
            Invalid::ParameterUnknown("colour".to_owned()),
        ])
        .refuses([Error::NotPermitted(READ), Error::OtherCount(3)])
        .retried()
        .reads_many()
        .writes()
}

pub(super) fn shapes() -> Vec<(&'static str, Shape)> {
    let many = |items: ObjectBuilder| {
        array(items, "")
            .min_items(Some(1))
            .max_items(Some(KEYS_MAX))
    };
    let filter = ObjectBuilder::new()
        .description(Some(
            "The filters of the list of contacts by name, such as `{\"meta.CITY\":\"Paris\"}`",
        ))
        .min_properties(Some(1))
        .additional_properties(Some(text("")));
    let expect = number(0, "How many the filter matches").maximum(Some(MATCHING_MAX as f64));
    let dry_run = flag("Deletes nothing; the answer says what would happen");
    let request = Record::new("Contacts to delete: by one of `ids`, `aliases` and `filter`")
        .closed()
        .maybe("ids", many(text("")))
        .maybe("aliases", many(text("")))
        .maybe("filter", filter)
        .maybe("expect", expect)
        .maybe("dryRun", dry_run.default(Some(json!(false))));
    let summary = Record::new(
        "How many came to what; those that are no error and not deleted were not found",
    )
    .with("total", number(0, ""))
    .with("deleted", number(0, ""))
    .with("failed", number(0, ""));
    let result = Record::new("What came of one contact")
        .with("index", number(0, "Its place in the request"))
        .maybe("id", uuid(""))
        .maybe("alias", contacts::alias(""))
        .with("status", word(["deleted", "not_found", "error"], ""))
        .maybe("error", named(ERROR));
    vec![
        ("BulkDelete", request.into()),
        ("BulkDeleteSummary", summary.into()),
        ("BulkDeleteResult", result.into()),
    ]
}
