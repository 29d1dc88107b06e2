//! What came of an import, as it is shown.

use serde::Serialize;

use crate::transfer::{RowError, Summary};

/// How many rows came to what.
#[derive(Serialize)]
pub(crate) struct SummaryRecord {
    total: u64,
    created: u64,
    updated: u64,
    unchanged: u64,
    failed: u64,
}

impl SummaryRecord {
    pub(crate) fn of(summary: &Summary) -> Self {
        Self {
            total: summary.total,
            created: summary.created,
            updated: summary.updated,
            unchanged: summary.unchanged,
            failed: summary.failed,
        }
    }
}

/// What is wrong with one row; `field` is null where it is the row as a whole.
#[derive(Serialize)]
pub(crate) struct RowErrorRecord {
    line: u64,
    field: Option<&'static str>,
    message: String,
}

impl RowErrorRecord {
    pub(crate) fn of(error: RowError) -> Self {
        let RowError {
            line,
            field,
            message,
        } = error;
        Self {
            line,
            field,
            message,
        }
    }
}
