//! What operators' tools call: no key, no data.

use actix_web::{HttpResponse, web};

use super::gate::state::State;
use super::wire::envelope::{self, Refusal};

/// The type of OpenMetrics.
const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Says that the process answers; touches no store.
pub(super) async fn healthz() -> HttpResponse {
    envelope::done()
}

/// Writes the counters out.
pub(super) async fn metrics(state: web::Data<State>) -> Result<HttpResponse, Refusal> {
    let text = state.metrics_text()?;
    Ok(envelope::of_type(METRICS_TYPE, text))
}
