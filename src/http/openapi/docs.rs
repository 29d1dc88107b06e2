//! What readers of the API document call.

use serde_json::json;
use utoipa::openapi::ObjectBuilder;

use super::described::{Described, Tag};
use super::headers::JSON;
use super::shapes::{content, text, word};
use crate::http::docs::{CSS, FILES, HTML, SCRIPT};
use crate::http::wire::envelope::Refusal;

pub(crate) fn front() -> Described {
    page("front", "Points a browser to the documentation")
        .note("Only where `Accept` names `text/html`.")
        .refuses([Refusal::NoSuchPath { meant: None }])
}

pub(crate) fn document() -> Described {
    Described::new("apiDocument", Tag::Operations, "Answers this document").answers_as(
        JSON,
        content(ObjectBuilder::new().into(), json!({"openapi": "3.1.0"})),
    )
}

pub(crate) fn reference() -> Described {
    page("reference", "Shows this document as a page")
}

pub(crate) fn file() -> Described {
    let named = |media_type| content(text("").into(), json!(media_type));
    Described::new(
        "referenceFile",
        Tag::Operations,
        "Answers a file of the page",
    )
    .segment("file", word(FILES, "Its name"))
    .answers_as(CSS, named("body { margin: 0 }"))
    .answers_as(SCRIPT, named("'use strict';"))
    .with_header("Content-Encoding")
    .with_header("Content-Security-Policy")
    .refuses([Refusal::NoSuchPath { meant: None }])
}

fn page(id: &'static str, summary: &'static str) -> Described {
    Described::new(id, Tag::Operations, summary)
        .answers_as(HTML, content(text("").into(), json!("<!doctype html>")))
        .with_header("Content-Security-Policy")
}
