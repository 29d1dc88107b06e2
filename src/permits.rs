//! Bounded permits: how much of one kind happens at once, and how long anybody
//! waits for it. A permit goes with the work it was taken for, so that neither a
//! client that hangs up nor a forgetful caller frees it early.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::error::Error;

/// So many at once, each after a wait of at most so long.
#[derive(Clone)]
pub struct Permits {
    semaphore: Arc<Semaphore>,
    wait_max: Duration,
    /// What is answered where none is to be had in time.
    exhausted: Error,
}

/// One of the permits, given back when it is dropped.
#[must_use = "what it permits ends when it is dropped"]
pub struct Permit(#[allow(dead_code, reason = "held, never read")] OwnedSemaphorePermit);

impl Permits {
    /// Permits `at_once_max` at once; `exhausted` is the error of whoever waited
    /// for `wait_max` in vain.
    pub fn new(at_once_max: usize, wait_max: Duration, exhausted: Error) -> Self {
        Self {
            semaphore: Arc::new(Semaphore::new(at_once_max)),
            wait_max,
            exhausted,
        }
    }

    /// Takes a permit, waiting for it.
    ///
    /// # Errors
    /// The error of these permits.
    pub async fn acquire(&self) -> Result<Permit, Error> {
        match timeout(self.wait_max, Arc::clone(&self.semaphore).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Permit(permit)),
            Ok(Err(_)) | Err(_) => Err(self.exhausted.clone()),
        }
    }

    /// Takes a permit if there is one at once.
    ///
    /// # Errors
    /// The error of these permits.
    pub fn try_acquire(&self) -> Result<Permit, Error> {
        let permit = Arc::clone(&self.semaphore).try_acquire_owned();
        permit.map(Permit).map_err(|_| self.exhausted.clone())
    }

    /// Takes a permit and does `work` under it on a thread that may block. The
    /// work is never cancelled, and keeps its permit to its end.
    ///
    /// # Errors
    /// The error of these permits, the work's own, `Internal` where it panicked.
    pub async fn run<T, E>(
        &self,
        work: impl FnOnce() -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let permit = self.acquire().await?;
        permit.run(work).await
    }
}

impl Permit {
    /// Does `work` on a thread that may block and gives the permit back at its end.
    ///
    /// # Errors
    /// The work's own, `Internal` where it panicked.
    pub async fn run<T, E>(
        self,
        work: impl FnOnce() -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let done = spawn_blocking(move || {
            let _permit = self;
            work()
        });
        done.await.map_err(|_| E::from(Error::Internal))?
    }

    /// Ties the permit to `value`: it is given back when the value is dropped.
    pub fn tie<T>(self, value: T) -> Permitted<T> {
        Permitted {
            value,
            _permit: self,
        }
    }
}

/// A value that keeps a permit for as long as it is there.
pub struct Permitted<T> {
    value: T,
    _permit: Permit,
}

impl<T> Deref for Permitted<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const NO_WAIT: Duration = Duration::ZERO;
    const LONG: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn no_more_runs_at_once_than_permitted() {
        static RUNNING: AtomicUsize = AtomicUsize::new(0);
        static MOST: AtomicUsize = AtomicUsize::new(0);
        let permits = Permits::new(2, LONG, Error::Busy);
        let all: Vec<_> = (0..8)
            .map(|_| {
                let permits = permits.clone();
                tokio::spawn(async move {
                    let work = || {
                        let running = RUNNING.fetch_add(1, Ordering::SeqCst) + 1;
                        MOST.fetch_max(running, Ordering::SeqCst);
                        std::thread::sleep(Duration::from_millis(10));
                        RUNNING.fetch_sub(1, Ordering::SeqCst);
                        Ok::<_, Error>(())
                    };
                    permits.run(work).await
                })
            })
            .collect();
        for one in all {
            assert_eq!(one.await.expect("no panic"), Ok(()));
        }
        assert!(MOST.load(Ordering::SeqCst) <= 2);
    }

    #[tokio::test]
    async fn a_permit_is_kept_by_what_it_is_tied_to() {
        let permits = Permits::new(1, NO_WAIT, Error::ImportsBusy);
        let tied = permits.acquire().await.expect("the first").tie(7);
        assert_eq!(*tied, 7);
        assert!(matches!(permits.acquire().await, Err(Error::ImportsBusy)));
        assert!(matches!(permits.try_acquire(), Err(Error::ImportsBusy)));
        drop(tied);
        assert!(permits.try_acquire().is_ok());
    }
}
