//! How a write is done: in a transaction of its own, once more where it met another
//! one, and answered after the commit.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};

use super::connection::Link;
use super::failure::{self, Failure, Kind, LOST_PAUSE};
use super::threads::{Lent, Local, Threads};
use super::transaction::Transaction;
use super::{keys, sessions};
use crate::error::Error;
use crate::key::Grant;
use crate::moment::Moment;
use crate::store::Measures;

/// Writes that wait or are under way; the next one gets `Busy` at once.
pub(super) const WRITES_WAITING_MAX: usize = 1024;
/// How long a write may wait for a connection.
pub(super) const QUEUE_WAIT_MAX: Duration = Duration::from_secs(2);
/// From how many rows on a write waits for its turn.
const MANY_ROWS: usize = 100;
/// How long a write is tried again, while it meets others or nobody takes it.
pub(super) const TRYING_TIME_MAX: Duration = Duration::from_secs(8);
/// How long the outcome is waited for.
const OUTCOME_WAIT_MAX: Duration = Duration::from_secs(12);
/// Between two tries of one that met another transaction.
const MET_PAUSE: Duration = Duration::from_millis(5);

/// Every write shares this lock and every change of a key has it alone, so that a
/// key that was revoked writes nothing any more once that is answered. A lock of the row
/// could be shared for ever by writes that follow each other.
pub(super) const SHARE_KEYS: &str = "SELECT pg_advisory_xact_lock_shared(
    hashtextextended('addressbook keys ' || current_schema(), 0))";
const LOCK_KEYS: &str = "SELECT pg_advisory_xact_lock(
    hashtextextended('addressbook keys ' || current_schema(), 0))";

/// Writes where nothing else was written: a commit of nothing waits for no standby, and
/// what its answer rests on may be on this one disk alone.
const SETTLE: &str = "UPDATE counters SET value = value WHERE name = 'contacts' AND slot = $1
    AND pg_current_xact_id_if_assigned() IS NULL";

/// What a write does with keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keys {
    /// It acts under one.
    Shares,
    /// It changes one.
    Changes,
}

/// In whose name, none is the server's own, and what it does with keys.
pub(super) type Acting = (Option<Grant>, Keys);

/// Whether a write that is done twice comes to what it comes to once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Repeats {
    /// It is remembered under a name: where its commit was not heard of, it is done
    /// again, and finds its answer or does it.
    Once,
    /// Nobody could tell.
    Never,
}

/// The way of writes.
pub(super) struct Writer {
    threads: Arc<Threads>,
    waiting: Arc<AtomicUsize>,
    measures: Measures,
}

impl Writer {
    pub(super) fn new(threads: Arc<Threads>, measures: Measures) -> Self {
        Self {
            threads,
            waiting: Arc::default(),
            measures,
        }
    }

