//! The envelope of lists: written row by row between a beginning and an end, or whole.

use actix_web::HttpResponse;
use serde::Serialize;

use super::counted::CountedJson;
use super::envelope::{RECORD_BYTES_USUAL, counted, succeeded};
use crate::error::Error;

/// Room for most contacts in a list.
const LISTED_BYTES_USUAL: usize = 160;
/// Rows of a list for which room is made before any was read.
const RECORDS_EXPECTED_MAX: u32 = 200;

/// `{"success":true,"records":[`, behind which records are written.
pub(crate) fn begin(limit: u32) -> Vec<u8> {
    let rows = limit.min(RECORDS_EXPECTED_MAX) as usize;
    let mut json = Vec::with_capacity(RECORD_BYTES_USUAL + rows * LISTED_BYTES_USUAL);
    json.extend_from_slice(b"{\"success\":true,\"records\":[");
    json
}

/// Ends what [`begin`] began: `],"offset":0,"limit":10,"total":128}`
///
/// # Errors
/// `AnswersWaiting`.
pub(crate) fn end(
    mut json: CountedJson,
    offset: u64,
    limit: u32,
    total: u64,
) -> Result<HttpResponse, Error> {
    let end = format!("],\"offset\":{offset},\"limit\":{limit},\"total\":{total}}}");
    json.append(|json| json.extend_from_slice(end.as_bytes()));
    counted(json)
}

/// The same by cursor: `],"limit":10,"next":"…"}`. A cursor holds nothing to escape.
///
/// # Errors
/// `AnswersWaiting`.
pub(crate) fn end_by_cursor(
    mut json: CountedJson,
    limit: u32,
    next: Option<&str>,
) -> Result<HttpResponse, Error> {
    let next = next.map_or("null".to_owned(), |next| format!("\"{next}\""));
    let end = format!("],\"limit\":{limit},\"next\":{next}}}");
    json.append(|json| json.extend_from_slice(end.as_bytes()));
    counted(json)
}

/// `{"success":true,"records":[…],"limit":10,"next":"…"}`
pub(crate) fn whole_by_cursor(
    records: Vec<impl Serialize>,
    limit: u32,
    next: Option<String>,
) -> HttpResponse {
    #[derive(Serialize)]
    struct Many<R> {
        records: Vec<R>,
        limit: u32,
        next: Option<String>,
    }
    succeeded(Many {
        records,
        limit,
        next,
    })
}

/// `{"success":true,"records":[…],"offset":0,"limit":10,"total":128}`
pub(crate) fn whole(
    records: Vec<impl Serialize>,
    offset: u64,
    limit: u32,
    total: u64,
) -> HttpResponse {
    #[derive(Serialize)]
    struct Many<R> {
        records: Vec<R>,
        offset: u64,
        limit: u32,
        total: u64,
    }
    succeeded(Many {
        records,
        offset,
        limit,
        total,
    })
}
