//! The generator: wrk with a script of ours, and the line of figures it prints.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::Outcome;
use crate::cases::{ITEMS, Operation};
use crate::seeds::Seed;

const COMMON: &str = include_str!("../lua/common.lua");
/// Threads of wrk; no more than connections.
const THREADS_MAX: u32 = 2;
/// What wrk counts as a time-out, in seconds: longer than any wait of the product.
const TIMEOUT_S: u32 = 15;

/// Bulk requests at once that never wait for two seconds, after which the product
/// refuses them by design.
const BULK_CONNECTIONS_SURE: u32 = 8;

/// What one run of wrk came to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// Requests that succeeded.
    pub(crate) requests: u64,
    /// Requests that were refused, where that is allowed.
    pub(crate) refused: u64,
    /// Requests a second.
    pub(crate) rate: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) p999_ms: f64,
}

/// The scripts, ready for wrk.
pub(crate) struct Scripts {
    directory: tempfile::TempDir,
}

/// What wrk is to do.
pub(crate) struct Order<'a> {
    pub(crate) address: SocketAddr,
    pub(crate) operation: Operation,
    pub(crate) connections: u32,
    pub(crate) seconds: u64,
    /// The one path that the baseline is asked for; none for a server.
    pub(crate) baseline_path: Option<String>,
    pub(crate) seed: &'a Seed,
    /// The first part of each alias that is made: never the same twice.
    pub(crate) nonce: &'a str,
}

impl Scripts {
    pub(crate) fn prepare() -> Outcome<Self> {
        let directory = tempfile::tempdir()?;
        for (name, script) in [
            ("read", include_str!("../lua/read.lua")),
            ("create", include_str!("../lua/create.lua")),
            ("update", include_str!("../lua/update.lua")),
            ("bulk", include_str!("../lua/bulk.lua")),
            ("resolve", include_str!("../lua/resolve.lua")),
        ] {
            let path = directory.path().join(format!("{name}.lua"));
            std::fs::write(path, format!("{COMMON}\n{script}"))?;
        }
        Ok(Self { directory })
    }

    fn script(&self, operation: Operation) -> PathBuf {
        let name = match operation {
            Operation::Create => "create",
            Operation::Get | Operation::GetId | Operation::List10 | Operation::List100 => "read",
            Operation::Update => "update",
            Operation::Bulk => "bulk",
            Operation::Resolve => "resolve",
        };
        self.directory.path().join(format!("{name}.lua"))
    }

    /// Runs an order to its end.
    pub(crate) fn run(&self, order: &Order<'_>) -> Outcome<Load> {
        let crowded = order.connections > BULK_CONNECTIONS_SURE;
        let refusable = order.operation == Operation::Bulk && crowded;
        finish(self.start(order)?, refusable)
    }

    /// Starts an order; [`finish`] has its figures.
    pub(crate) fn start(&self, order: &Order<'_>) -> Outcome<Child> {
        let threads = THREADS_MAX.min(order.connections);
        let operation = order.operation;
        let mut command = Command::new("wrk");
        command
            .arg(format!("-t{threads}"))
            .arg(format!("-c{}", order.connections))
            .arg(format!("-d{}s", order.seconds))
            .arg(format!("--timeout={TIMEOUT_S}s"))
            .arg("-s")
            .arg(self.script(operation))
            .arg(format!("http://{}", order.address))
            .env("BENCH_TOKEN", &order.seed.token)
            .env("BENCH_NONCE", order.nonce)
            .env("BENCH_ITEMS", ITEMS.to_string())
            .env("BENCH_PREFIX", operation.path())
            .env_remove("BENCH_PATH")
            .env_remove("BENCH_SAMPLES");
        if let Some(path) = &order.baseline_path {
            command.env("BENCH_PATH", path);
        }
        if let Some(samples) = samples(operation, order.seed) {
            command.env("BENCH_SAMPLES", samples);
        }
        Ok(command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?)
    }
}

fn samples(operation: Operation, seed: &Seed) -> Option<&Path> {
    match operation {
        Operation::Get | Operation::Resolve => Some(&seed.aliases),
        Operation::GetId | Operation::Update => Some(&seed.ids),
        Operation::Create | Operation::List10 | Operation::List100 | Operation::Bulk => None,
    }
}

/// Says how to get wrk where it is missing.
pub(crate) fn check() -> Outcome<()> {
    let found = Command::new("wrk")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match found {
        Ok(_) => Ok(()),
        Err(_) => Err("wrk is missing: apt-get install wrk".into()),
    }
}

/// Waits for a run and reads its figures; a socket's error makes the whole run
/// one, and so does a refused request unless it is `refusable`.
pub(crate) fn finish(child: Child, refusable: bool) -> Outcome<Load> {
    let output = child.wait_with_output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let Some(line) = text.lines().find_map(|line| line.strip_prefix("RESULT ")) else {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("wrk came to nothing: {text}{said}").into());
    };
    let figure = |name: &str| -> Outcome<u64> {
        let value = line
            .split(' ')
            .find_map(|member| member.strip_prefix(name)?.strip_prefix('='));
        Ok(value.ok_or_else(|| format!("no {name}: {line}"))?.parse()?)
    };
    let (sent, refused) = (figure("requests")?, figure("refused")?);
    let socket_errors = figure("socket_errors")?;
    if socket_errors > 0 || (refused > 0 && !refusable) {
        let shown = format!("{refused} refused requests, {socket_errors} errors of sockets");
        return Err(format!("{shown}, of {sent}").into());
    }
    let requests = sent.saturating_sub(refused);
    if requests == 0 {
        return Err(format!("no request was answered with success: {line}").into());
    }
    let milliseconds = |name| Ok::<_, crate::Failure>(figure(name)? as f64 / 1e3);
    Ok(Load {
        requests,
        refused,
        rate: requests as f64 / (figure("duration_us")? as f64 / 1e6),
        p50_ms: milliseconds("p50_us")?,
        p99_ms: milliseconds("p99_us")?,
        p999_ms: milliseconds("p999_us")?,
    })
}
