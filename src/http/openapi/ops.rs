//! What operators' tools call.

use serde_json::json;
use utoipa::openapi::Type;
use utoipa::openapi::schema::ArrayBuilder;

use super::described::{Described, Tag};
use super::shapes::{Record, Shape, array, content, flag, named, number, or_null, text, time};
use crate::error::Error;
use crate::http::gate::minutes::MINUTES_KEPT;
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

pub(crate) fn status() -> Described {
    let minute = json!({
        "on": "2026-11-23T15:24:23.564Z",
        "requests": 1200,
        "failed": 0,
        "p50_ms": 0.412,
        "p99_ms": 3.75,
        "commits": 340,
        "commit_p50_ms": 0.981,
        "commit_p99_ms": 5.9,
    });
    let status = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "started_on": "2026-11-23T15:20:00.000Z",
        "contacts": 128,
        "groups": 3,
        "optouts": 2,
        "database_bytes": 139_264,
        "wal_bytes": 4_136_512,
        "disk_free_bytes": 21_474_836_480_u64,
        "last_backup_on": null,
        "backups": false,
        "minutes": [minute],
    });
    Described::new(
        "status",
        Tag::Operations,
        "Answers what the address book holds, and the last minutes of the server",
    )
    .note("What the book holds is looked up once a second at most.")
    .takes_query([])
    .answers_record("Status", &status)
    .refuses([Error::ListsBusy])
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
        .with("integrity", check())
        .maybe(
            "standby",
            text("On PostgreSQL: `ok`, or that no standby has what is committed"),
        );
    let moment = |says| or_null(time(says), Type::String);
    let status = Record::new("What the address book holds and how the server fares")
        .with("version", text(""))
        .with("started_on", time(""))
        .with("contacts", number(0, ""))
        .with("groups", number(0, ""))
        .with("optouts", number(0, "Numbers that want no messages"))
        .with(
            "database_bytes",
            number(0, "Of the file, or of the tables on PostgreSQL"),
        )
        .with(
            "wal_bytes",
            or_null(
                number(0, "Of the `-wal` beside it; `null` on PostgreSQL"),
                Type::Integer,
            ),
        )
        .with(
            "disk_free_bytes",
            or_null(number(0, "`null` where it cannot be told"), Type::Integer),
        )
        .with("last_backup_on", moment("The last one that it made"))
        .with("backups", flag("Whether it has a directory for backups"))
        .with("minutes", minutes());
    vec![
        ("Checks", checks.into()),
        ("Status", status.into()),
        ("Minute", minute().into()),
    ]
}

fn minutes() -> ArrayBuilder {
    array(named("Minute"), "The last whole ones, the oldest first").max_items(Some(MINUTES_KEPT))
}

fn minute() -> Record {
    let estimate = |says| {
        let says = format!("{says}, estimated; `null` where nothing was measured");
        or_null(number(0, &says), Type::Number)
    };
    Record::new("A minute of the server")
        .with("on", time("When it began"))
        .with("requests", number(0, ""))
        .with("failed", number(0, "Of them, those answered by a 5xx"))
        .with("p50_ms", estimate("What half of them took at most"))
        .with("p99_ms", estimate("What 99 % of them took at most"))
        .with("commits", number(0, "Transactions on the disk"))
        .with("commit_p50_ms", estimate("What half of them took at most"))
        .with("commit_p99_ms", estimate("What 99 % of them took at most"))
}
