//! Tells whoever supervises the server how it stands: sd_notify(3), whose protocol is
//! one datagram for each change. Nobody need listen, and a server goes on unheard.

use std::ffi::OsStr;
use std::io;
#[cfg(target_os = "linux")]
use std::os::linux::net::SocketAddrExt;
#[cfg(target_os = "linux")]
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// How long a supervisor may take to take what it is told.
const WAIT_MAX: Duration = Duration::from_secs(1);

/// Where the server's supervisor listens, if it does.
#[derive(Clone)]
pub(super) struct Supervisor(Option<SocketAddr>);

impl Supervisor {
    /// The supervisor at a socket that has this name; an `@` stands in front of one
    /// without a file (unix(7), "abstract").
    pub(super) fn at(socket: Option<&OsStr>) -> Self {
        let socket = socket.filter(|name| !name.is_empty());
        Self(socket.and_then(|name| unless_deaf(address(name))))
    }

    /// Requests are answered from now on.
    pub(super) fn ready(&self) {
        self.tell("READY=1");
    }

    /// No request is taken any more, and those that run are finished.
    pub(super) fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    fn tell(&self, state: &str) {
        let told = self.0.as_ref().map(|address| {
            let socket = UnixDatagram::unbound()?;
            // One that does not read at once is waited for, and holds up nobody for long.
            socket.set_write_timeout(Some(WAIT_MAX))?;
            socket.send_to_addr(state.as_bytes(), address)
        });
        told.map(unless_deaf);
    }
}

fn address(name: &OsStr) -> io::Result<SocketAddr> {
    // Other systems have no such sockets, and no systemd.
    #[cfg(target_os = "linux")]
    if let Some(name) = name.as_bytes().strip_prefix(b"@") {
        return SocketAddr::from_abstract_name(name);
    }
    SocketAddr::from_pathname(name)
}

fn unless_deaf<T>(told: io::Result<T>) -> Option<T> {
    told.inspect_err(
        |error| log::warn!(error:% = error; "cannot tell NOTIFY_SOCKET how the server stands"),
    )
    .ok()
}
