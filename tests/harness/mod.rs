//! The black box: the real program on a free port with a file of its own,
//! called over real HTTP. Nothing is shared between two servers.
#![allow(
    dead_code,
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

use serde_json::Value;
use tempfile::{NamedTempFile, TempDir};

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
pub const PERMISSIONS: [&str; 16] = [
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
];

/// The program, with an environment that holds none of its variables.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_addressbook"));
    for variable in ["DATABASE", "LISTEN", "LOG", "NO_INITIAL_KEY"] {
        command.env_remove(format!("ADDRESSBOOK_{variable}"));
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
        let directory = tempfile::tempdir().unwrap();
        let database = directory.path().join("book.db");
        let mut server = Self::start_on(&database);
        server.directory = Some(directory);
        server
    }

    /// Starts a server on the address book at `database`.
    pub fn start_on(database: &Path) -> Self {
        Self::start_command(program(), database, &[])
    }

    /// Starts a server by a command that takes the program's arguments.
    pub fn start_command(mut command: Command, database: &Path, more: &[&str]) -> Self {
        let log = NamedTempFile::new().unwrap();
        let mut child = command
            .args(["serve", "--listen", "127.0.0.1:0", "--no-initial-key"])
            .args(more)
            .args(["--log", "trace", "--database"])
            .arg(database)
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
            .strip_prefix("listening on http://")
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
        Call {
            agent: agent(),
            method: method.to_owned(),
            url: format!("http://{}{path}", self.address),
            headers: Vec::new(),
            body: None,
        }
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
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(
            Command::new("sh")
                .args(["-c", &kill])
                .status()
                .unwrap()
                .success()
        );
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

    /// Asks the file itself, by the `sqlite3` inside the test.
    pub fn open_file(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(&self.database).unwrap()
    }

    /// How many contacts the file holds.
    pub fn stored(&self) -> i64 {
        self.open_file()
            .query_row("SELECT count(*) FROM contacts", [], |row| row.get(0))
            .unwrap()
    }
}

impl Server {
    /// Starts a server with more arguments, on a new address book.
    pub fn start_with(arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let database = directory.path().join("book.db");
        let mut server = Self::start_command(program(), &database, arguments);
        server.directory = Some(directory);
        server
    }

    /// All that was logged so far.
    pub fn logged(&self) -> String {
        std::fs::read_to_string(self.log.path()).unwrap()
    }
}

/// What no log may hold: the beginning of every token and of every header that
/// holds one, and of the numbers that the tests use.
const NEVER_LOGGED: [&str; 4] = ["abk_", "Bearer", "447900000000", "5555555555"];

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

/// A client that keeps its connections and takes every status as an answer.
pub fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .timeout_global(Some(WAIT_MAX))
        .build()
        .into()
}

/// A call being put together.
pub struct Call {
    agent: ureq::Agent,
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl Call {
    /// Uses the connections of another client.
    pub fn by(mut self, agent: &ureq::Agent) -> Self {
        self.agent = agent.clone();
        self
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn key(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    pub fn json(self, body: impl Into<Vec<u8>>) -> Self {
        self.header("Content-Type", "application/json").body(body)
    }

    /// Sends it, failing the test where no answer comes.
    pub fn send(self) -> Reply {
        self.try_send().unwrap()
    }

    /// Sends it.
    pub fn try_send(self) -> Result<Reply, ureq::Error> {
        let mut request = ureq::http::Request::builder()
            .method(self.method.as_str())
            .uri(&self.url);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let response = match self.body {
            Some(body) => self.agent.run(request.body(body.as_slice()).unwrap()),
            None => self.agent.run(request.body(()).unwrap()),
        };
        Reply::read(response?)
    }
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: ureq::http::HeaderMap,
    pub body: String,
}

impl Reply {
    fn read(mut response: ureq::http::Response<ureq::Body>) -> Result<Self, ureq::Error> {
        Ok(Self {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.body_mut().read_to_string()?,
        })
    }

    /// A header, or an empty text.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.body))
    }

    /// The message of a failure whose envelope is whole.
    pub fn message(&self) -> String {
        let begins = r#"{"success":false,"error":{"name":""#;
        assert!(self.body.starts_with(begins), "{}", self.body);
        let body = self.json();
        assert_eq!(body["error"]["statusCode"], self.status);
        body["error"]["message"].as_str().unwrap().to_owned()
    }

    /// Status and body, the body's ids and times checked and then replaced.
    pub fn redacted(&self) -> String {
        format!("{} {}", self.status, redact(&self.body))
    }
}

/// Replaces each contact id and its `created_on`, once they are what they claim:
/// a UUID of version 7 and the millisecond inside it.
pub fn redact(body: &str) -> String {
    let mut redacted = body.to_owned();
    let json: Value = serde_json::from_str(body).unwrap();
    let record = &json["record"];
    let (Some(id), Some(created_on)) = (record["id"].as_str(), record["created_on"].as_str())
    else {
        return redacted;
    };
    let uuid = uuid::Uuid::parse_str(id).unwrap();
    assert_eq!(uuid.get_version_num(), 7);
    assert_eq!(
        uuid.hyphenated().to_string(),
        id,
        "lower case, with hyphens"
    );
    let millis = i64::try_from(uuid.as_u128() >> 80).unwrap();
    let moment = addressbook::moment::Moment::from_millis(millis);
    assert_eq!(moment.to_string(), created_on);
    for (found, name) in [(id, "[id]"), (created_on, "[time]")] {
        redacted = redacted.replace(found, name);
    }
    redacted
}

/// Replaces every UUID by `[id]` and every time by `[time]`.
pub fn redact_everywhere(text: &str) -> String {
    let pieces: Vec<&str> = text.split('"').collect();
    let redacted: Vec<&str> = pieces
        .into_iter()
        .map(|piece| match piece.len() {
            36 if uuid::Uuid::parse_str(piece).is_ok() => "[id]",
            24 if piece.ends_with('Z') && piece.as_bytes()[10] == b'T' => "[time]",
            _ => piece,
        })
        .collect();
    redacted.join("\"")
}
