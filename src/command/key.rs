//! `addressbook key …`

use std::io::{Write, stdout};

use serde::Serialize;

use super::CommandError;
use crate::cli::{DatabaseArgument, KeyCreate, KeyList, KeyRevoke, KeyVerb};
use crate::key::{ApiKey, KeyState, NewKey};
use crate::moment::Moment;
use crate::permission::PermissionSet;
use crate::store::{Database, locate};
use crate::token::{KeyId, SecretHash, Token};

/// Makes, lists or revokes keys, whether a server runs on the file or not.
///
/// # Errors
/// One line for the operator.
pub fn key(verb: &KeyVerb) -> Result<(), CommandError> {
    match verb {
        KeyVerb::Create(arguments) => create(arguments),
        KeyVerb::List(arguments) => list(arguments),
        KeyVerb::Revoke(arguments) => revoke(arguments),
    }
}

fn open(argument: &DatabaseArgument) -> Result<Database, CommandError> {
    Ok(Database::open_or_create(&locate(&argument.path)?, None)?)
}

fn create(arguments: &KeyCreate) -> Result<(), CommandError> {
    let expires_on = match arguments.expires_in {
        Some(duration) => {
            let expiry = Moment::now().checked_add(duration);
            Some(expiry.ok_or(CommandError::ExpiryTooFar)?)
        }
        None => None,
    };
    let key = NewKey {
        name: arguments.name.clone(),
        permissions: PermissionSet::of(&arguments.permissions)?,
        expires_on,
    };
    let mut database = open(&arguments.database)?;
    let token = Token::generate()?;
    database.create_key(&token, &SecretHash::of(&token)?, &key)?;
    let mut out = stdout().lock();
    let printed = writeln!(out, "{}", token.expose()).and_then(|()| out.flush());
    printed.or_else(|error| {
        // A key that nobody has must not stay.
        database.revoke_key(token.id())?;
        Err(CommandError::TokenUnprinted(error))
    })
}

fn list(arguments: &KeyList) -> Result<(), CommandError> {
    let keys = open(&arguments.database)?.keys()?;
    let now = Moment::now();
    if arguments.json {
        return print_json(&keys, now);
    }
    let header = ["ID", "STATE", "EXPIRES", "NAME", "PERMISSIONS"].map(str::to_owned);
    let rows: Vec<[String; 5]> = std::iter::once(header)
        .chain(keys.iter().map(|key| row(key, now)))
        .collect();
    let widths: [usize; 5] = std::array::from_fn(|column| {
        let widths = rows.iter().map(|row| row[column].chars().count());
        widths.max().unwrap_or_default()
    });
    let mut out = stdout().lock();
    for [id, state, expires, name, permissions] in rows {
        writeln!(
            out,
            "{id:0$}  {state:1$}  {expires:2$}  {name:3$}  {permissions}",
            widths[0], widths[1], widths[2], widths[3],
        )?;
    }
    Ok(())
}

/// The same, for programs.
fn print_json(keys: &[ApiKey], now: Moment) -> Result<(), CommandError> {
    #[derive(Serialize)]
    struct Listed<'a> {
        #[serde(flatten)]
        key: &'a ApiKey,
        state: KeyState,
    }
    let listed: Vec<Listed<'_>> = keys
        .iter()
        .map(|key| Listed {
            key,
            state: key.state(now),
        })
        .collect();
    let mut out = stdout().lock();
    serde_json::to_writer(&mut out, &listed).map_err(std::io::Error::from)?;
    writeln!(out)?;
    Ok(())
}

fn row(key: &ApiKey, now: Moment) -> [String; 5] {
    [
        key.id.to_string(),
        key.state(now).to_string(),
        key.expires_on
            .map_or_else(|| "never".to_owned(), |expiry| expiry.to_string()),
        key.name.as_str().to_owned(),
        key.permissions.to_string(),
    ]
}

fn revoke(arguments: &KeyRevoke) -> Result<(), CommandError> {
    let id = KeyId::parse(&arguments.id).ok_or(CommandError::NoKeyId)?;
    let mut database = open(&arguments.database)?;
    if !database.revoke_key(id)? {
        return Err(CommandError::KeyNotFound);
    }
    Ok(())
}
