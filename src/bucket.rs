//! Token buckets: so many at once, so many a minute. Bounded in memory; knows
//! no clock.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::moment::Moment;

/// Parts of a token: one comes back in a millisecond for each token a minute,
/// so that whole numbers do and nothing is lost to rounding.
const PARTS: u64 = 60_000;

/// How much a bucket holds, and how fast it fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Tokens of a full bucket.
    pub burst: u32,
    /// Tokens that come back in a minute.
    pub per_minute: u32,
}

/// What is left of a bucket after a token was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// Whether there was a token to take.
    pub taken: bool,
    /// Whole tokens that are left.
    pub left: u32,
    /// Until the next token is there, where none is left.
    pub wait: Duration,
}

/// A bucket for each key; at most a given number of them. A new one comes full.
pub struct Buckets<K> {
    buckets: Mutex<HashMap<K, Bucket>>,
    buckets_max: usize,
}

struct Bucket {
    rate: Rate,
    parts: u64,
    filled_on: Moment,
}

impl<K: Copy + Eq + Hash> Buckets<K> {
    /// No bucket yet, and never more than `buckets_max`.
    pub fn new(buckets_max: usize) -> Self {
        Self {
            buckets: Mutex::default(),
            buckets_max,
        }
    }

    /// Takes a token from the bucket of `key`, where there is one.
    pub fn take(&self, key: K, rate: Rate, now: Moment) -> Level {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= self.buckets_max && !buckets.contains_key(&key) {
            // Full ones say nothing. Where most are in use, some are forgotten: so
            // many that the next of these walks is far.
            let kept_max = self.buckets_max - self.buckets_max / 4;
            let mut kept = 0;
            buckets.retain(|_, bucket| {
                kept += usize::from(!bucket.is_full(now));
                !bucket.is_full(now) && kept <= kept_max
            });
        }
        let bucket = buckets.entry(key).or_insert(Bucket {
            rate,
            parts: u64::from(rate.burst) * PARTS,
            filled_on: now,
        });
        bucket.rate = rate;
        bucket.take(now)
    }
}

impl Bucket {
    fn level(&self, now: Moment) -> u64 {
        let elapsed_ms = u64::try_from(now.millis() - self.filled_on.millis()).unwrap_or(0);
        let filled = elapsed_ms.saturating_mul(u64::from(self.rate.per_minute));
        let full = u64::from(self.rate.burst) * PARTS;
        self.parts.saturating_add(filled).min(full)
    }

    fn is_full(&self, now: Moment) -> bool {
        self.level(now) == u64::from(self.rate.burst) * PARTS
    }

    fn take(&mut self, now: Moment) -> Level {
        self.parts = self.level(now);
        self.filled_on = now;
        let taken = self.parts >= PARTS;
        if taken {
            self.parts -= PARTS;
        }
        let lacking = PARTS.saturating_sub(self.parts);
        Level {
            taken,
            left: u32::try_from(self.parts / PARTS).unwrap_or(u32::MAX),
            wait: Duration::from_millis(lacking.div_ceil(u64::from(self.rate.per_minute.max(1)))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate {
        burst: 3,
        per_minute: 120,
    };

    fn taken(buckets: &Buckets<u32>, key: u32, at_ms: i64) -> bool {
        buckets.take(key, RATE, Moment::from_millis(at_ms)).taken
    }

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let buckets = Buckets::new(10);
        assert_eq!(
            [0, 0, 0, 0].map(|at| taken(&buckets, 1, at)),
            [true, true, true, false]
        );
        assert_eq!(
            [499, 500, 501].map(|at| taken(&buckets, 1, at)),
            [false, true, false]
        );
        assert_eq!(
            [9000; 4].map(|at| taken(&buckets, 1, at)),
            [true, true, true, false]
        );
        assert!(taken(&buckets, 2, 9000), "another's bucket is its own");
    }

    #[test]
    fn a_level_says_what_is_left_and_how_long_to_wait() {
        let buckets = Buckets::new(10);
        let take = |at| buckets.take(1, RATE, Moment::from_millis(at));
        assert_eq!(take(0).left, 2);
        take(0);
        take(0);
        let empty = take(100);
        assert_eq!(
            (empty.taken, empty.left, empty.wait),
            (false, 0, Duration::from_millis(400))
        );
    }

    #[test]
    fn a_clock_that_steps_back_neither_fills_nor_empties() {
        let buckets = Buckets::new(10);
        assert_eq!(
            [5000, 0, 0, 0].map(|at| taken(&buckets, 1, at)),
            [true, true, true, false]
        );
    }

    #[test]
    fn there_are_never_more_buckets_than_allowed() {
        let buckets = Buckets::new(100);
        for key in 0..1000 {
            taken(&buckets, key, 0);
        }
        let left = buckets.buckets.lock().expect("sound").len();
        assert!((75..=100).contains(&left), "{left}");
    }
}
