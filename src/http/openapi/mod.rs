//! The API document, OpenAPI 3.1: made from the route table, the limits and the refusals of
//! the code. Each call is described in the file of its handler's name; a call without a
//! description does not compile.

pub(crate) mod audit;
pub(crate) mod backups;
pub(crate) mod bulk;
pub(crate) mod bulk_delete;
pub(crate) mod console;
pub(crate) mod contacts;
pub(crate) mod docs;
pub(crate) mod groups;
pub(crate) mod keys;
pub(crate) mod lists;
pub(crate) mod members;
pub(crate) mod ops;
pub(crate) mod optouts;
pub(crate) mod resolve;
pub(crate) mod sessions;
pub(crate) mod transfer;

mod described;
mod failures;
mod headers;
mod parameters;
mod shapes;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use actix_web::web::Bytes;
use utoipa::openapi::path::{HttpMethod, Operation, PathsBuilder};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{
    Components, Info, License, OpenApi, RefOr, Response, Server, Tag as DocumentTag,
};

use super::call::Call;
use super::wire::envelope::Refusal;
pub(crate) use described::{Described, Tag};
use failures::{ERROR, Failure};
use headers::RequestHeader;

/// What the scheme of keys is called in the document.
const SECURITY: &str = "apiKey";

const ABOUT: &str = "\
Contacts behind permission-checked API keys.

Every failure has one shape: `{\"success\":false,\"error\":{\"name\",\"statusCode\",\"message\"}}`, and the \
message says what is wrong. A path that there is not is answered 404, a method that a path does not have 405 \
with `Allow`. Every `GET` answers `HEAD`, too. What is no HTTP at all is answered by an empty 400, 408 or 431.

Every answer has an `X-Request-Id`, `X-Content-Type-Options: nosniff` and, but for the console's files, \
`Cache-Control: no-store`.

Unknown fields and parameters are refused by name. Times are in UTC, with three decimals.";

