//! Whether the server is ready, looked at no more often than once a second, however often
//! strangers ask.

use std::time::Duration;

use serde::Serialize;
use tokio::time::timeout;

use super::recent::Recent;
use crate::error::Error;
use crate::store::{Integrity, Readiness, Standby, Store};

/// How long a look may take, and how long an answer waits for one.
const LOOK_WAIT_MAX: Duration = Duration::from_millis(1_500);

/// What was found last.
#[derive(Default)]
pub(super) struct LastLook(Recent<Checks>);

/// Each check: `ok`, or what is wrong in words.
#[derive(Clone, Serialize)]
pub(crate) struct Checks {
    reads: String,
    writes: String,
    disk: String,
    schema: String,
    integrity: String,
    /// Of an engine that knows standbys; never a reason not to be ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    standby: Option<String>,
}

impl LastLook {
    /// What is known, looked at anew where that is old.
    pub(super) async fn checks(&self, store: &Store) -> Checks {
        let looking = async { Checks::of(&store.readiness().await) };
        let looked = timeout(LOOK_WAIT_MAX, self.0.get(looking)).await;
        looked.unwrap_or_else(|_| Checks::too_slow())
    }
}

impl Checks {
    fn of(readiness: &Readiness) -> Self {
        let word = |result: &Result<(), Error>| match result {
            Ok(()) => OK.to_owned(),
            Err(error) => error.to_string(),
        };
        let or = |is_well: bool, wrong: &str| if is_well { OK } else { wrong }.to_owned();
        Self {
            reads: word(&readiness.reads),
            writes: word(&readiness.writes),
            disk: or(readiness.has_room, "there is no room for more"),
            // Another one is not served.
            schema: OK.to_owned(),
            integrity: match (readiness.is_damaged, readiness.integrity) {
                (true, _) => "damage was met, nothing is written any more".to_owned(),
                (false, Integrity::Unknown) => UNKNOWN.to_owned(),
                (false, Integrity::Running) => RUNNING.to_owned(),
                (false, Integrity::Whole) => OK.to_owned(),
                (false, Integrity::Damaged(_)) => {
                    "the check after the start found damage, the log says which".to_owned()
                }
            },
            standby: readiness.standby.map(|standby| {
                match standby {
                    Standby::Synchronous => OK,
                    Standby::Missing => "there is none, commits wait for one",
                    Standby::NotWanted => "none, what is committed is on one disk",
                }
                .to_owned()
            }),
        }
    }

    fn too_slow() -> Self {
        Self {
            reads: UNKNOWN.to_owned(),
            writes: "a look at it takes too long".to_owned(),
            disk: UNKNOWN.to_owned(),
            schema: OK.to_owned(),
            integrity: UNKNOWN.to_owned(),
            standby: None,
        }
    }

    /// # Errors
    /// `NotReady`, which names the checks that failed.
    pub(crate) fn ready(&self) -> Result<(), Error> {
        let checks = [
            ("reads", &self.reads),
            ("writes", &self.writes),
            ("disk", &self.disk),
            ("schema", &self.schema),
            ("integrity", &self.integrity),
        ];
        let wrong = checks
            .iter()
            .filter(|(_, word)| ![OK, UNKNOWN, RUNNING].contains(&word.as_str()));
        let wrong: Vec<&str> = wrong.map(|(name, _)| *name).collect();
        match wrong.is_empty() {
            true => Ok(()),
            false => Err(Error::NotReady(wrong.join(", "))),
        }
    }
}

const OK: &str = "ok";
const UNKNOWN: &str = "unknown";
const RUNNING: &str = "running";
