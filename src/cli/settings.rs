//! Where a setting comes from: the command line, over a variable of the environment, over
//! the configuration file, over its default. The parser knows the first two and the last;
//! what the file says is told to it as another default.

mod error;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};

pub use error::SettingsError;

use crate::token::Token;

/// What every variable of ours begins with.
const VARIABLE_BEGINS: &str = "ADDRESSBOOK_";
/// Names the configuration file.
const CONFIG_VARIABLE: &str = "ADDRESSBOOK_CONFIG";
/// The configuration file where none is named; it need not be there.
const CONFIG_FILE: &str = "addressbook.toml";
/// Settings that may hold a secret: `VARIABLE_FILE` names a file with the value.
const SECRET: [&str; 1] = ["database"];
const OF_FILE: &str = "_FILE";
/// Bytes of a file of settings.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// An unknown variable is a misspelt one if so few letters make it a known one.
const MISSPELT_LETTERS_MAX: usize = 2;

/// One setting of `serve`, for people.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The name in the configuration file, and of the flag.
    pub name: String,
    /// The values; empty where it is not set.
    pub values: Vec<String>,
    /// Where they come from.
    pub source: String,
}

/// What is said of settings neither on the command line nor in a variable.
#[derive(Debug, Default)]
pub(super) struct Layer {
    /// By the name of the setting.
    given: BTreeMap<String, Given>,
    /// Variables of our name that nobody knows and that resemble none.
    pub(super) strange: Vec<String>,
}

#[derive(Clone, Debug)]
struct Given {
    values: Vec<String>,
    /// The configuration file, or the variable that names a file.
    source: String,
}

impl Layer {
    /// Reads the configuration file and the files that variables name, and looks through
    /// the variables.
    pub(super) fn read(
        command: &Command,
        arguments: &[OsString],
        variables: &[(String, OsString)],
    ) -> Result<Self, SettingsError> {
        for (name, value) in variables {
            if name.starts_with(VARIABLE_BEGINS) && Token::is_in(&value.to_string_lossy()) {
                return Err(SettingsError::TokenInVariable(name.clone()));
            }
        }
        let known = known_settings(command);
        let strange = strange_variables(&known, variables)?;
        let mut layer = Self {
            given: BTreeMap::new(),
            strange,
        };
        // One that is set to nothing is not set.
        let variable = |name: &str| {
            let found = variables.iter().find(|(found, _)| found == name);
            let value = found.map(|(_, value)| value.as_os_str());
            value.filter(|value| !value.is_empty())
        };
        let named =
            named_config(arguments).or_else(|| variable(CONFIG_VARIABLE).map(PathBuf::from));
        let path = named.clone().unwrap_or_else(|| CONFIG_FILE.into());
        if named.is_some() || path.exists() {
            layer.read_config(&path, &known, &lists(command))?;
        }
        for name in SECRET {
            let Some(variable_name) = known.get(name) else {
                continue;
            };
            let of_file = format!("{variable_name}{OF_FILE}");
            let Some(path) = variable(&of_file).map(PathBuf::from) else {
                continue;
            };
            if variable(variable_name).is_some() {
                return Err(SettingsError::Twice(variable_name.clone()));
            }
            let value = read(&path)?.trim().to_owned();
            let given = Given {
                values: vec![value],
                source: of_file,
            };
            layer.given.insert(name.to_owned(), given);
        }
        Ok(layer)
    }

    fn read_config(
        &mut self,
        path: &Path,
        known: &BTreeMap<String, String>,
        lists: &BTreeSet<String>,
    ) -> Result<(), SettingsError> {
        let text = read(path)?;
        let table: toml::Table = toml::from_str(&text).map_err(|error| {
            let line = error.span().map_or(1, |span| {
                1 + text[..span.start.min(text.len())].matches('\n').count()
            });
            SettingsError::NoToml {
                path: path.to_owned(),
                reason: format!("line {line}: {}", error.message()),
            }
        })?;
        for (name, value) in table {
            if !known.contains_key(&name) {
                return Err(SettingsError::Unknown {
                    near: nearest(&name, known.keys(), usize::MAX),
                    name,
                    path: path.to_owned(),
                });
            }
            let values = match value {
                toml::Value::Array(values) if lists.contains(&name) => {
                    values.into_iter().map(plain).collect()
                }
                value => plain(value).map(|value| vec![value]),
            };
            let given = Given {
                values: values.ok_or_else(|| SettingsError::NoValue {
                    name: name.clone(),
                    path: path.to_owned(),
                })?,
                source: path.display().to_string(),
            };
            self.given.insert(name, given);
        }
        Ok(())
    }

