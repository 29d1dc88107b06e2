//! The rounds: each case of each round is the baseline, the server and the
//! baseline again, so that what the neighbours take is taken from both.

use std::path::Path;
use std::time::Instant;

use crate::Outcome;
use crate::bench::Bench;
use crate::cases::{Case, THOUSAND, total};
use crate::wrk::{Load, Order};

/// How far the two runs of the baseline may lie apart, as a share of their mean.
const DRIFT_MAX: f64 = 0.15;
/// How often a sample is taken at the most until the baseline is steady.
const ATTEMPTS_MAX: u32 = 3;

/// One case in one round.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    /// The mean of the baseline's two runs.
    pub(crate) baseline: Load,
    /// The server's run, and the second server's where there is one.
    pub(crate) servers: Vec<Load>,
    /// Whether the baseline drifted in this one and in all before it.
    pub(crate) unsteady: bool,
}

/// All samples of a case.
#[derive(Debug, Clone)]
pub(crate) struct Measured {
    pub(crate) case: Case,
    pub(crate) samples: Vec<Sample>,
    pub(crate) thrown_away: u32,
}

impl Sample {
    /// The server's rate as a ratio to the baseline's.
    pub(crate) fn ratio(&self) -> f64 {
        self.servers[0].rate / self.baseline.rate
    }

    /// The server's p99 as a multiple of the baseline's.
    pub(crate) fn p99_ratio(&self) -> f64 {
        self.servers[0].p99_ms / self.baseline.p99_ms
    }

    /// The second server's rate as a ratio to the first's.
    pub(crate) fn second_ratio(&self) -> Option<f64> {
        Some(self.servers.get(1)?.rate / self.servers[0].rate)
    }
}

/// Runs every case once a round.
pub(crate) fn run(bench: &mut Bench, cases: &[Case]) -> Outcome<Vec<Measured>> {
    let mut measured: Vec<Measured> = cases
        .iter()
        .map(|case| Measured {
            case: *case,
            samples: Vec::new(),
            thrown_away: 0,
        })
        .collect();
    bench.grant_retries(cases.len());
    for round in 1..=bench.rounds {
        for measured in &mut measured {
            let (sample, thrown_away) = steady(bench, measured.case, round)?;
            measured.samples.push(sample);
            measured.thrown_away += thrown_away;
        }
    }
    Ok(measured)
}

/// Takes a sample again until the baseline is steady, or reports it as unsteady.
fn steady(bench: &mut Bench, case: Case, round: u32) -> Outcome<(Sample, u32)> {
    let mut thrown_away = 0;
    loop {
        let begun = Instant::now();
        let sample = sample(bench, case, round)
            .map_err(|error| format!("{}, round {round}: {error}", case.name()))?;
        let last = thrown_away + 1 == ATTEMPTS_MAX || bench.retry_time.is_zero();
        if !sample.unsteady || last {
            return Ok((sample, thrown_away));
        }
        bench.retry_time = bench.retry_time.saturating_sub(begun.elapsed());
        thrown_away += 1;
    }
}

fn sample(bench: &mut Bench, case: Case, round: u32) -> Outcome<Sample> {
    let programs = bench.servers.clone();
    let answer_bytes = answer_bytes(bench, &programs[0], case)?;
    let before = run_baseline(bench, case, answer_bytes)?;
    let mut order: Vec<usize> = (0..programs.len()).collect();
    // Neither of two servers always runs second.
    if round.is_multiple_of(2) {
        order.reverse();
    }
    let mut loads = Vec::new();
    for index in order {
        loads.push((index, run_server(bench, &programs[index], case)?));
    }
    loads.sort_by_key(|(index, _)| *index);
    let after = run_baseline(bench, case, answer_bytes)?;
    let baseline = mean(before, after);
    let drift = (before.rate - after.rate).abs() / baseline.rate;
    let sample = Sample {
        baseline,
        servers: loads.into_iter().map(|(_, load)| load).collect(),
        unsteady: drift > DRIFT_MAX,
    };
    let server = sample.servers[0];
    let second = sample.second_ratio().map_or_else(String::new, |ratio| {
        format!("  B {:>8.0}/s  B/A {ratio:.3}", sample.servers[1].rate)
    });
    eprintln!(
        "round {round}  {:<16} {:>8.0}/s  ratio {:.3}  p99 {:.2} ms ({:.1}x)  baseline {:>8.0}/s drift {:.0}%{}{second}",
        case.name(),
        server.rate,
        sample.ratio(),
        server.p99_ms,
        sample.p99_ratio(),
        baseline.rate,
        drift * 100.0,
        if sample.unsteady { " UNSTEADY" } else { "" },
    );
    Ok(sample)
}

/// The bytes of one real answer, which the baseline then sends as well.
fn answer_bytes(bench: &mut Bench, program: &Path, case: Case) -> Outcome<usize> {
    if let Some(bytes) = bench.answer_bytes.get(&case.name()) {
        return Ok(*bytes);
    }
    // What a write answers does not depend on the book, and a small one is copied at once.
    let contacts = if case.operation.writes() {
        THOUSAND
    } else {
        case.contacts
    };
    let (_served, bytes) = bench.serve_warm(program, case.operation, contacts)?;
    bench.answer_bytes.insert(case.name(), bytes);
    Ok(bytes)
}

/// Runs the baseline for half of a server's time, at least for a second.
pub(crate) fn run_baseline(bench: &mut Bench, case: Case, answer_bytes: usize) -> Outcome<Load> {
    let nonce = bench.nonce();
    let seed = bench.seed(case.contacts)?;
    bench.scripts.run(&Order {
        address: bench.baseline.address,
        operation: case.operation,
        connections: case.connections,
        seconds: bench.seconds.div_ceil(2),
        baseline_path: Some(case.operation.baseline_path(answer_bytes)),
        seed: &seed,
        nonce: &nonce,
    })
}

fn run_server(bench: &mut Bench, program: &Path, case: Case) -> Outcome<Load> {
    let (mut served, _) = bench.serve_warm(program, case.operation, case.contacts)?;
    let before = total(&mut served.client, &served.seed.token)?;
    let nonce = bench.nonce();
    let seconds = case.operation.seconds(bench.seconds);
    let load = bench.scripts.run(&Order {
        address: served.running.address,
        operation: case.operation,
        connections: case.connections,
        seconds,
        baseline_path: None,
        seed: &served.seed,
        nonce: &nonce,
    });
    let load = load.map_err(|error| format!("{error}\n{}", served.running.said()))?;
    let stored = total(&mut served.client, &served.seed.token)? - before;
    let answered = load.requests * case.operation.creates();
    if stored < answered {
        return Err(format!("{answered} contacts were acknowledged, {stored} are stored").into());
    }
    Ok(load)
}

fn mean(one: Load, other: Load) -> Load {
    Load {
        requests: one.requests + other.requests,
        refused: one.refused + other.refused,
        rate: f64::midpoint(one.rate, other.rate),
        p50_ms: f64::midpoint(one.p50_ms, other.p50_ms),
        p99_ms: f64::midpoint(one.p99_ms, other.p99_ms),
        p999_ms: f64::midpoint(one.p999_ms, other.p999_ms),
    }
}
