//! `import`, `export`, `backup`, `restore`, `check`: the verbs of files.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::DatabaseArgument;

/// `import`
#[derive(Debug, Args)]
#[command(after_help = IMPORT_CODES)]
pub struct Import {
    /// The file with the contacts, or - for standard input
    pub file: PathBuf,
    /// Which file.
    #[command(flatten)]
    pub database: DatabaseArgument,
    /// How the file holds them
    #[arg(long, default_value = "csv")]
    pub format: FileFormat,
    /// In which encoding it is; a byte order mark of UTF-8 or UTF-16 says another
    #[arg(long, default_value = "utf-8")]
    pub encoding: FileEncoding,
    /// What becomes of a contact whose alias is there
    #[arg(long, default_value = "create")]
    pub mode: ImportMode,
    /// Store nothing, but say what would come of it
    #[arg(long)]
    pub dry_run: bool,
    /// A new file for the rows that fail, as they came, to be mended and imported
    #[arg(long, value_name = "FILE")]
    pub rejects: Option<PathBuf>,
}

const IMPORT_CODES: &str = "Errors of rows go to standard error, the summary as JSON to \
    standard output. Exit codes: 0 every row is in, 3 some rows failed, 1 it ended before its end.";

/// `export`
#[derive(Debug, Args)]
pub struct Export {
    /// The file to write, or - for standard output; one that exists is replaced
    pub file: PathBuf,
    /// Which file.
    #[command(flatten)]
    pub database: DatabaseArgument,
    /// How the file is to hold the contacts
    #[arg(long, default_value = "csv")]
    pub format: FileFormat,
    /// Begin CSV with a byte order mark, by which spreadsheets know that it is UTF-8
    #[arg(long)]
    pub bom: bool,
}

/// In which encoding a file is.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum FileEncoding {
    /// What everything writes today
    #[value(name = "utf-8")]
    Utf8,
    /// What older western programs write
    #[value(name = "windows-1252")]
    Windows1252,
}

/// `backup`
#[derive(Debug, Args)]
pub struct Backup {
    /// The file to write, or - for standard output; one that exists is replaced
    pub file: PathBuf,
    /// Which file.
    #[command(flatten)]
    pub database: DatabaseArgument,
}

/// `restore`
#[derive(Debug, Args)]
pub struct Restore {
    /// The backup; it is copied and stays as it is
    pub file: PathBuf,
    /// Which file.
    #[command(flatten)]
    pub database: DatabaseArgument,
}

/// `check`
#[derive(Debug, Args)]
pub struct Check {
    /// Which file.
    #[command(flatten)]
    pub database: DatabaseArgument,
}

/// How a file holds contacts.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum FileFormat {
    /// A line of column names, then a line for each contact
    Csv,
    /// A JSON object for each contact, a line for each object
    Ndjson,
}

/// What becomes of a contact whose alias is there.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ImportMode {
    /// It stays, the row fails
    Create,
    /// The row takes its place
    Upsert,
    /// The row takes its place, its meta is merged into the one that is there
    Merge,
}
