//! The threads that talk to PostgreSQL: each has a runtime of its own and a few
//! connections. What was handed to one is done, whoever waits for it.

use std::cell::{Cell, RefCell};
use std::io;
use std::ops::Deref;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime;
use tokio::sync::{Semaphore, SemaphorePermit, mpsc, oneshot};
use tokio::task::{JoinSet, LocalSet};
use tokio::time::timeout;

use super::connection::Link;
use super::location::Location;
use crate::error::Error;

/// As many as share the work of two cores; PostgreSQL does the rest in its processes.
pub(super) const THREADS: usize = 2;
/// Connections of one thread, beside those of its lanes.
const CONNECTIONS_MAX: usize = 8;
/// Transactions of many rows that one thread has under way: more of them only get into
/// each other's way, with 16 on two processors a row took twice the time of both.
const MANY_ROWS_AT_ONCE_MAX: usize = 1;
/// How long what is under way may take once the server stops.
const STOPPING_WAIT_MAX: Duration = Duration::from_secs(10);

/// Work for a thread: becomes a future on it, which need not leave it.
type Work = Box<dyn FnOnce(Rc<Local>) -> Pin<Box<dyn Future<Output = ()>>> + Send>;

/// The ways to the threads.
pub(super) struct Threads {
    ways: Mutex<Option<Vec<mpsc::UnboundedSender<Work>>>>,
    next: AtomicUsize,
    running: Mutex<Vec<JoinHandle<()>>>,
}

/// What a thread has.
pub(super) struct Local {
    location: Location,
    idle: RefCell<Vec<Link>>,
    permits: Semaphore,
    many_rows: Semaphore,
}

/// A connection while it is used for one transaction.
pub(super) struct Lent<'l> {
    link: Option<Link>,
    local: &'l Local,
    /// Whether its transaction is over.
    is_clean: Cell<bool>,
    _permit: SemaphorePermit<'l>,
}

impl Threads {
    /// Starts the threads; none of them connects yet.
    ///
    /// # Errors
    /// The operating system's.
    pub(super) fn start(location: &Location) -> io::Result<Self> {
        let mut ways = Vec::new();
        let mut running = Vec::new();
        for number in 0..THREADS {
            let (way, work) = mpsc::unbounded_channel();
            let runtime = runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            let location = location.clone();
            let thread = thread::Builder::new()
                .name(format!("postgres-{number}"))
                .spawn(move || run(&runtime, location, work))?;
            ways.push(way);
            running.push(thread);
        }
        Ok(Self {
            ways: Mutex::new(Some(ways)),
            next: AtomicUsize::new(0),
            running: Mutex::new(running),
        })
    }

    /// Hands work to one of the threads, in turn.
    ///
    /// # Errors
    /// `Stopping`; `Internal` where the work panicked.
    pub(super) async fn run<T, F>(
        &self,
        work: impl FnOnce(Rc<Local>) -> F + Send + 'static,
    ) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Future<Output = T> + 'static,
    {
        let (answer, outcome) = oneshot::channel();
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.begin(number, move |local| async move {
            // Nobody may be waiting any more.
            let _ = answer.send(work(local).await);
        })?;
        outcome.await.map_err(|_| Error::Internal)
    }

    /// Hands work to a thread that nobody waits for.
    ///
    /// # Errors
    /// `Stopping`.
    pub(super) fn begin<F>(
        &self,
        number: usize,
        work: impl FnOnce(Rc<Local>) -> F + Send + 'static,
    ) -> Result<(), Error>
    where
        F: Future<Output = ()> + 'static,
    {
        let ways = self.ways.lock().unwrap_or_else(PoisonError::into_inner);
        let way = ways.as_ref().map(|ways| &ways[number % ways.len()]);
        let work: Work = Box::new(|local| Box::pin(work(local)));
        way.and_then(|way| way.send(work).ok())
            .ok_or(Error::Stopping)
    }

    /// Has everything done that was begun, and ends the threads.
    pub(super) fn stop(&self) {
        let mut ways = self.ways.lock().unwrap_or_else(PoisonError::into_inner);
        drop(ways.take());
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        for thread in running.drain(..) {
            if thread.join().is_err() {
                log::error!("a thread of the store panicked");
            }
        }
    }
}

fn run(runtime: &runtime::Runtime, location: Location, mut work: mpsc::UnboundedReceiver<Work>) {
    let local = Rc::new(Local {
        location,
        idle: RefCell::default(),
        permits: Semaphore::new(CONNECTIONS_MAX),
        many_rows: Semaphore::new(MANY_ROWS_AT_ONCE_MAX),
    });
    let tasks = LocalSet::new();
    tasks.block_on(runtime, async {
        let mut begun = JoinSet::new();
        while let Some(work) = work.recv().await {
            begun.spawn_local(work(Rc::clone(&local)));
            // Forgets those that are over.
            while begun.try_join_next().is_some() {}
        }
        let all_ended = async { while begun.join_next().await.is_some() {} };
        if timeout(STOPPING_WAIT_MAX, all_ended).await.is_err() {
            log::warn!("what was under way did not end in time");
        }
    });
}

impl Local {
    /// Waits for one of the connections, at most `wait_max`; opened where none is idle.
    ///
    /// # Errors
    /// `None` where all of them are in use; else why none can be opened.
    pub(super) async fn take(
        &self,
        wait_max: Duration,
    ) -> Result<Option<Lent<'_>>, tokio_postgres::Error> {
        let Ok(Ok(permit)) = timeout(wait_max, self.permits.acquire()).await else {
            return Ok(None);
        };
        let idle = std::iter::from_fn(|| self.idle.borrow_mut().pop());
        let idle = idle.into_iter().find(|link| !link.is_closed());
        let link = match idle {
            Some(link) => link,
            None => Link::open(&self.location).await?,
        };
        Ok(Some(Lent {
            link: Some(link),
            local: self,
            is_clean: Cell::new(false),
            _permit: permit,
        }))
    }

    /// Waits for its turn with a transaction of many rows, at most `wait_max`.
    pub(super) async fn take_turn(&self, wait_max: Duration) -> Option<SemaphorePermit<'_>> {
        timeout(wait_max, self.many_rows.acquire()).await.ok()?.ok()
    }

    /// A connection for one who keeps it.
    pub(super) async fn open(&self) -> Result<Link, tokio_postgres::Error> {
        Link::open(&self.location).await
    }
}

impl Lent<'_> {
    /// Says that the connection is in no transaction: it may be lent again.
    pub(super) fn is_over(&self) {
        self.is_clean.set(true);
    }
}

impl Deref for Lent<'_> {
    type Target = Link;

    fn deref(&self) -> &Link {
        self.link
            .as_ref()
            .expect("it is given back when this is dropped")
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if let Some(link) = self.link.take()
            && self.is_clean.get()
            && !link.is_closed()
        {
            self.local.idle.borrow_mut().push(link);
        }
    }
}
