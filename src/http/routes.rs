//! The route table: every call, the permission that it needs, and what answers it.

use std::rc::Rc;

use actix_web::http::Method;
use actix_web::web::{self, Payload, ServiceConfig};
use actix_web::{
    FromRequest, Handler, HttpMessage, HttpRequest, HttpResponse, Resource, Responder, Route,
};

use super::call::{CONTACTS, CONTACTS_SHORT, Call};
use super::gate::auth::{
    self, Allowed, AnyKey, CreateApiKeys, CreateBackups, CreateContacts, CreateGroups,
    CreateOptouts, DeleteApiKeys, DeleteContacts, DeleteGroups, DeleteOptouts, Need, PutContacts,
    ReadApiKeys, ReadAudit, ReadBackups, ReadContacts, ReadGroups, ReadMetrics, ReadOptouts, Rest,
    UpdateApiKeys, UpdateContacts, UpdateGroups,
};
use super::gate::cors::ForTools;
use super::gate::metrics::{AtHand, CallOf};
use super::gate::observe;
use super::openapi::{self, Describe, Described};
use super::wire::envelope::Refusal;
use super::{
    audit, backups, bulk, bulk_delete, console, contacts, docs, groups, keys, lists, members, ops,
    optouts, resolve, sessions, transfer,
};
use crate::base_path::BasePath;

/// Bytes of a path that a message shows.
const PATH_SHOWN_BYTES_MAX: usize = 256;

/// Declares the table three times: as data, as the routes of a worker, and described for
/// the API document. A row whose need is not that of its handler's [`Allowed`] does not
/// compile, nor does one whose handler has no namesake under `openapi/`.
macro_rules! routes {
    ($($method:ident $path:literal $need:ident $module:ident::$handler:ident;)+) => {
        /// Every call, in the order of the table.
        pub const CALLS: &[Call] = &[$(Call {
            method: stringify!($method),
            path: $path,
            permissions: routes!(@permissions $need),
        }),+];

        /// What makes the routes of the table, in its order.
        fn routes() -> Vec<(Method, MakeRoute)> {
            vec![$((Method::$method, |call| {
                routes!(@route call $need $module::$handler)
            })),+]
        }

        /// Every call with what the API document says of it.
        pub(super) fn described() -> Vec<(&'static Call, Described)> {
            CALLS.iter().zip(vec![$(openapi::$module::$handler()),+]).collect()
        }
    };
    (@permissions NoKey) => { None };
    (@permissions $need:ident) => { Some($need::PERMISSIONS) };
    (@route $call:ident NoKey $handler:path) => { open($call, $handler) };
    (@route $call:ident $need:ident $handler:path) => { keyed::<$need, _, _>($call, $handler) };
}

