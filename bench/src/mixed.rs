//! Reads under a full load of creates, as a ratio to reads alone of the same
//! server in the same round.

use crate::Outcome;
use crate::bench::Bench;
use crate::cases::{MILLION, Operation};
use crate::report::{Section, Target};
use crate::stats::{median, spread};
use crate::wrk::{Order, finish};

/// Connections that read, and as many that create.
const CONNECTIONS: u32 = 64;
/// What reads are to keep of their own rate.
const READS_KEEP: f64 = 0.4;

/// One round's rates, in requests a second.
struct Mixed {
    alone: f64,
    reads: f64,
    creates: f64,
}

pub(crate) fn run(bench: &mut Bench) -> Outcome<Section> {
    let mut rounds = Vec::new();
    for round in 1..=bench.rounds {
        let mixed = once(bench)?;
        eprintln!(
            "round {round}  mixed: reads {:.0}/s beside creates {:.0}/s, alone {:.0}/s: {:.3}",
            mixed.reads,
            mixed.creates,
            mixed.alone,
            mixed.reads / mixed.alone
        );
        rounds.push(mixed);
    }
    let kept = || rounds.iter().map(|round| round.reads / round.alone);
    let (least, most) = spread(kept());
    let text = format!(
        "Reads by alias at {CONNECTIONS} connections, alone (the mean of before and after) and beside \
        creates at {CONNECTIONS} more, 1,000,000 contacts; two generators share the processors then.\n\n\
        | reads alone /s | reads beside creates /s | creates beside reads /s | kept (least–most) |\n\
        |---|---|---|---|\n| {:.0} | {:.0} | {:.0} | {:.3} ({least:.3}–{most:.3}) |\n",
        median(rounds.iter().map(|round| round.alone)),
        median(rounds.iter().map(|round| round.reads)),
        median(rounds.iter().map(|round| round.creates)),
        median(kept()),
    );
    let what = "reads under creates, to reads alone";
    Ok(Section {
        title: "Reads under a full load of creates".to_owned(),
        text,
        targets: vec![Target::at_least(what, median(kept()), READS_KEEP)],
    })
}

fn once(bench: &mut Bench) -> Outcome<Mixed> {
    let program = bench.servers[0].clone();
    let (served, _) = bench.serve_warm(&program, Operation::Create, MILLION)?;
    let nonce = bench.nonce();
    let order = |operation, seconds| Order {
        address: served.running.address,
        operation,
        connections: CONNECTIONS,
        seconds,
        baseline_path: None,
        seed: &served.seed,
        nonce: &nonce,
    };
    let seconds = bench.seconds;
    let before = bench.scripts.run(&order(Operation::Get, seconds))?;
    // Both begin within a few milliseconds of each other and last as long.
    let creates = bench.scripts.start(&order(Operation::Create, seconds))?;
    let reads = bench.scripts.start(&order(Operation::Get, seconds))?;
    let (creates, reads) = (finish(creates, false)?, finish(reads, false)?);
    let after = bench.scripts.run(&order(Operation::Get, seconds))?;
    Ok(Mixed {
        alone: f64::midpoint(before.rate, after.rate),
        reads: reads.rate,
        creates: creates.rate,
    })
}
