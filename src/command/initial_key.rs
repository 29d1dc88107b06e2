//! The first key of a book without keys: in a file, and nowhere else. A start that
//! was interrupted anywhere is finished by the next one. Who reads the terminal is told of
//! a code as well, which signs in once.

use std::fs::{self, File};
use std::io::{self, IsTerminal, Read, Write, stderr};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::CommandError;
use crate::address::AddressRanges;
use crate::error::Error;
use crate::files;
use crate::key::{KeyName, KeyTerms};
use crate::moment::Moment;
use crate::permission::PermissionSet;
use crate::sign_in::{CODE_TIME, Code, CodeFile};
use crate::store::Operator;
use crate::token::{KeyId, NewSecret, Token};

const INITIAL_KEY_FILE: &str = "initial-api-key";
/// What every token begins with, and more bytes than one has.
const TOKEN_BEGIN: &[u8] = b"abk_";
const FILE_BYTES_READ: u64 = 128;

/// Makes a key with every permission and leaves it in a file: no log, terminal
/// or process list ever shows it. The server will be found at `url`.
pub(super) fn make(operator: &mut Operator, url: &str) -> Result<(), CommandError> {
    let path = operator.path().with_file_name(INITIAL_KEY_FILE);
    let failed = |source| key_file_error(&path, source);
    let secret = match left_behind(&path, operator.path())? {
        Some(token) => NewSecret::of(token)?,
        None => {
            let secret = NewSecret::generate()?;
            // The file first: a crash between the two leaves a file without a key,
            // whose token the next start takes, and never a key that nobody has.
            let mut file = files::create_private(&path).map_err(failed)?;
            writeln!(file, "{}", secret.token.expose())
                .and_then(|()| file.sync_all())
                .and_then(|()| files::sync_directory_of(&path))
                .or_else(|error| {
                    fs::remove_file(&path)?;
                    Err(error)
                })
                .map_err(failed)?;
            secret
        }
    };
    match operator.create_first_key(&secret, &terms()?) {
        Ok(true) => {
            let code = keep_code(operator.path(), secret.token.id())?;
            announce(&path, url, code.as_ref())
        }
        Err(Error::OutcomeUnknown) => Err(Error::OutcomeUnknown.into()),
        // Nothing was stored, or another process was quicker: ours is not needed.
        made => {
            fs::remove_file(&path).map_err(failed)?;
            made?;
            Ok(())
        }
    }
}

/// Makes a key with every permission of the token in `file`, which stays as it is.
///
/// # Errors
/// `InitialKeyNoToken` where the file holds anything else.
pub(super) fn take(operator: &mut Operator, file: &Path) -> Result<(), CommandError> {
    let mut held = String::new();
    File::open(file)
        .and_then(|open| open.take(FILE_BYTES_READ).read_to_string(&mut held))
        .map_err(|source| CommandError::file(file, source))?;
    let token = Token::parse(held.trim_ascii())
        .ok_or_else(|| CommandError::InitialKeyNoToken(file.to_owned()))?;
    let secret = NewSecret::of(token)?;
    if operator.create_first_key(&secret, &terms()?)? {
        log::info!(file:% = file.display(); "took the first key");
    }
    Ok(())
}

fn terms() -> Result<KeyTerms, CommandError> {
    Ok(KeyTerms {
        name: KeyName::parse("initial")?,
        permissions: PermissionSet::all(),
        expires_on: None,
        allowed_ips: AddressRanges::default(),
        rate_limit: None,
    })
}

/// The token that an interrupted start left; a file in which it left none is
/// removed. Only of a file that is regular, the book's owner's, and his alone.
///
/// # Errors
/// `InitialKeyFileExists` where the file is anything else.
fn left_behind(path: &Path, book: &Path) -> Result<Option<Token>, CommandError> {
    let failed = |source| key_file_error(path, source);
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        found => found.map_err(failed)?,
    };
    let owner = fs::metadata(book).map_err(failed)?.uid();
    let is_private = found.permissions().mode() & 0o777 == files::FILE_MODE;
    if !found.is_file() || found.uid() != owner || !is_private {
        return Err(CommandError::InitialKeyFileExists(path.to_owned()));
    }
    let mut left = Vec::new();
    File::open(path)
        .and_then(|file| file.take(FILE_BYTES_READ).read_to_end(&mut left))
        .map_err(failed)?;
    let token = std::str::from_utf8(&left).ok();
    if let Some(token) = token.and_then(|text| Token::parse(text.strip_suffix('\n')?)) {
        return Ok(Some(token));
    }
    // What was not written yet is missing, or zeros.
    let begun = left.iter().take_while(|byte| **byte != 0).count();
    let is_torn = left[begun..].iter().all(|byte| *byte == 0)
        && left[..begun]
            .iter()
            .zip(TOKEN_BEGIN)
            .all(|(one, other)| one == other)
        && (left.len() as u64) < FILE_BYTES_READ;
    if !is_torn {
        return Err(CommandError::InitialKeyFileExists(path.to_owned()));
    }
    fs::remove_file(path).map_err(failed)?;
    Ok(None)
}

fn key_file_error(path: &Path, source: io::Error) -> CommandError {
    CommandError::InitialKeyFile {
        path: PathBuf::from(path),
        source,
    }
}

/// Keeps a code that signs in once, where somebody reads the terminal; nobody else sees
/// it. A start does not fail for it: there is the key.
fn keep_code(book: &Path, key: KeyId) -> Result<Option<Code>, CommandError> {
    if !stderr().is_terminal() {
        return Ok(None);
    }
    let code = Code::generate()?;
    let expires_on = Moment::now()
        .checked_add(CODE_TIME)
        .ok_or(Error::Internal)?;
    match CodeFile::beside(book).keep(&code, key, expires_on) {
        Ok(()) => Ok(Some(code)),
        Err(error) => {
            log::warn!(error:% = error; "no code that signs in could be kept");
            Ok(None)
        }
    }
}

fn announce(path: &Path, url: &str, code: Option<&Code>) -> Result<(), CommandError> {
    let shown = path.display();
    let quoted = path.to_string_lossy().replace('\'', r"'\''");
    writeln!(
        stderr(),
        "The first API key, with every permission, is in {shown}. Try it:\n\n  \
         curl '{url}/contacts' \\\n    \
         --header 'Content-Type: application/json' \\\n    \
         --header \"Authorization: Bearer $(cat '{quoted}')\" \\\n    \
         --data '{{\"alias\": \"john\", \"msisdn\": \"4479000000001\", \"meta\": {{\"NAME\": \"John\", \"CITY\": \"London\"}}}}'\n"
    )?;
    if let Some(code) = code {
        let code = code.expose();
        let minutes = CODE_TIME.as_secs() / 60;
        writeln!(
            stderr(),
            "Or open the console in a browser. This address signs in once, within {minutes} minutes:\n\n  \
             {url}/console/#/sign-in?code={code}\n"
        )?;
    }
    Ok(())
}
