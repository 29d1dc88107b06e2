//! What operators' tools call: no key, no data.

use actix_web::HttpResponse;

use super::envelope;

/// Says that the process answers; touches no store.
pub(super) async fn healthz() -> HttpResponse {
    envelope::done()
}
