//! `serve`

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::RangedI64ValueParser;
use clap::{Args, ValueEnum};

use super::{BasePathArgument, DatabaseArgument, ListenArgument, listen_address};
use crate::address::AddressRanges;
use crate::http::ChangedLimit;
use crate::origin::Origins;

/// `serve`
#[derive(Debug, Args)]
pub struct Serve {
    /// Which file.
    #[command(flatten)]
    pub database: DatabaseArgument,
    /// Which address.
    #[command(flatten)]
    pub listen: ListenArgument,
    /// Which path.
    #[command(flatten)]
    pub base_path: BasePathArgument,
    /// Whether it speaks TLS.
    #[command(flatten)]
    pub tls: TlsArguments,
    /// Make no key where there is none; otherwise one with every permission is
    /// written to `initial-api-key` beside the database
    #[arg(long, env = "ADDRESSBOOK_NO_INITIAL_KEY", value_parser = switch)]
    pub no_initial_key: bool,
    /// A file with the token of the first key, for automation: where there is no key, it
    /// becomes one with every permission
    #[arg(long, value_name = "FILE", env = "ADDRESSBOOK_INITIAL_KEY_FILE")]
    pub initial_key_file: Option<PathBuf>,
    /// Serve a PostgreSQL that may lose what was acknowledged: `fsync=off` or
    /// `synchronous_commit=off`
    #[arg(long, env = "ADDRESSBOOK_ALLOW_UNSYNCED", value_parser = switch)]
    pub allow_unsynced: bool,
    /// Ranges of proxies whose X-Forwarded-For is believed, such as 10.0.0.0/8;
    /// separated by commas, or once for each
    #[arg(
        long = "trusted-proxy",
        value_name = "CIDR",
        env = "ADDRESSBOOK_TRUSTED_PROXIES",
        value_delimiter = ',',
        value_parser = address_range
    )]
    pub trusted_proxies: Vec<String>,
    /// Origins of pages that may call from a browser, such as
    /// `https://app.example.org`; separated by commas, or once for each
    #[arg(
        long = "cors-origin",
        value_name = "ORIGIN",
        env = "ADDRESSBOOK_CORS_ORIGINS"
    )]
    pub origins: Vec<Origins>,
    /// Backups.
    #[command(flatten)]
    pub backups: BackupArguments,
    /// One more address, for metrics and health alone, where no key is asked for
    #[arg(
        long,
        value_name = "ADDR",
        env = "ADDRESSBOOK_METRICS_LISTEN",
        value_parser = listen_address
    )]
    pub metrics_listen: Option<SocketAddr>,
    /// How much is logged on standard error
    #[arg(
        long,
        value_name = "LEVEL",
        env = "ADDRESSBOOK_LOG",
        default_value = "info"
    )]
    pub log: LogLevel,
    /// How it is logged
    #[arg(
        long,
        value_name = "FORMAT",
        env = "ADDRESSBOOK_LOG_FORMAT",
        default_value = "auto"
    )]
    pub log_format: LogFormat,
    /// Log the addresses of clients, too
    #[arg(long, env = "ADDRESSBOOK_LOG_ADDRESSES", value_parser = switch)]
    pub log_addresses: bool,
    /// Where systemd is told that the server is ready or stops; systemd sets the variable
    #[arg(long, value_name = "SOCKET", env = "NOTIFY_SOCKET", hide = true)]
    pub notify_socket: Option<OsString>,
    /// Another limit, for tests alone: they need not wait as long as a client may
    #[arg(long = "limit", value_name = "NAME=DURATION", hide = true)]
    pub limits: Vec<ChangedLimit>,
}

/// TLS; without it the server speaks plain HTTP.
#[derive(Debug, Args)]
pub struct TlsArguments {
    /// Speak TLS, with the certificate in this PEM file and those between it and its
    /// root behind it; read anew on SIGHUP
    #[arg(
        id = "tls_certificate",
        long = "tls-cert",
        value_name = "FILE",
        env = "ADDRESSBOOK_TLS_CERT"
    )]
    pub certificate: Option<PathBuf>,
    /// The certificate's private key, in PEM
    #[arg(
        id = "tls_key",
        long = "tls-key",
        value_name = "FILE",
        env = "ADDRESSBOOK_TLS_KEY"
    )]
    pub key: Option<PathBuf>,
}

/// Backups that the server makes by itself.
#[derive(Debug, Args)]
pub struct BackupArguments {
    /// Make backups in this directory by itself
    #[arg(
        long = "backup-dir",
        value_name = "DIR",
        env = "ADDRESSBOOK_BACKUP_DIR"
    )]
    pub directory: Option<PathBuf>,
    /// How long there is between two backups
    #[arg(
        long = "backup-every",
        value_name = "DURATION",
        env = "ADDRESSBOOK_BACKUP_EVERY",
        default_value = "24h",
        value_parser = backup_every
    )]
    pub every: Duration,
    /// How many backups are kept, the latest
    #[arg(
        long = "backup-keep",
        value_name = "COUNT",
        env = "ADDRESSBOOK_BACKUP_KEEP",
        default_value = "7",
        value_parser = RangedI64ValueParser::<u32>::new().range(1..=BACKUPS_KEPT_MAX)
    )]
    pub keep: u32,
}

/// Reads whether something is on.
fn switch(text: &str) -> Result<bool, &'static str> {
    match text.to_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" => Ok(false),
        _ => Err("write true or false"),
    }
}

/// An empty one is none: variables may be set to nothing.
fn address_range(text: &str) -> Result<String, String> {
    let is_range = text.is_empty() || AddressRanges::parse([text]).is_ok();
    let none = || "no address range such as 10.0.0.0/8".to_owned();
    is_range.then(|| text.to_owned()).ok_or_else(none)
}

/// Backups that can be kept.
const BACKUPS_KEPT_MAX: i64 = 10_000;
/// Seconds between two backups at the least: each has a second of its own in its name.
const BACKUP_EVERY_MIN: Duration = Duration::from_secs(1);

fn backup_every(text: &str) -> Result<Duration, String> {
    let every = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    match every >= BACKUP_EVERY_MIN {
        true => Ok(every),
        false => Err("at least 1s".to_owned()),
    }
}

/// How it is logged.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum LogFormat {
    /// Text on a terminal, else JSON
    Auto,
    /// A line for people
    Text,
    /// A JSON object a line
    Json,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum LogLevel {
    /// Failures of ours
    Error,
    /// And answers of 500 and above
    Warn,
    /// And starts and stops
    Info,
    /// And every request
    Debug,
    /// And everything else
    Trace,
}
