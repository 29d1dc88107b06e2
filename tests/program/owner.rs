//! A volume that belongs to somebody else: one line with the command that mends it.
//! Needs root and setpriv; skips without, and says so.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::harness::make_key;

/// The uid and the gid of the container.
const OURS: u32 = 65532;

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// A root that everybody may enter, with a directory `data` of mode 0755.
fn volume() -> Option<(TempDir, std::path::PathBuf)> {
    let setpriv = Command::new("setpriv").args(["--reuid=0", "true"]).status();
    if !setpriv.is_ok_and(|status| status.success()) || !is_root() {
        eprintln!("skipped: needs root and setpriv");
        return None;
    }
    let root = tempfile::tempdir().unwrap();
    set_mode(root.path(), 0o755);
    let data = root.path().join("data");
    fs::create_dir(&data).unwrap();
    set_mode(&data, 0o755);
    // Somewhere everybody may enter: the repository may stand in root's home.
    let program = root.path().join("addressbook");
    fs::copy(env!("CARGO_BIN_EXE_addressbook"), &program).unwrap();
    Some((root, data))
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout == b"0\n"
}

/// What a verb comes to, run by the uid of the container.
fn run_as_ours(root: &Path, arguments: &[&str], database: &Path) -> Output {
    as_ours(Command::new("setpriv"), root, arguments, database)
}

/// Runs a verb by a command that takes the arguments of `setpriv`.
fn as_ours(mut setpriv: Command, root: &Path, arguments: &[&str], database: &Path) -> Output {
    let ours = [format!("--reuid={OURS}"), format!("--regid={OURS}")];
    setpriv
        .args(ours)
        .arg("--clear-groups")
        .arg(root.join("addressbook"))
        .args(arguments)
        .arg("--database")
        .arg(database)
        .output()
        .unwrap()
}

const SERVE: &[&str] = &["serve", "--listen", "127.0.0.1:0", "--log", "error"];

fn refused(output: &Output) -> &str {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    std::str::from_utf8(&output.stderr).unwrap()
}

fn mended_by(closed: &Path, volume: &Path) -> String {
    format!(
        "addressbook: cannot write {}: owned by uid 0, this process is uid {OURS}; mend it with: chown -R {OURS}:{OURS} {}\n",
        closed.display(),
        volume.display()
    )
}

/// Runs the command that the line names.
fn mend(line: &str) {
    let (_, command) = line.split_once("mend it with: ").unwrap();
    let mended = Command::new("sh").args(["-c", command]).status().unwrap();
    assert!(mended.success());
}

#[test]
fn a_volume_of_root_is_answered_with_the_command_that_mends_it() {
    let Some((root, data)) = volume() else { return };
    let database = data.join("addressbook.db");
    fs::create_dir(data.join("lost+found")).unwrap();
    let output = run_as_ours(root.path(), SERVE, &database);
    let line = refused(&output);
    assert_eq!(line, mended_by(&data, &data));
    mend(line);
    let create = ["key", "create", "--name", "a", "--role", "reader"];
    let made = run_as_ours(root.path(), &create, &database);
    assert!(made.status.success(), "{made:?}");
}

#[test]
fn files_that_root_made_in_our_volume_are_named() {
    let Some((root, data)) = volume() else { return };
    let database = data.join("addressbook.db");
    make_key(&database, &["read:Contacts"], &[]);
    chown(&data, Some(OURS), Some(OURS)).unwrap();
    let lock = data.join("addressbook.db.lock");
    let assert_named = |verb: &[&str]| {
        let _ = fs::remove_file(&lock);
        let output = run_as_ours(root.path(), verb, &database);
        let line = refused(&output);
        assert_eq!(line, mended_by(&database, &data), "{verb:?}");
    };
    for verb in [SERVE, &["key", "list"], &["check"]] {
        assert_named(verb);
    }
    // What may be read is served to nobody, either.
    set_mode(&database, 0o644);
    assert_named(SERVE);
    // A command of root's, interrupted, left its files beside a book of ours.
    chown(&database, Some(OURS), Some(OURS)).unwrap();
    let _ = fs::remove_file(&lock);
    let wal = data.join("addressbook.db-wal");
    let shm = data.join("addressbook.db-shm");
    for left in [&wal, &shm] {
        fs::write(left, []).unwrap();
        set_mode(left, 0o600);
    }
    let output = run_as_ours(root.path(), SERVE, &database);
    let line = refused(&output);
    assert_eq!(line, mended_by(&wal, &data));
    mend(line);
    let listed = run_as_ours(root.path(), &["key", "list"], &database);
    assert!(listed.status.success(), "{listed:?}");
}

#[test]
fn a_directory_that_holds_more_than_the_book_is_given_to_nobody() {
    let Some((root, data)) = volume() else { return };
    fs::write(data.join("passwd"), []).unwrap();
    let output = run_as_ours(root.path(), SERVE, &data.join("new/addressbook.db"));
    let told = format!(
        "addressbook: cannot write {}: owned by uid 0, this process is uid {OURS}\n",
        data.display()
    );
    assert_eq!(refused(&output), told);
    // Nor one that cannot be looked into, unless it is a file system of its own.
    fs::remove_file(data.join("passwd")).unwrap();
    set_mode(&data, 0o700);
    let output = run_as_ours(root.path(), SERVE, &data.join("addressbook.db"));
    assert_eq!(refused(&output), told);
}

#[test]
fn a_volume_that_cannot_be_looked_into_is_known_by_its_mount() {
    let Some((root, data)) = volume() else { return };
    set_mode(&data, 0o700);
    let mount = r#"mount --bind "$0" "$0" && exec setpriv "$@""#;
    let mut mounted = Command::new("unshare");
    mounted.args(["--mount", "sh", "-c", mount]).arg(&data);
    let output = as_ours(mounted, root.path(), SERVE, &data.join("addressbook.db"));
    if output.stderr.starts_with(b"unshare: ") || output.stderr.starts_with(b"mount: ") {
        eprintln!("skipped: nothing can be mounted");
        return;
    }
    assert_eq!(refused(&output), mended_by(&data, &data));
}

#[test]
fn what_is_ours_and_closed_is_no_matter_of_owners() {
    let Some((root, data)) = volume() else { return };
    chown(&data, Some(OURS), Some(OURS)).unwrap();
    set_mode(&data, 0o500);
    let output = run_as_ours(root.path(), SERVE, &data.join("addressbook.db"));
    let line = refused(&output);
    assert!(
        line.ends_with("Permission denied (os error 13)\n"),
        "{line}"
    );
}
