//! Looks at what an operator has to know before it is too late, and warns: of a disk that
//! fills, of keys that end, of backups that are not made.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::time::Duration;

use tokio::time::sleep;

use crate::moment::Moment;
use crate::store::{Figures, Shelf, Store};
use crate::token::KeyId;

/// Free parts of a disk, in percent, below which it is told.
const DISK_FREE_PERCENT: [u64; 2] = [10, 2];
/// How long before its end a key is told.
const KEY_ENDS_WITHIN: [Duration; 2] = [
    Duration::from_secs(14 * 24 * 60 * 60),
    Duration::from_secs(24 * 60 * 60),
];
/// Intervals after which a backup is old.
const BACKUP_INTERVALS: u32 = 2;
/// How long what is still so is not told again.
const REMIND_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// Something to be warned of; the more pressing, the later in its array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Subject {
    Disk,
    Key(KeyId),
    Backup,
}

/// One warning, for a line of the log.
#[derive(Debug, PartialEq, Eq)]
enum Warning {
    Disk { free_bytes: u64, percent: u64 },
    Key { key: KeyId, expires_on: Moment },
    Backup { last_on: Moment },
}

/// What was told of each subject, and when: its rank among what can be told of it.
#[derive(Default)]
struct Told(HashMap<Subject, (usize, Moment)>);

/// Looks every so often, for ever. `backups` are those that are made by themselves, with
/// the time between two.
pub(super) async fn watch(
    store: &Store,
    backups: Option<(&Shelf, Duration)>,
    every: Duration,
) -> Infallible {
    let started = Moment::now();
    let mut told = Told::default();
    loop {
        sleep(every).await;
        // What failed was told where it failed.
        if let Ok(figures) = store.figures().await {
            let last = backups.map(|(shelf, every)| (shelf.last_on().unwrap_or(started), every));
            for warning in told.look(&figures, last, Moment::now()) {
                warning.log();
            }
        }
    }
}

impl Told {
    /// What is to be told now.
    fn look(
        &mut self,
        figures: &Figures,
        last_backup: Option<(Moment, Duration)>,
        now: Moment,
    ) -> Vec<Warning> {
        let mut found = Vec::new();
        if let (Some(all), Some(free)) = (figures.disk_bytes, figures.disk_free_bytes) {
            let percent = free.saturating_mul(100) / all.max(1);
            let rank = rank_of(DISK_FREE_PERCENT, |below| percent < below);
            let warning = Warning::Disk {
                free_bytes: free,
                percent,
            };
            found.extend(rank.map(|rank| (Subject::Disk, rank, warning)));
        }
        for &(key, expires_on) in &figures.key_expiries {
            let ends_within = |time| now.checked_add(time).is_some_and(|then| expires_on <= then);
            let rank = rank_of(KEY_ENDS_WITHIN, ends_within);
            let warning = Warning::Key { key, expires_on };
            found.extend(rank.map(|rank| (Subject::Key(key), rank, warning)));
        }
        if let Some((last_on, every)) = last_backup
            && last_on
                .checked_add(every.saturating_mul(BACKUP_INTERVALS))
                .is_some_and(|old_on| old_on < now)
        {
            found.push((Subject::Backup, 0, Warning::Backup { last_on }));
        }
        // What is well again is told anew once it is not.
        self.0
            .retain(|subject, _| found.iter().any(|(found, ..)| found == subject));
        found.retain(|(subject, rank, _)| self.is_new(*subject, *rank, now));
        found.into_iter().map(|(_, _, warning)| warning).collect()
    }

    /// Whether it was not told, or less pressingly, or long ago; from now on it was told.
    fn is_new(&mut self, subject: Subject, rank: usize, now: Moment) -> bool {
        if let Some((known, told_on)) = self.0.get(&subject)
            && *known >= rank
            && told_on
                .checked_add(REMIND_AFTER)
                .is_some_and(|again| now < again)
        {
            return false;
        }
        self.0.insert(subject, (rank, now));
        true
    }
}

/// The rank of the last of `bounds` that holds.
fn rank_of<T>(bounds: [T; 2], holds: impl Fn(T) -> bool) -> Option<usize> {
    let ranks = bounds.into_iter().enumerate();
    let held = ranks.filter_map(|(rank, bound)| holds(bound).then_some(rank));
    held.last()
}

impl Warning {
    fn log(&self) {
        match self {
            Self::Disk {
                free_bytes,
                percent,
            } => log::warn!(free_bytes, percent; "{self}"),
            Self::Key { key, expires_on } => {
                log::warn!(key = key.as_str(), expires_on:% = expires_on; "{self}");
            }
            Self::Backup { last_on } => log::warn!(last_on:% = last_on; "{self}"),
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Disk { .. } => "the disk is filling up",
            Self::Key { .. } => "a key expires soon: rotate it, or give it more time",
            Self::Backup { .. } => "the last backup is older than twice the time between two",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_800_000_000_000;
    const DAY_MS: i64 = 24 * 60 * 60 * 1000;

    fn at(days: i64) -> Moment {
        Moment::from_millis(NOW_MS + days * DAY_MS)
    }

    fn disk(free_bytes: u64) -> Figures {
        Figures {
            disk_bytes: Some(1000),
            disk_free_bytes: Some(free_bytes),
            ..Figures::default()
        }
    }

    #[test]
    fn a_disk_is_told_at_each_bound_and_once_a_day() {
        let mut told = Told::default();
        let mut told_at = |free, now| told.look(&disk(free), None, now).len();
        assert_eq!(told_at(100, at(0)), 0, "10 % are enough");
        assert_eq!(told_at(99, at(0)), 1);
        assert_eq!(told_at(50, at(0)), 0, "it was told");
        assert_eq!(told_at(20, at(0)), 0);
        assert_eq!(told_at(19, at(0)), 1, "2 % are another matter");
        assert_eq!(told_at(50, at(0)), 0);
        assert_eq!(told_at(50, at(1)), 1, "a day later");
        assert_eq!(told_at(500, at(1)), 0);
        assert_eq!(told_at(50, at(1)), 1, "it was well in between");
    }

    #[test]
    fn a_key_is_told_two_weeks_and_a_day_before_its_end() {
        let (one, other) = (id('a'), id('b'));
        let mut told = Told::default();
        let mut told_at = |days| {
            let figures = Figures {
                key_expiries: vec![(one, at(30)), (other, at(300))],
                ..Figures::default()
            };
            told.look(&figures, None, at(days))
        };
        assert_eq!(told_at(15), []);
        let expected = Warning::Key {
            key: one,
            expires_on: at(30),
        };
        assert_eq!(told_at(16), [expected]);
        assert_eq!(told_at(16), []);
        assert_eq!(told_at(29).len(), 1);
        assert_eq!(told_at(29), []);
    }

    #[test]
    fn a_backup_is_old_after_twice_its_interval() {
        let mut told = Told::default();
        let day = Duration::from_secs(24 * 60 * 60);
        let mut told_at = |days| {
            let last = Some((at(0), day));
            told.look(&Figures::default(), last, at(days))
        };
        assert_eq!(told_at(2), []);
        assert_eq!(told_at(3), [Warning::Backup { last_on: at(0) }]);
    }

    fn id(letter: char) -> KeyId {
        KeyId::parse(&letter.to_string().repeat(12)).expect("an id")
    }
}
