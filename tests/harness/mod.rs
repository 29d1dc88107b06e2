//! The black box: the real program on a free port with a file of its own,
//! called over real HTTP. Nothing is shared between two servers.
#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test binary uses its part; a broken harness may panic"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::{NamedTempFile, TempDir};

mod book;
mod call;
mod cluster;
mod nodes;
mod tls;

pub use book::{is_skipped, new_book, stands_on_postgres};
pub use call::{Call, Reply, agent, redact, redact_everywhere};
pub use cluster::Cluster;
pub use nodes::Nodes;
pub use tls::{Authority, Certificate, TlsClient, exchange};

/// How long a test waits for anything before it fails.
pub const WAIT_MAX: Duration = Duration::from_secs(30);

/// What `found` comes to have, asked until then.
pub fn until<T>(found: impl Fn() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(begun.elapsed() < WAIT_MAX, "it never came");
        sleep(Duration::from_millis(1));
    }
}

/// Every permission, as the contract writes them.
pub const PERMISSIONS: [&str; 19] = [
    "create:Contacts",
    "read:Contacts",
    "update:Contacts",
    "delete:Contacts",
    "create:Groups",
    "read:Groups",
    "update:Groups",
    "delete:Groups",
    "create:Optouts",
    "read:Optouts",
    "delete:Optouts",
    "create:ApiKeys",
    "read:ApiKeys",
    "update:ApiKeys",
    "delete:ApiKeys",
    "read:Audit",
    "read:Metrics",
    "create:Backups",
    "read:Backups",
];

/// What may be done to contacts.
pub const FOR_CONTACTS: &[&str] = PERMISSIONS.split_at(4).0;
/// What may be done to groups.
pub const FOR_GROUPS: &[&str] = PERMISSIONS.split_at(4).1.split_at(4).0;

/// The program, with an environment that holds none of its variables.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_addressbook"));
    let ours = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    for variable in ours.filter(|name| name.starts_with("ADDRESSBOOK_")) {
        command.env_remove(variable);
    }
    command
}

/// Runs a verb to its end.
pub fn run(arguments: &[&str]) -> Output {
    program().args(arguments).output().unwrap()
}

/// Makes a key on the command line and returns its token.
pub fn make_key(database: &Path, permissions: &[&str], more: &[&str]) -> String {
    let mut arguments = vec!["key", "create", "--name", "test", "--database"];
    arguments.push(database.to_str().unwrap());
    for permission in permissions {
        arguments.extend(["--permission", permission]);
    }
    arguments.extend(more);
    let output = run(&arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout)
        .unwrap()
        .trim_end()
        .to_owned()
}

/// The id inside a token.
pub fn id_of(token: &str) -> &str {
    &token[4..16]
}

/// Sends a signal to a process, by name.
pub fn signal(pid: u32, name: &str) {
    let kill = format!("kill -{name} {pid}");
    let sent = Command::new("sh").args(["-c", &kill]).status();
    assert!(sent.unwrap().success());
}

/// The most memory that a process had so far: `VmHWM`, proc(5).
pub fn peak_memory_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let mut lines = status.lines();
    let line = lines.find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// A server process; killed when dropped.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
    pub database: PathBuf,
    /// All that the server logs, at the level of trace.
    log: NamedTempFile,
    /// Kept for its drop.
    directory: Option<TempDir>,
}

impl Server {
    /// Starts a server on a new address book without keys.
    pub fn start() -> Self {
        let (database, directory) = new_book();
        let mut server = Self::start_on(&database);
        server.directory = directory;
        server
    }

    /// Starts a server on the address book at `database`.
    pub fn start_on(database: &Path) -> Self {
        Self::start_command(program(), database, &[])
    }

    /// Starts a server by a command that takes the program's arguments.
    pub fn start_command(mut command: Command, database: &Path, more: &[&str]) -> Self {
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--no-initial-key"])
            .args(more)
            .args(["--log", "trace", "--database"])
            .arg(database);
        Self::start_plain(command, database)
    }

    /// Starts a server by a command that has its arguments.
    pub fn start_plain(mut command: Command, database: &Path) -> Self {
        let log = NamedTempFile::new().unwrap();
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(log.reopen().unwrap())
            .spawn()
            .unwrap();
        let mut first_line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut first_line)
            .unwrap();
        let address = first_line
            .trim_end()
            .strip_prefix("listening on http")
            .map(|rest| rest.strip_prefix('s').unwrap_or(rest))
            .and_then(|rest| rest.strip_prefix("://"))
            .unwrap_or_else(|| panic!("no address in {first_line:?}"))
            .parse()
            .unwrap();
        Self {
            child,
            address,
            database: database.to_owned(),
            log,
            directory: None,
        }
    }

    /// A new key with these permissions.
    pub fn key(&self, permissions: &[&str]) -> String {
        make_key(&self.database, permissions, &[])
    }

    /// Begins a call.
    pub fn call(&self, method: &str, path: &str) -> Call {
        Call::begin(method, format!("http://{}{path}", self.address))
    }

    /// Creates a contact by the documented call.
    pub fn create(&self, key: &str, body: impl Into<Vec<u8>>) -> Reply {
        self.call("POST", "/addressbook/contacts")
            .key(key)
            .json(body)
            .send()
    }

    /// Sends bytes as they are and reads until the server closes.
    pub fn raw(&self, request: &[u8]) -> String {
        let mut stream = self.connect();
        stream.write_all(request).unwrap();
        let mut answer = Vec::new();
        // A reset after the answer is a close as well.
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8(answer).unwrap()
    }

    /// A connection whose reads give up after [`WAIT_MAX`].
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(WAIT_MAX)).unwrap();
        stream
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// Waits for the process to end by itself.
    pub fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// Stops by SIGTERM.
    pub fn stop(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.wait()
    }
}

impl Server {
    /// Starts a server with more arguments, on a new address book.
    pub fn start_with(arguments: &[&str]) -> Self {
        let (database, directory) = new_book();
        let mut server = Self::start_command(program(), &database, arguments);
        server.directory = directory;
        server
    }

    /// The same address book served anew, with more arguments.
    pub fn restarted(mut self, arguments: &[&str]) -> Self {
        assert!(self.stop().success());
        let mut server = Self::start_command(program(), &self.database, arguments);
        server.directory = self.directory.take();
        server
    }

    /// All that was logged so far.
    pub fn logged(&self) -> String {
        std::fs::read_to_string(self.log.path()).unwrap()
    }
}

/// What no log may hold: the beginning of every token and of every header that
/// holds one, the name of the session's cookie, and of the numbers that the tests use.
const NEVER_LOGGED: [&str; 5] = [
    "abk_",
    "Bearer",
    "addressbook_session",
    "447900000000",
    "5555555555",
];

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !std::thread::panicking() {
            let logged = self.logged();
            for secret in NEVER_LOGGED {
                assert!(!logged.contains(secret), "{secret} was logged: {logged}");
            }
        }
    }
}
