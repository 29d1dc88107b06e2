//! `addressbook serve`

use std::io::{self, Write, stdout};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread::available_parallelism;

use super::backups::Backups;
use super::notify::Supervisor;
use super::{CommandError, initial_key};
use crate::address::AddressRanges;
use crate::cli::Serve;
use crate::files;
use crate::http::{self, Limits, State};
use crate::store::{Operator, ServerLock, Store, locate};

/// Open files that are asked for: two for each connection.
const FILES_MAX: u64 = 32_768;
/// Open files that every system grants, where the limit cannot be read.
const FILES_MIN: u64 = 1024;

/// Serves until a signal, with the runtime that `block_on` starts.
///
/// # Errors
/// One line for the operator.
pub fn serve(
    arguments: &Serve,
    block_on: impl FnOnce(ServeFuture) -> io::Result<()>,
) -> Result<(), CommandError> {
    let listen_on = arguments.listen.address;
    let failed = |source| CommandError::Listen {
        address: listen_on,
        source,
    };
    let proxies = arguments.trusted_proxies.iter().map(String::as_str);
    let trusted_proxies = AddressRanges::parse(proxies.filter(|range| !range.is_empty()))?;
    let listener = TcpListener::bind(listen_on).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let path = locate(&arguments.database.path)?;
    let lock = ServerLock::take(&path)?;
    let mut operator = Operator::open_or_create(&path, Some(&lock))?;
    if !arguments.no_initial_key && operator.has_no_key()? {
        initial_key::make(&mut operator, address)?;
    }
    for (open, mode) in files::open_to_others(&path) {
        log::warn!(path:% = open.display(), mode:% = format_args!("{mode:04o}"); "open to others than its owner");
    }
    // A connection takes two of them; as many as the system grants.
    let files_max = rlimit::increase_nofile_limit(FILES_MAX).unwrap_or_else(|error| {
        log::warn!(error:% = error; "the limit on open files stays as it is");
        FILES_MIN
    });
    // A worker reads inline, one connection at a time.
    let workers = available_parallelism().map_or(1, usize::from);
    let store = Arc::new(Store::start(operator, workers)?);
    let backups = Backups::start(&arguments.backups, Arc::clone(&store))?;
    let limits = Limits::with(&arguments.limits);
    let state = State::new(Arc::clone(&store), trusted_proxies, limits);
    let supervisor = Supervisor::at(arguments.notify_socket.as_deref());
    let stopping = {
        let supervisor = supervisor.clone();
        move || supervisor.stopping()
    };
    let ready = move || {
        log::info!(address:% = address, database:% = path.display(); "serving");
        writeln!(stdout(), "listening on http://{address}")?;
        supervisor.ready();
        Ok(())
    };
    let served = block_on(Box::pin(http::serve(
        listener, state, workers, files_max, ready, stopping,
    )));
    drop(backups);
    store.stop();
    drop(lock);
    served?;
    log::info!("stopped");
    Ok(())
}

/// The server as a future, for a runtime to run.
pub type ServeFuture = std::pin::Pin<Box<dyn Future<Output = io::Result<()>>>>;
