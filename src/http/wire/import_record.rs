//! What came of an import, as it is shown.

use serde::{Serialize, Serializer};

use crate::bulk::BulkMode;
use crate::transfer::{RowError, Summary};

/// How many rows came to what.
#[derive(Serialize)]
pub(crate) struct SummaryRecord {
    total: u64,
    created: u64,
    updated: u64,
    unchanged: u64,
    failed: u64,
    /// What an upsert would clear, where it is tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    cleared: Option<u64>,
    #[serde(serialize_with = "write_messages")]
    messages: Vec<(String, u64)>,
}

fn write_messages<S: Serializer>(
    messages: &[(String, u64)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(messages.iter().map(|(kind, count)| (kind, count)))
}

impl SummaryRecord {
    pub(crate) fn of(summary: Summary, mode: BulkMode, dry_run: bool) -> Self {
        let shows_cleared = dry_run && mode == BulkMode::Upsert;
        Self {
            total: summary.total,
            created: summary.created,
            updated: summary.updated,
            unchanged: summary.unchanged,
            failed: summary.failed,
            cleared: shows_cleared.then_some(summary.cleared),
            messages: summary.messages,
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
