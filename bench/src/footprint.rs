//! What the server takes: memory, time to its first answer, bytes of its binary;
//! beside the baseline's.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::bench::{Bench, baseline_command, server_command};
use crate::cases::{MILLION, Operation, contact};
use crate::client::{Client, request};
use crate::process::Running;
use crate::report::{Section, Target};
use crate::seeds::Seed;
use crate::stats::{median, spread};
use crate::wrk::Order;

/// Starts of each, alternately.
const STARTS: u32 = 15;
/// How long a server is idle before its memory is read.
const IDLE: Duration = Duration::from_secs(1);
/// Creates one by one, and the time within which they show an idle server: a
/// hundredth of it would do on most disks.
const SETTLED_CREATES: usize = 10;
const SETTLED_WITHIN: Duration = Duration::from_secs(1);
/// How long a server may be busy after a load.
const SETTLE_MAX: Duration = Duration::from_secs(30);
/// Seconds of each load before the most memory is read.
const LOAD_S_MAX: u64 = 2;
const CONNECTIONS: u32 = 64;
/// Every load, in one process, the one that grows the book most at the end.
const LOADS: [Operation; 8] = [
    Operation::Get,
    Operation::GetId,
    Operation::List10,
    Operation::List100,
    Operation::Update,
    Operation::Resolve,
    Operation::Bulk,
    Operation::Create,
];
const MEBIBYTE: f64 = 1024.0 * 1024.0;
const IDLE_MIB_MAX: f64 = 8.0;
const LOADED_MIB_MAX: f64 = 64.0;
const START_MS_MAX: f64 = 10.0;
const START_TIMES_MAX: f64 = 2.0;
const BINARY_MB_MAX: f64 = 8.0;

/// Milliseconds from the start of a process.
struct Start {
    health: f64,
    keyed: Option<f64>,
}

pub(crate) fn run(bench: &mut Bench) -> Outcome<Section> {
    let (idle, loaded, each) = memory(bench)?;
    let baseline = bench.baseline.memory_bytes("VmHWM")? as f64 / MEBIBYTE;
    let baseline_idle = {
        let mut command = baseline_command(&bench.baseline_program);
        let running = Running::start(&mut command, &bench.work().join("baseline-idle.log"))?;
        thread::sleep(IDLE);
        running.memory_bytes("VmRSS")? as f64 / MEBIBYTE
    };
    let (server_starts, baseline_starts) = starts(bench)?;
    let health = median(server_starts.iter().map(|start| start.health));
    let baseline_health = median(baseline_starts.iter().map(|start| start.health));
    let (least, most) = spread(server_starts.iter().map(|start| start.health));
    let (baseline_least, baseline_most) = spread(baseline_starts.iter().map(|start| start.health));
    let keyed = median(server_starts.iter().filter_map(|start| start.keyed));
    let megabytes = |path: &PathBuf| Ok::<_, crate::Failure>(path.metadata()?.len() as f64 / 1e6);
    let binary = megabytes(&bench.servers[0])?;
    let baseline_binary = megabytes(&bench.baseline_program)?;
    let text = format!(
        "With 1,000,000 contacts. Memory under load is the peak (VmHWM) of one process through all \
        loads at {CONNECTIONS} connections, one after the other: {each}. A start is from the call that \
        makes the process to the answer, median (least–most) of {STARTS}, files warm.\n\n\
        | | server | baseline |\n|---|---|---|\n\
        | idle memory (VmRSS), MiB | {idle:.1} | {baseline_idle:.1} |\n\
        | peak memory, MiB | {loaded:.1} | {baseline:.1} |\n\
        | first answer of `/healthz`, ms | {health:.1} ({least:.1}–{most:.1}) | \
        {baseline_health:.1} ({baseline_least:.1}–{baseline_most:.1}) |\n\
        | first answer to a key, argon2 included, ms | {keyed:.1} | – |\n\
        | binary, MB | {binary:.2} | {baseline_binary:.2} |\n"
    );
    let targets = vec![
        Target::at_most("idle memory", idle, IDLE_MIB_MAX, "MiB"),
        Target::at_most("memory under all loads", loaded, LOADED_MIB_MAX, "MiB"),
        Target::at_most("first answer after the start", health, START_MS_MAX, "ms"),
        Target::at_most(
            "first answer, to the baseline's",
            health / baseline_health,
            START_TIMES_MAX,
            "times",
        ),
        Target::at_most("binary", binary, BINARY_MB_MAX, "MB"),
    ];
    Ok(Section {
        title: "Memory, start, size".to_owned(),
        text,
        targets,
    })
}

