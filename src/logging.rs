//! The log: a line for each event on standard error, JSON for programs and text for people.
//! Only our own lines are let through in full; a library's might hold a header.

use std::io::{IsTerminal, Write, stderr};

use env_logger::fmt::Formatter;
use log::kv::{self, Key, Value, VisitSource};
use log::{LevelFilter, Record};
use serde::Serializer;

use crate::cli::{LogFormat, LogLevel};
use crate::moment::Moment;

/// Starts logging. Libraries may warn, and no more; the one called `silent` may
/// not even do that.
pub fn start(level: LogLevel, format: LogFormat, silent: &str) {
    let is_json = match format {
        LogFormat::Auto => !stderr().is_terminal(),
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
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
        .format(if is_json { write_json } else { write_text })
        .init();
    // A panic's message may hold what was sent: only its place is logged.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        log::error!(place = place.unwrap_or_default(); "panicked");
    }));
}

fn write_text(formatter: &mut Formatter, record: &Record<'_>) -> std::io::Result<()> {
    let line = Line::of(record, Vec::new());
    let (level, message) = (record.level(), record.args());
    write!(formatter, "{} {level:5} {message}", Moment::now())?;
    for (name, value) in line.0 {
        match value {
            serde_json::Value::String(text) if text.chars().all(is_plain) => {
                write!(formatter, " {name}={text}")?;
            }
            value => write!(formatter, " {name}={value}")?,
        }
    }
    writeln!(formatter)
}

/// Whether a reader sees where a text with it ends, and a terminal only shows it.
fn is_plain(character: char) -> bool {
    !character.is_whitespace() && !character.is_control() && character != '"'
}

fn write_json(formatter: &mut Formatter, record: &Record<'_>) -> std::io::Result<()> {
    let begins = vec![
        ("time".to_owned(), Moment::now().to_string().into()),
        ("level".to_owned(), record.level().as_str().into()),
        ("target".to_owned(), record.target().into()),
        ("message".to_owned(), record.args().to_string().into()),
    ];
    let line = Line::of(record, begins);
    let mut text = Vec::new();
    serde_json::Serializer::new(&mut text).collect_map(line.0)?;
    text.push(b'\n');
    formatter.write_all(&text)
}

/// The members of a line, in the order in which they are written.
struct Line(Vec<(String, serde_json::Value)>);

impl Line {
    fn of(record: &Record<'_>, begins: Vec<(String, serde_json::Value)>) -> Self {
        let mut line = Self(begins);
        // Only a visitor's own error could end the visit, and this one has none.
        let _ = record.key_values().visit(&mut line);
        line
    }
}

impl<'kvs> VisitSource<'kvs> for Line {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), kv::Error> {
        let value = match value.to_i64() {
            Some(number) => number.into(),
            None => serde_json::Value::String(value.to_string()),
        };
        // What is empty says nothing.
        if value == "" {
            return Ok(());
        }
        self.0.push((key.to_string(), value));
        Ok(())
    }
}
