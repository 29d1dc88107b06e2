//! What can be wrong with settings.

use std::path::PathBuf;

/// What is wrong with the settings, in one line.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A file cannot be read.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// A file that no settings fill.
    #[error("{0} has more than 1 MiB")]
    FileTooLarge(PathBuf),
    /// A token stands where a setting belongs: its words would be repeated.
    #[error("{0} holds a token, which is no setting")]
    Token(PathBuf),
    /// The same of a variable.
    #[error("{0} holds a token, which is no setting: name a file that holds it")]
    TokenInVariable(String),
    /// The configuration file is no TOML.
    #[error("{path}: {reason}")]
    NoToml {
        /// The file.
        path: PathBuf,
        /// With the line.
        reason: String,
    },
    /// A name that no setting has.
    #[error("unknown setting {name} in {path}{}", near.as_ref().map(|near| format!(", did you mean {near}?")).unwrap_or_default())]
    Unknown {
        /// Which name.
        name: String,
        /// The file.
        path: PathBuf,
        /// The known name that is nearest.
        near: Option<String>,
    },
    /// A value that is no text, number, truth or list of them.
    #[error(
        "{name} in {path} must be a string, a number, true or false, and only what may be given several times a list of them"
    )]
    NoValue {
        /// Which setting.
        name: String,
        /// The file.
        path: PathBuf,
    },
    /// A variable that is nearly a known one.
    #[error("unknown variable {name}, did you mean {near}?")]
    Misspelt {
        /// Which variable.
        name: String,
        /// The known variable.
        near: String,
    },
    /// A value and a file with the value.
    #[error("{0} and {0}_FILE are both set, one is enough")]
    Twice(String),
}
