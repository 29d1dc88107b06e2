//! What the command line says of a book on PostgreSQL that is not there, or that it is not
//! for.

use crate::harness::{Server, new_book, run, stands_on_postgres};

#[test]
fn where_there_is_no_book_none_is_made_but_by_serve_and_key_create() {
    if !stands_on_postgres() {
        return;
    }
    let other = Server::start();
    let (database, _) = new_book();
    let url = database.to_str().unwrap();
    let schema = url.rsplit_once("%3D").unwrap().1;
    let is_made = || {
        let found = format!("SELECT count(*) FROM pg_namespace WHERE nspname = '{schema}'");
        other.number(&found) > 0
    };
    for arguments in [
        &["key", "list"][..],
        &["key", "show", "000000000000"],
        &["key", "update", "000000000000", "--name", "a"],
        &["key", "rotate", "000000000000"],
        &["key", "revoke", "000000000000"],
        &["import", "-"],
        &["export", "-"],
        &["backup", "-"],
        &["check"],
    ] {
        let output = run(&[arguments, &["--database", url]].concat());
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {told}");
        let expected = format!("addressbook: there is no address book at {url}\n");
        assert_eq!(told, expected, "{arguments:?}");
        assert!(!is_made(), "{arguments:?}");
    }
    let created = ["key", "create", "--name", "a", "--role", "admin"];
    let created = run(&[&created[..], &["--database", url]].concat());
    assert!(created.status.success());
    assert!(is_made());
    let listed = run(&["key", "list", "--json", "--database", url]);
    assert!(listed.status.success());
}

#[test]
fn backups_by_itself_are_refused_before_anything_is_made() {
    if !stands_on_postgres() {
        return;
    }
    let (database, _) = new_book();
    let url = database.to_str().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let shelf = directory.path().join("backups");
    let shelf = shelf.to_str().unwrap();
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--backup-dir", shelf];
    let refused = run(&[&arguments[..], &["--database", url]].concat());
    let told = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1), "{told}");
    assert!(told.contains("backup-dir is for a file"), "{told}");
    assert!(!std::path::Path::new(shelf).exists());
    let listed = run(&["key", "list", "--database", url]);
    assert_eq!(listed.status.code(), Some(1), "no book was made");
}
