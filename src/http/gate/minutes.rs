//! The last minutes of a server, for people who look at it without a tool that keeps
//! metrics. Nothing is counted for them: once a minute the metrics are read.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::moment::Moment;

/// Minutes that are kept.
pub(crate) const MINUTES_KEPT: usize = 60;
/// The metrics that are read, as [`super::metrics::Metrics::counted_text`] names them.
pub(super) const REQUESTS: &str = "requests";
pub(super) const TOOK: &str = "took";
pub(super) const COMMITS: &str = "commits";

/// One minute, as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Minute {
    /// When it began.
    on: Moment,
    requests: u64,
    /// Requests that were answered by a 5xx.
    failed: u64,
    p50_ms: Option<f64>,
    p99_ms: Option<f64>,
    commits: u64,
    commit_p50_ms: Option<f64>,
    commit_p99_ms: Option<f64>,
}

/// The last whole minutes, the oldest first.
pub(super) struct Minutes(Mutex<VecDeque<Minute>>);

impl Default for Minutes {
    fn default() -> Self {
        Self(Mutex::new(VecDeque::with_capacity(MINUTES_KEPT)))
    }
}

impl Minutes {
    /// Those that are kept.
    pub(super) fn kept(&self) -> Vec<Minute> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().cloned().collect()
    }

    /// Adds one whenever `every` is over, from what `read` writes of the metrics; for ever.
    pub(super) async fn keep(
        &self,
        every: Duration,
        read: impl Fn() -> Result<String, fmt::Error>,
    ) -> Infallible {
        let mut ticks = interval_at(Instant::now() + every, every);
        // One that was slept through is a part of a longer one.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut begun = (Moment::now(), Totals::default());
        loop {
            ticks.tick().await;
            let Ok(text) = read() else {
                continue;
            };
            let ended = (Moment::now(), Totals::read(&text));
            self.add(Minute::between(begun.0, &begun.1, &ended.1));
            begun = ended;
        }
    }

    fn add(&self, minute: Minute) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == MINUTES_KEPT {
            kept.pop_front();
        }
        kept.push_back(minute);
    }
}

impl Minute {
    fn between(on: Moment, before: &Totals, after: &Totals) -> Self {
        let took = after.took.since(&before.took);
        let commits = after.commits.since(&before.commits);
        Self {
            on,
            requests: after.requests.saturating_sub(before.requests),
            failed: after.failed.saturating_sub(before.failed),
            p50_ms: took.quantile_ms(0.5),
            p99_ms: took.quantile_ms(0.99),
            commits: commits.observed(),
            commit_p50_ms: commits.quantile_ms(0.5),
            commit_p99_ms: commits.quantile_ms(0.99),
        }
    }
}

/// All that was counted until a moment.
#[derive(Default)]
struct Totals {
    requests: u64,
    failed: u64,
    took: Buckets,
    commits: Buckets,
}

impl Totals {
    /// Reads them off the text format: the histograms do not tell what they hold
    /// in any other way.
    fn read(text: &str) -> Self {
        let mut totals = Self::default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((name, value)) = line.rsplit_once(' ') else {
                continue;
            };
            let (name, labels) = name.split_once('{').unwrap_or((name, ""));
            let Some((metric, part)) = name.rsplit_once('_') else {
                continue;
            };
            let count: u64 = match part {
                "total" | "bucket" => value.parse().unwrap_or_default(),
                _ => continue,
            };
            let bound = label(labels, "le").and_then(|bound| bound.parse().ok());
            match (metric, bound) {
                (REQUESTS, _) => {
                    totals.requests += count;
                    if label(labels, "status").is_some_and(|status| status.starts_with('5')) {
                        totals.failed += count;
                    }
                }
                (TOOK, Some(bound)) => totals.took.add(bound, count),
                (COMMITS, Some(bound)) => totals.commits.add(bound, count),
                _ => {}
            }
        }
        totals
    }
}

/// The value of a label; none of ours holds a quote.
fn label<'a>(labels: &'a str, name: &str) -> Option<&'a str> {
    let mut labels = labels
        .split("\",")
        .filter_map(|label| label.split_once("=\""));
    let (_, value) = labels.find(|(found, _)| *found == name)?;
    Some(value.trim_end_matches(['"', '}']))
}

/// A histogram: bounds in seconds, the last one infinite, and how many observations
/// are at most each, as Prometheus has it.
#[derive(Default)]
struct Buckets(Vec<(f64, u64)>);

impl Buckets {
    fn add(&mut self, bound_s: f64, count: u64) {
        match self.0.iter_mut().find(|(known, _)| *known == bound_s) {
            Some((_, known)) => *known += count,
            None => self.0.push((bound_s, count)),
        }
    }

