//! What bounds the bodies of all requests: how many bytes of them are in memory, how
//! many large ones are worked on, and how many are parsed at once.

use std::sync::Arc;
use std::time::Duration;

use super::envelope::Refusal;
use crate::budget::{Budget, Held};
use crate::error::Error;
use crate::invalid::Invalid;
use crate::permits::{Permit, SharedPermits};
use crate::token::KeyId;

/// Bytes up to which a body is not counted: a connection has one.
pub(super) const UNCOUNTED_BYTES: usize = 16 * 1024;
/// Bytes of bodies that are in memory, in all and of one key.
const BODIES_BYTES_MAX: usize = 32 * 1024 * 1024;
const BODIES_OF_KEY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes up to which a body is small: it needs no permit.
const SMALL_BODY_BYTES: usize = 64 * 1024;
/// Requests with large bodies that are answered at once, once they have arrived;
/// parsed, a body takes several times its bytes.
const LARGE_BODIES_MAX: usize = 4;
const LARGE_BODIES_OF_KEY_MAX: usize = 2;
/// Bodies that are parsed at once, each on a thread of its own: more would only
/// share the processors, and what a thread frees stays with it.
const PARSED_AT_ONCE_MAX: usize = 2;

/// What bounds the bodies of all requests.
pub(crate) struct BodyPermits {
    arriving: Budget,
    large: SharedPermits,
    parsing: SharedPermits,
}

impl BodyPermits {
    /// Permits for which a request waits for `wait_max` at the most.
    pub(crate) fn new(wait_max: Duration) -> Self {
        let permits =
            |at_once_max, share| SharedPermits::new(at_once_max, share, wait_max, Error::Busy);
        Self {
            arriving: Budget::new(BODIES_BYTES_MAX, BODIES_OF_KEY_BYTES_MAX),
            large: permits(LARGE_BODIES_MAX, LARGE_BODIES_OF_KEY_MAX),
            parsing: permits(PARSED_AT_ONCE_MAX, PARSED_AT_ONCE_MAX),
        }
    }

    /// Begins to count a body of `key`.
    pub(super) fn arriving(&self, key: KeyId) -> Arriving<'_> {
        Arriving {
            permits: self,
            key,
            bytes: 0,
            held: None,
        }
    }
}

/// A body that arrives. It holds no permit, however slow it is.
pub(super) struct Arriving<'p> {
    permits: &'p BodyPermits,
    key: KeyId,
    bytes: usize,
    held: Option<Held>,
}

impl Arriving<'_> {
    /// Counts so many bytes more.
    ///
    /// # Errors
    /// `Busy` where nothing is left for them.
    pub(super) fn count(&mut self, bytes: usize) -> Result<(), Error> {
        self.bytes += bytes;
        if self.bytes <= UNCOUNTED_BYTES {
            return Ok(());
        }
        if let Some(held) = &mut self.held {
            return held.grow(bytes).then_some(()).ok_or(Error::Busy);
        }
        let held = self.permits.arriving.take(self.key, self.bytes);
        self.held = Some(held.ok_or(Error::Busy)?);
        Ok(())
    }

    /// Waits for a permit where the body is large, now that it is there.
    ///
    /// # Errors
    /// `Busy`.
    pub(super) async fn acquire(self) -> Result<BodyPermit, Error> {
        let large = match self.bytes <= SMALL_BODY_BYTES {
            true => None,
            false => Some(self.permits.large.acquire(self.key).await?),
        };
        Ok(BodyPermit {
            _taken: Arc::new((self.held, large)),
            parsing: self.permits.parsing.clone(),
            key: self.key,
        })
    }
}

/// What the work on one body may take. Kept until the answer is made: what the
/// body became is counted, too.
#[derive(Clone)]
pub(crate) struct BodyPermit {
    _taken: Arc<(Option<Held>, Option<Permit>)>,
    parsing: SharedPermits,
    key: KeyId,
}

impl BodyPermit {
    /// Does work of many milliseconds on a thread where it keeps nobody waiting,
    /// two pieces at once. Nothing may be stored before it.
    ///
    /// # Errors
    /// The work's own, `Busy` where others were in the way for too long, or
    /// `Internal` where it panicked.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Invalid> + Send + 'static,
    ) -> Result<T, Refusal> {
        let work = || work().map_err(Refusal::from);
        self.parsing.run(self.key, work).await
    }
}
