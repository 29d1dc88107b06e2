//! Tells the program from which commit it is built: `ADDRESSBOOK_COMMIT` says it, where
//! sources come without their repository, else git does. And embeds the console.
#![allow(clippy::print_stdout, reason = "so a build script talks to cargo")]

#[path = "build/console.rs"]
mod console;

use std::path::Path;
use std::process::Command;

/// Grows with every commit. Only builds for release look: others would begin anew each time.
const HISTORY: &str = ".git/logs/HEAD";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=build");
    println!("cargo:rerun-if-env-changed=ADDRESSBOOK_COMMIT");
    let is_release = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    if is_release && Path::new(HISTORY).exists() {
        println!("cargo:rerun-if-changed={HISTORY}");
    }
    let named = std::env::var("ADDRESSBOOK_COMMIT").ok();
    let named = named.filter(|commit| !commit.is_empty());
    let commit = named.or_else(of_repository);
    let commit = commit.unwrap_or_else(|| "unknown".to_owned());
    println!("cargo:rustc-env=ADDRESSBOOK_COMMIT={commit}");
    if let Err(error) = console::embed() {
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
