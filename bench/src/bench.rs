//! What every measurement needs: the programs, the running baseline, the books,
//! the scripts, and how long to measure.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;
use std::thread::available_parallelism;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::Outcome;
use crate::cases::Operation;
use crate::client::Client;
use crate::process::Running;
use crate::seeds::{Copy, Seed};
use crate::wrk::Scripts;

/// How long a server answers reads one by one before it is measured: argon2 of
/// the key's first use, connections of the pool, pages of the file.
const WARM_READS: Duration = Duration::from_millis(400);
/// The share of a run that samples taken again may add to it: on a machine whose
/// neighbours never rest, a run still ends, and says what was unsteady.
const RETRY_SHARE: f64 = 0.25;
/// What a sample takes beside the loads: a copy, a start, the warming.
const SAMPLE_OVERHEAD: Duration = Duration::from_millis(1500);
/// Writes one by one before a measurement of writes.
const WARM_WRITES: u32 = 50;

/// The benchmark's whole surroundings.
pub(crate) struct Bench {
    /// The server, and the second one to compare it with where there is one.
    pub(crate) servers: Vec<PathBuf>,
    pub(crate) baseline: Running,
    pub(crate) baseline_program: PathBuf,
    pub(crate) scripts: Scripts,
    /// This run's own, on a real disk: a file system in memory syncs nothing.
    work: tempfile::TempDir,
    seeds_directory: PathBuf,
    seeds: HashMap<u64, Seed>,
    /// Copies that are only read, which one run after the other may serve.
    read_copies: HashMap<(PathBuf, u64), Rc<Copy>>,
    /// Bytes of an answer, by the case's name.
    pub(crate) answer_bytes: HashMap<String, usize>,
    nonces: u64,
    begun_us: u128,
    pub(crate) seconds: u64,
    pub(crate) rounds: u32,
    /// What is left for samples that are taken again.
    pub(crate) retry_time: Duration,
}

/// A server on a copy of a book, with all that requests to it need.
pub(crate) struct Served {
    pub(crate) running: Running,
    pub(crate) client: Client,
    pub(crate) seed: Seed,
    // Removed after the server has ended: fields are dropped in this order.
    _copy: Rc<Copy>,
}

impl Bench {
    pub(crate) fn open(
        servers: Vec<PathBuf>,
        baseline_program: PathBuf,
        directory: &Path,
        (seconds, rounds): (u64, u32),
    ) -> Outcome<Self> {
        let work = directory.join("work");
        fs::create_dir_all(&work)?;
        let work = tempfile::tempdir_in(work)?;
        let baseline = Running::start(
            &mut baseline_command(&baseline_program),
            &work.path().join("baseline.log"),
        )?;
        Ok(Self {
            servers,
            baseline,
            baseline_program,
            scripts: Scripts::prepare()?,
            work,
            seeds_directory: directory.join("seeds"),
            seeds: HashMap::new(),
            read_copies: HashMap::new(),
            answer_bytes: HashMap::new(),
            nonces: 0,
            begun_us: SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros(),
            seconds,
            rounds,
            retry_time: Duration::ZERO,
        })
    }

    /// The book of `contacts` contacts.
    pub(crate) fn seed(&mut self, contacts: u64) -> Outcome<Seed> {
        if let Some(seed) = self.seeds.get(&contacts) {
            return Ok(seed.clone());
        }
        let seed = Seed::of(&self.servers[0], &self.seeds_directory, contacts)?;
        self.seeds.insert(contacts, seed.clone());
        Ok(seed)
    }

    /// The first part of aliases that nobody has used.
    pub(crate) fn nonce(&mut self) -> String {
        self.nonces += 1;
        format!("run-{:x}-{:04}", self.begun_us, self.nonces)
    }

    /// Grants time to take samples again, in proportion to `samples` in each round.
    pub(crate) fn grant_retries(&mut self, samples: usize) {
        let loads = Duration::from_secs(2 * self.seconds) + SAMPLE_OVERHEAD;
        let all = loads * self.rounds * u32::try_from(samples).unwrap_or(u32::MAX);
        self.retry_time = all.mul_f64(RETRY_SHARE);
    }

    /// Where this run keeps what it throws away.
    pub(crate) fn work(&self) -> &Path {
        self.work.path()
    }

    /// A copy of the book of `contacts`, a fresh one for who `writes`.
    fn copy(&mut self, program: &Path, contacts: u64, writes: bool) -> Outcome<Rc<Copy>> {
        let seed = self.seed(contacts)?;
        if writes {
            return Ok(Rc::new(seed.copy(self.work(), "written")?));
        }
        let key = (program.to_owned(), contacts);
        if let Some(copy) = self.read_copies.get(&key) {
            return Ok(Rc::clone(copy));
        }
        let name = format!("read-{}", self.read_copies.len());
        let copy = Rc::new(seed.copy(self.work(), &name)?);
        self.read_copies.insert(key, Rc::clone(&copy));
        Ok(copy)
    }

    /// Starts a server on a copy of the book of `contacts`, has it answer until it
    /// is warm, and says how many bytes an answer of `operation` has.
    pub(crate) fn serve_warm(
        &mut self,
        program: &Path,
        operation: Operation,
        contacts: u64,
    ) -> Outcome<(Served, usize)> {
        let copy = self.copy(program, contacts, operation.writes())?;
        let log = self.work().join("server.log");
        let running = Running::start(&mut server_command(program, &copy.book), &log)?;
        let client = Client::connect(running.address)?;
        let mut served = Served {
            running,
            client,
            seed: self.seed(contacts)?,
            _copy: copy,
        };
        let reads = served.probes(&served.seed.aliases()?);
        let begun = Instant::now();
        for read in reads.iter().cycle() {
            served.client.succeed(read)?;
            if begun.elapsed() > WARM_READS {
                break;
            }
        }
        if operation.writes() {
            for _ in 0..WARM_WRITES {
                let write = Operation::Create.probe(&served.seed, &self.nonce())?;
                served.client.succeed(&write)?;
            }
        }
        let probe = operation.probe(&served.seed, &self.nonce())?;
        let answer_bytes = served.client.succeed(&probe)?.len();
        Ok((served, answer_bytes))
    }
}

impl Served {
    /// Reads of single contacts by the given aliases.
    pub(crate) fn probes(&self, aliases: &[String]) -> Vec<Vec<u8>> {
        let path = Operation::Get.path();
        let read = |alias| {
            crate::client::request("GET", &format!("{path}{alias}"), &self.seed.token, None)
        };
        aliases.iter().map(read).collect()
    }
}

/// `addressbook serve` as shipped, on a free port.
pub(crate) fn server_command(program: &Path, book: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(["serve", "--no-initial-key", "--listen", "127.0.0.1:0"]);
    command.arg("--database").arg(book);
    command
}

/// The baseline with as many workers as the product takes.
pub(crate) fn baseline_command(program: &Path) -> Command {
    let workers = available_parallelism().map_or(1, usize::from);
    let mut command = Command::new(program);
    command.arg("--workers").arg(workers.to_string());
    command
}
