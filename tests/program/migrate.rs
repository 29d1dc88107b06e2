//! `addressbook migrate`: a whole book moved from a file to PostgreSQL and back.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::harness::{Cluster, PERMISSIONS, Reply, Server, id_of, make_key, program, run};

const BULK: usize = 100;

/// Has a book at rest with something of everything.
pub(super) struct Old {
    directory: TempDir,
    pub(super) file: PathBuf,
    key: String,
    rotated: String,
    revoked: String,
}

impl Old {
    pub(super) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("old.db");
        let mut server = Server::start_on(&file);
        let key = server.key(&PERMISSIONS);
        let reader = server.key(&["read:Contacts"]);
        let [rotated, revoked] = [(); 2].map(|()| server.key(&["read:Contacts"]));
        let old = Self {
            directory,
            file,
            key,
            rotated,
            revoked,
        };
        for meta in odd_metas() {
            let alias = format!("{}{}", "😀".repeat(120), 10_000_000 + meta.len());
            let body = format!(r#"{{"alias":"{alias}","msisdn":"4479000000001","meta":{meta}}}"#);
            let reply = server.create(&old.key, body);
            assert_eq!(reply.status, 200, "{}", reply.body);
        }
        let gone = json!({"alias": "gone", "msisdn": "4479000000002"}).to_string();
        assert_eq!(server.create(&old.key, gone).status, 200);
        old.call(&server, "DELETE", "/addressbook/contacts/4479000000002", "");
        old.call(
            &server,
            "POST",
            "/addressbook/optouts",
            r#"{"msisdn":"4479000000003"}"#,
        );
        assert_eq!(first(&server, &old.key).status, 200);
        assert_eq!(bulk(&server, &old.key).status, 200);
        for name in ["friends", "foes"] {
            let group = old.call(
                &server,
                "POST",
                "/addressbook/groups",
                &json!({"name": name}).to_string(),
            );
            let group = group["record"]["id"].as_str().unwrap().to_owned();
            let members = json!({"add": ["first", "bulk1", "bulk2"]}).to_string();
            old.call(
                &server,
                "POST",
                &format!("/addressbook/groups/{group}/members"),
                &members,
            );
            if name == "foes" {
                old.call(
                    &server,
                    "DELETE",
                    &format!("/addressbook/groups/{group}"),
                    "",
                );
            }
        }
        let rotate = format!("/auth/keys/{}/rotate", id_of(&old.rotated));
        old.call(&server, "POST", &rotate, r#"{"overlapSeconds":3600}"#);
        old.call(
            &server,
            "DELETE",
            &format!("/auth/keys/{}", id_of(&old.revoked)),
            "",
        );
        let refused = server.call("GET", "/auth/keys").key(&reader).send();
        assert_eq!(refused.status, 403);
        let opened = server.call("POST", "/auth/session").key(&old.key).send();
        assert_eq!(opened.status, 200, "{}", opened.body);
        assert!(server.stop().success());
        old
    }

    fn call(&self, server: &Server, method: &str, path: &str, body: &str) -> Value {
        let call = server.call(method, path).key(&self.key);
        let reply = if body.is_empty() {
            call.send()
        } else {
            call.json(body).send()
        };
        assert_eq!(reply.status, 200, "{path}: {}", reply.body);
        reply.json()
    }

    pub(super) fn beside(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Every file beside the book, and a hash of what is in it; but for locks, and indexes
    /// of a WAL, which are nothing by themselves.
    fn files(&self) -> Vec<(PathBuf, String)> {
        let found = fs::read_dir(self.directory.path()).unwrap();
        let found = found.map(|file| file.unwrap().path());
        let mut files: Vec<_> = found
            .filter(|path| {
                path.extension()
                    .is_none_or(|end| end != "lock" && end != "db-shm")
            })
            .map(|path| (path.clone(), sha256(&fs::read(path).unwrap())))
            .collect();
        files.sort();
        files
    }
}

fn sha256(bytes: &[u8]) -> String {
    format!("{:02x?}", Sha256::digest(bytes))
}

/// Metas that are hard to carry: no engine may round, sort or unescape them.
fn odd_metas() -> Vec<String> {
    vec![
        "{}".to_owned(),
        r#"{"z":1.0,"a":[1e400,123456789012345678901234567890,-0.50],"z2":"\u2028\\\"\t"}"#
            .to_owned(),
        r#"{"b":"\ud83d\ude00\r\n\\N","a":"\\.","null":null}"#.to_owned(),
        format!(r#"{{"long":"{}"}}"#, "é".repeat(8185)),
    ]
}

fn once(server: &Server, key: &str, name: &str, path: &str, body: &str) -> Reply {
    let call = server.call("POST", path).key(key);
    call.header("Idempotency-Key", name).json(body).send()
}

/// Its answer is remembered as it is.
fn first(server: &Server, key: &str) -> Reply {
    let body = r#"{"alias":"first","msisdn":"4479000000004"}"#;
    once(server, key, "first", "/addressbook/contacts", body)
}

/// Its answer is remembered deflated.
fn bulk(server: &Server, key: &str) -> Reply {
    let contact = |number| json!({"alias": format!("bulk{number}"), "msisdn": "4479000000001"});
    let contacts: Vec<Value> = (0..BULK).map(contact).collect();
    let body = json!({"contacts": contacts}).to_string();
    once(server, key, "bulk", "/addressbook/contacts/bulk", &body)
}

pub(super) fn migrate(from: &Path, to: &Path) -> Output {
    let (from, to) = (from.to_str().unwrap(), to.to_str().unwrap());
    run(&["migrate", "--from", from, "--to", to])
}

/// What each table held.
pub(super) fn moved(output: &Output) -> Value {
    assert!(output.status.success(), "{output:?}");
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    printed["tables"].clone()
}

/// What a refusal says.
pub(super) fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    String::from_utf8(output.stderr.clone()).unwrap()
}

pub(super) fn check(file: &Path) {
    let checked = run(&["check", "--database", file.to_str().unwrap()]);
    assert!(checked.status.success(), "{checked:?}");
}

/// The one number that a query finds in a file.
pub(super) fn number(file: &Path, query: &str) -> i64 {
    let file = rusqlite::Connection::open(file).unwrap();
    file.query_row(query, [], |row| row.get(0)).unwrap()
}

/// Whoever had the old book goes on with the new one.
fn assert_goes_on(server: &Server, old: &Old) {
    let read = |token: &str| {
        server
            .call("GET", "/addressbook/contacts?limit=1")
            .key(token)
            .send()
    };
    assert_eq!(read(&old.key).status, 200);
    assert_eq!(read(&old.rotated).status, 200);
    assert_eq!(read(&old.revoked).status, 401);
    let contacts = odd_metas().len() + 1 + BULK;
    assert_eq!(read(&old.key).json()["total"], contacts);
    for replayed in [first(server, &old.key), bulk(server, &old.key)] {
        assert_eq!(replayed.status, 200, "{}", replayed.body);
        assert_eq!(replayed.header("idempotency-replayed"), "true");
    }
    let groups = old.call(server, "GET", "/addressbook/groups", "");
    assert_eq!(groups["records"][0]["members"], 3, "{groups}");
    assert_eq!(groups["total"], 1);
    let total = |path| old.call(server, "GET", path, "")["total"].as_u64().unwrap();
    assert_eq!(total("/addressbook/optouts"), 1);
    let events = total("/auth/audit");
    let newest = old.call(server, "GET", "/auth/audit", "")["records"][0]["id"].clone();
    make_key(&server.database, &["read:Contacts"], &[]);
    assert_eq!(total("/auth/audit"), events + 1);
    let next = old.call(server, "GET", "/auth/audit", "")["records"][0]["id"].clone();
    assert!(next.as_u64() > newest.as_u64(), "{newest}, then {next}");
    let taken = r#"{"alias":"bulk1","msisdn":"4479000000004"}"#;
    assert_eq!(
        server.create(&old.key, taken).message(),
        "Alias already exists"
    );
}

#[test]
fn a_book_moves_to_postgresql_and_back_and_is_the_same() {
    let Some(cluster) = Cluster::start() else {
        return;
    };
    let (old, url) = (Old::new(), cluster.url());
    let before = old.files();
    // A server that finds it empty finds it full a moment later.
    let server = Server::start_on(&url);
    let there = moved(&migrate(&old.file, &url));
    assert_eq!(before, old.files());
    for (table, sum) in there.as_object().unwrap() {
        assert_ne!(sum["rows"], 0, "{table}");
    }
    let new = old.beside("new.db");
    assert_eq!(moved(&migrate(&url, &new)), there);
    check(&new);
    assert_eq!(server.number("SELECT count(*) FROM sessions"), 0);
    // Else the next events would be tried under ids that are taken, one after the other.
    let behind = "SELECT last_value - (SELECT max(id) FROM audit) FROM audit_id_seq";
    assert_eq!(server.number(behind), 0);
    let bytes = number(&old.file, "SELECT sum(responses_bytes) FROM api_keys");
    assert!(bytes > 1000);
    assert_eq!(
        server.number("SELECT sum(bytes) FROM response_counts"),
        bytes
    );
    assert_eq!(
        number(&new, "SELECT sum(responses_bytes) FROM api_keys"),
        bytes
    );
    assert_goes_on(&server, &old);
    assert_goes_on(&Server::start_on(&new), &old);
}

#[test]
fn a_book_moves_from_file_to_file_while_it_is_served_and_after_a_crash() {
    let old = Old::new();
    let mut server = Server::start_on(&old.file);
    let new = old.beside("new.db");
    let there = moved(&migrate(&old.file, &new));
    check(&new);
    assert_eq!(moved(&migrate(&new, &old.beside("third.db"))), there);
    assert_goes_on(&Server::start_on(&new), &old);
    assert_goes_on(&server, &old);
    // What is in the -wal alone moves, and stays there.
    server.kill();
    let (before, crashed) = (old.files(), old.beside("crashed.db"));
    let there = moved(&migrate(&old.file, &crashed));
    assert!(before.iter().all(|file| old.files().contains(file)));
    check(&old.file);
    assert_eq!(moved(&migrate(&old.file, &old.beside("checked.db"))), there);
}

#[test]
fn a_target_that_is_not_empty_stays_as_it_is() {
    let old = Old::new();
    let other = old.beside("other.db");
    make_key(&other, &["read:Contacts"], &[]);
    let before = old.files();
    let told = refused(&migrate(&old.file, &other));
    assert_eq!(
        told,
        format!(
            "addressbook: {} is not empty, it has api_keys\n",
            other.display()
        )
    );
    assert_eq!(before, old.files());
    let told = refused(&migrate(&old.file, &old.file));
    assert!(
        told.ends_with("old.db is the address book itself\n"),
        "{told}"
    );
    let nothing = old.beside("nothing.db");
    let told = refused(&migrate(&nothing, &old.beside("new.db")));
    assert_eq!(
        told,
        format!(
            "addressbook: there is no address book at {}\n",
            nothing.display()
        )
    );
    assert_eq!(before, old.files());
    let empty = old.beside("empty.db");
    let server = Server::start_on(&empty);
    let told = refused(&migrate(&old.file, &empty));
    assert!(told.contains("is already being served"), "{told}");
    drop(server);
    moved(&migrate(&old.file, &empty));

    let Some(cluster) = Cluster::start() else {
        return;
    };
    let url = cluster.url();
    let told = refused(&migrate(&url, &old.beside("new.db")));
    assert!(
        told.starts_with("addressbook: there is no address book at postgres://"),
        "{told}"
    );
    make_key(&url, &["read:Contacts"], &[]);
    let told = refused(&migrate(&old.file, &url));
    assert!(told.ends_with(" is not empty, it has api_keys\n"), "{told}");
    let server = Server::start_on(&url);
    assert_eq!(
        (
            server.stored(),
            server.number("SELECT count(*) FROM api_keys")
        ),
        (0, 1)
    );
}

#[test]
fn both_places_may_be_named_by_variables_and_by_no_file() {
    let directory = tempfile::tempdir().unwrap();
    let [from, to] = ["from.db", "to.db"].map(|name| directory.path().join(name));
    make_key(&from, &["read:Contacts"], &[]);
    let config = directory.path().join("addressbook.toml");
    let migrate = || {
        let mut command = program();
        command.arg("migrate").current_dir(directory.path());
        command.env("ADDRESSBOOK_MIGRATE_FROM", &from);
        command.env("ADDRESSBOOK_MIGRATE_TO", &to).output().unwrap()
    };
    fs::write(&config, "from = 'elsewhere.db'").unwrap();
    assert_eq!(migrate().status.code(), Some(2));
    fs::write(&config, "listen = 'localhost:0'").unwrap();
    assert_eq!(moved(&migrate())["api_keys"]["rows"], 1);
}
