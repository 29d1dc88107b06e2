//! What the verbs of the command line do. A server's requests never come here.

mod healthcheck;
mod key;
mod serve;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

pub use healthcheck::healthcheck;
pub use key::key;
pub use serve::{ServeFuture, serve};

use crate::error::{Error, Invalid};
use crate::store::OpenError;

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
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// The first key's file is there, and the first key is not.
    #[error(
        "{0} exists, but the address book has no key: move it away, or start with --no-initial-key"
    )]
    InitialKeyFileExists(PathBuf),
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
    /// The runtime or the standard streams fail.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl From<Error> for CommandError {
    fn from(error: Error) -> Self {
        match error {
            Error::Busy => Self::Locked,
            error => Self::Operation(error),
        }
    }
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
