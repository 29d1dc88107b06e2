//! The times that clients are given, in one place: a server is started with the
//! defaults, one of a test with shorter ones.

use std::str::FromStr;
use std::time::Duration;

/// Declares each time once: its reason, its name, its default in milliseconds.
macro_rules! limits {
    ($($(#[doc = $reason:literal])+ $name:ident: $default_ms:literal,)+) => {
        /// How long clients may take, and how long they are made to wait.
        #[derive(Clone, Copy, Debug)]
        pub struct Limits {
            $($(#[doc = $reason])+ pub(crate) $name: Duration,)+
        }

        impl Default for Limits {
            fn default() -> Self {
                Self {
                    $($name: Duration::from_millis($default_ms),)+
                }
            }
        }

        impl Limits {
            /// The limit of this name.
            fn named(&mut self, name: &str) -> Option<&mut Duration> {
                match name {
                    $(stringify!($name) => Some(&mut self.$name),)+
                    _ => None,
                }
            }
        }
    };
}

limits! {
    /// How long an idle connection is kept.
    keep_alive: 15_000,
    /// How long a head may take to arrive, from its first byte, and a TLS handshake before.
    head_wait: 5_000,
    /// From an answer to the end of the next head: what keep-alive grants and the
    /// time for a head.
    idle: 20_000,
    /// How long each slice of an answer may take to be taken: who does not read is
    /// ended within 15 seconds.
    answer_wait: 14_500,
    /// From an answer that refuses a body to the end of the connection, so that
    /// the client reads the answer before the reset.
    refused: 1_000,
    /// How long a body in memory may take to arrive: less than `shutdown_wait`, so
    /// that its client gets an answer.
    body_wait: 7_000,
    /// How long a request whose body has arrived waits for others that have large
    /// bodies, and again for those that are being parsed.
    permit_wait: 4_000,
    /// How long a chunk of a file may take to arrive: less than `shutdown_wait`, too.
    chunk_wait: 7_000,
    /// How long all chunks of a file may keep the server waiting: a GiB at 5 Mbit/s.
    file_wait: 1_800_000,
    /// How long after its start the server looks through the whole book.
    check_after: 60_000,
    /// How often disk, keys and backups are looked at.
    watch_every: 60_000,
    /// How long each of the minutes is that `GET /status` tells of.
    minute: 60_000,
    /// How long running requests may take after a signal to stop; counted in whole
    /// seconds.
    shutdown_wait: 8_000,
}

/// One limit that is to be another: `NAME=DURATION`, such as `idle=500ms`.
#[derive(Clone, Debug)]
pub struct ChangedLimit {
    name: String,
    value: Duration,
}

impl FromStr for ChangedLimit {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = text.split_once('=').ok_or("write NAME=DURATION")?;
        Limits::default()
            .named(name)
            .ok_or("there is no such limit")?;
        Ok(Self {
            name: name.to_owned(),
            value: humantime::parse_duration(value)
                .map_err(|_| "write a duration such as 500ms")?,
        })
    }
}

impl Limits {
    /// The defaults, but for those that are `changed`.
    pub fn with(changed: &[ChangedLimit]) -> Self {
        let mut limits = Self::default();
        for change in changed {
            if let Some(limit) = limits.named(&change.name) {
                *limit = change.value;
            }
        }
        limits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_changed_by_its_name_and_no_other_is() {
        let changed = ["idle=500ms", "refused=2s"].map(|text| text.parse().expect("a limit"));
        let limits = Limits::with(&changed);
        assert_eq!(limits.idle, Duration::from_millis(500));
        assert_eq!(limits.refused, Duration::from_secs(2));
        assert_eq!(limits.keep_alive, Limits::default().keep_alive);
        for wrong in ["", "idle", "idle=", "idle=soon", "Idle=1s", "wait=1s"] {
            assert!(wrong.parse::<ChangedLimit>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_defaults_leave_each_other_room() {
        let limits = Limits::default();
        assert!(limits.idle >= limits.keep_alive + limits.head_wait);
        assert!(limits.permit_wait < limits.body_wait);
        assert!(limits.body_wait.max(limits.chunk_wait) < limits.shutdown_wait);
    }
}
