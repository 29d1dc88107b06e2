//! What the verbs of the command line do. A server's requests never come here.

mod healthcheck;
mod key;
mod serve;

use std::net::SocketAddr;
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
    Operation(#[from] Error),
    /// An argument is wrong.
    #[error(transparent)]
    Argument(#[from] Invalid),
    /// The duration leads beyond the calendar.
    #[error("--expires-in leads beyond the year 9999")]
    ExpiryTooFar,
    /// No key has the id.
    #[error("API key not found")]
    KeyNotFound,
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
