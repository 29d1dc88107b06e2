//! `addressbook key …`

use std::io::{self, IsTerminal, Write, stderr, stdin, stdout};
use std::time::Duration;

use serde::Serialize;

use super::{CommandError, open_existing, print_json};
use crate::address::AddressRanges;
use crate::cli::{KeyCreate, KeyList, KeyNamed, KeyRevoke, KeyRole, KeyRotate, KeyUpdate, KeyVerb};
use crate::error::Error;
use crate::http::wire::key_record::KeyRecord;
use crate::invalid::Invalid;
use crate::key::{ApiKey, KeyChange, KeyTerms, OVERLAP_MAX};
use crate::moment::Moment;
use crate::permission::{Permission, PermissionSet, Role};
use crate::store::{Operator, locate};
use crate::token::{KeyId, NewSecret};

/// Makes, shows, changes or revokes keys, whether a server runs on the file or not.
///
/// # Errors
/// One line for the operator.
pub fn key(verb: &KeyVerb) -> Result<(), CommandError> {
    match verb {
        KeyVerb::Create(arguments) => create(arguments),
        KeyVerb::List(arguments) => list(arguments),
        KeyVerb::Show(arguments) => show(arguments),
        KeyVerb::Update(arguments) => update(arguments),
        KeyVerb::Rotate(arguments) => rotate(arguments),
        KeyVerb::Revoke(arguments) => revoke(arguments),
    }
}

/// Opens the file and reads the id; a whole token given by mistake is not repeated.
fn open_named(named: &KeyNamed) -> Result<(Operator, KeyId), CommandError> {
    let id = KeyId::parse(&named.id).ok_or(CommandError::NoKeyId)?;
    Ok((open_existing(&named.database.path)?, id))
}

fn create(arguments: &KeyCreate) -> Result<(), CommandError> {
    let role = arguments.role.map(|role| match role {
        KeyRole::Admin => Role::Admin,
        KeyRole::Sender => Role::Sender,
        KeyRole::Importer => Role::Importer,
        KeyRole::Reader => Role::Reader,
    });
    let of_role = role.into_iter().flat_map(Role::permissions);
    let permissions: Vec<Permission> = of_role
        .chain(arguments.permissions.iter().copied())
        .collect();
    let terms = KeyTerms {
        name: arguments.name.clone(),
        permissions: PermissionSet::of(&permissions)?,
        expires_on: arguments.expires_in.map(expiry).transpose()?,
        allowed_ips: ranges(&arguments.allowed_ips)?,
        rate_limit: arguments.rate_limit,
    };
    let path = locate(&arguments.database.path)?;
    let mut operator = Operator::open_or_create(&path, None)?;
    let secret = NewSecret::generate()?;
    operator.create_key(&secret, &terms)?;
    print_token(&secret).or_else(|error| {
        operator.revoke_key(secret.token.id(), true)?;
        Err(CommandError::TokenUnprinted(error))
    })
}

fn update(arguments: &KeyUpdate) -> Result<(), CommandError> {
    let permissions = &arguments.permissions;
    let change = KeyChange {
        name: arguments.name.clone(),
        permissions: match permissions.is_empty() {
            true => None,
            false => Some(PermissionSet::of(permissions)?),
        },
        expires_on: match arguments.expires_in {
            Some(duration) => Some(Some(expiry(duration)?)),
            None => arguments.no_expiry.then_some(None),
        },
        allowed_ips: match arguments.allowed_ips.is_empty() {
            true => arguments.any_ip.then(AddressRanges::default),
            false => Some(ranges(&arguments.allowed_ips)?),
        },
        rate_limit: match arguments.rate_limit {
            Some(limit) => Some(Some(limit)),
            None => arguments.no_rate_limit.then_some(None),
        },
    };
    if change.is_empty() {
        return Err(Invalid::NothingToUpdate.into());
    }
    let (mut operator, id) = open_named(&arguments.named)?;
    let key = operator.update_key(id, change)?;
    print_json(&Listed::of(&key, Moment::now()))
}

fn rotate(arguments: &KeyRotate) -> Result<(), CommandError> {
    if arguments.overlap > OVERLAP_MAX {
        return Err(CommandError::OverlapTooLong);
    }
    let (mut operator, id) = open_named(&arguments.named)?;
    let old = operator.key(id)?;
    let secret = NewSecret::generate()?;
    operator.rotate_key(id, &secret, arguments.overlap)?;
    print_token(&secret).or_else(|error| {
        operator.undo_rotation(&old, secret.token.id())?;
        Err(CommandError::TokenUnprinted(error))
    })
}

/// Prints the token alone. Where that fails, nobody has the key, and it must not stay.
fn print_token(secret: &NewSecret) -> std::io::Result<()> {
    let mut out = stdout().lock();
    writeln!(out, "{}", secret.token.expose())?;
    out.flush()
}

fn expiry(duration: Duration) -> Result<Moment, CommandError> {
    Moment::now()
        .checked_add(duration)
        .ok_or(CommandError::ExpiryTooFar)
}

fn ranges(texts: &[String]) -> Result<AddressRanges, Invalid> {
    AddressRanges::parse(texts.iter().map(String::as_str))
}

fn show(named: &KeyNamed) -> Result<(), CommandError> {
    let (operator, id) = open_named(named)?;
    print_json(&Listed::of(&operator.key(id)?, Moment::now()))
}

fn list(arguments: &KeyList) -> Result<(), CommandError> {
    let keys = open_existing(&arguments.database.path)?.keys()?;
    let now = Moment::now();
    if arguments.json {
        let listed: Vec<Listed<'_>> = keys.iter().map(|key| Listed::of(key, now)).collect();
        return print_json(&listed);
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

/// A key for programs.
#[derive(Serialize)]
struct Listed<'a> {
    #[serde(flatten)]
    key: KeyRecord<'a>,
    state: String,
}

impl<'a> Listed<'a> {
    fn of(key: &'a ApiKey, now: Moment) -> Self {
        Self {
            key: KeyRecord::of(key),
            state: key.state(now).to_string(),
        }
    }
}

fn row(key: &ApiKey, now: Moment) -> [String; 5] {
    [
        key.id.to_string(),
        key.state(now).to_string(),
        key.terms
            .expires_on
            .map_or_else(|| "never".to_owned(), |expiry| expiry.to_string()),
        key.terms.name.as_str().to_owned(),
        key.terms.permissions.to_string(),
    ]
}

/// Where nobody is at a terminal to be asked, the last key that manages keys stays.
fn revoke(arguments: &KeyRevoke) -> Result<(), CommandError> {
    let (mut operator, id) = open_named(&arguments.named)?;
    match operator.revoke_key(id, arguments.force) {
        Err(Error::LastManagingKey) if wants_last_revoked()? => Ok(operator.revoke_key(id, true)?),
        Err(Error::LastManagingKey) => Err(CommandError::LastManagingKey),
        revoked => Ok(revoked?),
    }
}

fn wants_last_revoked() -> io::Result<bool> {
    if !stdin().is_terminal() || !stderr().is_terminal() {
        return Ok(false);
    }
    write!(
        stderr(),
        "This is the last key that can make others. Revoke it? [y/N] "
    )?;
    let mut answer = String::new();
    stdin().read_line(&mut answer)?;
    Ok(["y", "yes"].contains(&answer.trim().to_lowercase().as_str()))
}
