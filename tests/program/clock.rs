//! A clock that jumps while the server runs, by libfaketime (Debian: `faketime`).

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use addressbook::moment::Moment;
use serde_json::json;

use crate::harness::{PERMISSIONS, Reply, Server, make_key, program, until};

const HOUR_S: i64 = 60 * 60;

/// A server whose clock is set by a file, while its timers go on.
struct Clock {
    file: PathBuf,
    server: Server,
}

impl Clock {
    /// None where the library is not installed, which is said.
    fn start(directory: &Path, database: &Path) -> Option<Self> {
        let library = fs::read_dir("/usr/lib").ok().and_then(|architectures| {
            let libraries = architectures.flatten();
            let mut libraries =
                libraries.map(|entry| entry.path().join("faketime/libfaketimeMT.so.1"));
            libraries.find(|path| path.exists())
        });
        let Some(library) = library else {
            let skipped = "skipped: a clock that jumps, which needs faketime\n";
            std::io::stderr().write_all(skipped.as_bytes()).unwrap();
            return None;
        };
        let file = directory.join("clock");
        fs::write(&file, "+0").unwrap();
        let mut command = Command::new(program().get_program());
        command
            .env("LD_PRELOAD", library)
            .env("FAKETIME_TIMESTAMP_FILE", &file)
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .env("FAKETIME_DONT_RESET", "1");
        let server = Server::start_command(command, database, &[]);
        Some(Self { file, server })
    }

    fn set(&self, ahead_s: i64) {
        let new = self.file.with_extension("new");
        fs::write(&new, format!("{ahead_s:+}")).unwrap();
        fs::rename(new, &self.file).unwrap();
    }
}

#[test]
fn expiry_rates_ids_and_retries_behave_when_the_clock_jumps() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("book.db");
    let lasting = make_key(&database, &PERMISSIONS, &[]);
    let ending = make_key(&database, &["read:Contacts"], &["--expires-in", "1h"]);
    let rated = make_key(&database, &["read:Contacts"], &["--rate-limit", "2"]);
    let Some(clock) = Clock::start(directory.path(), &database) else {
        return;
    };
    let server = &clock.server;
    let list = |key: &str| server.call("GET", "/contacts").key(key).send().status;
    let create = |name: &str| {
        let body = json!({"alias": name, "msisdn": "15550000000"}).to_string();
        let call = server.call("POST", "/addressbook/contacts").key(&lasting);
        call.header("Idempotency-Key", name).json(body).send()
    };
    let created_on = |reply: Reply| {
        assert_eq!(reply.status, 200, "{}", reply.body);
        let text = reply.json()["record"]["created_on"]
            .as_str()
            .unwrap()
            .to_owned();
        Moment::parse(&text).unwrap().millis()
    };
    let now = created_on(create("now"));
    assert_eq!(list(&ending), 200);
    // Ahead: what ends by the clock has ended, and rates fill one burst at the most.
    clock.set(2 * HOUR_S);
    assert_eq!(list(&ending), 401);
    assert_eq!(list(&lasting), 200);
    let ahead = created_on(create("ahead"));
    assert!(ahead - now >= 2 * HOUR_S * 1000);
    let answered: Vec<u16> = (0..30).map(|_| list(&rated)).collect();
    assert!(
        answered.contains(&200) && answered.contains(&429),
        "{answered:?}"
    );
    // Back, behind the start: nobody is kept out for the hours that are missing.
    clock.set(-48 * HOUR_S);
    assert_eq!(list(&ending), 200);
    assert_eq!(list(&lasting), 200);
    until(|| (list(&rated) == 200).then_some(()));
    // Ids go on, and what was promised for a day is kept.
    assert!(created_on(create("back")) >= ahead);
    for name in ["now", "ahead"] {
        let again = create(name);
        assert_eq!(
            (again.status, again.header("idempotency-replayed")),
            (200, "true")
        );
    }
    clock.set(25 * HOUR_S);
    let over = create("now");
    assert_eq!(
        (over.status, over.message().as_str()),
        (400, "Alias already exists")
    );
}
