//! The code of the first start, which signs in once: told on a terminal, and nowhere else.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use tempfile::TempDir;

use crate::harness::{Reply, Server, agent, id_of, program, until};

/// A server whose standard error is a terminal, and all that it has written there; killed
/// when dropped.
struct Told {
    child: Child,
    address: String,
    written: Arc<Mutex<String>>,
    reading: Option<JoinHandle<()>>,
    /// Kept for its drop, or for another start.
    directory: Option<TempDir>,
}

impl Drop for Told {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A terminal: the end that reads, and the one that a program writes to.
fn terminal() -> rustix::io::Result<(File, File)> {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    let name = ptsname(&master, Vec::new())?;
    let name = std::ffi::OsStr::from_bytes(name.as_bytes());
    let flags = OFlags::NOCTTY.bits().cast_signed();
    let mut options = OpenOptions::new();
    std::os::unix::fs::OpenOptionsExt::custom_flags(options.read(true).write(true), flags);
    let slave = options.open(name).map_err(|error| {
        rustix::io::Errno::from_io_error(&error).unwrap_or(rustix::io::Errno::IO)
    })?;
    Ok((File::from(master), slave))
}

/// Starts a server on a new book; none where this system has no terminal to give.
fn start(more: &[&str]) -> Option<Told> {
    start_in(tempfile::tempdir().unwrap(), more)
}

fn start_in(directory: TempDir, more: &[&str]) -> Option<Told> {
    let (mut master, slave) = match terminal() {
        Ok(both) => both,
        Err(error) => {
            let skipped =
                format!("skipped: what is told on a terminal, of which there is none: {error}\n");
            std::io::stderr().write_all(skipped.as_bytes()).unwrap();
            return None;
        }
    };
    let mut command = program();
    command.args(["serve", "--listen", "127.0.0.1:0", "--log", "trace"]);
    command
        .args(more)
        .arg("--database")
        .arg(directory.path().join("book.db"));
    let child = command.stdout(Stdio::piped()).stderr(slave).spawn();
    // The program's end is closed with it, once nobody else has it.
    drop(command);
    let mut child = child.unwrap();
    let written = Arc::new(Mutex::new(String::new()));
    let into = Arc::clone(&written);
    let reading = std::thread::spawn(move || {
        let mut some = [0; 4096];
        while let Ok(count @ 1..) = master.read(&mut some) {
            into.lock()
                .unwrap()
                .push_str(&String::from_utf8_lossy(&some[..count]));
        }
    });
    let mut first_line = String::new();
    let stdout = child.stdout.as_mut().unwrap();
    BufReader::new(stdout).read_line(&mut first_line).unwrap();
    let (_, address) = first_line.trim_end().rsplit_once("//").unwrap();
    Some(Told {
        address: address.to_owned(),
        child,
        written,
        reading: Some(reading),
        directory: Some(directory),
    })
}

impl Told {
    /// The address in the browser, as it was told, up to the code; and the code.
    fn link(&self) -> (String, String) {
        let link = until(|| {
            let written = self.written.lock().unwrap();
            let at = written.find("/console/#/sign-in?code=")?;
            let begin = written[..at].rfind(' ')? + 1;
            let end = begin + written[begin..].find('\r')?;
            Some(written[begin..end].to_owned())
        });
        let (address, code) = link.split_once('=').unwrap();
        (address.to_owned(), code.to_owned())
    }

