//! Whether the book can be read and written, and whether a standby has what is committed.

use super::Engine;
use super::connection::Link;
use super::failure::Failure;
use super::transaction::Counter;
use crate::store::{Integrity, Readiness, Standby};

/// Changes nothing, and is committed as every write is.
const PROBE: &str = "UPDATE counters SET value = value WHERE name = 'contacts' AND slot = $1";
/// Whether a commit waits for somebody else's disk.
const STANDBY: &str = "SELECT current_setting('synchronous_standby_names') <> ''
        AND current_setting('synchronous_commit') NOT IN ('off', 'local'),
    EXISTS (SELECT 1 FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum'))";

impl Engine {
    pub(crate) async fn readiness(&self) -> Readiness {
        let reads = self.readers.read(async |link| {
            Counter::Contacts.read(link).await?;
            standby(link).await
        });
        let reads = reads.await;
        let writes = self.writer.submit_own(async |transaction| {
            transaction.execute(PROBE, &[&transaction.slot]).await?;
            Ok(())
        });
        Readiness {
            standby: reads.as_ref().ok().copied(),
            reads: reads.map(drop),
            writes: writes.await,
            has_room: true,
            is_damaged: false,
            integrity: Integrity::Unknown,
        }
    }
}

async fn standby(link: &Link) -> Result<Standby, Failure> {
    let row = link.query_one(STANDBY, &[]).await?;
    let (is_wanted, is_there): (bool, bool) = (row.try_get(0)?, row.try_get(1)?);
    Ok(match (is_wanted, is_there) {
        (false, _) => Standby::NotWanted,
        (true, true) => Standby::Synchronous,
        (true, false) => Standby::Missing,
    })
}
