//! Many contacts in one request.

use serde_json::json;
use utoipa::openapi::ObjectBuilder;

use super::contacts;
use super::described::{Described, Tag};
use super::failures::ERROR;
use super::headers::RequestHeader;
use super::shapes::{Record, Shape, array, flag, named, number, uuid, word};
use crate::error::Error;
use crate::http::bulk::{BULK_BODY_BYTES_MAX, CONTACTS_MAX};
use crate::http::wire::envelope::Refusal;
use crate::invalid::Invalid;
use crate::permission::Permission;

pub(crate) fn bulk() -> Described {
    let sent = json!({
        "mode": "upsert",
        "contacts": [contacts::new_example(), {"alias": "joe", "msisdn": "12"}],
    });
    let error = json!(Refusal::from(Invalid::MsisdnFormat).error_body());
    let results = json!([
        {"index": 0, "status": "updated", "id": contacts::ID, "alias": "john"},
        {"index": 1, "status": "error", "alias": "joe", "error": error},
    ]);
    let summary = json!({"total": 2, "created": 0, "updated": 1, "unchanged": 0, "failed": 1});
    let answered = json!({"success": true, "summary": summary, "results": results});
    let refused =
        json!({"results": [{"index": 0, "status": "error", "alias": "joe", "error": error}]});
    let told = || array(named("BulkResult"), "One for each contact, in order");
    Described::new("bulkContacts", Tag::Many, "Stores many contacts, with a result for each")
        .note("A bad contact never fails the others, unless the request is `atomic`: then nothing is stored, and `results` stand beside the error.")
        .also_needs_update()
        .takes_headers([RequestHeader::IdempotencyKey])
        .takes_json("Bulk", &sent, BULK_BODY_BYTES_MAX)
        .answers(
            Record::succeeded()
                .with("summary", named("BulkSummary"))
                .with("results", told()),
            &answered,
        )
        .beside(400, Record::new("").maybe("results", told()), refused)
        .refuses([
            Invalid::BulkMode,
            Invalid::BulkContacts,
            Invalid::BulkRefused(1),
        ])
        .retried()
        .writes()
}

impl Described {
    /// What is needed of `upsert` and `merge`.
    pub(super) fn also_needs_update(self) -> Self {
        let update = Permission::UpdateContacts;
        self.note(format!(
            "With the mode `upsert` or `merge` it needs `{update}` as well."
        ))
        .refuses([Error::NotPermitted(update)])
    }
}

/// What is done with an alias that exists.
pub(super) fn mode() -> ObjectBuilder {
    let says = "What is done with an alias that exists: `create` refuses it, `upsert` replaces the \
                contact, `merge` does so but merges `meta` (RFC 7396)";
    word(["create", "upsert", "merge"], says).default(Some(json!("create")))
}

/// How many came to what.
pub(super) fn counts() -> Record {
    Record::new("How many came to what")
        .with("total", number(0, ""))
        .with("created", number(0, ""))
        .with("updated", number(0, ""))
        .with("unchanged", number(0, ""))
        .with("failed", number(0, ""))
        .maybe(
            "cleared",
            number(
                0,
                "Members of `meta` that an upsert would clear: of a dry run",
            ),
        )
}

pub(super) fn shapes() -> Vec<(&'static str, Shape)> {
    let contacts = array(named("NewContact"), "")
        .min_items(Some(1))
        .max_items(Some(CONTACTS_MAX));
    let off = |says| flag(says).default(Some(json!(false)));
    let bulk = Record::new("Many contacts")
        .closed()
        .maybe("mode", mode())
        .maybe("atomic", off("Stores all or none"))
        .maybe(
            "dryRun",
            off("Stores nothing; the answer says what would happen"),
        )
        .with("contacts", contacts);
    let statuses = ["created", "updated", "unchanged", "error"];
    let result = Record::new("What came of one contact")
        .with("index", number(0, "Its place in the request"))
        .with("status", word(statuses, ""))
        .maybe("id", uuid(""))
        .maybe("alias", contacts::alias(""))
        .maybe("error", named(ERROR));
    vec![
        ("Bulk", bulk.into()),
        ("BulkSummary", counts().into()),
        ("BulkResult", result.into()),
    ]
}
