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
use std::time::Duration;

use actix_web::http::KeepAlive;
use actix_web::middleware::from_fn;
use actix_web::rt::signal::unix::{SignalKind, signal};
use actix_web::{App, HttpServer, web};

pub use gate::admission::State;
use gate::connections::Connections;
use gate::observe;
pub use routes::{CALLS, Call};
use wire::envelope;

/// How long running requests may take after a signal to stop.
const SHUTDOWN_WAIT_MAX_S: u64 = 8;
/// How long an idle connection is kept.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long a client may take over the head of its first request.
const HEAD_WAIT_MAX: Duration = Duration::from_secs(5);
/// Connections of one worker; more wait unaccepted.
const CONNECTIONS_MAX: usize = 4096;

/// Serves the address book on `listener` with `workers` threads until SIGTERM
/// or SIGINT; says by `ready` when both are heard. Then finishes what is running
/// within eight seconds.
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
    let connections = Connections::new();
    actix_web::rt::spawn(Arc::clone(&connections).patrol());
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
    .keep_alive(KeepAlive::Timeout(KEEP_ALIVE))
    .client_request_timeout(HEAD_WAIT_MAX)
    .shutdown_timeout(SHUTDOWN_WAIT_MAX_S)
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
