//! Embeds the console. `main.js` and `main.css` are joined with what they import, comments
//! and indentation are left out, and each file is compressed once, as small as gzip can be:
//! a browser asks for five files and never has to wait for the next one's name.
//!
//! What is joined keeps to a few rules, and the build fails where it does not: one line for
//! an import or an export, no cycles, templates that end in their line.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::Path;

use sha2::{Digest, Sha256};
use zopfli::{Format, Options};

/// The files that a browser loads, without folders.
const FOLDER: &str = "console";
/// Hexadecimal digits of an entity tag.
const TAG_DIGITS: usize = 32;
/// What a browser asks for, and the constant with its media type.
const SERVED: [(&str, &str); 5] = [
    ("icon.svg", "SVG"),
    ("index.html", "HTML"),
    ("main.css", "CSS"),
    ("main.js", "SCRIPT"),
    ("theme.js", "SCRIPT"),
];

/// Writes the files, compressed, and the table of them that `src/http/console.rs`
/// includes. The same files make the same bytes.
///
/// # Errors
/// What is wrong, and with which file.
pub(crate) fn embed() -> Result<(), String> {
    println!("cargo:rerun-if-changed={FOLDER}");
    let out = std::env::var("OUT_DIR").map_err(|_| "OUT_DIR is not set")?;
    let mut table = "&[\n".to_owned();
    for (name, media_type) in SERVED {
        let text = match name.rsplit_once('.') {
            Some((module, "js")) => join_scripts(module)?,
            Some((_, "css")) => join_styles(name)?,
            _ => read(name)?,
        };
        let mut compressed = Vec::new();
        zopfli::compress(
            Options::default(),
            Format::Gzip,
            text.as_bytes(),
            &mut compressed,
        )
        .map_err(|error| format!("{name}: {error}"))?;
        let into = format!("{out}/{name}.gz");
        write(&into, &compressed)?;
        let mut tag = String::new();
        for byte in &Sha256::digest(&compressed)[..TAG_DIGITS / 2] {
            let _ = write!(tag, "{byte:02x}");
        }
        let _ = writeln!(
            table,
            "File {{ name: {name:?}, media_type: {media_type}, etag: \"\\\"{tag}\\\"\", \
             compressed: include_bytes!({into:?}) }},"
        );
    }
    table.push(']');
    write(&format!("{out}/console.rs"), table.as_bytes())
}

/// A script with all that it imports in front of it, each module a function that answers
/// what it exports.
fn join_scripts(module: &str) -> Result<String, String> {
    let mut joined = String::new();
    join_module(module, &mut joined, &mut HashSet::new(), &mut Vec::new())?;
    Ok(joined)
}

fn join_module(
    module: &str,
    joined: &mut String,
    done: &mut HashSet<String>,
    within: &mut Vec<String>,
) -> Result<(), String> {
    if within.iter().any(|outer| outer == module) {
        return Err(format!(
            "{module}.js imports itself, by {}",
            within.join(", ")
        ));
    }
    if !done.insert(module.to_owned()) {
        return Ok(());
    }
    within.push(module.to_owned());
    let text = read(&format!("{module}.js"))?;
    let mut body = String::new();
    let mut exported = Vec::new();
    for line in code_lines(&text) {
        let wrong = |what: &str| format!("{FOLDER}/{module}.js: {what}: {line}");
        if line.matches('`').count() % 2 == 1 {
            return Err(wrong("a template has to end in its line"));
        }
        if let Some(rest) = line.strip_prefix("import ") {
            let (names, from) = import(rest).ok_or_else(|| wrong("an import has one line"))?;
            join_module(from, joined, done, within)?;
            let _ = writeln!(body, "const {names} = ${from};");
        } else if let Some(rest) = line.strip_prefix("export ") {
            exported.push(exported_name(rest).ok_or_else(|| wrong("an export names one thing"))?);
            body.push_str(rest);
            body.push('\n');
        } else {
            body.push_str(&line);
            body.push('\n');
        }
    }
    within.pop();
    if within.is_empty() && exported.is_empty() {
        joined.push_str(&body);
        return Ok(());
    }
    let exported = exported.join(", ");
    let _ = writeln!(
        joined,
        "const ${module} = (() => {{\n{body}return {{ {exported} }};\n}})();"
    );
    Ok(())
}

/// What `{ a, b as c } from "./module.js";` becomes, and from where.
fn import(rest: &str) -> Option<(String, &str)> {
    let (names, from) = rest.split_once(" from \"./")?;
    let from = from.strip_suffix(".js\";")?;
    let names = names
        .strip_prefix("* as ")
        .map_or_else(|| names.replace(" as ", ": "), str::to_owned);
    Some((names, from))
}

/// The name in `async function name(`, `class Name {`, `const name =`.
fn exported_name(rest: &str) -> Option<String> {
    let rest = rest.strip_prefix("async ").unwrap_or(rest);
    let rest = ["function ", "class ", "const "]
        .iter()
        .find_map(|kind| rest.strip_prefix(kind))?;
    let name = rest
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .next()?;
    (!name.is_empty()).then(|| name.to_owned())
}

/// The lines of a script that are no comment, without their indentation; types in
/// comments go, too.
fn code_lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut is_comment = false;
    for line in text.lines() {
        let line = line.trim();
        is_comment |= line.starts_with("/*");
        if !is_comment && !line.is_empty() && !line.starts_with("//") {
            lines.push(without_types(line));
        } else if let Some((_, code)) = line.split_once("*/") {
            // `/** A sentence. */` has its line for itself; `/** @type {X} */ (a).b();` not.
            is_comment = false;
            if !code.is_empty() {
                lines.push(without_types(code.trim()));
            }
        }
    }
    lines
}

/// A line without `/** @type {…} */`.
fn without_types(line: &str) -> String {
    let mut kept = String::new();
    let mut rest = line;
    while let Some((before, type_on)) = rest.split_once("/** @") {
        kept.push_str(before);
        match type_on.split_once("*/") {
            Some((_, behind)) => rest = behind.strip_prefix(' ').unwrap_or(behind),
            None => rest = "",
        }
    }
    kept + rest
}

/// A style sheet with those that it imports in its place.
fn join_styles(name: &str) -> Result<String, String> {
    let mut joined = String::new();
    for line in read(name)?.lines().map(str::trim) {
        let imported = line
            .strip_prefix("@import \"")
            .and_then(|rest| rest.strip_suffix("\";"));
        match imported {
            Some(imported) => joined.push_str(&join_styles(imported)?),
            None if line.is_empty() || (line.starts_with("/*") && line.ends_with("*/")) => {}
            None => {
                joined.push_str(line);
                joined.push('\n');
            }
        }
    }
    Ok(joined)
}

fn read(name: &str) -> Result<String, String> {
    let path = Path::new(FOLDER).join(name);
    std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
}

fn write(path: &str, bytes: &[u8]) -> Result<(), String> {
    std::fs::write(path, bytes).map_err(|error| format!("{path}: {error}"))
}
