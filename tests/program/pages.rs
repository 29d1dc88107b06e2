//! `completions` and `man`: what packages bring along.

use std::fs;
use std::process::{Command, Stdio};

use crate::harness::{program, run};

const VERBS: [&str; 11] = [
    "serve",
    "key",
    "import",
    "export",
    "backup",
    "restore",
    "check",
    "migrate",
    "healthcheck",
    "completions",
    "man",
];

fn printed(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_completions_of_each_shell_know_every_verb() {
    for shell in ["bash", "zsh", "fish"] {
        let completions = printed(&["completions", shell]);
        for verb in VERBS {
            assert!(completions.contains(verb), "{shell}: {verb}");
        }
    }
}

#[test]
fn bash_completes_a_verb() {
    let completions = printed(&["completions", "bash"]);
    let script = format!(
        "{completions}\nCOMP_WORDS=(addressbook heal) COMP_CWORD=1\n_addressbook addressbook heal addressbook\necho \"${{COMPREPLY[@]}}\""
    );
    let completed = Command::new("bash").args(["-c", &script]).output().unwrap();
    let completed = String::from_utf8(completed.stdout).unwrap();
    assert_eq!(completed, "healthcheck\n");
}

#[test]
fn the_manual_has_a_page_for_each_verb() {
    let main = printed(&["man"]);
    let directory = tempfile::tempdir().unwrap();
    let pages = directory.path().join("man1");
    printed(&["man", "--dir", pages.to_str().unwrap()]);
    assert_eq!(
        fs::read_to_string(pages.join("addressbook.1")).unwrap(),
        main
    );
    for verb in VERBS {
        assert!(main.contains(&format!("addressbook\\-{verb}(1)")), "{verb}");
        let page = fs::read_to_string(pages.join(format!("addressbook-{verb}.1"))).unwrap();
        assert!(page.contains(".TH"), "{verb}");
        assert!(!page.contains("notify"), "{verb}");
    }
    assert!(pages.join("addressbook-key-create.1").exists());
}

#[test]
fn a_directory_that_cannot_be_written_is_named() {
    let output = run(&["man", "--dir", "/dev/null/man1"]);
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        errors,
        "addressbook: /dev/null/man1: Not a directory (os error 20)\n"
    );
}

#[test]
fn completions_that_nobody_reads_end_quietly() {
    let mut child = program()
        .args(["completions", "zsh"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    // 141 unless all of it went into the pipe before that was closed.
    assert!(matches!(output.status.code(), Some(0 | 141)), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
}
