//! Certificates: what is said of wrong ones, and how they are renewed while a server runs.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::harness::{Certificate, TlsClient, exchange, program, until};

const HEALTHZ: &str = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
const LAST: &str = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

/// The one line by which a start fails.
fn refused(arguments: &[&str]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let output = program()
        .args(["serve", "--listen", "127.0.0.1:0", "--database"])
        .arg(directory.path().join("book.db"))
        .args(arguments)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8(output.stderr).unwrap();
    let [line] = errors.lines().collect::<Vec<_>>()[..] else {
        panic!("{errors}");
    };
    line.strip_prefix("addressbook: ").unwrap().to_owned()
}

fn shown(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_wrong_certificate_or_key_is_told_with_its_file() {
    let (one, other) = (Certificate::new(), Certificate::new());
    let (certificate, key) = (one.path(), one.key_path());
    let start = |certificate: &Path, key: &Path| {
        refused(&["--tls-cert", shown(certificate), "--tls-key", shown(key)])
    };
    let (cert, key_shown) = (certificate.display(), key.display());
    let missing = certificate.with_file_name("missing.pem");
    assert_eq!(
        start(&missing, &key),
        format!(
            "{}: No such file or directory (os error 2)",
            missing.display()
        )
    );
    assert_eq!(
        start(&certificate, &other.key_path()),
        format!(
            "{} is not the key of the first certificate in {cert}",
            other.key_path().display()
        )
    );
    assert_eq!(
        start(&key, &key),
        format!("{key_shown} has no certificate in PEM")
    );
    assert_eq!(
        start(&certificate, &certificate),
        format!("{cert} has no private key in PEM, or an encrypted one")
    );
    let half = certificate.with_file_name("half.pem");
    std::fs::write(&half, "-----BEGIN CERTIFICATE-----\nMIIB").unwrap();
    let told = start(&half, &key);
    assert!(
        told.starts_with(&format!("{} is not in PEM: ", half.display())),
        "{told}"
    );
    // A key that lost its line ends, as one from a variable does, is not repeated.
    let joined = key.with_file_name("joined.pem");
    let text = std::fs::read_to_string(&key).unwrap();
    let secret = text.lines().nth(1).unwrap();
    for spoilt in [
        text.replace('\n', " "),
        text.replace('\n', "\\n"),
        text.replacen('\n', " ", 1),
    ] {
        std::fs::write(&joined, &spoilt).unwrap();
        for told in [start(&certificate, &joined), start(&joined, &key)] {
            assert!(told.contains("joined.pem"), "{told}");
            let bytes = format!("{:?}", &secret.as_bytes()[..8]);
            let bytes = bytes.trim_matches(['[', ']']);
            assert!(
                !told.contains(&secret[..8]) && !told.contains(bytes),
                "{told}"
            );
        }
    }
    let pipe = key.with_file_name("pipe.pem");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    assert_eq!(
        start(&certificate, &pipe),
        format!("{} is no file", pipe.display())
    );
    for half in [
        ["--tls-cert", shown(&certificate)],
        ["--tls-key", shown(&key)],
    ] {
        let told = "a TLS certificate and its key belong together, name both: tls-cert and tls-key";
        assert_eq!(refused(&half), told);
    }
}

#[test]
fn a_key_that_others_can_read_is_warned_of() {
    let certificate = Certificate::new();
    let warned = |server: &crate::harness::Server| {
        let logged = server.logged();
        logged
            .lines()
            .any(|line| line.contains("open to others than its owner") && line.contains("key.pem"))
    };
    assert!(!warned(&certificate.server(&[])));
    let mode = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(certificate.key_path(), mode).unwrap();
    assert!(warned(&certificate.server(&[])));
}

fn answers(client: &mut TlsClient) {
    client.write_all(HEALTHZ.as_bytes()).unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(br#"{"success":true}"#) {
        let mut byte = [0];
        client.read_exact(&mut byte).unwrap();
        answer.push(byte[0]);
    }
}

#[test]
fn sighup_renews_the_certificate_for_new_connections() {
    let mut certificate = Certificate::new();
    let server = certificate.server(&[]);
    let before = certificate.trusting();
    let mut old = server.connect_tls(before.clone()).unwrap();
    answers(&mut old);
    certificate.renew();
    // Nobody has said so yet.
    assert!(server.connect_tls(before.clone()).is_ok());
    server.signal("HUP");
    let mut new = until(|| server.connect_tls(certificate.trusting()).ok());
    assert!(exchange(&mut new, LAST.as_bytes()).starts_with("HTTP/1.1 200 OK"));
    // Not even a session that was agreed on under the old one is resumed.
    assert!(server.connect_tls(before).is_err());
    answers(&mut old);
    let logged = server.logged();
    let read = logged.matches("the certificate was read").count();
    assert_eq!(read, 2, "once at the start");
    // What rcgen gives its certificates: the year 4096.
    assert_eq!(
        logged
            .matches(r#""expires":"4096-01-01T00:00:00.000Z""#)
            .count(),
        2
    );
}

#[test]
fn a_broken_renewal_leaves_the_old_certificate_in_use() {
    let certificate = Certificate::new();
    let server = certificate.server(&[]);
    let mut old = server.connect_tls(certificate.trusting()).unwrap();
    for broken in ["", "-----BEGIN PRIVATE KEY-----\nno"] {
        certificate.write_key(broken);
        let failures = || {
            let logged = server.logged();
            logged.matches("the certificate stays as it was").count()
        };
        let before = failures();
        server.signal("HUP");
        until(|| (failures() > before).then_some(()));
        let mut new = server.connect_tls(certificate.trusting()).unwrap();
        assert!(exchange(&mut new, LAST.as_bytes()).starts_with("HTTP/1.1 200 OK"));
    }
    answers(&mut old);
    assert!(
        server
            .logged()
            .contains("key.pem has no private key in PEM")
    );
}

#[test]
fn without_a_certificate_sighup_changes_nothing() {
    let server = crate::harness::Server::start();
    server.signal("HUP");
    assert_eq!(server.call("GET", "/healthz").send().status, 200);
}

#[test]
fn a_healthcheck_asks_by_tls_where_the_server_has_a_certificate() {
    let mut certificate = Certificate::new();
    let server = certificate.server(&[]);
    let listen = server.address.to_string();
    let is_healthy = |variable: &str, more: &[&str]| {
        let mut check = program();
        check.args(["healthcheck", "--listen", &listen]).args(more);
        check.env("ADDRESSBOOK_TLS_CERT", variable);
        check.output().unwrap().status.success()
    };
    let path = certificate.path();
    assert!(is_healthy(shown(&path), &[]));
    assert!(is_healthy(shown(&path), &["--ready"]));
    assert!(is_healthy("", &["--tls-cert", "any.pem"]));
    assert!(!is_healthy("", &[]), "the server speaks TLS alone");
    // Renewed, and not read yet: the server answers all the same.
    certificate.renew();
    assert!(is_healthy(shown(&path), &[]));
}
