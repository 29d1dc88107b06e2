//! The command line: every flag and variable, and the only reader of the
//! environment.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{FalseyValueParser, RangedI64ValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::http::ChangedLimit;
use crate::key::{KeyName, RATE_LIMIT_MAX};
use crate::permission::Permission;
use crate::token::Token;

/// A self-hosted address book: contacts behind permission-checked API keys.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true)]
pub struct CommandLine {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// A token stands on the command line, where everybody can read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenGiven;

impl CommandLine {
    /// Reads the command line; what is wrong with it ends the process.
    ///
    /// # Errors
    /// [`TokenGiven`] before anything else is looked at: no verb takes a token,
    /// and the parser would repeat it in its error.
    pub fn read() -> Result<Self, TokenGiven> {
        let arguments: Vec<_> = std::env::args_os().collect();
        if arguments
            .iter()
            .any(|one| Token::is_in(&one.to_string_lossy()))
        {
            return Err(TokenGiven);
        }
        Ok(Self::parse_from(arguments))
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Serve an address book over HTTP until SIGTERM or SIGINT
    Serve(Serve),
    /// Make, change and revoke API keys, while a server runs or not
    #[command(subcommand)]
    Key(KeyVerb),
    /// Store the contacts of a CSV or NDJSON file, while a server runs or not
    Import(Import),
    /// Write all contacts to a CSV or NDJSON file, while a server runs or not
    Export(Export),
    /// Write the whole address book to a file, while a server runs or not
    Backup(Backup),
    /// Put a backup in the place of the address book, while no server runs
    Restore(Restore),
    /// Look through the whole address book for damage; exit code 0 if there is none
    Check(Check),
    /// Ask a running server whether it answers, or is ready; exit code 0 if so
    Healthcheck(Healthcheck),
}

/// Which file is the address book.
#[derive(Debug, Args)]
pub struct DatabaseArgument {
    /// The address book's file, made where there is none
    #[arg(
        long = "database",
        value_name = "PATH",
        env = "ADDRESSBOOK_DATABASE",
        default_value = "./data/addressbook.db"
    )]
    pub path: PathBuf,
}

/// Where the server listens.
#[derive(Debug, Args)]
pub struct ListenArgument {
    /// The address and port to listen on; port 0 takes a free one
    #[arg(
        long = "listen",
        value_name = "ADDR",
        env = "ADDRESSBOOK_LISTEN",
        default_value = "127.0.0.1:8080",
        value_parser = listen_address
    )]
    pub address: SocketAddr,
}

/// Reads an address, or looks a name up; of several addresses, the first of version 4.
fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let found: Vec<SocketAddr> = match text.to_socket_addrs() {
        Ok(found) => found.collect(),
        Err(error) => return Err(format!("{error}, such as 127.0.0.1:8080 or localhost:8080")),
    };
    let first = found
        .iter()
        .find(|address| address.is_ipv4())
        .or(found.first());
    first
        .copied()
        .ok_or_else(|| "no address has this name".to_owned())
}

/// `serve`
#[derive(Debug, Args)]
pub struct Serve {
    /// Which file.
    #[command(flatten)]
    pub database: DatabaseArgument,
    /// Which address.
    #[command(flatten)]
    pub listen: ListenArgument,
    /// Make no key where there is none; otherwise one with every permission is
    /// written to `initial-api-key` beside the database
    #[arg(long, env = "ADDRESSBOOK_NO_INITIAL_KEY", value_parser = FalseyValueParser::new())]
    pub no_initial_key: bool,
    /// Ranges of proxies whose X-Forwarded-For is believed, such as 10.0.0.0/8;
    /// separated by commas, or once for each
    #[arg(
        long = "trusted-proxy",
        value_name = "CIDR",
        env = "ADDRESSBOOK_TRUSTED_PROXIES",
        value_delimiter = ','
    )]
    pub trusted_proxies: Vec<String>,
    /// Backups.
    #[command(flatten)]
    pub backups: BackupArguments,
    /// How much is logged, as JSON lines on standard error
    #[arg(
        long,
        value_name = "LEVEL",
        env = "ADDRESSBOOK_LOG",
        default_value = "info"
    )]
    pub log: LogLevel,
    /// Another limit, for tests alone: they need not wait as long as a client may
    #[arg(long = "limit", value_name = "NAME=DURATION", hide = true)]
    pub limits: Vec<ChangedLimit>,
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

