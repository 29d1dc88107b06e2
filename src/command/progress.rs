//! How far an import or an export is: a bar on a terminal, else a line every
//! few seconds.

use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// From one line to the next, where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);
const BAR: &str = "{wide_bar} {percent}%  {msg}  {eta} left";
const NO_END: &str = "{spinner} {elapsed}  {msg}";

/// How far it is.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    begun: Instant,
    told: Instant,
}

impl Progress {
    /// Of so many bytes or rows in all; none where that is not known.
    pub(super) fn of(total: Option<u64>) -> Self {
        let bar = stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template(if total.is_some() { BAR } else { NO_END });
            let bar = ProgressBar::new(total.unwrap_or(0));
            bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        let now = Instant::now();
        Self {
            bar,
            begun: now,
            told: now,
        }
    }

    /// `done` of the total are done, and `rows` rows.
    pub(super) fn advance(&mut self, done: u64, rows: u64) {
        let speed = format!("{rows} rows, {} a second", self.rows_per_second(rows));
        match &self.bar {
            Some(bar) => {
                bar.set_position(done);
                bar.set_message(speed);
            }
            None if self.told.elapsed() >= LINE_EVERY => {
                self.told = Instant::now();
                say(&format!("addressbook: {speed}"));
            }
            None => {}
        }
    }

    fn rows_per_second(&self, rows: u64) -> u128 {
        let millis = self.begun.elapsed().as_millis().max(1);
        u128::from(rows) * 1000 / millis
    }

    /// Says a line, the bar aside.
    pub(super) fn tell(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| say(line)),
            None => say(line),
        }
    }

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Writes a line to standard error, where somebody may read it or not.
fn say(line: &str) {
    let _ = writeln!(stderr(), "{line}");
}