    /// What was observed since `before`, which has the same bounds or none yet.
    fn since(&self, before: &Self) -> Self {
        let counts = self.0.iter().enumerate().map(|(at, &(bound_s, count))| {
            let before = before.0.get(at).map_or(0, |(_, count)| *count);
            (bound_s, count.saturating_sub(before))
        });
        Self(counts.collect())
    }

    fn observed(&self) -> u64 {
        self.0.last().map_or(0, |(_, count)| *count)
    }

    /// Milliseconds, to the microsecond, that this part of the observations took at most;
    /// none of nothing. Estimated as `histogram_quantile` does it: linear inside a
    /// bucket, the first of which begins at 0, and the last finite bound beyond it.
    /// <https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile>
    fn quantile_ms(&self, part: f64) -> Option<f64> {
        let observed = self.observed();
        if observed == 0 {
            return None;
        }
        let rank = part * observed as f64;
        let at = self.0.iter().position(|(_, count)| *count as f64 >= rank)?;
        let (begin_s, below) = match at.checked_sub(1) {
            Some(before) => self.0[before],
            None => (0.0, 0),
        };
        let (end_s, count) = self.0[at];
        let quantile_s = if end_s.is_finite() {
            begin_s + (end_s - begin_s) * (rank - below as f64) / (count - below) as f64
        } else {
            begin_s
        };
        Some((quantile_s * 1_000_000.0).round() / 1_000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(counts: [u64; 4]) -> Buckets {
        Buckets(
            [0.1, 0.2, 0.4, f64::INFINITY]
                .into_iter()
                .zip(counts)
                .collect(),
        )
    }

    #[test]
    fn a_quantile_is_linear_inside_its_bucket() {
        for (counts, part, expected) in [
            ([10, 10, 10, 10], 0.5, Some(50.0)),
            ([10, 20, 20, 20], 0.5, Some(100.0)),
            ([10, 20, 20, 20], 0.75, Some(150.0)),
            ([0, 0, 3, 3], 0.5, Some(300.0)),
            ([0, 3, 3, 3], 1.0, Some(200.0)),
            ([7, 7, 7, 10], 0.99, Some(400.0)),
            ([0, 0, 0, 1], 0.5, Some(400.0)),
            ([0, 3, 3, 3], 0.1, Some(110.0)),
            ([0, 0, 0, 0], 0.5, None),
        ] {
            assert_eq!(buckets(counts).quantile_ms(part), expected, "{counts:?}");
        }
        assert_eq!(Buckets::default().quantile_ms(0.5), None);
        assert_eq!(buckets([0, 3, 3, 3]).quantile_ms(1.0 / 3.3), Some(130.303));
    }

    #[test]
    fn a_minute_is_the_difference_of_two_texts() {
        let before = "# TYPE requests counter\n\
            requests_total{method=\"GET\",route=\"/a\",status=\"200\"} 5\n\
            took_sum{method=\"GET\",route=\"/a\"} 5.5\n\
            took_bucket{le=\"0.1\",method=\"GET\",route=\"/a\"} 2\n\
            took_bucket{le=\"+Inf\",method=\"GET\",route=\"/a\"} 5\n# EOF\n";
        let after = "requests_total{method=\"GET\",route=\"/a\",status=\"200\"} 8\n\
            requests_total{method=\"GET\",route=\"/a\",status=\"503\"} 2\n\
            requests_total{method=\"GET\",route=\"/500\",status=\"404\"} 1\n\
            took_bucket{le=\"0.1\",method=\"GET\",route=\"/a\"} 4\n\
            took_bucket{le=\"+Inf\",method=\"GET\",route=\"/a\"} 7\n\
            took_bucket{le=\"0.1\",method=\"POST\",route=\"/a\"} 2\n\
            took_bucket{le=\"+Inf\",method=\"POST\",route=\"/a\"} 2\n\
            commits_bucket{le=\"0.001\"} 4\ncommits_bucket{le=\"+Inf\"} 4\n";
        let on = Moment::from_millis(0);
        let minute = Minute::between(on, &Totals::read(before), &Totals::read(after));
        let expected = Minute {
            on,
            requests: 6,
            failed: 2,
            p50_ms: Some(50.0),
            p99_ms: Some(99.0),
            commits: 4,
            commit_p50_ms: Some(0.5),
            commit_p99_ms: Some(0.99),
        };
        assert_eq!(minute, expected);
    }

    #[test]
    fn sixty_are_kept() {
        let minutes = Minutes::default();
        let nothing = Totals::default();
        for millis in 0..100 {
            let on = Moment::from_millis(millis);
            minutes.add(Minute::between(on, &nothing, &nothing));
        }
        let kept = minutes.kept();
        assert_eq!(kept.len(), 60);
        let ends = [&kept[0], &kept[59]].map(|minute| minute.on.millis());
        assert_eq!(ends, [40, 99]);
    }
}