/// `key …`
#[derive(Debug, Subcommand)]
pub enum KeyVerb {
    /// Make a key and print its token, this once
    Create(KeyCreate),
    /// List the keys: id, name, permissions, expiry, state
    List(KeyList),
    /// Show one key as JSON
    Show(KeyNamed),
    /// Change a key: what is given takes the place of what was
    Update(KeyUpdate),
    /// Give a key a successor of the same terms and print its token, this once
    Rotate(KeyRotate),
    /// Revoke a key: the next request with it is refused
    Revoke(KeyNamed),
}

/// `key create`
#[derive(Debug, Args)]
pub struct KeyCreate {
    /// Which file.
    #[command(flatten)]
    pub database: DatabaseArgument,
    /// What people call the key
    #[arg(long, value_parser = KeyName::parse)]
    pub name: KeyName,
    /// What it may do, such as create:Contacts; once for each permission
    #[arg(
        long = "permission",
        value_name = "PERMISSION",
        required_unless_present = "role"
    )]
    pub permissions: Vec<Permission>,
    /// What it is for, which takes these permissions, beside those that are named
    #[arg(long)]
    pub role: Option<KeyRole>,
    /// How long it is good, such as 90d or 12h; without, for ever
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub expires_in: Option<Duration>,
    /// From where it may be used, such as 10.0.0.0/8; once for each range
    #[arg(long = "allowed-ip", value_name = "CIDR")]
    pub allowed_ips: Vec<String>,
    /// How many requests it may make in a second
    #[arg(long, value_name = "REQUESTS", value_parser = rate_limit())]
    pub rate_limit: Option<u32>,
}

/// What a key is for.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum KeyRole {
    /// Everything
    Admin,
    /// To look recipients up: reads contacts, groups and opt-outs
    Sender,
    /// To bring contacts, groups and opt-outs in: creates, reads and updates them
    Importer,
    /// To read everything
    Reader,
}

fn rate_limit() -> RangedI64ValueParser<u32> {
    RangedI64ValueParser::new().range(1..=i64::from(RATE_LIMIT_MAX))
}

/// `key list`
#[derive(Debug, Args)]
pub struct KeyList {
    /// Which file.
    #[command(flatten)]
    pub database: DatabaseArgument,
    /// Print a JSON array, an object for each key
    #[arg(long)]
    pub json: bool,
}

/// `key update`
#[derive(Debug, Args)]
pub struct KeyUpdate {
    /// Which key of which file.
    #[command(flatten)]
    pub named: KeyNamed,
    /// Another name
    #[arg(long, value_parser = KeyName::parse)]
    pub name: Option<KeyName>,
    /// What it may do from now on; once for each permission
    #[arg(long = "permission", value_name = "PERMISSION")]
    pub permissions: Vec<Permission>,
    /// How long it is good from now on
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub expires_in: Option<Duration>,
    /// Good for ever
    #[arg(long, conflicts_with = "expires_in")]
    pub no_expiry: bool,
    /// From where it may be used from now on; once for each range
    #[arg(long = "allowed-ip", value_name = "CIDR")]
    pub allowed_ips: Vec<String>,
    /// From anywhere
    #[arg(long, conflicts_with = "allowed_ips")]
    pub any_ip: bool,
    /// How many requests it may make in a second from now on
    #[arg(long, value_name = "REQUESTS", value_parser = rate_limit())]
    pub rate_limit: Option<u32>,
    /// As many requests as it likes
    #[arg(long, conflicts_with = "rate_limit")]
    pub no_rate_limit: bool,
}

