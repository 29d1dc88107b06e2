//! The log: one JSON object a line on standard error. Only our own lines are
//! let through in full; a library's might hold a header.

use std::io::Write;

use env_logger::fmt::Formatter;
use log::kv::{self, Key, Value, VisitSource};
use log::{LevelFilter, Record};
use serde::Serializer;

use crate::cli::LogLevel;
use crate::moment::Moment;

/// Starts logging. Libraries may warn, and no more; the one called `silent` may
/// not even do that.
pub fn start(level: LogLevel, silent: &str) {
    let level = match level {
        LogLevel::Error => LevelFilter::Error,
        LogLevel::Warn => LevelFilter::Warn,
        LogLevel::Info => LevelFilter::Info,
        LogLevel::Debug => LevelFilter::Debug,
        LogLevel::Trace => LevelFilter::Trace,
    };
    env_logger::Builder::new()
        .filter_level(LevelFilter::Warn.min(level))
        .filter_module("addressbook", level)
        .filter_module(silent, LevelFilter::Off)
        .format(write_line)
        .init();
    // A panic's message may hold what was sent: only its place is logged.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        log::error!(place = place.unwrap_or_default(); "panicked");
    }));
}

fn write_line(formatter: &mut Formatter, record: &Record<'_>) -> std::io::Result<()> {
    let mut line = Line(vec![
        ("time".to_owned(), Moment::now().to_string().into()),
        ("level".to_owned(), record.level().as_str().into()),
        ("target".to_owned(), record.target().into()),
        ("message".to_owned(), record.args().to_string().into()),
    ]);
    // Only a visitor's own error could end the visit, and this one has none.
    let _ = record.key_values().visit(&mut line);
    let mut text = Vec::new();
    serde_json::Serializer::new(&mut text).collect_map(line.0)?;
    text.push(b'\n');
    formatter.write_all(&text)
}

/// The members of a line, in the order in which they are written.
struct Line(Vec<(String, serde_json::Value)>);

impl<'kvs> VisitSource<'kvs> for Line {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), kv::Error> {
        let value = match value.to_i64() {
            Some(number) => number.into(),
            None => value.to_string().into(),
        };
        self.0.push((key.to_string(), value));
        Ok(())
    }
}
