//! Memory of verified keys, and the narrow lanes in which argon2 runs. A key is
//! verified once per process; what it may do is never remembered here.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::{Mutex, OwnedMutexGuard, Semaphore, SemaphorePermit};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::error::Error;
use crate::token::{Fingerprint, KeyId, NewSecret, SecretHash, Token};

/// Argon2 runs side by side, 19 MiB each. A key has one lane, so it is verified
/// once even where a thousand first uses come together.
const LANES: usize = 2;
/// Requests that wait for a lane; the next one gets `VerifierBusy` at once.
const WAITING_MAX: usize = 1024;
/// How long one waits for its lane.
const LANE_WAIT_MAX: Duration = Duration::from_millis(1500);
/// Keys remembered; beyond it one is forgotten and verified anew when it returns.
const VERIFIED_MAX: usize = 10_000;

/// Which tokens were seen to match which hash.
pub struct Keyring {
    verified: Arc<RwLock<HashMap<KeyId, Verified>>>,
    lanes: [Arc<Mutex<()>>; LANES],
    waiting: Semaphore,
}

/// What holding a token against a hash came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was known to match; argon2 did not run.
    Remembered,
    /// It matches, says argon2.
    Verified,
    /// It does not match, says argon2.
    Wrong,
}

struct Verified {
    fingerprint: Fingerprint,
    hash: SecretHash,
}

impl Default for Keyring {
    fn default() -> Self {
        Self {
            verified: Arc::default(),
            lanes: Default::default(),
            waiting: Semaphore::new(WAITING_MAX),
        }
    }
}

impl Keyring {
    /// Finds out whether `token`, whose fingerprint is given and not remembered, has the
    /// hash that its key's row holds now.
    ///
    /// # Errors
    /// `VerifierBusy` where too many unknown keys wait already, or for too long.
    pub async fn verify(
        &self,
        token: Token,
        fingerprint: Fingerprint,
        hash: &SecretHash,
    ) -> Result<Verdict, Error> {
        let _place = self.place()?;
        let lane = self.lane(lane_of(token.id())).await?;
        if self.remembers(token.id(), &fingerprint, hash) {
            return Ok(Verdict::Remembered);
        }
        let (verified, hash) = (Arc::clone(&self.verified), hash.clone());
        // The lane goes along: a client that hangs up does not free it early.
        let verification = spawn_blocking(move || {
            let _lane = lane;
            let matches = hash.verify(&token);
            if !matches {
                return Verdict::Wrong;
            }
            remember(&verified, token.id(), Verified { fingerprint, hash });
            Verdict::Verified
        });
        verification.await.map_err(|_| Error::Internal)
    }

    /// Makes a token and its hash, in a lane as any other use of argon2.
    ///
    /// # Errors
    /// `VerifierBusy`; `Internal` where randomness or memory is not to be had.
    pub async fn generate(&self) -> Result<NewSecret, Error> {
        let _place = self.place()?;
        let lane = self.lane(0).await?;
        let generation = spawn_blocking(move || {
            let _lane = lane;
            NewSecret::generate()
        });
        generation.await.map_err(|_| Error::Internal)?
    }

    /// Whether a token of this fingerprint was seen to match `hash`.
    pub fn remembers(&self, id: KeyId, fingerprint: &Fingerprint, hash: &SecretHash) -> bool {
        let verified = self.verified.read().unwrap_or_else(PoisonError::into_inner);
        verified
            .get(&id)
            .is_some_and(|known| known.fingerprint.matches(fingerprint) && known.hash == *hash)
    }

    /// A place among those that wait, as long as there is one.
    fn place(&self) -> Result<SemaphorePermit<'_>, Error> {
        self.waiting.try_acquire().map_err(|_| Error::VerifierBusy)
    }

    async fn lane(&self, number: usize) -> Result<OwnedMutexGuard<()>, Error> {
        let lane = Arc::clone(&self.lanes[number]);
        timeout(LANE_WAIT_MAX, lane.lock_owned())
            .await
            .map_err(|_| Error::VerifierBusy)
    }
}

/// The same key always has the same lane.
fn lane_of(id: KeyId) -> usize {
    id.as_str().bytes().map(usize::from).sum::<usize>() % LANES
}

fn remember(verified: &RwLock<HashMap<KeyId, Verified>>, id: KeyId, key: Verified) {
    let mut verified = verified.write().unwrap_or_else(PoisonError::into_inner);
    if verified.len() >= VERIFIED_MAX
        && !verified.contains_key(&id)
        && let Some(forgotten) = verified.keys().next().copied()
    {
        verified.remove(&forgotten);
    }
    verified.insert(id, key);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_is_bounded() {
        let verified = RwLock::default();
        let token = Token::generate().expect("random");
        for number in 0..VERIFIED_MAX + 10 {
            let id = KeyId::parse(&format!("{number:012}")).expect("an id");
            let key = Verified {
                fingerprint: token.fingerprint(),
                hash: SecretHash::from_phc(String::new()),
            };
            remember(&verified, id, key);
        }
        assert_eq!(verified.read().expect("sound").len(), VERIFIED_MAX);
    }
}
