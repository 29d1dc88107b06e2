//! What requests came to and how long they took, in the text format of OpenMetrics.
//! What is counted for every request is found without a lock and without hashing.

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::OnceLock;
use std::time::Duration;

use actix_web::http::Method;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, text};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use super::{minutes, process};
use crate::moment::Moment;
use crate::store::{Figures, FoundDamage, Measures};

/// Seconds in which requests are answered.
const DURATIONS: [f64; 12] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 10.0,
];
/// Statuses that one call has at hand; those beyond are looked up.
const STATUSES_AT_HAND: usize = 8;
/// What stands for a path that the route table does not have.
pub(super) const UNMATCHED: &str = "unmatched";
/// Methods that are told by name: a stranger may send any other.
static METHODS: [Method; 7] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
];
const OTHER_METHOD: &str = "other";

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
    /// A session's cookie let it in: its row and its key's were read.
    Session,
    /// The session is over, or never was.
    SessionEnded,
    /// A browser sent the cookie for somebody else's page.
    OtherSite,
    /// An invalid key beyond what one address may try.
    TooManyFailures,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    stage: Stage,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AnswerLabels {
    method: &'static str,
    route: &'static str,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    method: &'static str,
    route: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KeyLabels {
    key: String,
}

/// Which call a request is; else only its path. Stands in a request's extensions.
#[derive(Clone)]
pub(crate) enum CallOf {
    Known(Rc<AtHand>),
    Path(&'static str),
}

impl CallOf {
    /// The path as the route table has it.
    pub(super) fn route(&self) -> &'static str {
        match self {
            Self::Known(at_hand) => at_hand.route,
            Self::Path(path) => path,
        }
    }
}

/// The counters of one call, as one worker has them at hand.
pub(crate) struct AtHand {
    method: &'static str,
    route: &'static str,
    answers: [OnceCell<(u16, Counter)>; STATUSES_AT_HAND],
    duration: OnceCell<Histogram>,
}

impl AtHand {
    /// Those of a call by its method and path.
    pub(crate) fn of(method: &'static str, route: &'static str) -> Self {
        Self {
            method,
            route,
            answers: Default::default(),
            duration: OnceCell::new(),
        }
    }
}

/// Every counter.
pub(crate) struct Metrics {
    key_checks: Family<Labels, Counter>,
    /// The counter that almost every request counts.
    remembered: OnceLock<Counter>,
    answers: Family<AnswerLabels, Counter>,
    durations: Family<RouteLabels, Histogram, fn() -> Histogram>,
    in_flight: Gauge,
    /// When the process began, about.
    started: Moment,
}

/// Counts as a request in flight while it is kept.
pub(crate) struct InFlight(Gauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            key_checks: Family::default(),
            remembered: OnceLock::new(),
            answers: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(DURATIONS)),
            in_flight: Gauge::default(),
            started: Moment::now(),
        }
    }
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

    /// Counts a request until its answer is on its way.
    pub(super) fn enter(&self) -> InFlight {
        self.in_flight.inc();
        InFlight(self.in_flight.clone())
    }

    /// Counts an answer to a request by `method`, `took` behind its head.
    pub(super) fn count_answer(
        &self,
        call: Option<&CallOf>,
        method: &Method,
        status: u16,
        took: Duration,
    ) {
        let method = METHODS.iter().find(|known| **known == method);
        let method = method.map_or(OTHER_METHOD, Method::as_str);
        let route = call.map_or(UNMATCHED, CallOf::route);
        let known = match call {
            Some(CallOf::Known(at_hand)) => Some(at_hand),
            Some(CallOf::Path(_)) | None => None,
        };
        // HEAD is answered by the call of GET.
        let at_hand = known.filter(|at_hand| at_hand.method == method);
        let duration = || {
            let labels = RouteLabels { method, route };
            self.durations.get_or_create(&labels).clone()
        };
        let answers = || {
            let labels = AnswerLabels {
                method,
                route,
                status,
            };
            self.answers.get_or_create(&labels).clone()
        };
        let took_s = took.as_secs_f64();
        let Some(at_hand) = at_hand else {
            // Of a method or a path that there is not, nobody asks how long it took.
            if known.is_some() {
                duration().observe(took_s);
            }
            answers().inc();
            return;
        };
        at_hand.duration.get_or_init(duration).observe(took_s);
        for slot in &at_hand.answers {
            let (known, counter) = slot.get_or_init(|| (status, answers()));
            if *known == status {
                counter.inc();
                return;
            }
        }
        answers().inc();
    }

    /// When the process began, about.
    pub(super) fn started(&self) -> Moment {
        self.started
    }

    /// Writes out what is counted of answers and commits, for [`minutes`].
    pub(super) fn counted_text(&self, measures: &Measures) -> Result<String, std::fmt::Error> {
        let mut some = Registry::default();
        some.register(minutes::REQUESTS, "", self.answers.clone());
        some.register(minutes::TOOK, "", self.durations.clone());
        some.register(minutes::COMMITS, "", measures.commit_seconds.clone());
        let mut written = String::new();
        text::encode(&mut written, &some)?;
        Ok(written)
    }

    #[cfg(test)]
    pub(crate) fn counted(&self, stage: Stage) -> u64 {
        self.key_checks.get_or_create(&Labels { stage }).get()
    }

    /// Writes out what everybody may see, and the rest where it is given.
    pub(super) fn to_text(&self, rest: Option<Rest<'_>>) -> Result<String, std::fmt::Error> {
        let mut all = Registry::default();
        process::register(&mut all, self.started);
        let registry = all.sub_registry_with_prefix("addressbook");
        let help = "Checks of API keys by where they ended";
        registry.register("key_checks", help, self.key_checks.clone());
        let help = "Answers by method, route and status";
        registry.register("http_requests", help, self.answers.clone());
        let help = "Seconds from the head of a request to that of its answer";
        registry.register(
            "http_request_duration_seconds",
            help,
            self.durations.clone(),
        );
        let help = "Requests whose answer is not sent yet";
        registry.register("http_requests_in_flight", help, self.in_flight.clone());
        if let Some(rest) = rest {
            rest.register(registry);
        }
        let mut written = String::new();
        text::encode(&mut written, &all)?;
        Ok(written)
    }
}

