//! What operators' tools call: no key, and without one no data.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;

use super::gate::auth::{self, ReadMetrics};
use super::gate::readiness::Checks;
use super::gate::state::State;
use super::wire::envelope::{self, Refusal};

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
