//! What the API document says of one call. The method, the path and the permissions are
//! the route table's; what is refused is written down as the refusals themselves.

use serde_json::{Value, json};
use utoipa::openapi::path::{Operation, Parameter};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{Content, ObjectBuilder, RefOr, Required, Response, Type};

use super::failures::{Beside, Failure, always_refused, failures};
use super::headers::{self, JSON, RequestHeader};
use super::shapes::{Record, Shape, array, content, named, number, or_null, text};
use super::{SECURITY, parameters};
use crate::error::Error;
use crate::http::call::{CONTACTS, CONTACTS_SHORT, Call};
use crate::http::wire::body;
use crate::http::wire::envelope::Refusal;
use crate::http::wire::query::LIMIT_MAX;
use crate::invalid::Invalid;
use crate::json::Place;
use crate::permission::Permission;

/// What tells a stored answer.
const REPLAYED: &str = "Idempotency-Replayed";

/// What calls are about, by which the document groups them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tag {
    /// One contact, or a list of them.
    Contacts,
    /// Many contacts in one request.
    Many,
    /// Groups and their members.
    Groups,
    /// Numbers that want no messages.
    Optouts,
    /// API keys and their audit.
    Keys,
    /// What operators and readers of this document need.
    Operations,
}

impl Tag {
    /// All, in the order of the document.
    pub(super) const ALL: [Self; 6] = [
        Self::Contacts,
        Self::Many,
        Self::Groups,
        Self::Optouts,
        Self::Keys,
        Self::Operations,
    ];

    /// Its name, and what it is about.
    pub(super) fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Contacts => ("Contacts", "A contact: an alias, a number, and free data"),
            Self::Many => ("Many contacts", "Many contacts in one request"),
            Self::Groups => ("Groups", "Groups of contacts"),
            Self::Optouts => ("Opt-outs", "Numbers that want no messages"),
            Self::Keys => ("API keys", "Keys, what they may do, and their audit"),
            Self::Operations => ("Operations", "For operators and their tools"),
        }
    }
}

/// What the document says of one call.
pub(crate) struct Described {
    id: &'static str,
    tag: Tag,
    summary: &'static str,
    notes: Vec<String>,
    parameters: Vec<RefOr<Parameter>>,
    body: Option<RequestBody>,
    answer: Response,
    is_elsewhere: bool,
    not_modified: bool,
    is_stored: bool,
    more_to: Option<Permission>,
    refusals: Vec<Refusal>,
    beside: Option<(u16, Beside)>,
}

impl Described {
    /// Begins with what is told of every call: its id, what it is about, what it does.
    pub(super) fn new(id: &'static str, tag: Tag, summary: &'static str) -> Self {
        Self {
            id,
            tag,
            summary,
            notes: Vec::new(),
            parameters: Vec::new(),
            body: None,
            answer: Response::new("Done"),
            is_elsewhere: false,
            not_modified: false,
            is_stored: false,
            more_to: None,
            refusals: Vec::new(),
            beside: None,
        }
    }

    /// It needs no key, and shows more to one that has this permission.
    pub(super) fn shows_more_to(mut self, permission: Permission) -> Self {
        self.more_to = Some(permission);
        self
    }

    /// Says more of it: a sentence or two.
    pub(super) fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// It takes a segment of its path.
    pub(super) fn segment(self, name: &str, shape: ObjectBuilder) -> Self {
        self.takes(parameters::segment(name, shape))
    }

    /// It takes a parameter.
    pub(super) fn takes(mut self, parameter: Parameter) -> Self {
        self.parameters.push(RefOr::T(parameter));
        self
    }

    /// It takes several, and refuses any other.
    pub(super) fn takes_query(self, parameters: impl IntoIterator<Item = Parameter>) -> Self {
        let all = parameters.into_iter().fold(self, Self::takes);
        all.refuses([
            Invalid::ParameterUnknown("colour".to_owned()),
            Invalid::ParameterTwice("limit".to_owned()),
        ])
    }

    /// It takes headers.
    pub(super) fn takes_headers(
        mut self,
        headers: impl IntoIterator<Item = RequestHeader>,
    ) -> Self {
        let headers = headers.into_iter().map(RequestHeader::reference);
        self.parameters.extend(headers);
        self
    }

    /// It takes a JSON object of at most `bytes_max` bytes.
    pub(super) fn takes_json(self, shape: &str, example: &Value, bytes_max: usize) -> Self {
        self.takes_object([JSON], body::JSON, (shape, example), bytes_max)
    }

