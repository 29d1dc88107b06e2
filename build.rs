//! Tells the program from which commit it is built: `ADDRESSBOOK_COMMIT` says it, where
//! sources come without their repository, else git does. And embeds the console: its files
//! are compressed here, once, and not by each server.
#![allow(clippy::print_stdout, reason = "so a build script talks to cargo")]

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

/// Grows with every commit. Only builds for release look: others would begin anew each time.
const HISTORY: &str = ".git/logs/HEAD";
/// The files that a browser loads, without folders.
const CONSOLE: &str = "console";
/// Hexadecimal digits of an entity tag.
const TAG_DIGITS: usize = 32;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=ADDRESSBOOK_COMMIT");
    println!("cargo:rerun-if-changed={CONSOLE}");
    let is_release = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    if is_release && Path::new(HISTORY).exists() {
        println!("cargo:rerun-if-changed={HISTORY}");
    }
    let named = std::env::var("ADDRESSBOOK_COMMIT").ok();
    let named = named.filter(|commit| !commit.is_empty());
    let commit = named.or_else(of_repository);
    let commit = commit.unwrap_or_else(|| "unknown".to_owned());
    println!("cargo:rustc-env=ADDRESSBOOK_COMMIT={commit}");
    if let Err(error) = embed_console() {
        println!("cargo::error={error}");
    }
}

fn of_repository() -> Option<String> {
    let asked = ["rev-parse", "--short=12", "HEAD"];
    // A directory above with a repository of its own is not ours.
    if !Path::new(".git").exists() {
        return None;
    }
    let answer = Command::new("git").args(asked).output().ok()?;
    let commit = String::from_utf8(answer.stdout).ok()?;
    let commit = commit.trim();
    (answer.status.success() && !commit.is_empty()).then(|| commit.to_owned())
}

/// Writes the files of the console, compressed, and the table of them that
/// `src/http/console.rs` includes. The same files make the same bytes.
fn embed_console() -> Result<(), String> {
    let out = std::env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?;
    let out = Path::new(&out);
    let failed = |path: &Path, error| format!("{}: {error}", path.display());
    let read = std::fs::read_dir(CONSOLE).map_err(|error| failed(Path::new(CONSOLE), error))?;
    let found: Result<Vec<PathBuf>, _> = read.map(|entry| entry.map(|one| one.path())).collect();
    let mut found = found.map_err(|error| failed(Path::new(CONSOLE), error))?;
    found.sort();
    let mut table = "&[\n".to_owned();
    for path in found {
        let media_type = media_type(&path)?;
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| format!("{} has a name that is no text", path.display()))?;
        let bytes = std::fs::read(&path).map_err(|error| failed(&path, error))?;
        // The header's time stays 0, and its name empty.
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        let compressed = encoder.write_all(&bytes).and_then(|()| encoder.finish());
        let compressed = compressed.map_err(|error| failed(&path, error))?;
        let into = out.join(format!("{name}.gz"));
        std::fs::write(&into, &compressed).map_err(|error| failed(&into, error))?;
        let tag: String = Sha256::digest(&compressed)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let tag = &tag[..TAG_DIGITS];
        let _ = writeln!(
            table,
            "File {{ name: {name:?}, media_type: {media_type}, etag: \"\\\"{tag}\\\"\", \
             compressed: include_bytes!({into:?}) }},"
        );
    }
    table.push(']');
    let into = out.join("console.rs");
    std::fs::write(&into, table).map_err(|error| failed(&into, error))
}

/// The constant with the media type of a file, by its extension.
fn media_type(path: &Path) -> Result<&'static str, String> {
    let extension = path.extension().and_then(|extension| extension.to_str());
    match extension {
        Some("html") => Ok("HTML"),
        Some("css") => Ok("CSS"),
        Some("js") => Ok("SCRIPT"),
        Some("svg") => Ok("SVG"),
        _ => Err(format!(
            "{} cannot be embedded: the console has files that end in .html, .css, .js or .svg, \
             and no folders",
            path.display()
        )),
    }
}