/// Mebibytes: idle, at the most, and what each load had raised the peak to.
fn memory(bench: &mut Bench) -> Outcome<(f64, f64, String)> {
    let program = bench.servers[0].clone();
    let seed = bench.seed(MILLION)?;
    let copy = seed.copy(bench.work(), "footprint")?;
    let log = bench.work().join("server.log");
    let running = Running::start(&mut server_command(&program, &copy.book), &log)?;
    thread::sleep(IDLE);
    let mebibytes = |name| Ok::<_, crate::Failure>(running.memory_bytes(name)? as f64 / MEBIBYTE);
    let idle = mebibytes("VmRSS")?;
    let mut each = Vec::new();
    let mut most: f64 = 0.0;
    for operation in LOADS {
        settle(running.address, &seed, &bench.nonce())?;
        let nonce = bench.nonce();
        bench.scripts.run(&Order {
            address: running.address,
            operation,
            connections: CONNECTIONS,
            seconds: operation.seconds(bench.seconds.min(LOAD_S_MAX)),
            baseline_path: None,
            seed: &seed,
            nonce: &nonce,
        })?;
        let peak = mebibytes("VmHWM")?;
        // The kernel adds up its counters late, so the peak may seem to fall.
        most = most.max(peak);
        eprintln!(
            "memory: {peak:.1} MiB at the most after {}",
            operation.name()
        );
        each.push(format!("{} {peak:.0}", operation.name()));
    }
    Ok((idle, most, each.join(", ")))
}

/// Waits until creates are quick again: what the last load left behind is done.
fn settle(address: SocketAddr, seed: &Seed, nonce: &str) -> Outcome<()> {
    let mut client = Client::connect(address)?;
    let begun = Instant::now();
    let mut numbers = 0..;
    loop {
        let before = Instant::now();
        let mut refused = 0;
        for number in numbers.by_ref().take(SETTLED_CREATES) {
            let body = contact(nonce, number);
            let create = request("POST", Operation::Create.path(), &seed.token, Some(&body));
            refused += u32::from(client.send(&create)?.status != 200);
        }
        if refused == 0 && before.elapsed() < SETTLED_WITHIN {
            return Ok(());
        }
        if begun.elapsed() > SETTLE_MAX {
            return Err("the server stays busy after a load".into());
        }
    }
}

/// Starts of the server and of the baseline, alternately.
fn starts(bench: &mut Bench) -> Outcome<(Vec<Start>, Vec<Start>)> {
    let seed = bench.seed(MILLION)?;
    let copy = seed.copy(bench.work(), "start")?;
    let program = bench.servers[0].clone();
    let log = bench.work().join("server.log");
    let (mut servers, mut baselines) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        servers.push(start(
            &mut server_command(&program, &copy.book),
            &log,
            Some(&seed),
        )?);
        baselines.push(start(
            &mut baseline_command(&bench.baseline_program),
            &log,
            None,
        )?);
    }
    Ok((servers, baselines))
}

fn start(command: &mut Command, log: &Path, seed: Option<&Seed>) -> Outcome<Start> {
    let begun = Instant::now();
    let running = Running::start(command, log)?;
    let mut client = Client::connect(running.address)?;
    client.succeed(&request("GET", "/healthz", "", None))?;
    let health = begun.elapsed().as_secs_f64() * 1e3;
    let mut keyed = None;
    if let Some(seed) = seed {
        client.succeed(&Operation::Get.probe(seed, "")?)?;
        keyed = Some(begun.elapsed().as_secs_f64() * 1e3);
    }
    running.stop()?;
    Ok(Start { health, keyed })
}