    /// It takes one that says what is to change (RFC 7396).
    pub(super) fn takes_patch(self, shape: &str, example: &Value, bytes_max: usize) -> Self {
        let types = [JSON, body::MERGE_PATCH];
        self.takes_object(types, body::JSON_OR_PATCH, (shape, example), bytes_max)
    }

    fn takes_object(
        self,
        types: impl IntoIterator<Item = &'static str>,
        wanted: &'static str,
        (shape, example): (&str, &Value),
        bytes_max: usize,
    ) -> Self {
        let content = content(named(shape), example.clone());
        let types = types.into_iter().map(|one| (one, content.clone()));
        let taken = self.takes_body(types, wanted, bytes_max);
        taken.refuses([
            Invalid::BodyNotJson(Place::of(b"", 0)),
            Invalid::BodyNotObject,
            Invalid::FieldUnknown("colour".to_owned()),
        ])
    }

    /// It takes a body of one of several types.
    pub(super) fn takes_body(
        mut self,
        contents: impl IntoIterator<Item = (&'static str, Content)>,
        wanted: &'static str,
        bytes_max: usize,
    ) -> Self {
        let body = RequestBodyBuilder::new()
            .description(Some(format!("At most {bytes_max} bytes, in UTF-8")))
            .required(Some(Required::True));
        let contents = contents.into_iter();
        let body = contents.fold(body, |body, (of, content)| body.content(of, content));
        self.body = Some(body.build());
        let wrong_type = Refusal::MediaType {
            wanted,
            came: "text/plain".to_owned(),
        };
        self.refuses([Refusal::BodyTooSlow, Refusal::BodyTooLarge { bytes_max }])
            .refuses([wrong_type, Refusal::ContentEncoding])
    }

    /// It answers one record.
    pub(super) fn answers_record(self, shape: &str, example: &Value) -> Self {
        self.answers(
            Record::succeeded().with("record", named(shape)),
            &json!({"success": true, "record": example}),
        )
    }

    /// It answers a part of many records, by `offset` and `limit`.
    pub(super) fn answers_page(self, shape: &str, example: &Value) -> Self {
        let page = Record::succeeded()
            .with("records", array(named(shape), ""))
            .with("offset", skipped())
            .with("limit", limit())
            .with("total", in_all());
        self.takes_query(parameters::page())
            .refuses([Invalid::Offset, Invalid::Limit])
            .answers(page, &page_example(example))
    }

    /// It answers a part of many records, by `offset` or by `cursor`.
    pub(super) fn answers_page_or_next(self, shape: &str, example: &Value) -> Self {
        let next = or_null(
            text("The cursor of the following page; `null` after the last one"),
            Type::String,
        );
        let by_cursor = "With `cursor`, `next` stands in the place of `offset` and `total`";
        let page = Record::succeeded()
            .with("records", array(named(shape), by_cursor))
            .maybe("offset", skipped())
            .with("limit", limit())
            .maybe("total", in_all())
            .maybe("next", next);
        self.refuses([Invalid::Offset, Invalid::Limit])
            .refuses([Invalid::CursorUnknown, Invalid::CursorWithOffset])
            .answers(page, &page_example(example))
    }

    /// It answers that it is done.
    pub(super) fn answers_done(self) -> Self {
        self.answers(Record::succeeded(), &json!({"success": true}))
    }

    /// It answers JSON.
    pub(super) fn answers(self, shape: impl Into<Shape>, example: &Value) -> Self {
        self.answers_as(JSON, content(shape.into(), example.clone()))
    }

    /// It answers by this type, or by this one as well.
    pub(super) fn answers_as(mut self, media_type: &str, content: Content) -> Self {
        let contents = &mut self.answer.content;
        contents.insert(media_type.to_owned(), RefOr::T(content));
        self
    }

    /// Its answer has a header.
    pub(super) fn with_header(mut self, name: &str) -> Self {
        headers::add(&mut self.answer, name);
        self
    }

    /// Its answers are stored for a retry, what the address book refused among them.
    pub(super) fn stored(mut self) -> Self {
        self.is_stored = true;
        self.with_header(REPLAYED)
    }

    /// It answers 304 where nothing has changed.
    pub(super) fn or_not_modified(mut self) -> Self {
        self.not_modified = true;
        self
    }

    /// It only leads to what was asked for.
    pub(super) fn moves(mut self) -> Self {
        self.is_elsewhere = true;
        self.answer = Response::new("Moved: no body");
        self.with_header("Location")
    }

    /// What it may refuse, beside what is refused of every call of its kind.
    pub(super) fn refuses<R: Into<Refusal>>(
        mut self,
        refusals: impl IntoIterator<Item = R>,
    ) -> Self {
        self.refusals.extend(refusals.into_iter().map(Into::into));
        self
    }

    /// Members that stand beside the error of a failure with this status.
    pub(super) fn beside(mut self, status: u16, shape: impl Into<Shape>, example: Value) -> Self {
        self.beside = Some((status, (shape.into(), example)));
        self
    }

    /// It writes.
    pub(super) fn writes(self) -> Self {
        self.refuses([Error::Stopping, Error::StorageFailed])
            .refuses([Error::OutcomeUnknown, Error::StorageFull, Error::Damaged])
    }

    /// It reads what may take a while.
    pub(super) fn reads_many(self) -> Self {
        self.refuses([Error::ListsBusy, Error::ListTooSlow, Error::AnswersWaiting])
    }
}

impl Described {
    /// The operation without its failures, and those.
    pub(super) fn operation(mut self, call: &Call) -> (Operation, Vec<Failure>) {
        let is_keyed = call.permissions.is_some();
        let mut operation = Operation::new();
        operation.operation_id = Some(self.id.to_owned());
        operation.tags = Some(vec![self.tag.words().0.to_owned()]);
        operation.summary = Some(self.summary.to_owned());
        operation.description = Some(self.description(call));
        operation.security = Some(security(call, self.more_to));
        let permissions = call.permissions.unwrap_or_default();
        let names: Vec<_> = permissions.iter().map(|one| one.as_str()).collect();
        let extensions = [("x-permissions", json!(names))];
        operation.extensions = is_keyed.then(|| extensions.into_iter().collect());
        self.parameters.push(RequestHeader::RequestId.reference());
        operation.parameters = Some(std::mem::take(&mut self.parameters));
        operation.request_body = self.body.take().map(RefOr::T);
        headers::add_common(&mut self.answer, is_keyed);
        if self.not_modified {
            let mut response = Response::new("Nothing has changed: no body");
            headers::add(&mut response, "ETag");
            headers::add_common(&mut response, is_keyed);
            let responses = &mut operation.responses.responses;
            responses.insert("304".to_owned(), RefOr::T(response));
        }
        let responses = &mut operation.responses.responses;
        let status = if self.is_elsewhere { "308" } else { "200" };
        responses.insert(status.to_owned(), RefOr::T(self.answer));
        self.refusals.extend(always_refused(call));
        let beside = |status| {
            let beside = self.beside.as_ref();
            beside.and_then(|(of, beside)| (*of == status).then(|| beside.clone()))
        };
        let mut failures = failures(&self.refusals, beside, is_keyed);
        let stored =
            |failure: &&mut Failure| self.is_stored && [400, 409, 412].contains(&failure.status);
        for failure in failures.iter_mut().filter(stored) {
            headers::add(&mut failure.response, REPLAYED);
        }
        (operation, failures)
    }