/// Tells every call with what is said of it. Is among the data of the application: the
/// route table knows all calls, and nobody here knows it.
#[derive(Clone, Copy)]
pub(crate) struct Describe(pub(crate) fn() -> Vec<(&'static Call, Described)>);

/// The document as it is served, made when it is first asked for.
pub(crate) fn served(Describe(describe): Describe) -> Bytes {
    static SERVED: OnceLock<Bytes> = OnceLock::new();
    let made = SERVED.get_or_init(|| {
        // By a thread of its own: the allocator keeps what others have freed for them, 8 MiB,
        // and gives it back where the thread ends.
        let making = std::thread::spawn(move || document(describe()).to_json());
        let written = making.join().ok().and_then(Result::ok);
        Bytes::from(written.expect("names and texts are JSON"))
    });
    made.clone()
}

/// The document as people read it.
pub(crate) fn printed(Describe(describe): Describe) -> String {
    let written = document(describe()).to_pretty_json();
    written.expect("names and texts are JSON")
}

fn document(calls: Vec<(&'static Call, Described)>) -> OpenApi {
    let mut described = Vec::new();
    let mut names = BTreeMap::new();
    let mut examples = BTreeMap::new();
    let mut ids = BTreeSet::new();
    for (call, of_call) in calls {
        let (mut operation, failures) = of_call.operation(call);
        // One handler may answer two methods.
        if let Some(id) = &mut operation.operation_id
            && !ids.insert(id.clone())
        {
            let (first, rest) = call.method.split_at(1);
            id.push_str(&format!("By{first}{}", rest.to_ascii_lowercase()));
        }
        names.extend(failures.iter().map(|one| (one.name.clone(), one.status)));
        examples.extend(failures.iter().flat_map(|one| one.examples.clone()));
        described.push((call, operation, failures));
    }
    let wrong_method = Refusal::MethodNotAllowed {
        allow: "GET, HEAD, POST".to_owned(),
    };
    let mut shared = shared(&described);
    for failure in failures::failures(&[wrong_method], |_| None, false) {
        names.insert(failure.name.clone(), failure.status);
        examples.extend(failure.examples.clone());
        shared.push((failure.name.clone(), failure));
    }
    let mut paths = PathsBuilder::new().build();
    for (call, mut operation, failures) in described {
        for failure in failures {
            add(&mut operation, failure, &shared);
        }
        paths.add_path_operation(call.path, vec![method(call)], operation);
    }
    let mut document = OpenApi::new(info(), paths);
    let mut here = Server::new(".");
    here.description = Some("Where this document is served".to_owned());
    document.servers = Some(vec![here]);
    document.tags = Some(Tag::ALL.into_iter().map(tag).collect());
    let mut components = components(&names, shared);
    let examples = examples.into_iter();
    let examples = examples.map(|(name, example)| (name, RefOr::T(example)));
    components.examples.extend(examples);
    document.components = Some(components);
    document
}

fn info() -> Info {
    let mut info = Info::new("addressbook", env!("CARGO_PKG_VERSION"));
    info.description = Some(ABOUT.to_owned());
    let mut license = License::new(env!("CARGO_PKG_LICENSE"));
    license.identifier = Some(env!("CARGO_PKG_LICENSE").to_owned());
    info.license = Some(license);
    info
}

fn tag(tag: Tag) -> DocumentTag {
    let (name, description) = tag.words();
    let mut tag = DocumentTag::new(name);
    tag.description = Some(description.to_owned());
    tag
}

fn method(call: &Call) -> HttpMethod {
    match call.method.to_ascii_lowercase().as_str() {
        "get" => HttpMethod::Get,
        "post" => HttpMethod::Post,
        "put" => HttpMethod::Put,
        "patch" => HttpMethod::Patch,
        "delete" => HttpMethod::Delete,
        other => unreachable!("the document knows no {other}"),
    }
}

/// The failures that several calls have, told once: by the name of their error, the one
/// that most calls have first, others with a number behind it.
fn shared<C>(described: &[(C, Operation, Vec<Failure>)]) -> Shared {
    let mut counted: Vec<(&Failure, u32)> = Vec::new();
    for failure in described.iter().flat_map(|(_, _, failures)| failures) {
        match counted.iter_mut().find(|(one, _)| one.is(failure)) {
            Some((_, calls)) => *calls += 1,
            None => counted.push((failure, 1)),
        }
    }
    counted.retain(|(_, calls)| *calls > 1);
    counted.sort_by_key(|(_, calls)| Reverse(*calls));
    let mut taken: BTreeMap<&str, u32> = BTreeMap::new();
    let shared = counted.into_iter().map(|(failure, _)| {
        let of_name = taken.entry(&failure.name).or_default();
        *of_name += 1;
        let place = match *of_name {
            1 => failure.name.clone(),
            number => format!("{}-{number}", failure.name),
        };
        (place, failure.clone())
    });
    shared.collect()
}

/// Failures by their place in the components.
type Shared = Vec<(String, Failure)>;

fn add(operation: &mut Operation, failure: Failure, shared: &Shared) {
    let status = failure.status.to_string();
    let response = match shared.iter().find(|(_, one)| one.is(&failure)) {
        Some((place, _)) => failures::shared(place),
        None => RefOr::T(failure.response),
    };
    operation.responses.responses.insert(status, response);
}

fn components(names: &BTreeMap<String, u16>, shared: Shared) -> Components {
    let mut components = Components::new();
    let shapes = [
        contacts::shapes(),
        bulk::shapes(),
        bulk_delete::shapes(),
        resolve::shapes(),
        transfer::shapes(),
        groups::shapes(),
        members::shapes(),
        optouts::shapes(),
        keys::shapes(),
        sessions::shapes(),
        audit::shapes(),
        backups::shapes(),
        ops::shapes(),
    ];
    let shapes = shapes.into_iter().flatten();
    let shapes = shapes.map(|(name, shape)| (name.to_owned(), shape));
    components.schemas.extend(shapes);
    let envelopes = names
        .iter()
        .map(|(name, status)| (name.clone(), failures::envelope(*status, name)));
    components.schemas.extend(envelopes);
    let error = failures::error(names.keys().map(String::as_str));
    components.schemas.insert(ERROR.to_owned(), error);
    let shared = shared.into_iter();
    let shared = shared.map(|(place, one)| (place, RefOr::<Response>::T(one.response)));
    components.responses.extend(shared);
    let of_answers = headers::of_answers();
    let of_answers = of_answers.map(|(name, header)| (name.to_owned(), RefOr::T(header)));
    components.headers.extend(of_answers);
    let of_requests = RequestHeader::ALL.into_iter();
    let of_requests = of_requests.map(|one| (one.name().to_owned(), RefOr::T(one.parameter())));
    components.parameters.extend(of_requests);
    components.add_security_scheme(SECURITY, SecurityScheme::Http(scheme()));
    components
}

fn scheme() -> Http {
    let mut scheme = Http::new(HttpAuthScheme::Bearer);
    scheme.bearer_format = Some("abk_…".to_owned());
    scheme.description = Some(
        "A key's token, 66 characters. What stands beside the scheme in a call are the \
         permissions that it needs. Where there is no `Authorization`, the cookie of a session \
         stands in for it, if the request comes from a page of this server."
            .to_owned(),
    );
    scheme
}
