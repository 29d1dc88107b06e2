//! Backups that a server makes by itself: one every so often, the latest of them kept.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use super::CommandError;
use crate::cli::BackupArguments;
use crate::files;
use crate::moment::Moment;
use crate::store::Store;

/// How long the next try waits behind one that failed.
const RETRY_AFTER: Duration = Duration::from_secs(10 * 60);
/// What stands around the time in a name.
const NAME_BEGINS: &str = "addressbook-";
const NAME_ENDS: &str = "Z.db";

/// Ends the backups when it is dropped; one that is under way is left as it is, and has
/// no name yet.
pub(super) struct Backups(#[allow(dead_code, reason = "held, never read")] Sender<()>);

impl Backups {
    /// Makes the directory where there is none, and begins: at once where none is there,
    /// or the last is old enough.
    ///
    /// # Errors
    /// `File` where there is no directory; `Io` where there is no thread.
    pub(super) fn start(
        arguments: &BackupArguments,
        store: Arc<Store>,
    ) -> Result<Option<Self>, CommandError> {
        let Some(directory) = arguments.directory.clone() else {
            return Ok(None);
        };
        files::create_directory_of(&directory.join("any"))
            .map_err(|source| CommandError::file(&directory, source))?;
        let (every, keep) = (arguments.every, arguments.keep as usize);
        let (stop, stopped) = mpsc::channel();
        let run = move || {
            let shelf = Shelf { directory, keep };
            let mut wait = shelf.until_due(every);
            while stopped.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
                wait = match shelf.add(&store) {
                    Ok(()) => every,
                    Err(error) => {
                        log::error!(error:% = error; "a backup was not made");
                        shelf.warn_where_old(every);
                        RETRY_AFTER.min(every)
                    }
                };
            }
        };
        let named = thread::Builder::new().name("backups".to_owned());
        named.spawn(run)?;
        Ok(Some(Self(stop)))
    }
}

/// The directory with the backups.
struct Shelf {
    directory: PathBuf,
    keep: usize,
}

impl Shelf {
    fn add(&self, store: &Store) -> Result<(), CommandError> {
        let begun = Instant::now();
        let file = self.directory.join(name_of(Moment::now()));
        let failed = |source| CommandError::file(&file, source);
        let draft = files::temporary_beside(&file);
        store.backup(&draft)?;
        fs::rename(&draft, &file)
            .and_then(|()| files::sync_directory_of(&file))
            .map_err(failed)?;
        let bytes = fs::metadata(&file).map_err(failed)?.len();
        let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        log::info!(file:% = file.display(), bytes, took_ms; "backed up");
        self.sweep().map_err(failed)
    }

    /// Removes what is beyond those that are kept, and parts of backups that were never
    /// finished. Nothing else that stands there is touched.
    fn sweep(&self) -> io::Result<()> {
        let backups = self.backups()?;
        let old = backups.len().saturating_sub(self.keep);
        for (_, file) in &backups[..old] {
            fs::remove_file(file)?;
        }
        for entry in fs::read_dir(&self.directory)?.flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let finished = name.split(".temporary-").next().unwrap_or_default();
            if finished.len() < name.len() && taken_on(finished).is_some() {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    /// All backups, the oldest first; before them those of a clock that was ahead, so that
    /// they never take the place of what was just made.
    fn backups(&self) -> io::Result<Vec<(Moment, PathBuf)>> {
        let mut backups = Vec::new();
        for entry in fs::read_dir(&self.directory)?.flatten() {
            if let Some(taken_on) = entry.file_name().to_str().and_then(taken_on) {
                backups.push((taken_on, entry.path()));
            }
        }
        let now = Moment::now();
        backups.sort_by_key(|(taken_on, _)| (*taken_on <= now, *taken_on));
        Ok(backups)
    }

    /// How old the last one is; none where there is none, or only those of a clock that
    /// was ahead.
    fn age_of_last(&self) -> Option<Duration> {
        let backups = self.backups().ok()?;
        let (last, _) = backups.last()?;
        let age_ms = Moment::now().millis() - last.millis();
        u64::try_from(age_ms).ok().map(Duration::from_millis)
    }

    fn until_due(&self, every: Duration) -> Duration {
        self.age_of_last()
            .map_or(Duration::ZERO, |age| every.saturating_sub(age))
    }

    fn warn_where_old(&self, every: Duration) {
        if self.age_of_last().is_none_or(|age| age > 2 * every) {
            log::warn!(directory:% = self.directory.display(); "the last backup is older than twice the time between two");
        }
    }
}

/// The name of a backup: its second, without what a file system may not have in a name.
fn name_of(moment: Moment) -> String {
    let text = moment.to_string();
    let second = text.get(..19).unwrap_or(&text).replace(':', "-");
    format!("{NAME_BEGINS}{second}{NAME_ENDS}")
}

/// Reads what [`name_of`] writes.
fn taken_on(name: &str) -> Option<Moment> {
    let second = name.strip_prefix(NAME_BEGINS)?.strip_suffix(NAME_ENDS)?;
    let (date, time) = second.split_once('T')?;
    Moment::parse(&format!("{date}T{}Z", time.replace('-', ":")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_its_second() {
        let moment = Moment::from_millis(1_762_805_712_070);
        assert_eq!(name_of(moment), "addressbook-2025-11-10T20-15-12Z.db");
        let read = taken_on(&name_of(moment)).expect("a name");
        assert_eq!(read, Moment::from_millis(1_762_805_712_000));
        for other in [
            "addressbook.db",
            "addressbook-2025-11-10.db",
            "addressbook-2025-11-10T20-15-12Z.db.temporary-1",
            "x-2025-11-10T20-15-12Z.db",
        ] {
            assert_eq!(taken_on(other), None, "{other}");
        }
    }
}
