//! `completions`, `man`: the command line, told to shells and to readers.

use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::CommandLine;

const PROGRAM: &str = "addressbook";

/// `completions`
#[derive(Debug, Args)]
pub struct Completions {
    /// Which shell
    shell: Shell,
}

impl Completions {
    /// What the shell has to read.
    pub fn render(&self) -> Vec<u8> {
        let mut rendered = Vec::new();
        clap_complete::generate(
            self.shell,
            &mut CommandLine::command(),
            PROGRAM,
            &mut rendered,
        );
        rendered
    }
}

/// `man`
#[derive(Debug, Args)]
pub struct Man {
    /// Write the pages of all verbs into this directory, made where there is none
    #[arg(long = "dir", value_name = "DIR")]
    pub directory: Option<PathBuf>,
}

impl Man {
    /// The page of the program as a whole.
    ///
    /// # Errors
    /// None of its own: it is written to memory.
    pub fn render() -> io::Result<Vec<u8>> {
        let mut rendered = Vec::new();
        clap_mangen::Man::new(CommandLine::command().disable_help_subcommand(true))
            .render(&mut rendered)?;
        Ok(rendered)
    }

    /// Writes all pages into a directory that is there.
    ///
    /// # Errors
    /// The operating system's.
    pub fn write_all(directory: &Path) -> io::Result<()> {
        clap_mangen::generate_to(CommandLine::command(), directory)
    }
}
