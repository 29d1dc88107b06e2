//! `migrate`: a book moved from a file to PostgreSQL, or back.

use std::path::PathBuf;

use clap::Args;

/// `migrate`
#[derive(Debug, Args)]
#[command(after_help = WHAT_MOVES)]
pub struct Migrate {
    /// The address book to move, a file or the URL of a PostgreSQL database; it stays as it is
    #[arg(
        long,
        value_name = "PATH",
        env = "ADDRESSBOOK_MIGRATE_FROM",
        hide_env_values = true
    )]
    pub from: PathBuf,
    /// Where it goes, a file or a URL; made where there is none, and refused unless it is empty
    #[arg(
        long,
        value_name = "PATH",
        env = "ADDRESSBOOK_MIGRATE_TO",
        hide_env_values = true
    )]
    pub to: PathBuf,
}

const WHAT_MOVES: &str = "Everything moves but sessions: whoever was signed in signs in again. \
    What it held goes to standard output as JSON, with a SHA-256 of each table. What is written \
    to the source meanwhile does not move: stop its server first.";
