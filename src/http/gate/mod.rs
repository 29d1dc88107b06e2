//! What every request passes, in this order: the connection's clock (behind its handshake, where there is TLS), the
//! observer around everything, the check of the key, the permission.

pub(crate) mod admission;
pub(crate) mod auth;
mod certificate;
pub(crate) mod connections;
pub(crate) mod cors;
pub(crate) mod framing;
pub(crate) mod limits;
pub(crate) mod metrics;
pub(crate) mod minutes;
pub(crate) mod observe;
pub(crate) mod own_page;
mod process;
pub(crate) mod readiness;
mod recent;
pub(crate) mod sessions;
mod shares;
pub(crate) mod state;
pub(crate) mod stream;
pub(crate) mod timed_body;
pub(crate) mod tls;
pub(crate) mod transport;
