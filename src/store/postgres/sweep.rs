//! Sweeps away what deleted groups left behind, a little at a time and beside
//! everything else.

use std::rc::Rc;

use uuid::Uuid;

use super::failure::{self, Failure, Kind};
use super::threads::{Local, Threads};
use super::writer::QUEUE_WAIT_MAX;

const SWEEP: &str = "DELETE FROM memberships WHERE (alias, group_id) IN
    (SELECT alias, group_id FROM memberships WHERE group_id IN
        (SELECT id FROM groups WHERE deleted_on IS NOT NULL)
    LIMIT $1 FOR UPDATE SKIP LOCKED)";
/// The same where memberships are on several shards, which lock no rows for a subquery.
const SWEEP_SHARDS: &str = "DELETE FROM memberships WHERE (alias, group_id) IN
    (SELECT alias, group_id FROM memberships WHERE group_id IN
        (SELECT id FROM groups WHERE deleted_on IS NOT NULL)
    LIMIT $1)";
const FORGET_COUNTS: &str = "DELETE FROM group_counts WHERE group_id IN
    (SELECT id FROM groups WHERE deleted_on IS NOT NULL)";
/// Nobody comes into a deleted group any more, so what is empty stays so.
const EMPTIED: &str = "SELECT id FROM groups WHERE deleted_on IS NOT NULL
    AND id NOT IN (SELECT group_id FROM memberships WHERE group_id IN
        (SELECT id FROM groups WHERE deleted_on IS NOT NULL))";
const FORGET: &str = "DELETE FROM groups WHERE id = ANY($1)";

/// Memberships that one transaction sweeps.
const SWEPT_AT_ONCE_MAX: i64 = 1000;

/// Begins to sweep; an earlier run may have left something, and so may another server.
pub(super) fn begin(threads: &Threads) {
    // A server that stops leaves it to the next start.
    let _ = threads.begin(0, async move |local: Rc<Local>| match sweep(&local).await {
        Ok(()) | Err(Failure::Refused(_) | Failure::Overtaken) => {}
        Err(Failure::Storage(error)) => failure::log(&error, "a sweep ended early"),
    });
}

async fn sweep(local: &Local) -> Result<(), Failure> {
    loop {
        let Some(lent) = local.take(QUEUE_WAIT_MAX).await? else {
            return Ok(());
        };
        let statement = match lent.is_sharded {
            true => SWEEP_SHARDS,
            false => SWEEP,
        };
        let swept = match lent.execute(statement, &[&SWEPT_AT_ONCE_MAX]).await {
            // It met somebody, and is done once more.
            Err(error) if failure::kind(&error) == Kind::Met => continue,
            swept => swept?,
        };
        if swept == 0 {
            lent.execute(FORGET_COUNTS, &[]).await?;
            let emptied = lent.query(EMPTIED, &[]).await?;
            let emptied = emptied.iter().map(|row| row.try_get(0));
            let emptied: Vec<Uuid> = emptied.collect::<Result<_, _>>()?;
            lent.execute(FORGET, &[&emptied]).await?;
        }
        lent.is_over();
        if swept == 0 {
            return Ok(());
        }
    }
}
