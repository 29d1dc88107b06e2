//! The regression guard: processor time of a request, which does not count
//! waiting, as a ratio to the baseline's for the same bytes. Needs cargo alone.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::bench::{Bench, Served};
use crate::cases::{Operation, contact};
use crate::client::{Client, request};
use crate::process::Running;
use crate::seeds::Seed;
use crate::stats::{median, spread};

/// What each ratio may be at the most: about twice what was seen when it was
/// written. One that an improvement leaves far behind is to be lowered.
const LIMITS: [(Operation, f64); 4] = [
    (Operation::Create, 11.0),
    (Operation::Get, 3.5),
    (Operation::List10, 3.5),
    (Operation::List100, 6.5),
];
/// Contacts of the book.
const CONTACTS: u64 = 10_000;
/// Connections, each on a thread of its own.
const CONNECTIONS: u64 = 8;
const ROUNDS: u32 = 5;
/// How long each run lasts: some hundred ticks of the kernel's clock.
const RUN: Duration = Duration::from_millis(800);

/// Where requests go and what they ask for.
struct Aim<'a> {
    address: SocketAddr,
    /// The one path that the baseline is asked for; none for the server.
    baseline_path: Option<&'a str>,
    operation: Operation,
    seed: &'a Seed,
    nonce: &'a str,
}

/// Measures and compares; `scale` makes every limit wider or narrower.
pub(crate) fn run(bench: &mut Bench, scale: f64) -> Outcome<()> {
    let mut ratios: Vec<Vec<f64>> = LIMITS.iter().map(|_| Vec::new()).collect();
    for _ in 0..ROUNDS {
        for ((operation, _), ratios) in LIMITS.iter().zip(&mut ratios) {
            ratios.push(ratio(bench, *operation)?);
        }
    }
    let mut exceeded = Vec::new();
    println!(
        "processor time of a request, as a ratio to the baseline's, median (least–most) of {ROUNDS}"
    );
    for ((operation, limit), ratios) in LIMITS.iter().zip(&ratios) {
        let (limit, name) = (limit * scale, operation.name());
        let (least, most) = spread(ratios.iter().copied());
        let ratio = median(ratios.iter().copied());
        println!("{name:<8} {ratio:>6.2} ({least:.2}–{most:.2})  limit {limit:.1}");
        if ratio > limit {
            exceeded.push(format!("{name} is {ratio:.2}, its limit {limit:.1}"));
        }
    }
    if exceeded.is_empty() {
        return Ok(());
    }
    Err(format!("slower than the guard allows: {}", exceeded.join("; ")).into())
}

fn ratio(bench: &mut Bench, operation: Operation) -> Outcome<f64> {
    let program = bench.servers[0].clone();
    let (served, answer_bytes) = bench.serve_warm(&program, operation, CONTACTS)?;
    let path = operation.baseline_path(answer_bytes);
    let (server_nonce, baseline_nonce) = (bench.nonce(), bench.nonce());
    let Served { running, seed, .. } = &served;
    let baseline = |nonce| Aim {
        address: bench.baseline.address,
        baseline_path: Some(path.as_str()),
        operation,
        seed,
        nonce,
    };
    let server = Aim {
        address: running.address,
        baseline_path: None,
        ..baseline(&server_nonce)
    };
    let of_server = a_request(running, &server)?;
    let of_baseline = a_request(&bench.baseline, &baseline(&baseline_nonce))?;
    Ok(of_server / of_baseline)
}

/// Seconds of processor time that one request takes of `running`.
fn a_request(running: &Running, aim: &Aim<'_>) -> Outcome<f64> {
    let before = running.processor_time()?;
    let requests = thread::scope(|scope| {
        let threads: Vec<_> = (0..CONNECTIONS)
            .map(|connection| scope.spawn(move || one_connection(aim, connection)))
            .collect();
        let mut requests = 0;
        for thread in threads {
            requests += thread
                .join()
                .map_err(|_| "a connection's thread panicked")??;
        }
        Ok::<u64, crate::Failure>(requests)
    })?;
    let time = running.processor_time()? - before;
    Ok(time.as_secs_f64() / requests as f64)
}

/// Sends one request after the other for the time of a run; answers how many.
fn one_connection(aim: &Aim<'_>, connection: u64) -> Outcome<u64> {
    let mut client = Client::connect(aim.address)?;
    let mut prepared = Vec::new();
    for sample in aim
        .seed
        .aliases()?
        .iter()
        .skip(usize::try_from(connection)?)
    {
        let path = match (aim.baseline_path, aim.operation) {
            (Some(path), _) => path.to_owned(),
            (None, Operation::Get) => format!("{}{sample}", aim.operation.path()),
            (None, _) => aim.operation.path().to_owned(),
        };
        prepared.push(path);
    }
    let mut requests = 0;
    let begun = Instant::now();
    while begun.elapsed() < RUN {
        let index = usize::try_from(requests * CONNECTIONS)? % prepared.len();
        let path = &prepared[index];
        let sent = if aim.operation == Operation::Create {
            let body = contact(aim.nonce, requests * CONNECTIONS + connection);
            request("POST", path, &aim.seed.token, Some(&body))
        } else {
            request("GET", path, &aim.seed.token, None)
        };
        client.succeed(&sent)?;
        requests += 1;
    }
    Ok(requests)
}
