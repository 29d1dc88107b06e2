//! Whom attacks go to, and how hard they may press.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::process::Running;

/// Processor time that the attacked server takes of each second, and how much of it
/// may be saved up.
const SHARE: f64 = 0.5;
const SAVED_MAX_S: f64 = 0.02;
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// A server under attack.
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) keys: Keys,
    pub(crate) pace: Pace,
}

/// Keys that attackers hold.
pub(crate) struct Keys {
    pub(crate) reader: String,
    pub(crate) reader_2: String,
    pub(crate) writer: String,
}

/// Lets attacks go on, one by one, while the server takes no more than its share.
#[derive(Default)]
pub(crate) struct Pace {
    goes_on: AtomicBool,
    ended: AtomicBool,
    gate: Mutex<()>,
}

impl Pace {
    /// Lets attacks go on whenever the server has time left of its share.
    pub(crate) fn keep(&self, running: &Running) {
        let (mut looked, mut left_s) = (Instant::now(), 0.0);
        let Ok(mut before) = running.processor_ns() else {
            return;
        };
        while !self.ended.load(Ordering::Relaxed) {
            sleep(LOOK_EVERY);
            let Ok(now) = running.processor_ns() else {
                return;
            };
            left_s +=
                SHARE * looked.elapsed().as_secs_f64() - now.saturating_sub(before) as f64 / 1e9;
            left_s = left_s.min(SAVED_MAX_S);
            (looked, before) = (Instant::now(), now);
            self.goes_on.store(left_s > 0.0, Ordering::Relaxed);
        }
    }

    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    /// Waits for its turn; whether attacks go on at all.
    pub(crate) fn goes_on(&self) -> bool {
        // One by one: whoever has waited goes before all that wait now.
        let turn = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        while !self.goes_on.load(Ordering::Relaxed) && !self.is_over() {
            sleep(LOOK_EVERY / 4);
        }
        drop(turn);
        !self.is_over()
    }

    /// Whether all is over, for those who only wait.
    pub(crate) fn is_over(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }
}