    /// Has the parser take what was given for what the settings are by default, and a
    /// variable that is set to nothing for one that is not set.
    pub(super) fn put_into(&self, command: Command, variables: &[(String, OsString)]) -> Command {
        let is_nothing = |argument: &Arg| {
            let name = argument.get_env().and_then(OsStr::to_str);
            let mut set = variables
                .iter()
                .filter(|(found, _)| Some(found.as_str()) == name);
            set.any(|(_, value)| value.is_empty())
        };
        command
            .mut_args(|argument| {
                let given = argument.get_env().and(argument.get_long());
                let given = given.and_then(|name| self.given.get(name));
                let argument = match is_nothing(&argument) {
                    true => argument.env(None::<&'static str>),
                    false => argument,
                };
                match given {
                    Some(given) => argument.default_values(given.values.clone()),
                    None => argument,
                }
            })
            .mut_subcommands(|command| self.put_into(command, variables))
    }

    /// The settings of the verb that was given, each with its source.
    pub(super) fn settings(&self, verb: &Command, matches: &ArgMatches) -> Vec<Setting> {
        if let Some((name, matches)) = matches.subcommand()
            && let Some(verb) = verb.find_subcommand(name)
        {
            return self.settings(verb, matches);
        }
        let shown = verb
            .get_arguments()
            .filter(|argument| !argument.is_hide_set());
        shown
            .filter_map(|argument| self.setting(argument, matches))
            .collect()
    }

    fn setting(&self, argument: &Arg, matches: &ArgMatches) -> Option<Setting> {
        let variable = argument.get_env()?.to_string_lossy();
        let name = argument.get_long()?.to_owned();
        let id = argument.get_id().as_str();
        let values = matches.get_raw(id).into_iter().flatten();
        let source = match matches.value_source(id) {
            Some(ValueSource::CommandLine) => format!("--{name}"),
            Some(ValueSource::EnvVariable) => variable.into_owned(),
            _ => match self.given.get(&name) {
                Some(given) => given.source.clone(),
                None => "default".to_owned(),
            },
        };
        Some(Setting {
            values: values
                .map(|value| value.to_string_lossy().into_owned())
                .collect(),
            name,
            source,
        })
    }

    /// What a message of the parser says, in the words in which the setting was given:
    /// the parser knows it as a flag alone.
    pub(super) fn in_words_given(
        &self,
        message: &str,
        command: &Command,
        arguments: &[OsString],
        variables: &[(String, OsString)],
    ) -> String {
        let mut message = message.to_owned();
        for (name, variable) in known_settings(command) {
            let flag = format!("--{name}");
            let is_flag = arguments.iter().any(|argument| {
                let argument = argument.to_string_lossy();
                argument == flag || argument.starts_with(&format!("{flag}="))
            });
            let given = if is_flag {
                continue;
            } else if variables.iter().any(|(found, _)| *found == variable) {
                variable
            } else if let Some(given) = self.given.get(&name) {
                match given.source.starts_with(VARIABLE_BEGINS) {
                    true => given.source.clone(),
                    false => format!("{name} in {}", given.source),
                }
            } else {
                continue;
            };
            message = replace_flag(&message, &flag, &given);
        }
        message
    }
}

/// Puts `given` where the parser wrote `'--flag <VALUE>'`.
fn replace_flag(message: &str, flag: &str, given: &str) -> String {
    for begins in [format!("'{flag} "), format!("'{flag}'")] {
        if let Some((before, rest)) = message.split_once(&begins) {
            let rest = match begins.ends_with('\'') {
                true => rest,
                false => rest.split_once('\'').map_or(rest, |(_, rest)| rest),
            };
            return format!("{before}{given}{rest}");
        }
    }
    message.to_owned()
}

/// The settings that may have several values.
fn lists(command: &Command) -> BTreeSet<String> {
    let is_list = |argument: &&Arg| matches!(argument.get_action(), ArgAction::Append);
    let found = command.get_arguments().filter(is_list);
    let mut names: BTreeSet<String> = found
        .filter_map(|argument| argument.get_long().map(str::to_owned))
        .collect();
    for verb in command.get_subcommands() {
        names.extend(lists(verb));
    }
    names
}

/// Each setting with its variable, of whatever verb.
fn known_settings(command: &Command) -> BTreeMap<String, String> {
    let mut known = BTreeMap::new();
    for argument in command.get_arguments() {
        let variable = argument.get_env().and_then(OsStr::to_str);
        if let (Some(name), Some(variable)) = (argument.get_long(), variable)
            && variable.starts_with(VARIABLE_BEGINS)
            && variable != CONFIG_VARIABLE
            // A place with a password, for one run: no file is to keep it.
            && !argument.is_hide_env_values_set()
        {
            known.insert(name.to_owned(), variable.to_owned());
        }
    }
    for verb in command.get_subcommands() {
        known.extend(known_settings(verb));
    }
    known
}

/// The variables of our name that no setting has.
fn strange_variables(
    known: &BTreeMap<String, String>,
    variables: &[(String, OsString)],
) -> Result<Vec<String>, SettingsError> {
    let secret = SECRET.iter().filter_map(|name| known.get(*name));
    let mut names: Vec<String> = secret.map(|name| format!("{name}{OF_FILE}")).collect();
    names.extend(known.values().cloned());
    names.push(CONFIG_VARIABLE.to_owned());
    let mut strange = Vec::new();
    for (name, _) in variables {
        if !name.starts_with(VARIABLE_BEGINS) || names.contains(name) {
            continue;
        }
        if let Some(near) = nearest(name, &names, MISSPELT_LETTERS_MAX) {
            return Err(SettingsError::Misspelt {
                name: name.clone(),
                near,
            });
        }
        strange.push(name.clone());
    }
    strange.sort();
    Ok(strange)
}

/// The one of `known` that the fewest letters make of `name`, at most `letters_max`.
fn nearest<'a>(
    name: &str,
    known: impl IntoIterator<Item = &'a String>,
    letters_max: usize,
) -> Option<String> {
    let distances = known
        .into_iter()
        .map(|known| (strsim::osa_distance(name, known), known));
    let (distance, near) = distances.min()?;
    (distance <= letters_max).then(|| near.clone())
}

