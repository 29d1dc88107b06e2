//! What operators' tools call.

use serde_json::json;

use super::described::{Described, Tag};
use super::shapes::{Record, Shape, content, named, text};
use crate::error::Error;
use crate::http::ops::METRICS_TYPE;
use crate::permission::Permission;

pub(crate) fn healthz() -> Described {
    Described::new("health", Tag::Operations, "Says that the process answers").answers_done()
}

pub(crate) fn readyz() -> Described {
    let checks = |writes: &str| {
        json!({
            "reads": "ok",
            "writes": writes,
            "disk": "ok",
            "schema": "ok",
            "integrity": "unknown",
        })
    };
    let beside = || Record::new("").maybe("checks", named("Checks"));
    let failed = json!({"checks": checks("a look at it takes too long")});
    Described::new(
        "readiness",
        Tag::Operations,
        "Says whether the server would read and write",
    )
    .answers(
        Record::succeeded().with("checks", named("Checks")),
        &json!({"success": true, "checks": checks("ok")}),
    )
    .beside(503, beside(), failed)
    .refuses([Error::NotReady("writes".to_owned())])
}

pub(crate) fn metrics() -> Described {
    let example =
        "# TYPE addressbook_database_bytes gauge\naddressbook_database_bytes 45056\n# EOF\n";
    let media_type = METRICS_TYPE.split(';').next().unwrap_or_default();
    Described::new(
        "metrics",
        Tag::Operations,
        "Answers metrics, as OpenMetrics text",
    )
    .shows_more_to(Permission::ReadMetrics)
    .note("Without a key those of requests and of the process; all of them to a key that has `read:Metrics`.")
    .refuses([
        Error::KeyInvalid,
        Error::SessionEnded,
        Error::OtherSite,
        Error::NotPermitted(Permission::ReadMetrics),
        Error::TooFast { per_second: 50, wait_s: 1 },
        Error::ListsBusy,
    ])
    .answers_as(media_type, content(text("").into(), json!(example)))
}

pub(super) fn shapes() -> Vec<(&'static str, Shape)> {
    let check = || text("`ok`, `running`, `unknown`, or what is wrong");
    let checks = Record::new("What was looked at")
        .with("reads", check())
        .with("writes", check())
        .with("disk", check())
        .with("schema", check())
        .with("integrity", check());
    vec![("Checks", checks.into())]
}
