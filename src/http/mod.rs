//! HTTP: the only rooms that know actix. `routes` is the table of contents of the
//! whole API, `gate` what every request passes, `wire` the forms in which requests
//! and answers travel; the rest are the handlers, a file for each resource.

mod audit;
mod backups;
mod bulk;
mod bulk_delete;
pub(crate) mod call;
mod console;
mod contacts;
mod docs;
mod gate;
mod groups;
mod keys;
mod lists;
mod members;
pub(crate) mod openapi;
mod ops;
mod optouts;
mod resolve;
mod routes;
mod sessions;
mod transfer;
pub(crate) mod wire;

use std::future;
use std::io;
use std::net::TcpListener;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpService, KeepAlive, Protocol};
use actix_server::{GracefulShutdownSignal, Server, ServerHandle};
use actix_service::{
    IntoServiceFactory, ServiceFactory, ServiceFactoryExt, fn_service, map_config,
};
use actix_web::dev::AppConfig;
use actix_web::middleware::from_fn;
use actix_web::rt::net::TcpStream;
use actix_web::rt::signal::unix::{Signal, SignalKind, signal};
use actix_web::web::ServiceConfig;
use actix_web::{App, web};

pub use call::Call;
use gate::connections::{Connection, Connections};
pub use gate::limits::{ChangedLimit, Limits};
use gate::observe;
pub use gate::state::{Settings, State};
use gate::stream::GatedStream;
pub use gate::tls::{Tls, TlsError};
use gate::transport::Transport;
pub use routes::CALLS;

use crate::base_path::BasePath;

/// The API document, as people read it.
pub fn api_document() -> String {
    openapi::printed(openapi::Describe(routes::described))
}

/// Connections of one worker, where the system grants the files for them; more
/// wait unaccepted.
const CONNECTIONS_MAX: usize = 4096;
/// Files that connections leave to everything else: the book, its pool, exports.
const FILES_RESERVED: u64 = 256;
/// Files that a connection takes: its socket, and a second handle on it.
const FILES_OF_CONNECTION: u64 = 2;

/// Where a server listens.
pub struct Listeners {
    /// For every call.
    pub calls: TcpListener,
    /// What speaks TLS there.
    pub tls: Option<Tls>,
    /// For operators' tools, without a key: metrics and health. Plain, and under no base
    /// path.
    pub metrics: Option<TcpListener>,
}

/// Serves the address book on `listeners` with `workers` threads, in a process that may
/// have `files_max` files open, until SIGTERM or SIGINT; says by `ready` when both are
/// heard. Then says `stopping`, and finishes what is running within its limit.
///
/// # Errors
/// What the operating system says of the socket or of the signal handlers.
pub async fn serve(
    listeners: Listeners,
    state: State,
    workers: usize,
    files_max: u64,
    ready: impl FnOnce() -> io::Result<()>,
    stopping: impl FnOnce() + 'static,
) -> io::Result<()> {
    // First of all: a signal that comes early stops the server gracefully, too.
    let terminate = signal(SignalKind::terminate())?;
    let interrupt = signal(SignalKind::interrupt())?;
    let tls = listeners.tls.map(Arc::new);
    actix_web::rt::spawn(read_anew(signal(SignalKind::hangup())?, tls.clone()));
    let state = web::Data::new(state);
    let counting = state.clone();
    actix_web::rt::spawn(async move { counting.keep_minutes().await });
    let limits = *state.limits();
    let of_worker = connections_max(files_max, workers);
    let connections = Connections::new(limits, of_worker.saturating_mul(workers));
    actix_web::rt::spawn(Arc::clone(&connections).reap());
    let mut builder = Server::build()
        .workers(workers)
        .max_concurrent_connections(of_worker)
        .shutdown_timeout(limits.shutdown_wait.as_secs())
        .disable_signals();
    let door = Door {
        stopped: builder.graceful_shutdown_signal(),
        state,
        connections,
        tls,
    };
    if let Some(listener) = listeners.metrics {
        let door = Door {
            tls: None,
            ..door.clone()
        };
        let open = move || door.open(|app, _| routes::configure_metrics(app));
        builder = builder.listen("metrics", listener, open)?;
    }
    let server = builder.listen("http", listeners.calls, move || {
        door.open(routes::configure)
    })?;
    let mut server = server.run();
    actix_web::rt::spawn(stop(server.handle(), terminate, interrupt, stopping));
    // The first poll starts the workers, before anybody is told that they listen.
    let started = |context: &mut Context<'_>| Poll::Ready(Pin::new(&mut server).poll(context));
    if let Poll::Ready(ended) = future::poll_fn(started).await {
        return ended;
    }
    ready()?;
    server.await
}