routes! {
    GET    "/addressbook/contacts"               ReadContacts   lists::list;
    POST   "/addressbook/contacts"               CreateContacts contacts::create;
    // With `upsert` these two need what PUT needs.
    POST   "/addressbook/contacts/bulk"          CreateContacts bulk::bulk;
    POST   "/addressbook/contacts/bulk-delete"   DeleteContacts bulk_delete::delete;
    POST   "/addressbook/contacts/import"        CreateContacts transfer::import;
    GET    "/addressbook/contacts/export"        ReadContacts   transfer::export;
    POST   "/addressbook/contacts/resolve"       ReadContacts   resolve::resolve;
    GET    "/addressbook/contacts/alias/{alias}" ReadContacts   contacts::get_by_alias;
    PUT    "/addressbook/contacts/alias/{alias}" PutContacts    contacts::put;
    GET    "/addressbook/contacts/{id}"          ReadContacts   contacts::get_by_id;
    POST   "/addressbook/contacts/{id}"          UpdateContacts contacts::update;
    PATCH  "/addressbook/contacts/{id}"          UpdateContacts contacts::patch;
    DELETE "/addressbook/contacts/{id}"          DeleteContacts contacts::delete;

    GET    "/addressbook/optouts"                ReadOptouts    optouts::list;
    POST   "/addressbook/optouts"                CreateOptouts  optouts::create;
    POST   "/addressbook/optouts/bulk"           CreateOptouts  optouts::bulk;
    GET    "/addressbook/optouts/{msisdn}"       ReadOptouts    optouts::get;
    DELETE "/addressbook/optouts/{msisdn}"       DeleteOptouts  optouts::delete;

    GET    "/addressbook/groups"                 ReadGroups     groups::list;
    POST   "/addressbook/groups"                 CreateGroups   groups::create;
    GET    "/addressbook/groups/{id}"            ReadGroups     groups::get;
    PATCH  "/addressbook/groups/{id}"            UpdateGroups   groups::patch;
    DELETE "/addressbook/groups/{id}"            DeleteGroups   groups::delete;
    GET    "/addressbook/groups/{id}/members"    ReadGroups     members::list;
    POST   "/addressbook/groups/{id}/members"    UpdateGroups   members::change;

    GET    "/auth/test"                          AnyKey         keys::test;
    POST   "/auth/test"                          AnyKey         keys::test;
    GET    "/auth/session"                       NoKey          sessions::current;
    POST   "/auth/session"                       AnyKey         sessions::open;
    DELETE "/auth/session"                       AnyKey         sessions::end;
    POST   "/auth/session/code"                  NoKey          sessions::open_by_code;
    GET    "/auth/keys"                          ReadApiKeys    keys::list;
    POST   "/auth/keys"                          CreateApiKeys  keys::create;
    GET    "/auth/keys/{id}"                     ReadApiKeys    keys::get;
    PATCH  "/auth/keys/{id}"                     UpdateApiKeys  keys::patch;
    DELETE "/auth/keys/{id}"                     DeleteApiKeys  keys::delete;
    POST   "/auth/keys/{id}/rotate"              UpdateApiKeys  keys::rotate;
    GET    "/auth/audit"                         ReadAudit      audit::list;

    GET    "/backups"                            ReadBackups    backups::list;
    POST   "/backups"                            CreateBackups  backups::create;

    GET    "/status"                             ReadMetrics    ops::status;

    GET    "/healthz"                            NoKey          ops::healthz;
    GET    "/readyz"                             NoKey          ops::readyz;
    GET    "/metrics"                            NoKey          ops::metrics;

    GET    "/"                                   NoKey          docs::front;
    GET    "/openapi.json"                       NoKey          docs::document;
    GET    "/docs"                               NoKey          docs::reference;
    GET    "/docs/{file}"                        NoKey          docs::file;
    GET    "/console"                            NoKey          console::moved;
    GET    "/console/"                           NoKey          console::index;
    GET    "/console/{file}"                     NoKey          console::file;
}

