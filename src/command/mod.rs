//! What the verbs of the command line do. A server's requests never come here.

mod any_certificate;
mod backups;
mod config;
mod healthcheck;
mod initial_key;
mod keep;
mod key;
mod migrate;
mod notify;
mod openapi;
mod pages;
mod progress;
mod serve;
mod transfer;
mod watch;

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

pub use config::config;
pub use healthcheck::healthcheck;
pub use keep::{backup, check, restore};
pub use key::key;
pub use migrate::migrate;
pub use openapi::openapi;
pub use pages::{completions, man};
pub use serve::{ServeFuture, serve};
pub use transfer::{export, import};

use serde::Serialize;

use crate::error::Error;
use crate::http::TlsError;
use crate::invalid::Invalid;
use crate::store::{
    MoveError, OpenError, Operator, RestoreError, ShelfError, is_url, locate, without_secrets,
};

/// Why a verb did not do its work: one line for the operator.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The address book cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The address book refused.
    #[error(transparent)]
    Operation(Error),
    /// Another process kept its transaction open.
    #[error("another process kept the address book locked, nothing was changed")]
    Locked,
    /// An argument is wrong.
    #[error(transparent)]
    Argument(#[from] Invalid),
    /// The duration leads beyond the calendar.
    #[error("--expires-in leads beyond the year 9999")]
    ExpiryTooFar,
    /// The overlap is beyond its limit.
    #[error("--overlap must be at most 30d")]
    OverlapTooLong,
    /// The argument is no id.
    #[error("an id has 12 letters and digits, those after abk_ in the token")]
    NoKeyId,
    /// The new key's token reached nobody.
    #[error("cannot print the token, the new key is revoked: {0}")]
    TokenUnprinted(std::io::Error),
    /// There is nothing to export, or to hold a file against.
    #[error("there is no address book at {0}")]
    NoAddressBook(PathBuf),
    /// The name is that of something else.
    #[error("{0} is no file, - is for standard output")]
    NoFile(PathBuf),
    /// It would take the address book's own place.
    #[error("{0} is the address book itself")]
    OwnFile(PathBuf),
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// An import ended in its middle.
    #[error("rows up to line {line} are dealt with, for those behind them: {cause}")]
    ImportEnded {
        /// Where the last row begins that was dealt with.
        line: u64,
        /// What ended it.
        cause: Box<CommandError>,
    },
    /// An import is at its end, and some rows were not stored.
    #[error("{0} of {1} rows failed")]
    RowsFailed(u64, u64),
    /// Nobody reads standard output any more.
    #[error("nobody reads standard output")]
    PipeClosed,
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// A certificate without its key, or the other way round.
    #[error("a TLS certificate and its key belong together, name both: tls-cert and tls-key")]
    TlsHalf,
    /// The certificate or its key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The first key's file is there, and the first key is not.
    #[error(
        "{0} exists, but the address book has no key: move it away, or start with --no-initial-key"
    )]
    InitialKeyFileExists(PathBuf),
    /// There is to be an initial key, and there is to be none.
    #[error("initial-key-file and no-initial-key exclude each other, name one")]
    InitialKeyOrNone,
    /// The file that was named holds no token.
    #[error("{0} holds no API key: a token of 66 characters, abk_…, and nothing else")]
    InitialKeyNoToken(PathBuf),
    /// The first key's file cannot be written.
    #[error("cannot write {path}: {source}")]
    InitialKeyFile {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// The server did not answer as it should.
    #[error("no healthy server at {address}: {reason}")]
    Unhealthy {
        /// Who was asked.
        address: SocketAddr,
        /// What went wrong.
        reason: String,
    },
    /// A backup was not made, or not put back.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// Nobody said that the last key that manages keys may go.
    #[error("this is the last key that can make others, it stays: --force revokes it all the same")]
    LastManagingKey,
    /// An address book was not moved.
    #[error(transparent)]
    Move(#[from] MoveError),
    /// The directory for backups cannot be used.
    #[error(transparent)]
    Shelf(#[from] ShelfError),
    /// A check found damage, each told before.
    #[error("the address book is damaged: {0} findings")]
    Damage(usize),
    /// The book is looked through by the database's own tools.
    #[error(
        "a book on PostgreSQL is looked through by its own tools: pg_amcheck, and checksums of pages (initdb --data-checksums)"
    )]
    CheckOfPostgres,
    /// The server is to make backups of what has tools of its own.
    #[error(
        "backup-dir is for a file; a book on PostgreSQL is kept by its own tools: pg_basebackup, pg_dump, an archive of its WAL"
    )]
    BackupsOfPostgres,
    /// The runtime or the standard streams fail.
    #[error(transparent)]
    Io(std::io::Error),
}

