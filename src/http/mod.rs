//! HTTP: the only rooms that know actix. `routes` is the table of contents of the
//! whole API, `gate` what every request passes, `wire` the forms in which requests
//! and answers travel; the rest are the handlers, a file for each resource.

mod audit;
mod bulk;
mod contacts;
mod gate;
mod groups;
mod keys;
mod lists;
mod members;
mod ops;
mod optouts;
mod resolve;
mod routes;
mod transfer;
pub(crate) mod wire;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;

use actix_web::http::KeepAlive;
use actix_web::middleware::from_fn;
use actix_web::rt::signal::unix::{SignalKind, signal};
use actix_web::{App, HttpServer, web};

use gate::connections::Connections;
pub use gate::limits::{ChangedLimit, Limits};
use gate::observe;
pub use gate::state::State;
pub use routes::{CALLS, Call};
use wire::envelope;

/// Connections of one worker; more wait unaccepted.
const CONNECTIONS_MAX: usize = 4096;

/// Serves the address book on `listener` with `workers` threads until SIGTERM
/// or SIGINT; says by `ready` when both are heard. Then finishes what is running
/// within its limit.
///
/// # Errors
/// What the operating system says of the socket or of the signal handlers.
pub async fn serve(
    listener: TcpListener,
    state: State,
    workers: usize,
    ready: impl FnOnce() -> io::Result<()>,
) -> io::Result<()> {
    // First of all: a signal that comes early stops the server gracefully, too.
    let (mut terminate, mut interrupt) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    let state = web::Data::new(state);
    let limits = *state.limits();
    let connections = Connections::new(limits);
    actix_web::rt::spawn(Arc::clone(&connections).reap());
    let server = HttpServer::new(move || {
        App::new()
            .app_data(state.clone())
            .wrap(from_fn(observe::observe))
            .configure(routes::configure)
            .default_service(web::to(envelope::no_such_path))
    })
    .on_connect(move |stream, extensions| connections.enter(stream, extensions))
    .workers(workers)
    .max_connections(CONNECTIONS_MAX)
    .keep_alive(KeepAlive::Timeout(limits.keep_alive))
    .client_request_timeout(limits.head_wait)
    .shutdown_timeout(limits.shutdown_wait.as_secs())
    .disable_signals()
    .listen(listener)?
    .run();

    let handle = server.handle();
    actix_web::rt::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        log::info!("stopping");
        handle.stop(true).await;
    });
    ready()?;
    server.await
}
