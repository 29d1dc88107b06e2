//! What is measured of an address book while it is served: what its writer does as it
//! does it, and figures that are looked up when somebody asks.

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};

use crate::moment::Moment;
use crate::token::KeyId;

/// What the writer and its checkpointer do.
#[derive(Clone)]
pub struct Measures {
    /// Jobs that wait for their commit.
    pub queue_jobs: Gauge,
    /// Rows that one transaction wrote, about.
    pub batch_rows: Histogram,
    /// How long a commit took, its sync with it.
    pub commit_seconds: Histogram,
    /// How long a checkpoint of the whole WAL took.
    pub checkpoint_seconds: Histogram,
}

impl Default for Measures {
    fn default() -> Self {
        Self {
            queue_jobs: Gauge::default(),
            // 1 to 16,384.
            batch_rows: Histogram::new(exponential_buckets(1.0, 4.0, 8)),
            // 0.1 ms to 6.5 s.
            commit_seconds: Histogram::new(exponential_buckets(0.0001, 4.0, 9)),
            // 1 ms to 65 s.
            checkpoint_seconds: Histogram::new(exponential_buckets(0.001, 4.0, 9)),
        }
    }
}

/// What an address book holds, and what holds it.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Contacts in it.
    pub contacts: u64,
    /// Numbers that are opted out.
    pub optouts: u64,
    /// Groups in it.
    pub groups: u64,
    /// The keys that end soonest by themselves, each with its end; revoked, expired and
    /// rotated ones are none of them.
    pub key_expiries: Vec<(KeyId, Moment)>,
    /// Bytes of its file, or of its tables.
    pub database_bytes: u64,
    /// Bytes of its WAL, where it has one of its own.
    pub wal_bytes: Option<u64>,
    /// Bytes of the file system, where it says.
    pub disk_bytes: Option<u64>,
    /// Bytes of it that are free for this process.
    pub disk_free_bytes: Option<u64>,
}
