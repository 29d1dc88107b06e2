//! Instructions of one request, which do not depend on the neighbours: counted
//! by callgrind over many requests and over few, and the difference divided.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Outcome;
use crate::bench::{Bench, server_command};
use crate::cases::{MILLION, Operation, contact};
use crate::client::{Client, request};
use crate::process::Running;
use crate::report::Section;

/// Requests of the two runs.
const FEW: u64 = 100;
const MANY: u64 = 1100;
const OPERATIONS: [Operation; 4] = [
    Operation::Create,
    Operation::Get,
    Operation::List10,
    Operation::List100,
];

pub(crate) fn run(bench: &mut Bench) -> Outcome<Section> {
    let title = "Instructions of a request".to_owned();
    if !installed() {
        return Ok(Section {
            title,
            text: "valgrind is not installed.\n".to_owned(),
            targets: Vec::new(),
        });
    }
    let mut text = format!(
        "In user space, by callgrind, one worker, one connection, one request after the other, \
        1,000,000 contacts: the difference of {MANY} and {FEW} requests. A create is a transaction of \
        its own here, with its share of checkpoints; under load many share one.\n\n\
        | operation | server | baseline | times |\n|---|---|---|---|\n"
    );
    for operation in OPERATIONS {
        let server = of_server(bench, operation)?;
        let baseline = of_baseline(bench, operation)?;
        let times = server / baseline;
        eprintln!(
            "instructions: {} {server:.0}, baseline {baseline:.0}",
            operation.name()
        );
        text += &format!(
            "| `{}` | {server:.0} | {baseline:.0} | {times:.1} |\n",
            operation.name()
        );
    }
    Ok(Section {
        title,
        text,
        targets: Vec::new(),
    })
}

fn installed() -> bool {
    let found = Command::new("valgrind")
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    found.is_ok_and(|status| status.success())
}

fn of_server(bench: &mut Bench, operation: Operation) -> Outcome<f64> {
    let seed = bench.seed(MILLION)?;
    let program = bench.servers[0].clone();
    let mut counts = Vec::new();
    for count in [FEW, MANY] {
        let copy = seed.copy(bench.work(), "instructions")?;
        let nonce = bench.nonce();
        let probe = operation.probe(&seed, &nonce)?;
        let next = |number| match operation {
            Operation::Create => {
                let body = contact(&nonce, number);
                request("POST", operation.path(), &seed.token, Some(&body))
            }
            _ => probe.clone(),
        };
        let command = server_command(&program, &copy.book);
        counts.push(counted(bench.work(), &command, count, next)?);
    }
    Ok(a_request(&counts))
}

fn of_baseline(bench: &mut Bench, operation: Operation) -> Outcome<f64> {
    let seed = bench.seed(MILLION)?;
    let program = bench.servers[0].clone();
    let (_, answer_bytes) = bench.serve_warm(&program, operation, MILLION)?;
    let path = operation.baseline_path(answer_bytes);
    let mut command = Command::new(&bench.baseline_program);
    command.args(["--workers", "1"]);
    let mut counts = Vec::new();
    for count in [FEW, MANY] {
        let nonce = bench.nonce();
        let next = |number| match operation {
            Operation::Create => {
                request("POST", &path, &seed.token, Some(&contact(&nonce, number)))
            }
            _ => request("GET", &path, &seed.token, None),
        };
        counts.push(counted(bench.work(), &command, count, next)?);
    }
    Ok(a_request(&counts))
}

fn a_request(counts: &[u64]) -> f64 {
    (counts[1] as f64 - counts[0] as f64) / (MANY - FEW) as f64
}

/// Instructions of a whole run of `command` that answers `count` requests.
fn counted(
    work: &Path,
    command: &Command,
    count: u64,
    next: impl Fn(u64) -> Vec<u8>,
) -> Outcome<u64> {
    let out: PathBuf = work.join("callgrind.out");
    // On one processor it takes one worker; valgrind runs one thread at a time anyway.
    let mut under = Command::new("taskset");
    under.args(["--cpu-list", "0", "valgrind", "--tool=callgrind"]);
    under.arg(format!("--callgrind-out-file={}", out.display()));
    under.arg(command.get_program()).args(command.get_args());
    let running = Running::start(&mut under, &work.join("valgrind.log"))?;
    let mut client = Client::connect(running.address)?;
    for number in 1..=count {
        client.succeed(&next(number))?;
    }
    running.stop()?;
    let counts = fs::read_to_string(&out)?;
    let total = counts
        .lines()
        .find_map(|line| {
            line.strip_prefix("totals:")
                .or(line.strip_prefix("summary:"))
        })
        .ok_or("callgrind counted nothing")?;
    Ok(total.trim().parse()?)
}
