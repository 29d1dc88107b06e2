//! `addressbook serve`

use std::fs;
use std::io::{self, Write, stderr, stdout};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::available_parallelism;

use super::{CommandError, reachable};
use crate::address::AddressRanges;
use crate::cli::Serve;
use crate::error::Error;
use crate::files;
use crate::http::{self, Limits, State};
use crate::key::{KeyName, KeyTerms};
use crate::permission::PermissionSet;
use crate::store::{Operator, ServerLock, Store, locate};
use crate::token::NewSecret;

const INITIAL_KEY_FILE: &str = "initial-api-key";
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
        make_initial_key(&mut operator, address)?;
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
    let limits = Limits::with(&arguments.limits);
    let state = State::new(Arc::clone(&store), trusted_proxies, limits);
    let ready = move || {
        log::info!(address:% = address, database:% = path.display(); "serving");
        writeln!(stdout(), "listening on http://{address}")
    };
    let served = block_on(Box::pin(http::serve(
        listener, state, workers, files_max, ready,
    )));
    store.stop();
    drop(lock);
    served?;
    log::info!("stopped");
    Ok(())
}

/// The server as a future, for a runtime to run.
pub type ServeFuture = std::pin::Pin<Box<dyn Future<Output = io::Result<()>>>>;

/// Makes a key with every permission and leaves it in a file: no log, terminal
/// or process list ever shows it.
fn make_initial_key(operator: &mut Operator, address: SocketAddr) -> Result<(), CommandError> {
    let path = operator.path().with_file_name(INITIAL_KEY_FILE);
    let secret = NewSecret::generate()?;
    let terms = KeyTerms {
        name: KeyName::parse("initial")?,
        permissions: PermissionSet::all(),
        expires_on: None,
        allowed_ips: AddressRanges::default(),
        rate_limit: None,
    };
    // The file first: a crash between the two leaves a file without a key, which
    // the next start reports, and never a key that nobody has.
    let mut file = files::create_private(&path).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => CommandError::InitialKeyFileExists(path.clone()),
        _ => key_file_error(&path, source),
    })?;
    let made = writeln!(file, "{}", secret.token.expose())
        .and_then(|()| file.sync_all())
        .and_then(|()| files::sync_directory_of(&path))
        .map_err(|source| key_file_error(&path, source))
        .and_then(|()| Ok(operator.create_first_key(&secret, &terms)?));
    match made {
        Ok(true) => announce(&path, address),
        Err(CommandError::Operation(Error::OutcomeUnknown)) => made.map(|_| ()),
        // Nothing was stored, or another process was quicker: ours is not needed.
        Ok(false) | Err(_) => {
            fs::remove_file(&path).map_err(|source| key_file_error(&path, source))?;
            made.map(|_| ())
        }
    }
}

fn key_file_error(path: &Path, source: io::Error) -> CommandError {
    CommandError::InitialKeyFile {
        path: PathBuf::from(path),
        source,
    }
}

fn announce(path: &Path, address: SocketAddr) -> Result<(), CommandError> {
    let shown = path.display();
    let quoted = path.to_string_lossy().replace('\'', r"'\''");
    let address = reachable(address);
    writeln!(
        stderr(),
        "The first API key, with every permission, is in {shown}. Try it:\n\n  \
         curl 'http://{address}/contacts' \\\n    \
         --header 'Content-Type: application/json' \\\n    \
         --header \"Authorization: Bearer $(cat '{quoted}')\" \\\n    \
         --data '{{\"alias\": \"john\", \"msisdn\": \"4479000000001\", \"meta\": {{\"NAME\": \"John\"}}}}'\n"
    )?;
    Ok(())
}
