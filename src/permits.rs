//! Bounded permits: how much of one kind happens at once, and how long anybody
//! waits for it. A permit goes with the work it was taken for, so that neither a
//! client that hangs up nor a forgetful caller frees it early. Where keys share
//! permits, none of them keeps the others from theirs.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::error::Error;
use crate::token::KeyId;

/// So many at once, each after a wait of at most so long.
#[derive(Clone)]
pub struct Permits {
    semaphore: Arc<Semaphore>,
    wait_max: Duration,
    /// What is answered where none is to be had in time.
    exhausted: Error,
}

/// The same, of which each key has a share: those of a key who wait for its share
/// stand in a line of its own, and not before others.
#[derive(Clone)]
pub struct SharedPermits {
    all: Permits,
    share: usize,
    /// Of keys that have a permit or wait for one, and perhaps of some that had.
    shares: Arc<Mutex<HashMap<KeyId, Arc<Semaphore>>>>,
}

/// One of the permits, given back when it is dropped.
#[must_use = "what it permits ends when it is dropped"]
pub struct Permit {
    _one: OwnedSemaphorePermit,
    _of_share: Option<OwnedSemaphorePermit>,
}

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

    /// Takes a permit if there is one at once.
    ///
    /// # Errors
    /// The error of these permits.
    pub fn try_acquire(&self) -> Result<Permit, Error> {
        let one = Arc::clone(&self.semaphore).try_acquire_owned();
        Ok(Permit {
            _one: one.map_err(|_| self.exhausted.clone())?,
            _of_share: None,
        })
    }
}

impl SharedPermits {
    /// Permits `at_once_max` at once, of which a key has at most `share`;
    /// `exhausted` is the error of whoever waited for `wait_max` in vain.
    pub fn new(at_once_max: usize, share: usize, wait_max: Duration, exhausted: Error) -> Self {
        Self {
            all: Permits::new(at_once_max, wait_max, exhausted),
            share,
            shares: Arc::default(),
        }
    }

    /// Takes a permit for `key`, waiting for it.
    ///
    /// # Errors
    /// The error of these permits.
    pub async fn acquire(&self, key: KeyId) -> Result<Permit, Error> {
        let share = self.share_of(key);
        let waiting = async {
            let of_share = share.acquire_owned().await.ok()?;
            let one = Arc::clone(&self.all.semaphore).acquire_owned().await.ok()?;
            Some(Permit {
                _one: one,
                _of_share: Some(of_share),
            })
        };
        let waited = timeout(self.all.wait_max, waiting).await;
        let permit = waited.ok().flatten();
        permit.ok_or_else(|| self.all.exhausted.clone())
    }

    /// Takes a permit for `key` if there is one at once.
    ///
    /// # Errors
    /// The error of these permits.
    pub fn try_acquire(&self, key: KeyId) -> Result<Permit, Error> {
        let of_share = self.share_of(key).try_acquire_owned();
        let of_share = of_share.map_err(|_| self.all.exhausted.clone())?;
        Ok(Permit {
            _of_share: Some(of_share),
            ..self.all.try_acquire()?
        })
    }

    /// Takes a permit for `key` and does `work` under it on a thread that may block.
    /// The work is never cancelled, and keeps its permit to its end.
    ///
    /// # Errors
    /// The error of these permits, the work's own, `Internal` where it panicked.
    pub async fn run<T, E>(
        &self,
        key: KeyId,
        work: impl FnOnce() -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.acquire(key).await?.run(work).await
    }

    fn share_of(&self, key: KeyId) -> Arc<Semaphore> {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = shares.get(&key) {
            return Arc::clone(share);
        }
        // A new key comes: those are forgotten that nobody uses.
        shares.retain(|_, share| Arc::strong_count(share) > 1);
        let share = Arc::new(Semaphore::new(self.share));
        shares.insert(key, Arc::clone(&share));
        share
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

    fn keys<const COUNT: usize>() -> [KeyId; COUNT] {
        std::array::from_fn(|at| KeyId::parse(&format!("{at:012}")).expect("an id"))
    }

    #[tokio::test]
    async fn no_more_runs_at_once_than_permitted() {
        static RUNNING: AtomicUsize = AtomicUsize::new(0);
        static MOST: AtomicUsize = AtomicUsize::new(0);
        let permits = SharedPermits::new(2, 2, LONG, Error::Busy);
        let all = keys::<8>().map(|key| {
            let permits = permits.clone();
            tokio::spawn(async move {
                let work = || {
                    let running = RUNNING.fetch_add(1, Ordering::SeqCst) + 1;
                    MOST.fetch_max(running, Ordering::SeqCst);
                    std::thread::sleep(Duration::from_millis(10));
                    RUNNING.fetch_sub(1, Ordering::SeqCst);
                    Ok::<_, Error>(())
                };
                permits.run(key, work).await
            })
        });
        for one in all {
            assert_eq!(one.await.expect("no panic"), Ok(()));
        }
        assert!(MOST.load(Ordering::SeqCst) <= 2);
    }

    #[tokio::test]
    async fn a_permit_is_kept_by_what_it_is_tied_to() {
        let [key] = keys();
        let permits = SharedPermits::new(1, 1, NO_WAIT, Error::ImportsBusy);
        let tied = permits.acquire(key).await.expect("the first").tie(7);
        assert_eq!(*tied, 7);
        assert!(matches!(
            permits.acquire(key).await,
            Err(Error::ImportsBusy)
        ));
        assert!(matches!(permits.try_acquire(key), Err(Error::ImportsBusy)));
        drop(tied);
        assert!(permits.try_acquire(key).is_ok());
    }

    #[tokio::test]
    async fn a_key_has_its_share_and_waits_in_its_own_line() {
        let [greedy, other, third, last] = keys();
        let permits = SharedPermits::new(2, 1, LONG, Error::Busy);
        let first = permits.try_acquire(greedy).expect("its share");
        assert!(permits.try_acquire(greedy).is_err());
        let waiting: Vec<_> = (0..100)
            .map(|_| {
                let permits = permits.clone();
                tokio::spawn(async move { permits.acquire(greedy).await.map(drop) })
            })
            .collect();
        tokio::task::yield_now().await;
        // The others find what the greedy one may not take.
        let second = permits.acquire(other).await.expect("before a hundred");
        assert!(permits.try_acquire(third).is_err());
        drop(second);
        drop(permits.acquire(third).await);
        drop(first);
        for one in waiting {
            assert!(one.await.expect("no panic").is_ok());
        }
        // Whoever comes anew finds those forgotten whom nobody waits for.
        drop(permits.acquire(last).await);
        assert_eq!(permits.shares.lock().expect("not poisoned").len(), 1);
    }
}
