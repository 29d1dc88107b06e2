//! The command line: every flag and variable, and the only reader of the
//! environment.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::FalseyValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::key::KeyName;
use crate::permission::Permission;

/// A self-hosted address book: contacts behind permission-checked API keys.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true)]
pub struct CommandLine {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Serve an address book over HTTP until SIGTERM or SIGINT
    Serve(Serve),
    /// Make, list and revoke API keys, while a server runs or not
    #[command(subcommand)]
    Key(KeyVerb),
    /// Ask a running server whether it answers; exit code 0 if it does
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
        default_value = "127.0.0.1:8080"
    )]
    pub address: SocketAddr,
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
    /// How much is logged, as JSON lines on standard error
    #[arg(
        long,
        value_name = "LEVEL",
        env = "ADDRESSBOOK_LOG",
        default_value = "info"
    )]
    pub log: LogLevel,
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
    /// Revoke a key: the next request with it is refused
    Revoke(KeyRevoke),
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
    #[arg(long = "permission", value_name = "PERMISSION", required = true)]
    pub permissions: Vec<Permission>,
    /// How long it is good, such as 90d or 12h; without, for ever
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub expires_in: Option<Duration>,
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

/// `key revoke`
#[derive(Debug, Args)]
pub struct KeyRevoke {
    /// Which file.
    #[command(flatten)]
    pub database: DatabaseArgument,
    /// The key's id: the 12 characters after `abk_` in its token
    // Read later: clap would print a whole token given by mistake.
    #[arg(value_name = "ID")]
    pub id: String,
}

/// `healthcheck`
#[derive(Debug, Args)]
pub struct Healthcheck {
    /// Where the server listens; 0.0.0.0 and :: are asked on loopback.
    #[command(flatten)]
    pub listen: ListenArgument,
}