    fn redeem(&self, code: &str) -> Reply {
        let url = format!("http://{}/auth/session/code", self.address);
        let body = format!(r#"{{"code":"{code}"}}"#);
        let sent = agent()
            .post(url)
            .content_type("application/json")
            .send(body);
        let mut sent = sent.unwrap();
        Reply {
            status: sent.status().as_u16(),
            headers: sent.headers().clone(),
            body: sent.body_mut().read_to_string().unwrap(),
        }
    }

    /// A file beside the book.
    fn beside(&self, name: &str) -> PathBuf {
        self.directory.as_ref().unwrap().path().join(name)
    }

    fn file(&self) -> PathBuf {
        self.beside("initial-sign-in-code")
    }

    /// Kills it; all that it wrote, and where its book is.
    fn end(mut self) -> (String, TempDir) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.reading.take().unwrap().join().unwrap();
        let written = self.written.lock().unwrap().clone();
        (written, self.directory.take().unwrap())
    }
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

const WRONG: (u16, &str) = (401, "Code is invalid or has expired");

#[test]
fn the_code_on_the_terminal_signs_in_once() {
    let Some(told) = start(&["--base-path", "/book"]) else {
        return;
    };
    let (address, code) = told.link();
    let expected = format!("http://{}/book/console/#/sign-in?code", told.address);
    assert_eq!(address, expected);
    assert_eq!(mode(&told.file()), 0o600);
    let (_, directory) = told.end();
    let told = start_in(directory, &[]).unwrap();
    let wrong = told.redeem("000000000000000000000000");
    assert_eq!((wrong.status, wrong.message().as_str()), WRONG);
    assert!(told.file().exists());
    let redeemed = told.redeem(&code);
    assert_eq!(redeemed.status, 200, "{}", redeemed.body);
    let token = std::fs::read_to_string(told.beside("initial-api-key")).unwrap();
    let record = &redeemed.json()["record"];
    assert_eq!(record["id"], id_of(&token));
    assert!(record["session_expires_on"].is_string());
    assert!(!told.file().exists());
    let cookie = redeemed
        .header("set-cookie")
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    let url = format!("http://{}/auth/test", told.address);
    let tested = agent().get(url).header("Cookie", cookie).call().unwrap();
    assert_eq!(tested.status(), 200);
    let again = told.redeem(&code);
    assert_eq!((again.status, again.message().as_str()), WRONG);
    assert!(!told.end().0.contains(&code), "it is in no log");
}

#[test]
fn the_code_is_told_once_and_logged_never() {
    let Some(told) = start(&[]) else { return };
    let (_, code) = told.link();
    assert_eq!(told.redeem(&code).status, 200);
    let (written, _directory) = told.end();
    assert_eq!(written.matches(&code).count(), 1, "{written}");
    assert!(written.contains("within 10 minutes"), "{written}");
}

#[test]
fn of_two_that_ask_at_once_one_is_signed_in() {
    let Some(told) = start(&[]) else { return };
    let (_, code) = told.link();
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| told.redeem(&code).status))
            .collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let signed_in = statuses.iter().filter(|status| **status == 200).count();
    assert_eq!(signed_in, 1, "{statuses:?}");
    told.end();
}

#[test]
fn an_expired_code_is_none_and_its_file_goes() {
    let Some(told) = start(&[]) else { return };
    let (_, code) = told.link();
    let kept = std::fs::read_to_string(told.file()).unwrap();
    let (_, directory) = told.end();
    let file = directory.path().join("initial-sign-in-code");
    let parts: Vec<&str> = kept.trim_end().split(' ').collect();
    let over = format!("{} {} 2020-01-01T00:00:00.000Z\n", parts[0], parts[1]);
    std::fs::write(&file, over).unwrap();
    let told = start_in(directory, &[]).unwrap();
    let reply = told.redeem(&code);
    assert_eq!((reply.status, reply.message().as_str()), WRONG);
    assert!(!told.file().exists());
    told.end();
}

#[test]
fn a_revoked_key_has_no_code() {
    let Some(told) = start(&[]) else { return };
    let (_, code) = told.link();
    let token = std::fs::read_to_string(told.beside("initial-api-key")).unwrap();
    let database = told.beside("book.db");
    let database = database.to_str().unwrap();
    let revoked = program()
        .args([
            "key",
            "revoke",
            id_of(&token),
            "--force",
            "--database",
            database,
        ])
        .output()
        .unwrap();
    assert!(revoked.status.success(), "{revoked:?}");
    let reply = told.redeem(&code);
    assert_eq!((reply.status, reply.message().as_str()), WRONG);
    told.end();
}

#[test]
fn a_code_of_an_older_start_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("initial-sign-in-code");
    let old = "000000000000000000000000 000000000000 9999-01-01T00:00:00.000Z\n";
    std::fs::write(&file, old).unwrap();
    let Some(told) = start_in(directory, &[]) else {
        return;
    };
    let (_, code) = told.link();
    assert_eq!(mode(&file), 0o600);
    assert_eq!(told.redeem(&old[..24]).status, 401);
    assert_eq!(told.redeem(&code).status, 200);
    told.end();
}

