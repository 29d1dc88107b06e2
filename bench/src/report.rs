//! The report: sections of text, and one table of all targets above them.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread::available_parallelism;

use crate::Outcome;
use crate::bench::Bench;

/// One target of issue 6, and what came of it.
pub(crate) struct Target {
    what: String,
    wanted: String,
    measured: String,
    met: bool,
}

/// A part of the report.
#[derive(Default)]
pub(crate) struct Section {
    pub(crate) title: String,
    /// Markdown.
    pub(crate) text: String,
    pub(crate) targets: Vec<Target>,
}

impl Target {
    /// A figure that is to be at least `wanted`.
    pub(crate) fn at_least(what: impl Into<String>, measured: f64, wanted: f64) -> Self {
        Self {
            what: what.into(),
            wanted: format!("at least {wanted:.2}"),
            measured: format!("{measured:.3}"),
            met: measured >= wanted,
        }
    }

    /// A figure that is to be at most `wanted`.
    pub(crate) fn at_most(what: impl Into<String>, measured: f64, wanted: f64, unit: &str) -> Self {
        Self {
            what: what.into(),
            wanted: format!("at most {wanted} {unit}").trim().to_owned(),
            measured: format!("{measured:.2} {unit}").trim().to_owned(),
            met: measured <= wanted,
        }
    }

    pub(crate) fn word(&self) -> &'static str {
        if self.met { "met" } else { "missed" }
    }
}

/// Everything as Markdown, headed by `title`.
pub(crate) fn markdown(title: &str, bench: &Bench, sections: &[Section]) -> Outcome<String> {
    let mut text = format!("# {title}\n\n{}\n", machine(bench)?);
    let targets: Vec<&Target> = sections.iter().flat_map(|part| &part.targets).collect();
    if !targets.is_empty() {
        text += "## Targets\n\n| target | wanted | measured (median) | |\n|---|---|---|---|\n";
        for target in targets {
            let Target {
                what,
                wanted,
                measured,
                ..
            } = target;
            text += &format!("| {what} | {wanted} | {measured} | {} |\n", target.word());
        }
        text += "\n";
    }
    for section in sections {
        text += &format!("## {}\n\n{}\n", section.title, section.text.trim_end());
        text += "\n";
    }
    Ok(text.trim_end().to_owned() + "\n")
}

/// Writes the report beside its picture.
pub(crate) fn write(directory: &Path, name: &str, text: &str) -> Outcome<()> {
    fs::create_dir_all(directory)?;
    fs::write(directory.join(format!("{name}.md")), text)?;
    Ok(())
}

/// When and on what this ran.
fn machine(bench: &Bench) -> Outcome<String> {
    let processors = available_parallelism().map_or(1, usize::from);
    let information = fs::read_to_string("/proc/cpuinfo")?;
    let model = information
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown", |(_, model)| model);
    let server = said(Command::new(&bench.servers[0]).arg("--version"));
    let mut text = String::new();
    for (name, value) in [
        (
            "date",
            said(Command::new("date").args(["-u", "+%Y-%m-%d %H:%M UTC"])),
        ),
        ("machine", format!("{processors} processors, {model}")),
        ("kernel", said(Command::new("uname").arg("-sr"))),
        ("server", server),
        (
            "commit",
            said(Command::new("git").args(["describe", "--always", "--dirty"])),
        ),
        ("compiler", said(Command::new("rustc").arg("--version"))),
        ("SQLite", rusqlite::version().to_owned()),
        ("generator", said(Command::new("wrk").arg("--version"))),
        (
            "rounds",
            format!("{} of {} s for each server", bench.rounds, bench.seconds),
        ),
    ] {
        text += &format!("- {name}: {value}\n");
    }
    Ok(text)
}

/// The first line that a command prints; not every machine has every command.
fn said(command: &mut Command) -> String {
    let output = command.output().map(|output| output.stdout);
    let output = output.unwrap_or_default();
    let text = String::from_utf8_lossy(&output);
    let line = text.lines().next().unwrap_or("unknown");
    // wrk's goes on with its author.
    line.split(" Copyright").next().unwrap_or(line).to_owned()
}