/// It was not done.
const FAILED: u8 = 1;
/// Some rows of an import were not stored.
const ROWS_FAILED: u8 = 3;
/// What a shell shows of a program that SIGPIPE ended.
const PIPE_CLOSED: u8 = 141;

impl CommandError {
    fn file(path: &Path, source: std::io::Error) -> Self {
        Self::File {
            path: path.to_owned(),
            source,
        }
    }

    /// The process's exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::RowsFailed(..) => ROWS_FAILED,
            Self::PipeClosed => PIPE_CLOSED,
            Self::Open(..)
            | Self::Operation(..)
            | Self::Locked
            | Self::Argument(..)
            | Self::ExpiryTooFar
            | Self::OverlapTooLong
            | Self::NoKeyId
            | Self::TokenUnprinted(..)
            | Self::NoAddressBook(..)
            | Self::NoFile(..)
            | Self::OwnFile(..)
            | Self::File { .. }
            | Self::ImportEnded { .. }
            | Self::Listen { .. }
            | Self::TlsHalf
            | Self::Tls(..)
            | Self::InitialKeyFileExists(..)
            | Self::InitialKeyFile { .. }
            | Self::Unhealthy { .. }
            | Self::Restore(..)
            | Self::Move(..)
            | Self::Shelf(..)
            | Self::LastManagingKey
            | Self::InitialKeyNoToken(..)
            | Self::InitialKeyOrNone
            | Self::Damage(..)
            | Self::CheckOfPostgres
            | Self::BackupsOfPostgres
            | Self::Io(..) => FAILED,
        }
    }
}

impl From<std::io::Error> for CommandError {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Self::PipeClosed,
            _ => Self::Io(error),
        }
    }
}

impl From<Error> for CommandError {
    fn from(error: Error) -> Self {
        match error {
            Error::Busy => Self::Locked,
            error => Self::Operation(error),
        }
    }
}

/// Where an address book is that is not to be made; nor is its directory.
fn locate_existing(path: &Path) -> Result<PathBuf, CommandError> {
    if is_url(path) {
        return Ok(locate(path)?);
    }
    match path.try_exists() {
        Ok(false) => Err(CommandError::NoAddressBook(path.to_owned())),
        // Where that cannot be seen, it says why.
        Ok(true) | Err(_) => Ok(locate(path)?),
    }
}

/// Opens an address book that is there.
fn open_existing(path: &Path) -> Result<Operator, CommandError> {
    let path = locate_existing(path)?;
    let opened = Operator::open_existing(&path)?;
    opened.ok_or_else(|| CommandError::NoAddressBook(without_secrets(&path.to_string_lossy())))
}

/// Where no other file of the operator's would be replaced than one of that name.
fn check_target(operator: &Operator, file: &Path) -> Result<(), CommandError> {
    if file.exists() && !file.is_file() {
        return Err(CommandError::NoFile(file.to_owned()));
    }
    if operator.is_made_of(file) {
        return Err(CommandError::OwnFile(file.to_owned()));
    }
    Ok(())
}

/// Prints JSON, a line of it.
fn print_json(printed: &impl Serialize) -> Result<(), CommandError> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, printed).map_err(std::io::Error::from)?;
    writeln!(out)?;
    Ok(())
}

/// Where a server that listens on `address` can be reached from this machine:
/// what listens on every address is asked on loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}
