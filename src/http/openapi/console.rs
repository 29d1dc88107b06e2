//! What the API document says of the web console's files.

use serde_json::json;

use super::described::{Described, Tag};
use super::headers::RequestHeader;
use super::shapes::{content, text};
use crate::http::console::SVG;
use crate::http::docs::{CSS, HTML, SCRIPT};
use crate::http::wire::envelope::Refusal;

pub(crate) fn moved() -> Described {
    Described::new("console", Tag::Operations, "Leads to the web console").moves()
}

pub(crate) fn index() -> Described {
    let page = content(text("").into(), json!("<!doctype html>"));
    cached("consolePage", "Answers the web console").answers_as(HTML, page)
}

pub(crate) fn file() -> Described {
    let named = |media_type| content(text("").into(), json!(media_type));
    cached("consoleFile", "Answers a file of the web console")
        .segment("file", text("Its name, such as `index.html`"))
        .answers_as(HTML, named("<!doctype html>"))
        .answers_as(CSS, named("body { margin: 0 }"))
        .answers_as(SCRIPT, named("'use strict';"))
        .answers_as(SVG, named("<svg/>"))
        .refuses([Refusal::NoSuchPath { meant: None }])
}

fn cached(id: &'static str, summary: &'static str) -> Described {
    Described::new(id, Tag::Operations, summary)
        .with_header("Content-Encoding")
        .with_header("Content-Security-Policy")
        .with_header("ETag")
        .takes_headers([RequestHeader::IfNoneMatch])
        .or_not_modified()
}