/// The file that `--config` names: it has to be read before the parser begins.
fn named_config(arguments: &[OsString]) -> Option<PathBuf> {
    let mut arguments = arguments.iter().take_while(|argument| *argument != "--");
    while let Some(argument) = arguments.next() {
        if argument == "--config" {
            return arguments.next().map(PathBuf::from);
        }
        let bytes = argument.as_bytes();
        if let Some(path) = bytes.strip_prefix(b"--config=") {
            return Some(OsStr::from_bytes(path).into());
        }
    }
    None
}

fn read(path: &Path) -> Result<String, SettingsError> {
    let failed = |source| SettingsError::File {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(failed)?;
    let mut text = String::new();
    let bytes = file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text);
    match bytes.map_err(failed)? as u64 {
        0..=FILE_BYTES_MAX if Token::is_in(&text) => Err(SettingsError::Token(path.to_owned())),
        0..=FILE_BYTES_MAX => Ok(text),
        _ => Err(SettingsError::FileTooLarge(path.to_owned())),
    }
}

fn plain(value: toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Float(number) => Some(number.to_string()),
        toml::Value::Boolean(truth) => Some(truth.to_string()),
        toml::Value::Datetime(_) | toml::Value::Array(_) | toml::Value::Table(_) => None,
    }
}
