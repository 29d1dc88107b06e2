//! The route table: every call, the permission that it needs, and what answers it.

use std::rc::Rc;

use actix_web::http::Method;
use actix_web::web::{self, Payload, ServiceConfig};
use actix_web::{
    FromRequest, Handler, HttpMessage, HttpRequest, HttpResponse, Resource, Responder, Route,
};

use super::gate::auth::{
    self, Allowed, AnyKey, CreateApiKeys, CreateBackups, CreateContacts, CreateGroups,
    CreateOptouts, DeleteApiKeys, DeleteContacts, DeleteGroups, DeleteOptouts, Need, PutContacts,
    ReadApiKeys, ReadAudit, ReadBackups, ReadContacts, ReadGroups, ReadOptouts, Rest,
    UpdateApiKeys, UpdateContacts, UpdateGroups,
};
use super::gate::metrics::CallOf;
use super::gate::observe;
use super::openapi::{self, Described};
use super::wire::envelope::Refusal;
use super::{
    audit, backups, bulk, contacts, docs, groups, keys, lists, members, ops, optouts, resolve,
    transfer,
};
use crate::base_path::BasePath;
use crate::permission::Permission;

/// What every path of contacts begins with, and what it is served under as well:
/// the documented page is headed by the one, its curl calls the other.
pub(super) const CONTACTS: &str = "/addressbook/contacts";
pub(super) const CONTACTS_SHORT: &str = "/contacts";

/// One call.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// The method; GET answers HEAD as well.
    pub method: &'static str,
    /// The path, with names in braces where a segment names something.
    pub path: &'static str,
    /// What a key needs, in the order of the checks; `None` needs no key.
    pub permissions: Option<&'static [Permission]>,
}

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

        /// The routes of the table, in its order.
        fn routes() -> Vec<(Method, &'static str, MakeRoute)> {
            vec![$((Method::$method, $path, |row| {
                routes!(@route row $need $module::$handler)
            })),+]
        }

        /// Every call with what the API document says of it.
        pub(super) fn described() -> impl Iterator<Item = (&'static Call, Described)> {
            CALLS.iter().zip(vec![$(openapi::$module::$handler()),+])
        }
    };
    (@permissions NoKey) => { None };
    (@permissions $need:ident) => { Some($need::PERMISSIONS) };
    (@route $row:ident NoKey $handler:path) => { open($row, $handler) };
    (@route $row:ident $need:ident $handler:path) => { keyed::<$need, _, _>($row, $handler) };
}

routes! {
    GET    "/addressbook/contacts"               ReadContacts   lists::list;
    POST   "/addressbook/contacts"               CreateContacts contacts::create;
    // With `upsert` these two need what PUT needs.
    POST   "/addressbook/contacts/bulk"          CreateContacts bulk::bulk;
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
    GET    "/auth/keys"                          ReadApiKeys    keys::list;
    POST   "/auth/keys"                          CreateApiKeys  keys::create;
    GET    "/auth/keys/{id}"                     ReadApiKeys    keys::get;
    PATCH  "/auth/keys/{id}"                     UpdateApiKeys  keys::patch;
    DELETE "/auth/keys/{id}"                     DeleteApiKeys  keys::delete;
    POST   "/auth/keys/{id}/rotate"              UpdateApiKeys  keys::rotate;
    GET    "/auth/audit"                         ReadAudit      audit::list;

    GET    "/backups"                            ReadBackups    backups::list;
    POST   "/backups"                            CreateBackups  backups::create;

    GET    "/healthz"                            NoKey          ops::healthz;
    GET    "/readyz"                             NoKey          ops::readyz;
    GET    "/metrics"                            NoKey          ops::metrics;

    GET    "/"                                   NoKey          docs::front;
    GET    "/openapi.json"                       NoKey          docs::document;
    GET    "/docs"                               NoKey          docs::reference;
    GET    "/docs/{file}"                        NoKey          docs::file;
}

/// Makes the route of a row of the table.
type MakeRoute = fn(usize) -> Route;

/// Adds the whole table to a worker's application, each path behind `base`.
pub(super) fn configure(app: &mut ServiceConfig, base: &BasePath) {
    for contacts in [CONTACTS, CONTACTS_SHORT] {
        let mut routes = routes().into_iter().enumerate().peekable();
        while let Some((row, (method, path, route))) = routes.next() {
            let mut calls = vec![(method, route(row))];
            while let Some((row, (method, _, route))) =
                routes.next_if(|(_, (_, other, _))| *other == path)
            {
                calls.push((method, route(row)));
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

/// Is among the data of the application that operators' tools alone reach.
pub(super) struct ForTools;

/// Adds what stands on the address for operators' tools alone.
pub(super) fn configure_metrics(app: &mut ServiceConfig) {
    app.app_data(ForTools);
    let made: [(&'static str, MakeRoute); 3] = [
        ("/healthz", |row| open(row, ops::healthz)),
        ("/readyz", |row| open(row, ops::readyz)),
        ("/metrics", |row| open(row, ops::all_metrics)),
    ];
    for (path, route) in made {
        let row = CALLS.iter().position(|call| call.path == path);
        if let Some(row) = row {
            app.service(at(path, path, vec![(Method::GET, route(row))]));
        }
    }
}

/// A call that needs no key.
fn open<F, Args>(row: usize, handler: F) -> Route
where
    F: Handler<Args, Output: Responder + 'static>,
    Args: FromRequest + 'static,
{
    Route::new().to(move |request: HttpRequest, payload: Payload| {
        request.extensions_mut().insert(CallOf::Row(row));
        observe::caught(answer(handler.clone(), request, payload))
    })
}

/// A call whose handler takes an `Allowed<N>` first.
///
/// The key is checked before the handler's parameters are read: as one of them
/// it would race with the body. And behind the choice of the method: before it,
/// a wrong method would hide behind a 401.
fn keyed<N, F, Args>(row: usize, handler: F) -> Route
where
    N: Need,
    F: Handler<Args, Output: Responder + 'static>,
    Args: FromRequest + TakesAllowed<N> + 'static,
{
    let rest =
        move |request, payload| -> Rest { Box::pin(answer(handler.clone(), request, payload)) };
    behind_key(row, Rc::new(rest))
}

/// Compiled once and not for each handler.
fn behind_key(row: usize, rest: Rc<dyn Fn(HttpRequest, Payload) -> Rest>) -> Route {
    Route::new().to(move |request: HttpRequest, payload: Payload| {
        request.extensions_mut().insert(CallOf::Row(row));
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
