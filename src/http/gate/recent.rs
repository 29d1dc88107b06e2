//! What was looked up a moment ago, and is not looked up again however often strangers ask.

use std::time::{Duration, Instant};

use tokio::sync::Mutex;

/// How long what was looked up holds.
const HOLDS: Duration = Duration::from_secs(1);

/// What was looked up last. Whoever asks meanwhile waits for the same look.
pub(super) struct Recent<T>(Mutex<Option<(Instant, T)>>);

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T: Clone> Recent<T> {
    /// What is known, looked up anew where that is old.
    pub(super) async fn get(&self, look: impl Future<Output = T>) -> T {
        let mut last = self.0.lock().await;
        if let Some((at, known)) = last.as_ref()
            && at.elapsed() < HOLDS
        {
            return known.clone();
        }
        let found = look.await;
        *last = Some((Instant::now(), found.clone()));
        found
    }
}
