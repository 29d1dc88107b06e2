//! `addressbook serve`

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write, stderr, stdout};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::available_parallelism;

use super::CommandError;
use crate::cli::Serve;
use crate::error::Error;
use crate::http::{self, State};
use crate::key::{KeyName, NewKey};
use crate::permission::PermissionSet;
use crate::store::{Database, ServerLock, Store};
use crate::token::{SecretHash, Token};

const INITIAL_KEY_FILE: &str = "initial-api-key";

/// Serves until a signal, with the runtime that `block_on` starts.
///
/// # Errors
/// One line for the operator.
pub fn serve(
    arguments: &Serve,
    block_on: impl FnOnce(ServeFuture) -> io::Result<()>,
) -> Result<(), CommandError> {
    let path = &arguments.database.path;
    let listen_on = arguments.listen.address;
    let failed = |source| CommandError::Listen {
        address: listen_on,
        source,
    };
    let listener = TcpListener::bind(listen_on).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let _lock = ServerLock::take(path)?;
    let mut database = Database::open_or_create(path)?;
    if !arguments.no_initial_key && database.has_no_key()? {
        make_initial_key(&mut database, address)?;
    }
    // A worker reads inline, one connection at a time.
    let workers = available_parallelism().map_or(1, usize::from);
    let readers_max = u32::try_from(workers).unwrap_or(u32::MAX);
    let store = Arc::new(Store::start(database, readers_max)?);
    writeln!(stdout(), "listening on http://{address}")?;
    log::info!(address:% = address, database:% = path.display(); "serving");
    let state = State::new(Arc::clone(&store));
    let served = block_on(Box::pin(http::serve(listener, state, workers)));
    store.stop();
    served?;
    log::info!("stopped");
    Ok(())
}

/// The server as a future, for a runtime to run.
pub type ServeFuture = std::pin::Pin<Box<dyn Future<Output = io::Result<()>>>>;

/// Makes a key with every permission and leaves it in a file: no log, terminal
/// or process list ever shows it.
fn make_initial_key(database: &mut Database, address: SocketAddr) -> Result<(), CommandError> {
    let path = database.path().with_file_name(INITIAL_KEY_FILE);
    let token = Token::generate()?;
    let hash = SecretHash::of(&token)?;
    let key = NewKey {
        name: KeyName::parse("initial").map_err(Error::Invalid)?,
        permissions: PermissionSet::all(),
        expires_on: None,
    };
    // The file first: a crash between the two leaves a file without a key, which
    // the next start reports, and never a key that nobody has.
    write_key_file(&path, &token)?;
    match database.create_first_key(&token, &hash, &key) {
        Ok(true) => announce(&path, address),
        // Another process made a key in this very moment: ours is not needed.
        Ok(false) => fs::remove_file(&path).map_err(|source| key_file_error(&path, source)),
        Err(Error::OutcomeUnknown) => Err(Error::OutcomeUnknown.into()),
        Err(error) => {
            fs::remove_file(&path).map_err(|source| key_file_error(&path, source))?;
            Err(error.into())
        }
    }
}

fn write_key_file(path: &Path, token: &Token) -> Result<(), CommandError> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => CommandError::InitialKeyFileExists(path.to_owned()),
            _ => key_file_error(path, source),
        })?;
    writeln!(file, "{}", token.expose())
        .and_then(|()| file.sync_all())
        .and_then(|()| File::open(path.parent().unwrap_or(Path::new("."))))
        .and_then(|directory| directory.sync_all())
        .map_err(|source| key_file_error(path, source))
}

fn key_file_error(path: &Path, source: io::Error) -> CommandError {
    CommandError::InitialKeyFile {
        path: PathBuf::from(path),
        source,
    }
}

fn announce(path: &Path, address: SocketAddr) -> Result<(), CommandError> {
    let path = path.display();
    writeln!(
        stderr(),
        "The first API key, with every permission, is in {path}. Try it:\n\n  \
         curl 'http://{address}/contacts' \\\n    \
         --header 'Content-Type: application/json' \\\n    \
         --header \"Authorization: Bearer $(cat '{path}')\" \\\n    \
         --data '{{\"alias\": \"john\", \"msisdn\": \"4479000000001\", \"meta\": {{\"NAME\": \"John\"}}}}'\n"
    )?;
    Ok(())
}
