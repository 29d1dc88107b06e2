//! `key …`

use std::time::Duration;

use clap::builder::RangedI64ValueParser;
use clap::{Args, Subcommand, ValueEnum};

use super::DatabaseArgument;
use crate::key::{KeyName, RATE_LIMIT_MAX};
use crate::permission::Permission;

/// `key …`
#[derive(Debug, Subcommand)]
pub enum KeyVerb {
    /// Make a key and print its token, this once
    Create(KeyCreate),
    /// List the keys: id, name, permissions, expiry, state
    List(KeyList),
    /// Show one key as JSON
    Show(KeyNamed),
    /// Change a key: what is given takes the place of what was
    Update(KeyUpdate),
    /// Give a key a successor of the same terms and print its token, this once
    Rotate(KeyRotate),
    /// Revoke a key: the next request with it is refused
    Revoke(KeyRevoke),
}

/// `key create`
#[derive(Debug, Args)]
pub struct KeyCreate {
    /// Which file.
    #[command(flatten)]
    pub database: DatabaseArgument,
    /// What people call the key
    #[arg(long, value_parser = KeyName::parse)]
    pub name: KeyName,
    /// What it may do, such as create:Contacts; once for each permission
    #[arg(
        long = "permission",
        value_name = "PERMISSION",
        required_unless_present = "role",
        value_parser = permission
    )]
    pub permissions: Vec<Permission>,
    /// What it is for, which takes these permissions, beside those that are named
    #[arg(long)]
    pub role: Option<KeyRole>,
    /// How long it is good, such as 90d or 12h; without, for ever
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub expires_in: Option<Duration>,
    /// From where it may be used, such as 10.0.0.0/8; once for each range
    #[arg(long = "allowed-ip", value_name = "CIDR")]
    pub allowed_ips: Vec<String>,
    /// How many requests it may make in a second
    #[arg(long, value_name = "REQUESTS", value_parser = rate_limit())]
    pub rate_limit: Option<u32>,
}

fn permission(text: &str) -> Result<Permission, String> {
    text.parse().map_err(|_| {
        let known = Permission::ALL.iter().map(|known| known.as_str());
        format!("known are {}", known.collect::<Vec<_>>().join(", "))
    })
}

/// What a key is for.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum KeyRole {
    /// Everything
    Admin,
    /// To look recipients up: reads contacts, groups and opt-outs
    Sender,
    /// To bring contacts, groups and opt-outs in: creates, reads and updates them
    Importer,
    /// To read everything
    Reader,
}

fn rate_limit() -> RangedI64ValueParser<u32> {
    RangedI64ValueParser::new().range(1..=i64::from(RATE_LIMIT_MAX))
}

/// `key list`
#[derive(Debug, Args)]
pub struct KeyList {
    /// Which file.
    #[command(flatten)]
    pub database: DatabaseArgument,
    /// Print a JSON array, an object for each key
    #[arg(long)]
    pub json: bool,
}

/// `key update`
#[derive(Debug, Args)]
pub struct KeyUpdate {
    /// Which key of which file.
    #[command(flatten)]
    pub named: KeyNamed,
    /// Another name
    #[arg(long, value_parser = KeyName::parse)]
    pub name: Option<KeyName>,
    /// What it may do from now on; once for each permission
    #[arg(long = "permission", value_name = "PERMISSION", value_parser = permission)]
    pub permissions: Vec<Permission>,
    /// How long it is good from now on
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub expires_in: Option<Duration>,
    /// Good for ever
    #[arg(long, conflicts_with = "expires_in")]
    pub no_expiry: bool,
    /// From where it may be used from now on; once for each range
    #[arg(long = "allowed-ip", value_name = "CIDR")]
    pub allowed_ips: Vec<String>,
    /// From anywhere
    #[arg(long, conflicts_with = "allowed_ips")]
    pub any_ip: bool,
    /// How many requests it may make in a second from now on
    #[arg(long, value_name = "REQUESTS", value_parser = rate_limit())]
    pub rate_limit: Option<u32>,
    /// As many requests as it likes
    #[arg(long, conflicts_with = "rate_limit")]
    pub no_rate_limit: bool,
}

/// `key rotate`
#[derive(Debug, Args)]
pub struct KeyRotate {
    /// Which key of which file.
    #[command(flatten)]
    pub named: KeyNamed,
    /// How long the old token stays good, at most 30d
    #[arg(long, value_name = "DURATION", default_value = "1d", value_parser = humantime::parse_duration)]
    pub overlap: Duration,
}

/// `key revoke`
#[derive(Debug, Args)]
pub struct KeyRevoke {
    /// Which key of which file.
    #[command(flatten)]
    pub named: KeyNamed,
    /// Do not ask before the last key that can make others is revoked
    #[arg(long)]
    pub force: bool,
}

/// `key show` and every verb that changes one key: which key of which file.
#[derive(Debug, Args)]
pub struct KeyNamed {
    /// Which file.
    #[command(flatten)]
    pub database: DatabaseArgument,
    /// The key's id: the 12 characters after `abk_` in its token
    // Read later: clap would print a whole token given by mistake.
    #[arg(value_name = "ID")]
    pub id: String,
}
