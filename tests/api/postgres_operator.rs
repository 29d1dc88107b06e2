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

#[test]
fn a_book_is_the_schema_that_the_search_path_names_first_and_no_other() {
    if !stands_on_postgres() {
        return;
    }
    let first = Server::start();
    let url = first.database.to_str().unwrap();
    let (place, schema) = url.rsplit_once("%3D").unwrap();
    // Its own comes before that of the first, and is made; a name is read as PostgreSQL
    // reads it.
    let own = schema.to_uppercase();
    for (path, name) in [
        (format!("{schema}_a,{schema}"), format!("{schema}_a")),
        (format!("%22{own}%22,{schema}"), own.clone()),
        (format!("{own}_B"), format!("{schema}_b")),
        (format!("%22{schema},%22%22%22"), format!("{schema},\"")),
    ] {
        let url = format!("{place}%3D{path}");
        let created = ["key", "create", "--name", "its own", "--role", "reader"];
        let created = run(&[&created[..], &["--database", &url]].concat());
        let told = String::from_utf8_lossy(&created.stderr);
        assert!(created.status.success(), "{path}: {told}");
        let is_there = format!("SELECT count(*) FROM pg_tables WHERE schemaname = '{name}'");
        assert!(first.number(&is_there) > 0, "{path}");
    }
    assert_eq!(first.number("SELECT count(*) FROM api_keys"), 0);
    let url = format!("{place}%3Dpg_temp");
    let refused = run(&[
        "key",
        "create",
        "--name",
        "a",
        "--role",
        "reader",
        "--database",
        &url,
    ]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(refused.stdout.is_empty());
}
