//! Ids of contacts and groups: UUIDs of version 7, each greater than every one
//! before it, also where the clock was set back.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use uuid::{ContextV7, Timestamp, Uuid};

/// Those of this process.
pub(super) static IDS: Ids = Ids(Mutex::new(ContextV7::new()));

/// Makes ids; goes on behind the last one while the clock does not (RFC 9562,
/// section 6.2).
pub(super) struct Ids(Mutex<ContextV7>);

impl Ids {
    /// The next id: of this millisecond, or of a later one where ids are ahead of
    /// the clock.
    pub(super) fn next(&self) -> Uuid {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.unwrap_or_default();
        of_unix(&self.lock(), now.as_secs(), now.subsec_nanos())
    }

    /// Has every id from now on be greater than `stored`.
    pub(super) fn go_on_behind(&self, stored: Uuid) {
        let Some(timestamp) = stored.get_timestamp() else {
            return;
        };
        let (seconds, nanos) = timestamp.to_unix();
        // The next millisecond: what stands behind it in an id is random.
        let millis = seconds * 1000 + u64::from(nanos / 1_000_000) + 1;
        let nanos = u32::try_from(millis % 1000).unwrap_or(0) * 1_000_000;
        of_unix(&self.lock(), millis / 1000, nanos);
    }

    fn lock(&self) -> MutexGuard<'_, ContextV7> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn of_unix(context: &ContextV7, seconds: u64, nanos: u32) -> Uuid {
    Uuid::new_v7(Timestamp::from_unix(context, seconds, nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_go_on_behind_one_of_a_clock_that_was_ahead() {
        let ids = Ids(Mutex::new(ContextV7::new()));
        let id = |text| Uuid::parse_str(text).expect("an id");
        let mut last = id("0fffffff-ffff-7fff-bfff-ffffffffffff");
        ids.go_on_behind(last);
        for _ in 0..10_000 {
            let next = ids.next();
            assert!(
                next > last && next.get_version_num() == 7,
                "{next} behind {last}"
            );
            last = next;
        }
        // One from long ago changes nothing.
        ids.go_on_behind(id("00000000-0001-7000-8000-000000000000"));
        assert!(ids.next() > last);
    }
}