/// Makes the route of a call.
type MakeRoute = fn(&'static Call) -> Route;

/// Adds the whole table to a worker's application, each path behind `base`.
pub(super) fn configure(app: &mut ServiceConfig, base: &BasePath) {
    app.app_data(Describe(described));
    for contacts in [CONTACTS, CONTACTS_SHORT] {
        let mut rows = CALLS.iter().zip(routes()).peekable();
        while let Some((call, (method, route))) = rows.next() {
            let path = call.path;
            let mut calls = vec![(method, route(call))];
            while let Some((call, (method, route))) = rows.next_if(|(other, _)| other.path == path)
            {
                calls.push((method, route(call)));
            }
            match path.strip_prefix(CONTACTS) {
                Some(rest) => app.service(at(&format!("{base}{contacts}{rest}"), path, calls)),
                None if contacts == CONTACTS => {
                    app.service(at(&format!("{base}{path}"), path, calls))
                }
                None => app,
            };
        }
    }
}

/// Adds what stands on the address for operators' tools alone.
pub(super) fn configure_metrics(app: &mut ServiceConfig) {
    app.app_data(ForTools);
    let made: [(&'static str, MakeRoute); 3] = [
        ("/healthz", |call| open(call, ops::healthz)),
        ("/readyz", |call| open(call, ops::readyz)),
        ("/metrics", |call| open(call, ops::all_metrics)),
    ];
    for (path, route) in made {
        if let Some(call) = CALLS.iter().find(|call| call.path == path) {
            app.service(at(path, path, vec![(Method::GET, route(call))]));
        }
    }
}

/// A call that needs no key.
fn open<F, Args>(call: &'static Call, handler: F) -> Route
where
    F: Handler<Args, Output: Responder + 'static>,
    Args: FromRequest + 'static,
{
    let at_hand = Rc::new(AtHand::of(call.method, call.path));
    Route::new().to(move |request: HttpRequest, payload: Payload| {
        let call = CallOf::Known(Rc::clone(&at_hand));
        request.extensions_mut().insert(call);
        observe::caught(answer(handler.clone(), request, payload))
    })
}

/// A call whose handler takes an `Allowed<N>` first.
///
/// The key is checked before the handler's parameters are read: as one of them
/// it would race with the body. And behind the choice of the method: before it,
/// a wrong method would hide behind a 401.
fn keyed<N, F, Args>(call: &'static Call, handler: F) -> Route
where
    N: Need,
    F: Handler<Args, Output: Responder + 'static>,
    Args: FromRequest + TakesAllowed<N> + 'static,
{
    let rest =
        move |request, payload| -> Rest { Box::pin(answer(handler.clone(), request, payload)) };
    behind_key(call, Rc::new(rest))
}

/// Compiled once and not for each handler.
fn behind_key(call: &'static Call, rest: Rc<dyn Fn(HttpRequest, Payload) -> Rest>) -> Route {
    let at_hand = Rc::new(AtHand::of(call.method, call.path));
    Route::new().to(move |request: HttpRequest, payload: Payload| {
        let call = CallOf::Known(Rc::clone(&at_hand));
        request.extensions_mut().insert(call);
        let next = rest(request.clone(), payload);
        observe::caught(async move { auth::authenticate(&request, next).await })
    })
}

/// The parameters of a handler, the first of which is an `Allowed<N>`.
trait TakesAllowed<N> {}

impl<N> TakesAllowed<N> for (Allowed<N>,) {}
impl<N, B> TakesAllowed<N> for (Allowed<N>, B) {}
impl<N, B, C> TakesAllowed<N> for (Allowed<N>, B, C) {}
impl<N, B, C, D> TakesAllowed<N> for (Allowed<N>, B, C, D) {}

/// Reads what the handler takes, and has it answer.
async fn answer<F, Args>(handler: F, request: HttpRequest, payload: Payload) -> HttpResponse
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

/// All calls of one path, which the table calls `named`; GET answers HEAD as well, and
/// any other method gets the 405 that names these.
fn at(path: &str, named: &'static str, calls: Vec<(Method, Route)>) -> Resource {
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
    resource.default_service(web::to(move |request: HttpRequest| {
        request.extensions_mut().insert(CallOf::Path(named));
        let refusal = Refusal::MethodNotAllowed {
            allow: allow.clone(),
        };
        async move { refusal.answer() }
    }))
}

/// Answers every path that the route table does not have. One with a slash too many is
/// told and not served: a proxy that closes a path would let its other spellings through.
pub(super) async fn no_such_path(request: HttpRequest) -> HttpResponse {
    let path = request.path();
    let segments: Vec<&str> = path.split('/').filter(|one| !one.is_empty()).collect();
    let meant = format!("/{}", segments.join("/"));
    let is_one = meant != path && request.resource_map().has_resource(&meant);
    let meant = (is_one && meant.len() <= PATH_SHOWN_BYTES_MAX).then_some(meant);
    Refusal::NoSuchPath { meant }.answer()
}
