//! What operators and their tools call. Without a key there is no data.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;

use super::gate::auth::{self, Allowed, ReadMetrics};
use super::gate::minutes::Minute;
use super::gate::readiness::Checks;
use super::gate::state::{State, Status};
use super::wire::envelope::{self, Refusal};
use super::wire::query::Query;
use crate::moment::Moment;

/// The type of OpenMetrics.
pub(crate) const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Says that the process answers; touches no store.
pub(super) async fn healthz() -> HttpResponse {
    envelope::done()
}

/// Says whether the server would do its work, by one read and one commit.
pub(super) async fn readyz(state: web::Data<State>) -> HttpResponse {
    #[derive(Serialize)]
    struct Checked {
        checks: Checks,
    }
    let checks = state.checks().await;
    match checks.ready() {
        Ok(()) => envelope::succeeded(Checked { checks }),
        Err(error) => Refusal::from(error).answer_beside(Checked { checks }),
    }
}

/// Says what the book holds and how the server fares, for people.
pub(super) async fn status(
    allowed: Allowed<ReadMetrics>,
    request: HttpRequest,
) -> Result<HttpResponse, Refusal> {
    Query::parse(request.query_string())?.into_nothing()?;
    let status = allowed.status().await?;
    Ok(envelope::one(StatusRecord::of(&status)))
}

/// Writes the metrics out: all of them for a key that may read them.
pub(super) async fn metrics(
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, Refusal> {
    let text = match auth::is_allowed::<ReadMetrics>(&request).await? {
        true => state.all_metrics().await?,
        false => state.open_metrics().await?,
    };
    Ok(envelope::of_type(METRICS_TYPE, text))
}

/// Writes all metrics out, to whoever reaches the address that is for them alone.
pub(super) async fn all_metrics(state: web::Data<State>) -> Result<HttpResponse, Refusal> {
    let text = state.all_metrics().await?;
    Ok(envelope::of_type(METRICS_TYPE, text))
}

#[derive(Serialize)]
struct StatusRecord<'a> {
    version: &'static str,
    started_on: Moment,
    contacts: u64,
    groups: u64,
    optouts: u64,
    database_bytes: u64,
    /// None where the WAL is not of this book alone.
    wal_bytes: Option<u64>,
    /// None where the file system does not say.
    disk_free_bytes: Option<u64>,
    last_backup_on: Option<Moment>,
    backups: bool,
    minutes: &'a [Minute],
}

impl<'a> StatusRecord<'a> {
    fn of(status: &'a Status) -> Self {
        let figures = &status.figures;
        Self {
            version: env!("CARGO_PKG_VERSION"),
            started_on: status.started_on,
            contacts: figures.contacts,
            groups: figures.groups,
            optouts: figures.optouts,
            database_bytes: figures.database_bytes,
            wal_bytes: figures.wal_bytes,
            disk_free_bytes: figures.disk_free_bytes,
            last_backup_on: status.last_backup_on,
            backups: status.has_backups,
            minutes: &status.minutes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Figures;

    #[test]
    fn a_status_says_null_where_something_cannot_be_told() {
        let status = Status {
            figures: Figures::default(),
            started_on: Moment::from_millis(0),
            has_backups: true,
            last_backup_on: None,
            minutes: Vec::new(),
        };
        let written = serde_json::to_value(StatusRecord::of(&status)).expect("written");
        for name in ["wal_bytes", "disk_free_bytes", "last_backup_on"] {
            assert_eq!(written.get(name), Some(&serde_json::Value::Null), "{name}");
        }
    }
}
