//! The figures of the book, looked up no more often than once a second, however often
//! they are asked for.

use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use crate::error::Error;
use crate::store::{Figures, Store};

/// How long what was looked up holds.
const FIGURES_HOLD: Duration = Duration::from_secs(1);

/// What was looked up last.
#[derive(Default)]
pub(super) struct LastFigures(Mutex<Option<(Instant, Figures)>>);

impl LastFigures {
    /// What is known, looked up anew where that is old.
    pub(super) async fn figures(&self, store: &Store) -> Result<Figures, Error> {
        let mut last = self.0.lock().await;
        if let Some((at, figures)) = last.as_ref()
            && at.elapsed() < FIGURES_HOLD
        {
            return Ok(figures.clone());
        }
        let figures = store.figures().await?;
        *last = Some((Instant::now(), figures.clone()));
        Ok(figures)
    }
}