    /// Does `work` in a transaction and waits for its commit. Once begun it is never
    /// cancelled, even where nobody waits for it any more.
    pub(super) async fn submit<T, W>(&self, grant: Grant, work: W) -> Result<T, Error>
    where
        T: Send + 'static,
        W: AsyncFn(&Transaction<'_>) -> Result<T, Failure> + Send + 'static,
    {
        let acting = (Some(grant), Keys::Shares);
        self.submit_as(acting, Repeats::Never, 1, work).await
    }

    /// The same for work that is remembered under a name.
    pub(super) async fn submit_once<T, W>(
        &self,
        grant: Grant,
        rows: usize,
        work: W,
    ) -> Result<T, Error>
    where
        T: Send + 'static,
        W: AsyncFn(&Transaction<'_>) -> Result<T, Failure> + Send + 'static,
    {
        let acting = (Some(grant), Keys::Shares);
        self.submit_as(acting, Repeats::Once, rows, work).await
    }

    /// The same for work that writes many rows.
    pub(super) async fn submit_rows<T, W>(
        &self,
        grant: Grant,
        rows: usize,
        work: W,
    ) -> Result<T, Error>
    where
        T: Send + 'static,
        W: AsyncFn(&Transaction<'_>) -> Result<T, Failure> + Send + 'static,
    {
        let acting = (Some(grant), Keys::Shares);
        self.submit_as(acting, Repeats::Never, rows, work).await
    }

    /// The same for work that changes keys.
    pub(super) async fn submit_change<T, W>(&self, grant: Grant, work: W) -> Result<T, Error>
    where
        T: Send + 'static,
        W: AsyncFn(&Transaction<'_>) -> Result<T, Failure> + Send + 'static,
    {
        let acting = (Some(grant), Keys::Changes);
        self.submit_as(acting, Repeats::Never, 1, work).await
    }

    /// The same for the server's own.
    pub(super) async fn submit_own<T, W>(&self, work: W) -> Result<T, Error>
    where
        T: Send + 'static,
        W: AsyncFn(&Transaction<'_>) -> Result<T, Failure> + Send + 'static,
    {
        let acting = (None, Keys::Shares);
        self.submit_as(acting, Repeats::Never, 1, work).await
    }

    async fn submit_as<T, W>(
        &self,
        acting: Acting,
        repeats: Repeats,
        rows: usize,
        work: W,
    ) -> Result<T, Error>
    where
        T: Send + 'static,
        W: AsyncFn(&Transaction<'_>) -> Result<T, Failure> + Send + 'static,
    {
        let waits = Waits::count(&self.waiting, &self.measures)?;
        let measures = self.measures.clone();
        let doing = self.threads.run(move |local| async move {
            let _waits = waits;
            let done = match rows < MANY_ROWS {
                true => perform(&local, &measures, acting, repeats, &work).await,
                false => match local.take_turn(QUEUE_WAIT_MAX).await {
                    Some(_turn) => perform(&local, &measures, acting, repeats, &work).await,
                    None => Err(Error::Busy),
                },
            };
            measures.batch_rows.observe(rows as f64);
            done
        });
        let done = timeout(OUTCOME_WAIT_MAX, doing).await;
        done.unwrap_or(Ok(Err(Error::OutcomeUnknown)))?
    }
}

/// Counts as a write while it is kept.
pub(super) struct Waits(Arc<AtomicUsize>, Measures);

impl Waits {
    /// # Errors
    /// `Busy`.
    pub(super) fn count(waiting: &Arc<AtomicUsize>, measures: &Measures) -> Result<Self, Error> {
        let before = waiting.fetch_add(1, Ordering::Relaxed);
        measures.queue_jobs.inc();
        let counted = Self(Arc::clone(waiting), measures.clone());
        match before < WRITES_WAITING_MAX {
            true => Ok(counted),
            false => Err(Error::Busy),
        }
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
        self.1.queue_jobs.dec();
    }
}

/// What came of one try.
enum Tried<T> {
    Done(Result<T, Error>),
    /// Its commit was not heard of.
    Unheard,
    /// Nothing was stored; one more may come to something.
    Again(Error, Duration),
}

async fn perform<T>(
    local: &Local,
    measures: &Measures,
    acting: Acting,
    repeats: Repeats,
    work: &impl AsyncFn(&Transaction<'_>) -> Result<T, Failure>,
) -> Result<T, Error> {
    let begun = Instant::now();
    let mut may_be_stored = false;
    loop {
        let lent = match local.take(QUEUE_WAIT_MAX).await {
            Ok(Some(lent)) => Ok(lent),
            Ok(None) if may_be_stored => return Err(Error::OutcomeUnknown),
            Ok(None) => return Err(Error::Busy),
            Err(error) => Err(error),
        };
        let tried = match lent {
            Ok(lent) => try_once(&lent, measures, acting, work).await,
            Err(error) => again(&error),
        };
        let is_worth_it = begun.elapsed() < TRYING_TIME_MAX;
        match tried {
            Tried::Done(Ok(done)) => return Ok(done),
            Tried::Unheard if is_worth_it && repeats == Repeats::Once => {
                may_be_stored = true;
                sleep(LOST_PAUSE).await;
            }
            Tried::Again(_, pause) if is_worth_it => sleep(pause).await,
            Tried::Unheard => return Err(Error::OutcomeUnknown),
            Tried::Done(Err(_)) | Tried::Again(..) if may_be_stored => {
                return Err(Error::OutcomeUnknown);
            }
            Tried::Done(Err(error)) | Tried::Again(error, _) => return Err(error),
        }
    }
}

/// What an error before the commit asks for.
fn again<T>(error: &tokio_postgres::Error) -> Tried<T> {
    match failure::kind(error) {
        Kind::Met => Tried::Again(Error::Busy, MET_PAUSE),
        Kind::Lost => Tried::Again(
            failure::unwritten(error, "a transaction was lost"),
            LOST_PAUSE,
        ),
        Kind::TooSlow | Kind::Locked | Kind::Full | Kind::Other => {
            Tried::Done(Err(failure::unwritten(error, "a transaction failed")))
        }
    }
}

async fn try_once<T>(
    lent: &Lent<'_>,
    measures: &Measures,
    acting: Acting,
    work: &impl AsyncFn(&Transaction<'_>) -> Result<T, Failure>,
) -> Tried<T> {
    let transaction = Transaction::on(lent);
    let done = async {
        begin(lent, acting).await?;
        let done = work(&transaction).await?;
        transaction.write_counters().await?;
        Ok(done)
    };
    let failed = match done.await {
        Ok(done) => {
            let begun = Instant::now();
            return match commit(lent).await {
                Ok(()) => {
                    lent.is_over();
                    let took = begun.elapsed().as_secs_f64();
                    measures.commit_seconds.observe(took);
                    Tried::Done(Ok(done))
                }
                Err(error) if failure::kind(&error) == Kind::Lost => {
                    failure::log(&error, "the connection was lost at a commit");
                    Tried::Unheard
                }
                Err(error) => again(&error),
            };
        }
        Err(failed) => failed,
    };
    if lent.batch("ROLLBACK").await.is_ok() {
        lent.is_over();
    }
    match failed {
        Failure::Refused(error) => Tried::Done(Err(error)),
        Failure::Overtaken => Tried::Again(Error::Busy, MET_PAUSE),
        Failure::Storage(error) => again(&error),
    }
}

async fn commit(lent: &Lent<'_>) -> Result<(), tokio_postgres::Error> {
    let settle = lent.prepared(SETTLE).await?;
    let (settled, committed) = tokio::join!(
        biased;
        async { lent.client().execute(&settle, &[&lent.slot]).await },
        // What failed is rolled back by it.
        lent.batch("COMMIT"),
    );
    committed?;
    settled.map(drop)
}

/// Begins a transaction in which the key stands as it stands until its end.
pub(super) async fn begin(link: &Link, (grant, keys): Acting) -> Result<(), Failure> {
    let lock = match keys {
        Keys::Shares => SHARE_KEYS,
        Keys::Changes => LOCK_KEYS,
    };
    let lock = link.prepared(lock).await?;
    let Some((grant, None)) = grant.map(|grant| (grant, grant.session())) else {
        let (began, locked) = tokio::join!(
            biased;
            link.batch("BEGIN"),
            link.client().query(&lock, &[]),
        );
        began?;
        locked?;
        if let Some((grant, session)) = grant.and_then(|grant| Some((grant, grant.session()?))) {
            let found = sessions::find(link, session).await?;
            let found = found.ok_or(Error::SessionEnded)?;
            found.confirm(&grant, Moment::now())?;
        }
        return Ok(());
    };
    let standing = link.prepared(keys::STANDING).await?;
    let key = grant.key();
    let (began, locked, found) = tokio::join!(
        biased;
        link.batch("BEGIN"),
        link.client().query(&lock, &[]),
        async { link.client().query_opt(&standing, &[&key.as_str()]).await },
    );
    began?;
    locked?;
    let standing = found?.as_ref().map(keys::standing_of).transpose()?;
    grant.confirm(standing.as_ref(), Moment::now())?;
    Ok(())
}
