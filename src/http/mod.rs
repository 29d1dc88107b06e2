//! HTTP: the only rooms that know actix. This page is the table of contents of
//! the whole API; the order of a request's checks stands in `admission`,
//! `auth` and `body`.

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
mod transfer;
mod wire;

use std::io;
use std::net::TcpListener;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use actix_web::http::{KeepAlive, Method};
use actix_web::middleware::from_fn;
use actix_web::rt::signal::unix::{SignalKind, signal};
use actix_web::web::{self, Payload, ServiceConfig};
use actix_web::{
    App, FromRequest, Handler, HttpRequest, HttpResponse, HttpServer, Resource, Responder, Route,
};

use gate::connections::Connections;
pub use gate::limits::{ChangedLimit, Limits};
pub use gate::state::State;
use gate::{auth, observe};
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
            .configure(routes)
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

/// The route table.
fn routes(app: &mut ServiceConfig) {
    app.service(at("/healthz", [open(Method::GET, ops::healthz)]));
    app.service(at("/metrics", [open(Method::GET, ops::metrics)]));
    // The documented page is headed by the one path, its curl calls the other.
    for contacts in ["/addressbook/contacts", "/contacts"] {
        let below = |rest| format!("{contacts}{rest}");
        app.service(at(
            contacts,
            [get(lists::list), keyed(Method::POST, contacts::create)],
        ));
        app.service(at(&below("/bulk"), [keyed(Method::POST, bulk::bulk)]));
        app.service(at(
            &below("/resolve"),
            [keyed(Method::POST, resolve::resolve)],
        ));
        app.service(at(&below("/export"), [get(transfer::export)]));
        app.service(at(
            &below("/import"),
            [keyed(Method::POST, transfer::import)],
        ));
        app.service(at(
            &below("/alias/{alias}"),
            [
                get(contacts::get_by_alias),
                keyed(Method::PUT, contacts::put),
            ],
        ));
        app.service(at(
            &below("/{id}"),
            [
                get(contacts::get_by_id),
                keyed(Method::POST, contacts::update),
                keyed(Method::PATCH, contacts::patch),
                keyed(Method::DELETE, contacts::delete),
            ],
        ));
    }
    app.service(at(
        "/addressbook/optouts",
        [get(optouts::list), keyed(Method::POST, optouts::create)],
    ));
    app.service(at(
        "/addressbook/optouts/{msisdn}",
        [keyed(Method::DELETE, optouts::delete)],
    ));
    app.service(at(
        "/addressbook/groups",
        [get(groups::list), keyed(Method::POST, groups::create)],
    ));
    app.service(at(
        "/addressbook/groups/{id}",
        [
            get(groups::get),
            keyed(Method::PATCH, groups::patch),
            keyed(Method::DELETE, groups::delete),
        ],
    ));
    app.service(at(
        "/addressbook/groups/{id}/members",
        [get(members::list), keyed(Method::POST, members::change)],
    ));
    app.service(at(
        "/auth/test",
        [get(keys::test), keyed(Method::POST, keys::test)],
    ));
    app.service(at(
        "/auth/keys",
        [get(keys::list), keyed(Method::POST, keys::create)],
    ));
    app.service(at(
        "/auth/keys/{id}",
        [
            get(keys::get),
            keyed(Method::PATCH, keys::patch),
            keyed(Method::DELETE, keys::delete),
        ],
    ));
    app.service(at(
        "/auth/keys/{id}/rotate",
        [keyed(Method::POST, keys::rotate)],
    ));
    app.service(at("/auth/audit", [get(audit::list)]));
}

/// A call: its method, and what answers it.
type Call = (Method, Route);

/// A call that needs no key.
fn open<F, Args>(method: Method, handler: F) -> Call
where
    F: Handler<Args, Output: Responder + 'static>,
    Args: FromRequest + 'static,
{
    let walk = move |request: HttpRequest, payload: Payload| {
        observe::caught(handle(handler.clone(), request, payload))
    };
    (method, Route::new().to(walk))
}

/// A GET whose handler takes an [`auth::Allowed`] first.
fn get<F, Args>(handler: F) -> Call
where
    F: Handler<Args, Output: Responder + 'static>,
    Args: FromRequest + 'static,
{
    keyed(Method::GET, handler)
}

/// A call whose handler takes an [`auth::Allowed`] first.
fn keyed<F, Args>(method: Method, handler: F) -> Call
where
    F: Handler<Args, Output: Responder + 'static>,
    Args: FromRequest + 'static,
{
    let rest =
        move |request, payload| -> Rest { Box::pin(handle(handler.clone(), request, payload)) };
    (method, behind_key(Rc::new(rest)))
}

/// What is left of a walk once the key is checked. Boxed, so that the part
/// before it is compiled once and not for each handler.
type Rest = Pin<Box<dyn Future<Output = HttpResponse>>>;

/// The key is checked before the handler's parameters are read: as one of them
/// it would race with the body. And behind the choice of the method: before it,
/// a wrong method would hide behind a 401.
fn behind_key(rest: Rc<dyn Fn(HttpRequest, Payload) -> Rest>) -> Route {
    Route::new().to(move |request: HttpRequest, payload: Payload| {
        let next = rest(request.clone(), payload);
        observe::caught(async move { auth::authenticate(&request, next).await })
    })
}

/// Reads what the handler takes, and has it answer.
async fn handle<F, Args>(handler: F, request: HttpRequest, payload: Payload) -> HttpResponse
where
    F: Handler<Args, Output: Responder + 'static>,
    Args: FromRequest,
{
    let parameters = Args::from_request(&request, &mut payload.into_inner()).await;
    match parameters {
        Ok(parameters) => {
            let answer = handler.call(parameters).await;
            answer.respond_to(&request).map_into_boxed_body()
        }
        Err(refusal) => HttpResponse::from_error(refusal),
    }
}

/// All calls of one path; GET answers HEAD as well, and any other method gets
/// the 405 that names these.
fn at<const CALLS: usize>(path: &str, calls: [Call; CALLS]) -> Resource {
    let mut allowed = Vec::new();
    let mut resource = web::resource(path);
    for (method, route) in calls {
        allowed.push(method.to_string());
        let guarded = if method == Method::GET {
            allowed.push(Method::HEAD.to_string());
            let head = actix_web::guard::Head();
            route.guard(actix_web::guard::Any(actix_web::guard::Get()).or(head))
        } else {
            route.guard(actix_web::guard::Method(method))
        };
        resource = resource.route(guarded);
    }
    let allow = allowed.join(", ");
    resource.default_service(web::to(move || {
        let refusal = envelope::Refusal::MethodNotAllowed {
            allow: allow.clone(),
        };
        async move { refusal.answer() }
    }))
}
