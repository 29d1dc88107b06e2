//! What bounds the bodies of all requests: how many large ones are in memory, and
//! how many are parsed at once.

use std::sync::Arc;
use std::time::Duration;

use super::envelope::Refusal;
use crate::error::Error;
use crate::invalid::Invalid;
use crate::permits::{Permit, Permits};

/// Bytes up to which a body is small: it is read as it comes.
const SMALL_BODY_BYTES: u64 = 64 * 1024;
/// Requests whose bodies may be large that are read and answered at once; parsed,
/// a body takes several times its bytes.
const LARGE_BODIES_MAX: usize = 4;
/// Bodies that are parsed at once, each on a thread of its own: more would only
/// share the processors, and what a thread frees stays with it.
const PARSED_AT_ONCE_MAX: usize = 2;

/// What bounds the bodies of all requests.
pub(crate) struct BodyPermits {
    large: Permits,
    parsing: Permits,
}

impl BodyPermits {
    /// Permits for which a request waits for `wait_max` at the most.
    pub(crate) fn new(wait_max: Duration) -> Self {
        let permits = |at_once_max| Permits::new(at_once_max, wait_max, Error::Busy);
        Self {
            large: permits(LARGE_BODIES_MAX),
            parsing: permits(PARSED_AT_ONCE_MAX),
        }
    }

    /// Waits for a permit where the body is large, or may become so.
    pub(super) async fn acquire(
        &self,
        content_length: Option<u64>,
        bytes_max: usize,
    ) -> Result<BodyPermit, Error> {
        let bytes = content_length.unwrap_or(u64::MAX);
        let is_small = bytes.min(bytes_max as u64) <= SMALL_BODY_BYTES;
        let large = if is_small {
            None
        } else {
            Some(Arc::new(self.large.acquire().await?))
        };
        Ok(BodyPermit {
            _large: large,
            parsing: self.parsing.clone(),
        })
    }
}

/// What the work on one body may take. Kept until the answer is made: what the
/// body became is counted, too.
#[derive(Clone)]
pub(crate) struct BodyPermit {
    _large: Option<Arc<Permit>>,
    parsing: Permits,
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
        self.parsing.run(|| work().map_err(Refusal::from)).await
    }
}