/// What only those see who may read the metrics: what the book holds and how it fares.
pub(super) struct Rest<'a> {
    pub(super) engine: &'static str,
    pub(super) figures: Option<&'a Figures>,
    pub(super) measures: &'a Measures,
    pub(super) damage: FoundDamage,
    pub(super) last_backup_s: Option<i64>,
}

impl Rest<'_> {
    fn register(&self, registry: &mut Registry) {
        let Self {
            figures,
            measures,
            damage,
            ..
        } = self;
        let build = vec![
            ("version", env!("CARGO_PKG_VERSION")),
            ("engine", self.engine),
        ];
        registry.register("build", "What is running", Info::new(build));
        let help = "WALs of which acknowledged writes were lost to damage";
        registry.register("broken_wals", help, ConstCounter::new(damage.broken_wals));
        let help = "Reads of rows that are not what was stored";
        registry.register("damaged_rows", help, ConstCounter::new(damage.damaged_rows));
        let help = "Writes that wait for their commit";
        registry.register("writer_queue_jobs", help, measures.queue_jobs.clone());
        let help = "Rows that one transaction wrote, about";
        registry.register("writer_batch_rows", help, measures.batch_rows.clone());
        let help = "Seconds that a commit took, with its sync";
        registry.register(
            "commit_duration_seconds",
            help,
            measures.commit_seconds.clone(),
        );
        let help = "Seconds that a checkpoint of the WAL took";
        let seconds = measures.checkpoint_seconds.clone();
        registry.register("checkpoint_duration_seconds", help, seconds);
        if let Some(last) = self.last_backup_s {
            let help = "When the server made its last backup";
            registry.register(
                "backup_last_success_timestamp_seconds",
                help,
                ConstGauge::new(last),
            );
        }
        if let Some(figures) = figures {
            register_figures(figures, registry);
        }
    }
}

fn register_figures(figures: &Figures, registry: &mut Registry) {
    let gauge = |value: u64| ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
    if let Some(bytes) = figures.wal_bytes {
        registry.register("wal_bytes", "Bytes of the WAL", gauge(bytes));
    }
    let help = "Bytes of the database file";
    registry.register("database_bytes", help, gauge(figures.database_bytes));
    if let (Some(all), Some(free)) = (figures.disk_bytes, figures.disk_free_bytes) {
        let help = "Bytes of the file system that holds it";
        registry.register("disk_bytes", help, gauge(all));
        let help = "Bytes of the file system that are free";
        registry.register("disk_free_bytes", help, gauge(free));
    }
    registry.register("contacts", "Contacts", gauge(figures.contacts));
    registry.register(
        "optouts",
        "Numbers that are opted out",
        gauge(figures.optouts),
    );
    registry.register("groups", "Groups", gauge(figures.groups));
    let expiries = Family::<KeyLabels, Gauge>::default();
    for (id, expires_on) in &figures.key_expiries {
        let labels = KeyLabels {
            key: id.to_string(),
        };
        expiries
            .get_or_create(&labels)
            .set(expires_on.millis() / 1000);
    }
    let help = "When a key expires, of those that do";
    registry.register("key_expiry_timestamp_seconds", help, expiries);
}
