//! The command line: every flag and variable, and the only reader of the
//! environment.

mod files;
mod key;
mod migrate;
mod pages;
mod serve;
mod settings;

use std::ffi::OsString;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::LazyLock;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

pub use files::{Backup, Check, Export, FileEncoding, FileFormat, Import, ImportMode, Restore};
pub use key::{KeyCreate, KeyList, KeyNamed, KeyRevoke, KeyRole, KeyRotate, KeyUpdate, KeyVerb};
pub use migrate::Migrate;
pub use pages::{Completions, Man};
pub use serve::{BackupArguments, LogFormat, LogLevel, Serve, TlsArguments};
use settings::Layer;
pub use settings::{Setting, SettingsError};

use crate::base_path::BasePath;
use crate::store;
use crate::token::Token;

/// A self-hosted address book: contacts behind permission-checked API keys.
#[derive(Debug, Parser)]
#[command(version, long_version = version(), propagate_version = true)]
pub struct CommandLine {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
    /// The configuration file; ./addressbook.toml where it is there and none is named
    // Read before everything else.
    #[arg(long, global = true, value_name = "FILE", env = "ADDRESSBOOK_CONFIG")]
    pub config: Option<PathBuf>,
    /// The verb's settings, each with where it comes from.
    #[arg(skip)]
    pub settings: Vec<Setting>,
    /// Variables of our name that are none of ours.
    #[arg(skip)]
    pub strange_variables: Vec<String>,
}

/// Why nothing is done at all.
#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    /// A token stands on the command line, where everybody can read it.
    #[error(
        "a token does not belong on the command line, name the key by its id: \
        the 12 letters and digits after abk_"
    )]
    TokenGiven,
    /// A file of settings or a variable is wrong.
    #[error(transparent)]
    Settings(#[from] SettingsError),
}

impl CommandLine {
    /// Reads the command line, the variables and the configuration file; what is wrong
    /// with an argument ends the process.
    ///
    /// # Errors
    /// [`UsageError::TokenGiven`] before anything else is looked at: no verb takes a token,
    /// and the parser would repeat it in its error.
    pub fn read() -> Result<Self, UsageError> {
        let arguments: Vec<OsString> = std::env::args_os().collect();
        let mut texts = arguments.iter().map(|one| one.to_string_lossy());
        if texts.any(|one| Token::is_in(&one)) {
            return Err(UsageError::TokenGiven);
        }
        let variables: Vec<(String, OsString)> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
            .collect();
        let mut layer = Layer::read(&Self::command(), &arguments, &variables)
            .inspect_err(|_| Self::help_all_the_same(&arguments))?;
        let command = layer.put_into(Self::command(), &variables);
        let parsed = command.clone().try_get_matches_from(&arguments);
        let matches = parsed.unwrap_or_else(|error| {
            if error.kind() != ErrorKind::ValueValidation && error.kind() != ErrorKind::InvalidValue
            {
                error.exit();
            }
            let message = error.render().to_string();
            let message = layer.in_words_given(&message, &command, &arguments, &variables);
            eprint!("{message}");
            std::process::exit(error.exit_code());
        });
        let mut read = Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        read.settings = layer.settings(&Self::command(), &matches);
        read.strange_variables = std::mem::take(&mut layer.strange);
        Ok(read)
    }
}