/// `key rotate`
#[derive(Debug, Args)]
pub struct KeyRotate {
    /// Which key of which file.
    #[command(flatten)]
    pub named: KeyNamed,
    /// How long the old token stays good, at most 30d
    #[arg(long, value_name = "DURATION", default_value = "1d", value_parser = humantime::parse_duration)]
    pub overlap: Duration,
}

/// `key show`, `key revoke`: one key of a file.
#[derive(Debug, Args)]
pub struct KeyNamed {
    /// Which file.
    #[command(flatten)]
    pub database: DatabaseArgument,
    /// The key's id: the 12 characters after `abk_` in its token
    // Read later: clap would print a whole token given by mistake.
    #[arg(value_name = "ID")]
    pub id: String,
}

/// `import`
#[derive(Debug, Args)]
#[command(after_help = IMPORT_CODES)]
pub struct Import {
    /// The file with the contacts, or - for standard input
    pub file: PathBuf,
    /// Which file.
    #[command(flatten)]
    pub database: DatabaseArgument,
    /// How the file holds them
    #[arg(long, default_value = "csv")]
    pub format: FileFormat,
    /// In which encoding it is; a byte order mark of UTF-8 or UTF-16 says another
    #[arg(long, default_value = "utf-8")]
    pub encoding: FileEncoding,
    /// What becomes of a contact whose alias is there
    #[arg(long, default_value = "create")]
    pub mode: ImportMode,
    /// Store nothing, but say what would come of it
    #[arg(long)]
    pub dry_run: bool,
    /// A new file for the rows that fail, as they came, to be mended and imported
    #[arg(long, value_name = "FILE")]
    pub rejects: Option<PathBuf>,
}

const IMPORT_CODES: &str = "Errors of rows go to standard error, the summary as JSON to \
    standard output. Exit codes: 0 every row is in, 3 some rows failed, 1 it ended before its end.";

/// `export`
#[derive(Debug, Args)]
pub struct Export {
    /// The file to write, or - for standard output; one that exists is replaced
    pub file: PathBuf,
    /// Which file.
    #[command(flatten)]
    pub database: DatabaseArgument,
    /// How the file is to hold the contacts
    #[arg(long, default_value = "csv")]
    pub format: FileFormat,
    /// Begin CSV with a byte order mark, by which spreadsheets know that it is UTF-8
    #[arg(long)]
    pub bom: bool,
}

/// In which encoding a file is.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum FileEncoding {
    /// What everything writes today
    #[value(name = "utf-8")]
    Utf8,
    /// What older western programs write
    #[value(name = "windows-1252")]
    Windows1252,
}

/// `backup`
#[derive(Debug, Args)]
pub struct Backup {
    /// The file to write, or - for standard output; one that exists is replaced
    pub file: PathBuf,
    /// Which file.
    #[command(flatten)]
    pub database: DatabaseArgument,
}

/// `restore`
#[derive(Debug, Args)]
pub struct Restore {
    /// The backup; it is copied and stays as it is
    pub file: PathBuf,
    /// Which file.
    #[command(flatten)]
    pub database: DatabaseArgument,
}

/// `check`
#[derive(Debug, Args)]
pub struct Check {
    /// Which file.
    #[command(flatten)]
    pub database: DatabaseArgument,
}

/// How a file holds contacts.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum FileFormat {
    /// A line of column names, then a line for each contact
    Csv,
    /// A JSON object for each contact, a line for each object
    Ndjson,
}

/// What becomes of a contact whose alias is there.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ImportMode {
    /// It stays, the row fails
    Create,
    /// The row takes its place
    Upsert,
    /// The row takes its place, its meta is merged into the one that is there
    Merge,
}

/// `healthcheck`
#[derive(Debug, Args)]
pub struct Healthcheck {
    /// Where the server listens; 0.0.0.0 and :: are asked on loopback.
    #[command(flatten)]
    pub listen: ListenArgument,
    /// Ask whether it would read and write, too
    #[arg(long)]
    pub ready: bool,
}
