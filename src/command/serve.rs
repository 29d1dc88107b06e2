//! `addressbook serve`

use std::io::{self, Write, stdout};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::thread::available_parallelism;

use super::backups::Backups;
use super::notify::Supervisor;
use super::watch::watch;
use super::{CommandError, initial_key, reachable};
use crate::address::AddressRanges;
use crate::cli::{BackupArguments, Serve, TlsArguments};
use crate::files;
use crate::http::{self, Limits, Listeners, Settings, State, Tls};
use crate::sign_in::CodeFile;
use crate::store::{Operator, ServerLock, Shelf, Store, is_url, locate};

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
    let tls = read_tls(&arguments.tls)?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let (calls, address) = listen(arguments.listen.address)?;
    let metrics = arguments.metrics_listen.map(listen).transpose()?;
    let path = locate(&arguments.database.path)?;
    if is_url(&path) && arguments.backups.directory.is_some() {
        return Err(CommandError::BackupsOfPostgres);
    }
    // Any number of servers serve one on PostgreSQL.
    let lock = match is_url(&path) {
        true => None,
        false => Some(ServerLock::take(&path)?),
    };
    let url = format!(
        "{scheme}://{}{}",
        reachable(address),
        arguments.base_path.base
    );
    let operator = open_book(arguments, &path, lock.as_ref(), &url)?;
    let path = operator.path().to_owned();
    // A connection takes two of them; as many as the system grants.
    let files_max = rlimit::increase_nofile_limit(FILES_MAX).unwrap_or_else(|error| {
        log::warn!(error:% = error; "the limit on open files stays as it is");
        FILES_MIN
    });
    // A worker reads inline, one connection at a time.
    let workers = available_parallelism().map_or(1, usize::from);
    let store = Arc::new(Store::start(operator, workers)?);
    let shelf = open_shelf(&arguments.backups)?;
    let backup_every = arguments.backups.every;
    let backups = shelf
        .clone()
        .map(|shelf| Backups::start(shelf, Arc::clone(&store), backup_every))
        .transpose()?;
    let settings = Settings {
        sign_in: lock.is_some().then(|| CodeFile::beside(&path)),
        ..settings(arguments, shelf.clone())?
    };
    let limits = settings.limits;
    store.begin_check(limits.check_after)?;
    let state = State::new(Arc::clone(&store), settings);
    let supervisor = Supervisor::at(arguments.notify_socket.as_deref());
    let stopping = {
        let supervisor = supervisor.clone();
        move || supervisor.stopping()
    };
    let metrics_address = metrics.as_ref().map(|(_, address)| *address);
    let ready = move || {
        log::info!(address:% = address, database:% = path.display(); "serving");
        if let Some(address) = metrics_address {
            log::info!(address:% = address; "serving metrics");
        }
        writeln!(stdout(), "listening on {scheme}://{address}")?;
        supervisor.ready();
        Ok(())
    };
    let listeners = Listeners {
        calls,
        tls,
        metrics: metrics.map(|(listener, _)| listener),
    };
    let watched = Arc::clone(&store);
    let served = block_on(Box::pin(async move {
        let backups = shelf.as_deref().map(|shelf| (shelf, backup_every));
        tokio::select! {
            served = http::serve(listeners, state, workers, files_max, ready, stopping) => served,
            never = watch(&watched, backups, limits.watch_every) => match never {},
        }
    }));
    drop(backups);
    store.stop();
    drop(lock);
    served?;
    log::info!("stopped");
    Ok(())
}

/// Opens the address book, made with its first key where it has none; the key is told
/// together with `url`.
fn open_book(
    arguments: &Serve,
    path: &Path,
    lock: Option<&ServerLock>,
    url: &str,
) -> Result<Operator, CommandError> {
    if arguments.no_initial_key && arguments.initial_key_file.is_some() {
        return Err(CommandError::InitialKeyOrNone);
    }
    let mut operator = Operator::open_or_create(path, lock)?;
    if !arguments.allow_unsynced {
        operator.check_durability()?;
    }
    if !arguments.no_initial_key && operator.has_no_key()? {
        match &arguments.initial_key_file {
            Some(file) => initial_key::take(&mut operator, file)?,
            None if lock.is_some() => initial_key::make(&mut operator, url)?,
            // Of several servers, which would have it beside itself?
            None => log::warn!(
                "there is no key: make one by `addressbook key create`, or name a file with a token by --initial-key-file"
            ),
        }
    }
    let opens = lock
        .map(|_| files::open_to_others(path))
        .unwrap_or_default();
    for (open, mode) in opens {
        log::warn!(path:% = open.display(), mode:% = format_args!("{mode:04o}"); "open to others than its owner");
    }
    Ok(operator)
}

fn settings(arguments: &Serve, shelf: Option<Arc<Shelf>>) -> Result<Settings, CommandError> {
    let proxies = arguments.trusted_proxies.iter().map(String::as_str);
    Ok(Settings {
        trusted_proxies: AddressRanges::parse(proxies.filter(|range| !range.is_empty()))?,
        base_path: arguments.base_path.base.clone(),
        origins: arguments.origins.iter().cloned().collect(),
        limits: Limits::with(&arguments.limits),
        logs_addresses: arguments.log_addresses,
        shelf,
        sign_in: None,
    })
}

fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), CommandError> {
    let bound = TcpListener::bind(address).and_then(|listener| {
        let bound = listener.local_addr()?;
        Ok((listener, bound))
    });
    bound.map_err(|source| CommandError::Listen { address, source })
}

/// The directory for backups, where one is named.
fn open_shelf(arguments: &BackupArguments) -> Result<Option<Arc<Shelf>>, CommandError> {
    let directory = arguments.directory.as_deref();
    let keep = arguments.keep as usize;
    let shelf = directory.map(|directory| Shelf::open(directory, keep));
    Ok(shelf.transpose()?.map(Arc::new))
}

/// The certificate and its key, where they are named.
fn read_tls(arguments: &TlsArguments) -> Result<Option<Tls>, CommandError> {
    match (&arguments.certificate, &arguments.key) {
        (Some(certificate), Some(key)) => Ok(Some(Tls::read(certificate, key)?)),
        (None, None) => Ok(None),
        (Some(_), None) | (None, Some(_)) => Err(CommandError::TlsHalf),
    }
}

/// The server as a future, for a runtime to run.
pub type ServeFuture = std::pin::Pin<Box<dyn Future<Output = io::Result<()>>>>;
