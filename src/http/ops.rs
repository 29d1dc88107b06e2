//! What operators' tools call: no key, no data.

use actix_web::{HttpResponse, web};
use serde::Serialize;

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

/// Writes the counters out.
pub(super) async fn metrics(state: web::Data<State>) -> Result<HttpResponse, Refusal> {
    let text = state.metrics_text()?;
    Ok(envelope::of_type(METRICS_TYPE, text))
}
