//! `addressbook migrate`: a book moved from one engine to another.

use std::collections::BTreeMap;
use std::time::Instant;

use serde::Serialize;

use super::progress::Progress;
use super::{CommandError, locate_existing, print_json};
use crate::cli::Migrate;
use crate::store::{self, MoveStep, TableSum, is_url, locate};

/// Moves a whole address book into an empty one, and holds what is there against what
/// was sent.
///
/// # Errors
/// One line for the operator: then nothing was moved, but where it says that this is
/// unknown.
pub fn migrate(arguments: &Migrate) -> Result<(), CommandError> {
    #[derive(Serialize)]
    struct Moved {
        took_ms: u128,
        tables: BTreeMap<&'static str, TableSum>,
    }
    let begun = Instant::now();
    let from = locate_existing(&arguments.from)?;
    let to = locate(&arguments.to)?;
    if from == to && !is_url(&to) {
        return Err(CommandError::OwnFile(to));
    }
    let mut progress: Option<(bool, Progress)> = None;
    let moved = store::move_book(&from, &to, &mut |step| tell(step, &mut progress));
    if let Some((_, progress)) = progress {
        progress.finish();
    }
    print_json(&Moved {
        tables: moved?.into_iter().collect(),
        took_ms: begun.elapsed().as_millis(),
    })
}

/// Once over all rows to move them, and once more to compare them.
fn tell(step: MoveStep, progress: &mut Option<(bool, Progress)>) {
    let is_comparing = step.is_comparing;
    if let Some((_, over)) = progress.take_if(|(of_comparing, _)| *of_comparing != is_comparing) {
        over.tell("addressbook: all is moved, comparing");
        over.finish();
    }
    let (_, progress) =
        progress.get_or_insert_with(|| (is_comparing, Progress::of(Some(step.total))));
    progress.advance(step.rows, step.rows);
}
