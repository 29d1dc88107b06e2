//! A chromedriver of one's own, and what it is told.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use fantoccini::Client;
use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use url::Url;

/// What it is called, and by which name a browser is looked for.
const DRIVER: &str = "chromedriver";
const BROWSERS: [&str; 2] = ["chromium", "google-chrome"];
/// What it says once it listens, before the port.
const STARTED: &str = "started successfully on port ";

/// A chromedriver, and all that its browser writes; both go when it is dropped.
pub(super) struct Driver {
    process: Child,
    address: String,
    /// Kept for its drop.
    _directory: TempDir,
}

impl Driver {
    /// Starts one, with a browser that it finds; none where one of the two is missing.
    pub(super) fn start() -> Option<(Self, PathBuf)> {
        let driver = on_path(DRIVER)?;
        let browser = BROWSERS.iter().find_map(|name| on_path(name))?;
        let directory = tempfile::tempdir().unwrap();
        let mut process = Command::new(driver)
            .arg("--port=0")
            .env("TMPDIR", directory.path())
            .env("HOME", directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = lines
            .map_while(Result::ok)
            .find_map(|line| Some(line.split_once(STARTED)?.1.trim_end_matches('.').to_owned()));
        let started = Self {
            process,
            address: format!("http://127.0.0.1:{}", port.unwrap()),
            _directory: directory,
        };
        Some((started, browser))
    }

    /// Opens a browser without a window.
    pub(super) async fn open(&self, browser: &Path) -> Client {
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
        ];
        let capabilities: Capabilities = serde_json::from_value(json!({
            "goog:chromeOptions": { "binary": browser, "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
            "unhandledPromptBehavior": "ignore",
        }))
        .unwrap();
        fantoccini::ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&self.address)
            .await
            .unwrap()
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Where a program is that a shell would find.
fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|directory| directory.join(name))
        .find(|file| file.is_file())
}

/// What chromedriver takes beyond the standard.
#[derive(Debug)]
pub(super) enum Beyond {
    /// A command of the DevTools protocol, and its parameters.
    DevTools(&'static str, Value),
    /// What was logged since it was asked last.
    Log(&'static str),
}

impl WebDriverCompatibleCommand for Beyond {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, url::ParseError> {
        let session = session.unwrap_or_default();
        let path = match self {
            Self::DevTools(..) => "goog/cdp/execute",
            Self::Log(_) => "se/log",
        };
        base.join(&format!("session/{session}/{path}"))
    }

    fn method_and_body(&self, _: &Url) -> (http::Method, Option<String>) {
        let body = match self {
            Self::DevTools(command, parameters) => json!({ "cmd": command, "params": parameters }),
            Self::Log(kind) => json!({ "type": kind }),
        };
        (http::Method::POST, Some(body.to_string()))
    }
}