/// What a connection passes on its way in, the same at every address.
#[derive(Clone)]
struct Door {
    stopped: GracefulShutdownSignal,
    state: web::Data<State>,
    connections: Arc<Connections>,
    tls: Option<Arc<Tls>>,
}

impl Door {
    /// What serves one worker's connections, with the calls that `configure` adds: as
    /// actix-web's own server has it, but each stream is read through its gate.
    fn open(
        &self,
        configure: fn(&mut ServiceConfig, &BasePath),
    ) -> impl ServiceFactory<
        TcpStream,
        Config = (),
        Response = (),
        Error = DispatchError,
        InitError = (),
    > + use<> {
        let Self {
            stopped,
            state,
            connections,
            tls,
        } = self.clone();
        let limits = *state.limits();
        let app = App::new()
            .app_data(state.clone())
            .wrap(from_fn(observe::observe))
            .configure(|app| configure(app, state.base_path()))
            .default_service(web::to(routes::no_such_path));
        let app = app.into_factory().map_err(|error| error.error_response());
        let http = HttpService::build()
            .graceful_shutdown_signal(move || {
                let stopped = stopped.clone();
                async move { stopped.notified().await }
            })
            .keep_alive(KeepAlive::Timeout(limits.keep_alive))
            .client_request_timeout(limits.head_wait)
            .client_disconnect_timeout(limits.refused)
            .on_connect_ext(
                |stream: &GatedStream, extensions: &mut actix_http::Extensions| {
                    extensions.insert(Rc::clone(stream.connection()));
                },
            )
            .finish(map_config(app, |()| AppConfig::default()));
        fn_service(move |stream: TcpStream| {
            let peer = stream.peer_addr().ok();
            let connection = connections.enter(&stream, state.address_of(peer), tls.is_some());
            let gated = gated(stream, connection, tls.clone(), limits.head_wait);
            async move { Ok((gated.await?, Protocol::Http1, peer)) }
        })
        .and_then(http)
    }
}

/// Stops a server at either of two signals.
async fn stop(
    server: ServerHandle,
    mut terminate: Signal,
    mut interrupt: Signal,
    stopping: impl FnOnce(),
) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    log::info!("stopping");
    stopping();
    server.stop(true).await;
}

/// The gate of a connection that was taken in, behind its handshake where there is TLS.
///
/// # Errors
/// `ConnectionRefused` where it was not; those of the handshake. The stream is closed.
async fn gated(
    stream: TcpStream,
    connection: Option<Rc<Connection>>,
    tls: Option<Arc<Tls>>,
    handshake_wait: Duration,
) -> io::Result<GatedStream> {
    let connection = connection.ok_or(io::ErrorKind::ConnectionRefused)?;
    let transport = match tls {
        None => Transport::Plain(stream),
        // Boxed, so that a plain connection does not carry the room for it.
        Some(tls) => Box::pin(async move { tls.handshake(stream, handshake_wait).await }).await?,
    };
    Ok(GatedStream::new(transport, connection))
}

/// Has the certificate read anew whenever somebody asks for it by SIGHUP. A terminal
/// that is closed is nothing to end by.
async fn read_anew(mut hangup: Signal, tls: Option<Arc<Tls>>) {
    while hangup.recv().await.is_some() {
        if let Some(tls) = tls.clone() {
            // It waits for the disk.
            let _ = web::block(move || tls.read_anew()).await;
        }
    }
}

/// Connections of each worker: together they leave the reserve alone.
fn connections_max(files_max: u64, workers: usize) -> usize {
    let all = files_max.saturating_sub(FILES_RESERVED) / FILES_OF_CONNECTION;
    let each = usize::try_from(all).unwrap_or(usize::MAX) / workers.max(1);
    each.clamp(1, CONNECTIONS_MAX)
}
