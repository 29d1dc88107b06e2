//! The load benchmark: the server beside a baseline, in rounds, with a report.

mod attacks;
mod bench;
mod cases;
mod client;
mod cluster;
mod footprint;
mod guard;
mod instructions;
mod mixed;
mod open_loop;
mod plain;
mod plot;
mod postgres;
mod process;
mod report;
mod rounds;
mod seeds;
mod stats;
mod table;
mod wrk;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, Subcommand};

use bench::Bench;
use cases::{CASES, Case, HUGE_CASES};
use report::Section;

/// What went wrong, in words for who runs the benchmark.
type Failure = Box<dyn std::error::Error + Send + Sync>;
type Outcome<T> = Result<T, Failure>;

/// Seconds of a server's run, and rounds, of each kind of run.
const FULL: (u64, u32) = (4, 3);
const QUICK: (u64, u32) = (1, 1);
/// What `--only` takes beside the names of cases.
const PARTS: [&str; 6] = [
    "mixed",
    "open",
    "plain",
    "postgres",
    "footprint",
    "instructions",
];

/// The flags.
#[derive(Parser)]
#[command(version, about)]
struct Flags {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// The product's release binary.
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        default_value = "target/release/addressbook"
    )]
    server: PathBuf,
    /// A second one, run beside it: its rates as ratios to the first's.
    #[arg(long, value_name = "PATH")]
    server_b: Option<PathBuf>,
    /// The baseline's binary.
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        default_value = "target/bench/release/baseline"
    )]
    baseline: PathBuf,
    /// Where address books are kept and copied.
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        default_value = "target/bench"
    )]
    directory: PathBuf,
    /// Where the report is written.
    #[arg(long, value_name = "PATH", default_value = "bench/results")]
    results: PathBuf,
    /// Less of everything: within three minutes.
    #[arg(long)]
    quick: bool,
    /// Ten million contacts beside one million.
    #[arg(long, conflicts_with = "quick")]
    huge: bool,
    /// Cases by name or its first words, such as `create-64-1m` or `get`, and
    /// `mixed`, `open`, `plain`, `postgres`, `footprint`, `instructions`; writes no report.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,
    /// Rounds of all cases.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: Option<u32>,
    /// Seconds of each run of a server; the baseline runs half as long before and after.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: Option<u64>,
}

/// What else can be done.
#[derive(Subcommand)]
enum Verb {
    /// Fails where a request takes more processor time than its limit allows.
    Guard {
        /// Multiplies every limit: 0 shows that the guard can fail.
        #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
        scale: f64,
    },
    /// Fails where attacks take too much memory, or keep a normal client waiting.
    Attacks {
        /// Has each by itself whose name holds this text, and not all together; an
        /// empty text is in every name.
        #[arg(long, value_name = "TEXT")]
        alone: Option<String>,
    },
}

fn main() -> ExitCode {
    match run(&Flags::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(flags: &Flags) -> Outcome<()> {
    let begun = Instant::now();
    let (seconds, rounds) = if flags.quick { QUICK } else { FULL };
    let mut servers = vec![flags.server.clone()];
    servers.extend(flags.server_b.clone());
    let times = (
        flags.seconds.unwrap_or(seconds),
        flags.rounds.unwrap_or(rounds),
    );
    match &flags.verb {
        Some(Verb::Guard { scale }) => {
            let mut bench = Bench::open(servers, flags.baseline.clone(), &flags.directory, times)?;
            return guard::run(&mut bench, *scale);
        }
        Some(Verb::Attacks { alone }) => {
            return attacks::run(&flags.server, &flags.directory, alone.as_deref());
        }
        None => {}
    }
    wrk::check()?;
    check_names(&flags.only)?;
    let mut bench = Bench::open(servers, flags.baseline.clone(), &flags.directory, times)?;
    let (name, title) = match (flags.huge, flags.quick) {
        (true, _) => ("huge", "A run with 10,000,000 contacts"),
        (false, true) => ("quick", "A quick run"),
        (false, false) => ("last", "A full run"),
    };
    let cases: &[Case] = if flags.huge { &HUGE_CASES } else { &CASES };
    let cases: Vec<Case> = cases
        .iter()
        .copied()
        .filter(|case| flags.wants(&case.name()))
        .collect();
    let measured = rounds::run(&mut bench, &cases)?;
    let mut sections = table::sections(&measured);
    if flags.huge {
        sections.insert(0, table::huge_section(&measured));
    } else {
        sections.extend(parts(flags, &mut bench, &measured)?);
    }
    let text = report::markdown(title, &bench, &sections)?;
    let minutes = begun.elapsed().as_secs_f64() / 60.0;
    let text = format!("{text}\nThe run took {minutes:.1} minutes.\n");
    print!("{text}");
    if flags.only.is_empty() {
        report::write(&flags.results, name, &text)?;
        plot::draw(&flags.results.join(format!("{name}.svg")), &measured)?;
    }
    Ok(())
}

/// What is measured beside the cases.
fn parts(flags: &Flags, bench: &mut Bench, measured: &[rounds::Measured]) -> Outcome<Vec<Section>> {
    let mut sections = Vec::new();
    if flags.wants("mixed") {
        sections.push(mixed::run(bench)?);
    }
    if flags.wants("open") {
        sections.push(open_loop::run(bench)?);
    }
    if flags.wants("plain") {
        sections.push(plain::run(bench, measured)?);
    }
    if flags.wants("postgres") {
        sections.push(postgres::run(bench)?);
    }
    if flags.wants("footprint") {
        sections.push(footprint::run(bench)?);
    }
    if flags.wants("instructions") && !flags.quick {
        sections.push(instructions::run(bench)?);
    }
    Ok(sections)
}

impl Flags {
    /// Whether `name` is asked for, by itself or by its first words.
    fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|asked| begins(name, asked))
    }
}

fn begins(name: &str, asked: &str) -> bool {
    name == asked || name.starts_with(&format!("{asked}-"))
}

/// A name that nothing has would measure nothing and look like success.
fn check_names(only: &[String]) -> Outcome<()> {
    for asked in only {
        let cases = CASES.iter().chain(&HUGE_CASES);
        let known = cases.into_iter().any(|case| begins(&case.name(), asked));
        if !known && !PARTS.contains(&asked.as_str()) {
            return Err(format!("nothing is called {asked}").into());
        }
    }
    Ok(())
}
