//! Creates at a fixed rate, whatever the answers take: latencies from the moment
//! that each was scheduled, so that a stall counts for all it delays.

use std::thread;
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::bench::Bench;
use crate::cases::{MILLION, Operation, THOUSAND, contact};
use crate::client::{Client, request};
use crate::report::{Section, Target};
use crate::stats::{median, percentile, sorted, spread};

/// Creates a second.
const RATE: u32 = 2000;
/// Connections, each on a thread of its own: a timer of the kernel wakes it
/// within tens of microseconds, where a runtime's wheel turns in milliseconds.
const CONNECTIONS: u32 = 64;
/// How many times longer than another run one lasts: several checkpoints of the
/// WAL are to fall inside.
const TIMES: u64 = 3;
/// The p99 at a million contacts to that at a thousand.
const P99_TIMES_MAX: f64 = 2.0;
/// Between the last preparation and the first request.
const LEAD: Duration = Duration::from_millis(50);

/// Percentiles in milliseconds.
struct Latencies {
    p50: f64,
    p99: f64,
    p999: f64,
    most: f64,
}

pub(crate) fn run(bench: &mut Bench) -> Outcome<Section> {
    let seconds = bench.seconds * TIMES;
    let mut rounds = Vec::new();
    for round in 1..=bench.rounds {
        let thousand = once(bench, THOUSAND, seconds)?;
        let million = once(bench, MILLION, seconds)?;
        eprintln!(
            "round {round}  open loop: p99 {:.2} ms at 1,000, {:.2} ms at 1,000,000",
            thousand.p99, million.p99
        );
        rounds.push((thousand, million));
    }
    let mut text = format!(
        "{RATE} creates a second for {seconds} s over {CONNECTIONS} connections, milliseconds from the \
        scheduled moment, medians of the rounds.\n\n\
        | contacts | p50 | p99 (least–most) | p99.9 | longest |\n|---|---|---|---|---|\n"
    );
    let of_thousand: Vec<&Latencies> = rounds.iter().map(|(thousand, _)| thousand).collect();
    let of_million: Vec<&Latencies> = rounds.iter().map(|(_, million)| million).collect();
    for (name, latencies) in [("1,000", of_thousand), ("1,000,000", of_million)] {
        let median_of = |figure: fn(&Latencies) -> f64| {
            median(latencies.iter().map(|latencies| figure(latencies)))
        };
        let (least, most) = spread(latencies.iter().map(|latencies| latencies.p99));
        text += &format!(
            "| {name} | {:.2} | {:.2} ({least:.2}–{most:.2}) | {:.2} | {:.2} |\n",
            median_of(|latencies| latencies.p50),
            median_of(|latencies| latencies.p99),
            median_of(|latencies| latencies.p999),
            median_of(|latencies| latencies.most),
        );
    }
    let times = median(
        rounds
            .iter()
            .map(|(thousand, million)| million.p99 / thousand.p99),
    );
    text += &format!("\np99 at 1,000,000 is {times:.2} times that at 1,000.\n");
    let what = "p99 of 2,000 creates a second, 1,000,000 to 1,000";
    Ok(Section {
        title: "Open loop".to_owned(),
        text,
        targets: vec![Target::at_most(what, times, P99_TIMES_MAX, "times")],
    })
}

fn once(bench: &mut Bench, contacts: u64, seconds: u64) -> Outcome<Latencies> {
    let program = bench.servers[0].clone();
    let (served, _) = bench.serve_warm(&program, Operation::Create, contacts)?;
    let nonce = bench.nonce();
    let token = served.seed.token.as_str();
    let requests = u64::from(RATE) * seconds;
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        clients.push(Client::connect(served.running.address)?);
    }
    let begin = Instant::now() + LEAD;
    let latencies = thread::scope(|scope| {
        let threads: Vec<_> = clients
            .into_iter()
            .zip(0..)
            .map(|(mut client, connection)| {
                let nonce = &nonce;
                scope.spawn(move || {
                    let numbers = (connection..requests).step_by(CONNECTIONS as usize);
                    in_time(&mut client, token, nonce, begin, numbers)
                })
            })
            .collect();
        let mut latencies = Vec::new();
        for thread in threads {
            let of_one = thread
                .join()
                .map_err(|_| "a connection's thread panicked")?;
            latencies.extend(of_one?);
        }
        Ok::<_, crate::Failure>(latencies)
    })?;
    let latencies = sorted(latencies);
    Ok(Latencies {
        p50: percentile(&latencies, 0.5),
        p99: percentile(&latencies, 0.99),
        p999: percentile(&latencies, 0.999),
        most: percentile(&latencies, 1.0),
    })
}

/// Sends each request at its moment, at once where that is over, and measures
/// from that moment on, in milliseconds.
fn in_time(
    client: &mut Client,
    token: &str,
    nonce: &str,
    begin: Instant,
    numbers: impl Iterator<Item = u64>,
) -> Outcome<Vec<f64>> {
    let mut latencies = Vec::new();
    for number in numbers {
        let body = contact(nonce, number);
        let create = request("POST", Operation::Create.path(), token, Some(&body));
        let scheduled = begin + Duration::from_secs(number) / RATE;
        thread::sleep(scheduled.saturating_duration_since(Instant::now()));
        client.succeed(&create)?;
        latencies.push(scheduled.elapsed().as_secs_f64() * 1e3);
    }
    Ok(latencies)
}