impl CommandLine {
    /// Whatever is wrong with the settings, nobody who asks for help is told that instead.
    fn help_all_the_same(arguments: &[OsString]) {
        if let Err(error) = Self::command().try_get_matches_from(arguments)
            && matches!(
                error.kind(),
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
            )
        {
            error.exit();
        }
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Serve an address book over HTTP until SIGTERM or SIGINT
    Serve(Serve),
    /// Make, change and revoke API keys, while a server runs or not
    #[command(subcommand)]
    Key(KeyVerb),
    /// Store the contacts of a CSV or NDJSON file, while a server runs or not
    Import(Import),
    /// Write all contacts to a CSV or NDJSON file, while a server runs or not
    Export(Export),
    /// Write the whole address book to a file, while a server runs or not
    Backup(Backup),
    /// Put a backup in the place of the address book, while no server runs
    Restore(Restore),
    /// Look through the whole address book for damage; exit code 0 if there is none
    Check(Check),
    /// Move the whole address book from a file to PostgreSQL, or back
    Migrate(Migrate),
    /// Show the settings and where they come from
    #[command(subcommand)]
    Config(ConfigVerb),
    /// Ask a running server whether it answers, or is ready; exit code 0 if so
    Healthcheck(Healthcheck),
    /// Print the API document, OpenAPI 3.1 as JSON
    Openapi,
    /// Print what completes this command line in a shell
    Completions(Completions),
    /// Print the manual page, or write a page for each verb
    Man(Man),
}

/// `config …`
#[derive(Debug, Subcommand)]
pub enum ConfigVerb {
    /// Print every setting of `serve` as a configuration file, each with where it comes
    /// from; takes the flags of `serve`
    Show(Box<Serve>),
}

/// What `--version` says; `-V` has its first line.
fn version() -> &'static str {
    static VERSION: LazyLock<String> = LazyLock::new(|| {
        let engine = store::sqlite_version();
        format!(
            "{}\ncommit: {}\nSQLite: {engine}\nfeatures: {}",
            env!("CARGO_PKG_VERSION"),
            env!("ADDRESSBOOK_COMMIT"),
            FEATURES.join(" ")
        )
    });
    VERSION.as_str()
}

/// What this program can that another build of it might not.
const FEATURES: &[&str] = &["postgres", "sqlite", "tls"];

/// Which file is the address book.
#[derive(Debug, Args)]
pub struct DatabaseArgument {
    /// The address book's file; `serve` and `key create` make it where there is none.
    /// Or the URL of a PostgreSQL database: postgres://user@host1,host2/name
    #[arg(
        long = "database",
        value_name = "PATH",
        env = "ADDRESSBOOK_DATABASE",
        default_value = "./data/addressbook.db"
    )]
    pub path: PathBuf,
}

/// Where the server listens.
#[derive(Debug, Args)]
pub struct ListenArgument {
    /// The address and port to listen on; port 0 takes a free one
    #[arg(
        long = "listen",
        value_name = "ADDR",
        env = "ADDRESSBOOK_LISTEN",
        default_value = "127.0.0.1:8080",
        value_parser = listen_address
    )]
    pub address: SocketAddr,
}

/// Under which path the server stands.
#[derive(Debug, Args)]
pub struct BasePathArgument {
    /// What every path begins with, such as /book
    #[arg(
        long = "base-path",
        value_name = "PATH",
        env = "ADDRESSBOOK_BASE_PATH",
        default_value = "",
        hide_default_value = true
    )]
    pub base: BasePath,
}

/// Reads an address, or looks a name up; of several addresses, the first of version 4.
fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let found: Vec<SocketAddr> = match text.to_socket_addrs() {
        Ok(found) => found.collect(),
        Err(error) => return Err(format!("{error}, such as 127.0.0.1:8080 or localhost:8080")),
    };
    let first = found
        .iter()
        .find(|address| address.is_ipv4())
        .or(found.first());
    first
        .copied()
        .ok_or_else(|| "no address has this name".to_owned())
}

/// `healthcheck`
#[derive(Debug, Args)]
pub struct Healthcheck {
    /// Where the server listens; 0.0.0.0 and :: are asked on loopback.
    #[command(flatten)]
    pub listen: ListenArgument,
    /// Under which path.
    #[command(flatten)]
    pub base_path: BasePathArgument,
    /// Ask by TLS, as is done where the server is given a certificate; any will do,
    /// since nothing secret is sent
    #[arg(long = "tls-cert", value_name = "FILE", env = "ADDRESSBOOK_TLS_CERT")]
    pub tls_certificate: Option<PathBuf>,
    /// Ask whether it would read and write, too
    #[arg(long)]
    pub ready: bool,
}
