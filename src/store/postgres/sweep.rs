//! Sweeps away what deleted groups left behind, a little at a time and beside
//! everything else.

use std::rc::Rc;

use super::failure::{self, Failure};
use super::threads::{Local, Threads};
use super::writer::QUEUE_WAIT_MAX;

const SWEEP: &str = "DELETE FROM memberships WHERE (alias, group_id) IN
    (SELECT alias, group_id FROM memberships WHERE group_id IN
        (SELECT id FROM groups WHERE deleted_on IS NOT NULL)
    LIMIT $1 FOR UPDATE SKIP LOCKED)";
const FORGET_COUNTS: &str = "DELETE FROM group_counts WHERE group_id IN
    (SELECT id FROM groups WHERE deleted_on IS NOT NULL)";
const FORGET: &str = "DELETE FROM groups WHERE deleted_on IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM memberships WHERE memberships.group_id = groups.id)";

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
        let swept = lent.execute(SWEEP, &[&SWEPT_AT_ONCE_MAX]).await?;
        if swept == 0 {
            lent.execute(FORGET_COUNTS, &[]).await?;
            lent.execute(FORGET, &[]).await?;
        }
        lent.is_over();
        if swept == 0 {
            return Ok(());
        }
    }
}