/// The file of a code of the server's, as a start leaves it, with a key's code in it.
fn plant(server: &Server) -> PathBuf {
    let file = server.database.with_file_name("initial-sign-in-code");
    let key = server.key(&["read:Contacts"]);
    let line = format!("{CODE} {} 9999-01-01T00:00:00.000Z\n", id_of(&key));
    std::fs::write(&file, line).unwrap();
    set_mode(&file, 0o600);
    file
}

fn set_mode(file: &Path, mode: u32) {
    std::fs::set_permissions(file, PermissionsExt::from_mode(mode)).unwrap();
}

const CODE: &str = "000000000000000000000000";

#[test]
fn a_pipe_in_the_place_of_the_code_stops_nothing() {
    let mut server = Server::start();
    let pipe = server.database.with_file_name("initial-sign-in-code");
    let mut make = Command::new("mkfifo");
    let made = make.args(["-m", "600"]).arg(&pipe);
    assert!(made.status().unwrap().success());
    let body = format!(r#"{{"code":"{CODE}"}}"#);
    let asked = [(); 6].map(|()| {
        let mut stream = server.connect();
        write!(
            stream,
            "POST /auth/session/code HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        stream
    });
    for mut stream in asked {
        let wait = Some(Duration::from_secs(10));
        stream.set_read_timeout(wait).unwrap();
        let mut answer = String::new();
        let read = stream.read_to_string(&mut answer);
        assert!(answer.starts_with("HTTP/1.1 401 "), "{answer} {read:?}");
    }
    assert_eq!(server.call("GET", "/healthz").send().status, 200);
    assert!(server.stop().success());
    assert!(pipe.exists());
}

#[test]
fn only_a_file_that_is_its_owners_alone_has_a_code() {
    let server = Server::start();
    let redeem = || {
        let call = server.call("POST", "/auth/session/code");
        call.json(format!(r#"{{"code":"{CODE}"}}"#)).send()
    };
    let refused = |what: &str| {
        let reply = redeem();
        assert_eq!((reply.status, reply.message().as_str()), WRONG, "{what}");
    };
    let file = plant(&server);
    for mode in [0o640, 0o604, 0o620, 0o700, 0o400] {
        set_mode(&file, mode);
        refused(&format!("{mode:o}"));
    }
    set_mode(&file, 0o600);
    let elsewhere = server.database.with_file_name("elsewhere");
    std::fs::rename(&file, &elsewhere).unwrap();
    symlink(&elsewhere, &file).unwrap();
    refused("a link");
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    refused("a directory");
    std::fs::remove_dir(&file).unwrap();
    std::fs::rename(&elsewhere, &file).unwrap();
    // Only root gives files away.
    if chown(&file, Some(1), None).is_ok() {
        refused("somebody else's");
        chown(&file, Some(rustix::process::geteuid().as_raw()), None).unwrap();
    }
    assert!(file.exists());
    assert_eq!(redeem().status, 200);
    assert!(!file.exists());
}

#[test]
fn without_a_first_key_of_the_servers_own_there_is_no_code() {
    let scratch = tempfile::tempdir().unwrap();
    let token = scratch.path().join("token");
    let made = addressbook::token::Token::generate().unwrap();
    std::fs::write(&token, made.expose()).unwrap();
    let token = token.to_str().unwrap();
    for more in [&["--no-initial-key"][..], &["--initial-key-file", token]] {
        let Some(told) = start(more) else { return };
        assert!(!told.file().exists(), "{more:?}");
        let (written, _directory) = told.end();
        assert!(!written.contains("sign-in"), "{more:?}: {written}");
    }
}

#[test]
fn where_nobody_reads_a_terminal_there_is_no_code() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = program();
    command.args(["serve", "--listen", "127.0.0.1:0", "--database"]);
    command.arg(directory.path().join("book.db"));
    let log = directory.path().join("log");
    command
        .stderr(File::create(&log).unwrap())
        .stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut first_line = String::new();
    let stdout = child.stdout.as_mut().unwrap();
    BufReader::new(stdout).read_line(&mut first_line).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(directory.path().join("initial-api-key").exists());
    assert!(!directory.path().join("initial-sign-in-code").exists());
    let told = std::fs::read_to_string(&log).unwrap();
    assert!(
        told.contains("curl '") && !told.contains("sign-in"),
        "{told}"
    );
}
