//! The command line: every flag and variable, and the only reader of the
//! environment.

mod files;
mod key;
mod pages;
mod serve;

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub use files::{Backup, Check, Export, FileEncoding, FileFormat, Import, ImportMode, Restore};
pub use key::{KeyCreate, KeyList, KeyNamed, KeyRole, KeyRotate, KeyUpdate, KeyVerb};
pub use pages::{Completions, Man};
pub use serve::{BackupArguments, LogLevel, Serve};

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
    /// Print what completes this command line in a shell
    Completions(Completions),
    /// Print the manual page, or write a page for each verb
    Man(Man),
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
