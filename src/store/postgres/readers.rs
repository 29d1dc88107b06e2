//! The ways of reading: a point lookup over a connection of the worker that asks, on
//! which those of all its requests are sent at once; a list in a transaction of its own.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};

use super::connection::Link;
use super::failure::{self, Failure, Kind, LOST_PAUSE};
use super::location::Location;
use super::threads::{Lent, Threads};
use crate::error::Error;
use crate::permits::SharedPermits;
use crate::token::KeyId;

/// Lists that are read at once, beside them those that look at every contact, and
/// requests that are resolved: none of them keeps another kind waiting.
const LISTS_MAX: usize = 8;
const SCANS_MAX: usize = 2;
const RESOLVES_MAX: usize = 2;
/// What takes seconds leaves something to other keys.
const SCANS_OF_KEY_MAX: usize = 1;
/// How long a list waits for its permit, and how long it may then take.
const LIST_WAIT_MAX: Duration = Duration::from_secs(2);
pub(super) const LIST_TIME_MAX: Duration = Duration::from_secs(10);
/// How long a lookup waits for a database that takes it.
const READ_TIME_MAX: Duration = Duration::from_secs(5);

/// One state for all statements, in which nothing is changed.
const BEGIN: &str =
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = '10s'";

/// What reads.
#[derive(Clone)]
pub(super) struct Readers(Arc<Shared>);

struct Shared {
    /// Tells the engines of one process apart.
    number: u64,
    location: Location,
    threads: Arc<Threads>,
    lists: SharedPermits,
    scans: SharedPermits,
    resolves: SharedPermits,
}

/// A connection that all tasks of one thread share.
type SharedLink = Rc<Mutex<Option<Rc<Link>>>>;

thread_local! {
    /// Those of this thread, by engine.
    static LINKS: RefCell<HashMap<u64, SharedLink>> = RefCell::default();
}

static ENGINES: AtomicU64 = AtomicU64::new(0);

impl Readers {
    pub(super) fn new(location: Location, threads: Arc<Threads>) -> Self {
        let permits = |at_once_max, share| {
            SharedPermits::new(at_once_max, share, LIST_WAIT_MAX, Error::ListsBusy)
        };
        Self(Arc::new(Shared {
            number: ENGINES.fetch_add(1, Ordering::Relaxed),
            location,
            threads,
            lists: permits(LISTS_MAX, LISTS_MAX),
            scans: permits(SCANS_MAX, SCANS_OF_KEY_MAX),
            resolves: permits(RESOLVES_MAX, RESOLVES_MAX),
        }))
    }

    /// Tells this engine from others of the process.
    pub(super) fn number(&self) -> u64 {
        self.0.number
    }

    /// Looks something up, waiting a little for a database that comes back.
    pub(super) async fn read<T>(
        &self,
        query: impl AsyncFn(&Link) -> Result<T, Failure>,
    ) -> Result<T, Error> {
        let begun = Instant::now();
        loop {
            let rest = READ_TIME_MAX.saturating_sub(begun.elapsed());
            let reading = async {
                let link = self.link().await?;
                query(&link).await
            };
            let failed = match timeout(rest, reading).await {
                Ok(Ok(read)) => return Ok(read),
                Ok(Err(Failure::Refused(error))) => return Err(error),
                Ok(Err(Failure::Overtaken)) => return Err(Error::Internal),
                Ok(Err(Failure::Storage(error))) => error,
                Err(_) => {
                    log::error!("a read took too long");
                    // Whatever keeps it keeps those behind it.
                    LINKS.with_borrow_mut(|links| links.remove(&self.0.number));
                    return Err(Error::StorageUnreadable);
                }
            };
            let is_lost = failure::kind(&failed) == Kind::Lost;
            if !is_lost || begun.elapsed() + LOST_PAUSE > READ_TIME_MAX {
                return Err(failure::unreadable(&failed, "a read failed"));
            }
            if !failed.is_closed() {
                sleep(LOST_PAUSE).await;
            }
        }
    }

    /// The connection of this thread, opened where there is none.
    async fn link(&self) -> Result<Rc<Link>, tokio_postgres::Error> {
        let shared =
            LINKS.with_borrow_mut(|links| Rc::clone(links.entry(self.0.number).or_default()));
        let mut shared = shared.lock().await;
        if let Some(link) = shared.as_ref().filter(|link| !link.is_closed()) {
            return Ok(Rc::clone(link));
        }
        let link = Rc::new(Link::open(&self.0.location).await?);
        *shared = Some(Rc::clone(&link));
        Ok(link)
    }

    /// Reads a list for a key in one state, within [`LIST_TIME_MAX`].
    pub(super) async fn list<T: Send + 'static>(
        &self,
        key: KeyId,
        query: impl AsyncFnOnce(&Link) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Error> {
        self.under(&self.0.lists, key, query).await
    }

    /// The same for a list that looks at every contact, with permits of its own.
    pub(super) async fn scan<T: Send + 'static>(
        &self,
        key: KeyId,
        query: impl AsyncFnOnce(&Link) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Error> {
        self.under(&self.0.scans, key, query).await
    }

    /// The same for resolving, which has permits of its own.
    pub(super) async fn resolve<T: Send + 'static>(
        &self,
        key: KeyId,
        query: impl AsyncFnOnce(&Link) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Error> {
        self.under(&self.0.resolves, key, query).await
    }

    /// The same for what the server itself asks.
    pub(super) async fn own<T: Send + 'static>(
        &self,
        query: impl AsyncFnOnce(&Link) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Error> {
        let reading = self.0.threads.run(move |local| async move {
            let begun = Instant::now();
            let lent = loop {
                match local.take(LIST_WAIT_MAX).await {
                    Ok(Some(lent)) => break lent,
                    Ok(None) => return Err(Error::ListsBusy),
                    Err(error) if begun.elapsed() > READ_TIME_MAX => {
                        return Err(failure::unreadable(&error, "no connection to read with"));
                    }
                    Err(_) => sleep(LOST_PAUSE).await,
                }
            };
            in_one_state(&lent, query).await
        });
        match timeout(LIST_TIME_MAX, reading).await {
            Ok(read) => read?,
            Err(_) => Err(Error::ListTooSlow),
        }
    }

    async fn under<T: Send + 'static>(
        &self,
        permits: &SharedPermits,
        key: KeyId,
        query: impl AsyncFnOnce(&Link) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Error> {
        let permit = permits.acquire(key).await?;
        let query = async move |link: &Link| {
            let _permit = permit;
            query(link).await
        };
        self.own(query).await
    }
}

async fn in_one_state<T>(
    lent: &Lent<'_>,
    query: impl AsyncFnOnce(&Link) -> Result<T, Failure>,
) -> Result<T, Error> {
    let reading = async {
        lent.batch(BEGIN).await?;
        query(lent).await
    };
    let read = reading.await;
    if lent.batch("COMMIT").await.is_ok() {
        lent.is_over();
    }
    read.map_err(|failed| match failed {
        Failure::Refused(error) => error,
        Failure::Overtaken => Error::Internal,
        Failure::Storage(error) => failure::unreadable(&error, "a list failed"),
    })
}

/// What a worker reads with: each statement has a state of its own, and the key's row is
/// read before what it may read.
pub struct Snapshot {
    pub(super) readers: Readers,
}
