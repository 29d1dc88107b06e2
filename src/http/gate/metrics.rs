//! Counters of what requests came to, in the text format of OpenMetrics.

use std::sync::OnceLock;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, text};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::store::FoundDamage;

/// Where the check of a key ended; each costs more than the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum Stage {
    /// No key.
    Missing,
    /// No token by its grammar and checksum: no database access.
    Malformed,
    /// No key of this id: one row looked for.
    Unknown,
    /// Another tag: one row read and a SHA-256.
    WrongTag,
    /// Expired or revoked.
    Ended,
    /// Known to match: let in.
    Remembered,
    /// Argon2 ran and let it in.
    Verified,
    /// Argon2 ran and did not.
    WrongSecret,
    /// An invalid key beyond what one address may try.
    TooManyFailures,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    stage: Stage,
}

/// Every counter.
#[derive(Default)]
pub(crate) struct Metrics {
    key_checks: Family<Labels, Counter>,
    /// The counter that almost every request counts: found without a lock.
    remembered: OnceLock<Counter>,
}

impl Metrics {
    pub(crate) fn count(&self, stage: Stage) {
        let counter = || self.key_checks.get_or_create(&Labels { stage }).clone();
        if stage == Stage::Remembered {
            self.remembered.get_or_init(counter).inc();
        } else {
            counter().inc();
        }
    }

    #[cfg(test)]
    pub(crate) fn counted(&self, stage: Stage) -> u64 {
        self.key_checks.get_or_create(&Labels { stage }).get()
    }

    /// Writes all of them out, and the damage that was found.
    pub(crate) fn to_text(&self, damage: FoundDamage) -> Result<String, std::fmt::Error> {
        let mut registry = Registry::with_prefix("addressbook");
        let help = "Checks of API keys by where they ended";
        registry.register("key_checks", help, self.key_checks.clone());
        let help = "WALs of which acknowledged writes were lost to damage";
        registry.register("broken_wals", help, ConstCounter::new(damage.broken_wals));
        let help = "Reads of rows that are not what was stored";
        registry.register("damaged_rows", help, ConstCounter::new(damage.damaged_rows));
        let mut written = String::new();
        text::encode(&mut written, &registry)?;
        Ok(written)
    }
}
