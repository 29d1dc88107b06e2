//! Memory of verified keys, and the few slots in which argon2 runs. A key is
//! verified once per process; what it may do is never remembered here.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::error::Error;
use crate::permits::Permits;
use crate::token::{Fingerprint, KeyId, NewSecret, SecretHash, Token};

/// Argon2 runs side by side, 19 MiB each. A key has one slot, so it is verified
/// once even where a thousand first uses come together.
const SLOTS: usize = 2;
/// Requests that wait for a slot; the next one gets `VerifierBusy` at once.
const WAITING_MAX: usize = 1024;
/// How long one waits for its slot.
const SLOT_WAIT_MAX: Duration = Duration::from_millis(1500);
/// Keys remembered; beyond it one is forgotten and verified anew when it returns.
const VERIFIED_MAX: usize = 10_000;

/// Which tokens were seen to match which hash.
pub struct Keyring {
    verified: Arc<RwLock<HashMap<KeyId, Verified>>>,
    slots: [Arc<Mutex<()>>; SLOTS],
    waiting: Permits,
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
            slots: Default::default(),
            waiting: Permits::new(WAITING_MAX, Duration::ZERO, Error::VerifierBusy),
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
        let _waiting = self.waiting.try_acquire()?;
        let slot = self.slot(slot_of(token.id())).await?;
        if self.remembers(token.id(), &fingerprint, hash) {
            return Ok(Verdict::Remembered);
        }
        let (verified, hash) = (Arc::clone(&self.verified), hash.clone());
        // The slot goes along: a client that hangs up does not free it early.
        let verification = spawn_blocking(move || {
            let _slot = slot;
            let matches = hash.verify(&token);
            if !matches {
                return Verdict::Wrong;
            }
            remember(&verified, token.id(), Verified { fingerprint, hash });
            Verdict::Verified
        });
        verification.await.map_err(|_| Error::Internal)
    }

    /// Makes a token and its hash, in a slot as any other use of argon2.
    ///
    /// # Errors
    /// `VerifierBusy`; `Internal` where randomness or memory is not to be had.
    pub async fn generate(&self) -> Result<NewSecret, Error> {
        let _waiting = self.waiting.try_acquire()?;
        let slot = self.slot(0).await?;
        let generation = spawn_blocking(move || {
            let _slot = slot;
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

    async fn slot(&self, number: usize) -> Result<OwnedMutexGuard<()>, Error> {
        let slot = Arc::clone(&self.slots[number]);
        timeout(SLOT_WAIT_MAX, slot.lock_owned())
            .await
            .map_err(|_| Error::VerifierBusy)
    }
}

/// The same key always has the same slot.
fn slot_of(id: KeyId) -> usize {
    id.as_str().bytes().map(usize::from).sum::<usize>() % SLOTS
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
