//! `addressbook config`

use std::io::{Write, stdout};

use super::CommandError;
use crate::cli::Setting;
use crate::store::without_secrets;

/// Prints settings in the form of the configuration file.
///
/// # Errors
/// `PipeClosed` where nobody reads any more.
pub fn config(settings: &[Setting]) -> Result<(), CommandError> {
    let lines: Vec<(String, &str)> = settings.iter().map(line).collect();
    let widths = lines.iter().map(|(line, _)| line.chars().count());
    let width = widths.max().unwrap_or_default();
    let mut out = stdout().lock();
    for (line, source) in lines {
        writeln!(out, "{line:width$}  # {source}")?;
    }
    Ok(())
}

fn line(setting: &Setting) -> (String, &str) {
    let quoted = |value: &String| {
        let shown = without_secrets(value);
        toml::Value::from(shown.to_string_lossy().as_ref()).to_string()
    };
    let line = match setting.values.as_slice() {
        [] => format!("# {}", setting.name),
        [value] => format!("{} = {}", setting.name, quoted(value)),
        values => {
            let values: Vec<String> = values.iter().map(quoted).collect();
            format!("{} = [{}]", setting.name, values.join(", "))
        }
    };
    let source = match setting.values.is_empty() {
        true => "not set",
        false => setting.source.as_str(),
    };
    (line, source)
}