    fn description(&self, call: &Call) -> String {
        let mut sentences = self.notes.clone();
        sentences.push(needs(call.permissions));
        if let Some(rest) = call.path.strip_prefix(CONTACTS) {
            sentences.push(format!("Served as `{CONTACTS_SHORT}{rest}`, too."));
        }
        sentences.join("\n\n")
    }
}

fn needs(permissions: Option<&[Permission]>) -> String {
    match permissions {
        None => "Needs no key.".to_owned(),
        Some([]) => "Needs a key, with whatever permissions.".to_owned(),
        Some(permissions) => {
            let names = permissions.iter().map(|one| format!("`{one}`"));
            let names: Vec<String> = names.collect();
            format!("Needs a key with {}.", names.join(" and "))
        }
    }
}

fn security(call: &Call, more_to: Option<Permission>) -> Vec<SecurityRequirement> {
    if let Some(permission) = more_to {
        let with_key = SecurityRequirement::new(SECURITY, [permission.as_str()]);
        return vec![SecurityRequirement::default(), with_key];
    }
    let permissions = call.permissions.iter();
    permissions
        .map(|permissions| {
            let names = permissions.iter().map(|one| one.as_str());
            SecurityRequirement::new(SECURITY, names)
        })
        .collect()
}

fn skipped() -> ObjectBuilder {
    number(0, "How many were skipped")
}

fn limit() -> ObjectBuilder {
    number(1, "How many a page has at most").maximum(Some(LIMIT_MAX))
}

fn in_all() -> ObjectBuilder {
    number(0, "How many there are in all")
}

fn page_example(record: &Value) -> Value {
    json!({"success": true, "records": [record], "offset": 0, "limit": 10, "total": 1})
}
