//! `openapi`: the API document on standard output.

use std::io::Write;

use super::CommandError;
use crate::http;

/// Prints the API document.
///
/// # Errors
/// `PipeClosed`, `Io`.
pub fn openapi() -> Result<(), CommandError> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", http::api_document())?;
    Ok(())
}
