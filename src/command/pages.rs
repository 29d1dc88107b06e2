//! `addressbook completions` and `addressbook man`

use std::fs;
use std::io::{Write, stdout};

use super::CommandError;
use crate::cli::{Completions, Man};

/// Prints the completions for one shell.
///
/// # Errors
/// One line for the operator.
pub fn completions(arguments: &Completions) -> Result<(), CommandError> {
    stdout().lock().write_all(&arguments.render())?;
    Ok(())
}

/// Prints the manual page, or writes all of them into a directory.
///
/// # Errors
/// One line for the operator.
pub fn man(arguments: &Man) -> Result<(), CommandError> {
    let Some(directory) = &arguments.directory else {
        stdout().lock().write_all(&Man::render()?)?;
        return Ok(());
    };
    fs::create_dir_all(directory)
        .and_then(|()| Man::write_all(directory))
        .map_err(|source| CommandError::file(directory, source))
}
