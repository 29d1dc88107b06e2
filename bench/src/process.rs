//! A server in a process of its own: started, asked for its memory and its
//! processor time, ended. Knows nothing of what it serves.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use crate::Outcome;

/// What a server's first line on standard output begins with.
const LISTENING: &str = "listening on http://";
/// One tick of `/proc/PID/stat`; USER_HZ is 100 on every Linux that has wrk.
const TICK: Duration = Duration::from_millis(10);
/// Where user and system time stand after the name in `/proc/PID/stat`.
const STAT_USER_FIELD: usize = 11;
const STAT_SYSTEM_FIELD: usize = 12;

/// A running server, ended when it is dropped.
pub(crate) struct Running {
    child: Child,
    pub(crate) address: SocketAddr,
    log: PathBuf,
    // Kept open: a server that writes to a closed pipe fails.
    _stdout: BufReader<ChildStdout>,
}

impl Running {
    /// Starts `command`, with its standard error in the file `log`, and waits for
    /// the line that says where it listens.
    pub(crate) fn start(command: &mut Command, log: &Path) -> Outcome<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(log)?)
            .spawn()
            .map_err(|error| format!("{} does not start: {error}", shown(command)))?;
        let stdout = child.stdout.take().ok_or("no standard output")?;
        let mut stdout = BufReader::new(stdout);
        let mut line = String::new();
        stdout.read_line(&mut line)?;
        let Some(address) = line.trim().strip_prefix(LISTENING) else {
            child.kill()?;
            child.wait()?;
            let said = fs::read_to_string(log)?;
            return Err(format!("{} does not listen: {line}{said}", shown(command)).into());
        };
        let address = address.parse()?;
        Ok(Self {
            child,
            address,
            log: log.to_owned(),
            _stdout: stdout,
        })
    }

    /// What it wrote to standard error.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// A figure of `/proc/PID/status` in bytes, such as `VmRSS`.
    pub(crate) fn memory_bytes(&self, name: &str) -> Outcome<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let kibibytes = line
            .and_then(|line| line.trim().strip_suffix("kB"))
            .ok_or_else(|| format!("no {name} in the process's status"))?;
        Ok(kibibytes.trim().parse::<u64>()? * 1024)
    }

    /// User and system time of all its threads so far, in steps of a tick.
    pub(crate) fn processor_time(&self) -> Outcome<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name, in parentheses, may hold anything.
        let (_, after_name) = stat.rsplit_once(')').ok_or("no name in stat")?;
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        let ticks = |field: usize| -> Outcome<u32> {
            Ok(fields.get(field).ok_or("stat is too short")?.parse()?)
        };
        Ok(TICK * (ticks(STAT_USER_FIELD)? + ticks(STAT_SYSTEM_FIELD)?))
    }

    /// The same in nanoseconds, of the threads that it has (proc(5), `schedstat`).
    pub(crate) fn processor_ns(&self) -> Outcome<u64> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id()))?;
        let of_task = |path: PathBuf| -> u64 {
            // A thread that has ended in this moment took nothing.
            let stat = fs::read_to_string(path.join("schedstat")).unwrap_or_default();
            let first = stat.split(' ').next();
            first.and_then(|ns| ns.parse().ok()).unwrap_or(0)
        };
        Ok(tasks.flatten().map(|task| of_task(task.path())).sum())
    }

    /// Asks it to stop and waits until it has.
    pub(crate) fn stop(mut self) -> Outcome<()> {
        let asked = Command::new("kill")
            .arg("-TERM")
            .arg(self.child.id().to_string())
            .status()?;
        if !asked.success() {
            return Err("kill -TERM failed".into());
        }
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Fails only where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn shown(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}
