//! TLS towards PostgreSQL: who is trusted, and what is said where nobody is.

use std::path::Path;

use crate::harness::{Authority, Cluster, FOR_CONTACTS, Server, program, run};

const ARGUMENTS: [&str; 5] = [
    "serve",
    "--listen",
    "127.0.0.1:0",
    "--no-initial-key",
    "--database",
];

/// What is said on standard error where the server does not start.
fn refused(url: &str) -> String {
    let output = run(&[&ARGUMENTS[..], &[url]].concat());
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(!told.contains("panicked"), "{told}");
    told
}

#[test]
fn who_has_a_certificate_by_a_trusted_root_is_spoken_to_over_tls() {
    let authority = Authority::new();
    let (certificate, key) = (authority.certificate(), authority.key());
    let Some(cluster) = Cluster::start_with_tls(&certificate, &key) else {
        return;
    };
    let roots = authority.roots();
    let named = format!("sslrootcert={}", roots.display());
    for (parameters, is_of_system) in [
        (format!("sslmode=require&{named}"), false),
        (format!("sslmode=verify-full&{named}"), false),
        (format!("{named}&sslmode=prefer"), false),
        ("sslmode=verify-full".to_owned(), true),
        ("sslmode=require&sslrootcert=system".to_owned(), true),
    ] {
        let mut command = program();
        if is_of_system {
            command.env("SSL_CERT_FILE", &roots);
        }
        command.args(ARGUMENTS);
        command.arg(cluster.url_by_name(&parameters));
        let plain = cluster.url_by_name("sslmode=disable");
        let server = Server::start_plain(command, plain.as_ref());
        let key = server.key(FOR_CONTACTS);
        let alias = parameters.replace('/', " ");
        let body = format!(r#"{{"alias":"{alias}","msisdn":"4479000000001"}}"#);
        assert_eq!(server.create(&key, body).status, 200);
        let how = "SELECT DISTINCT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
            WHERE application_name = 'addressbook'";
        assert_eq!(server.column(how), ["t"], "{parameters}");
    }
}

#[test]
fn who_is_not_trusted_is_not_spoken_to() {
    let [authority, other] = [(); 2].map(|()| Authority::new());
    let (certificate, key) = (authority.certificate(), authority.key());
    let Some(cluster) = Cluster::start_with_tls(&certificate, &key) else {
        return;
    };
    let other = other.roots();
    for mode in ["prefer", "require", "verify-full"] {
        for roots in [String::new(), format!("&sslrootcert={}", other.display())] {
            let told = refused(&cluster.url_by_name(&format!("sslmode={mode}{roots}")));
            assert!(told.contains("invalid peer certificate"), "{told}");
            let advises = told.contains("UnknownIssuer, name the file of its authority");
            assert!(advises || !roots.is_empty(), "{told}");
        }
    }
    // Its certificate is of another name.
    let roots = authority.roots();
    let url = cluster.url();
    let url = format!(
        "{}?sslmode=require&sslrootcert={}",
        url.display(),
        roots.display()
    );
    let told = refused(&url);
    assert!(
        told.contains("certificate not valid for name \"127.0.0.1\""),
        "{told}"
    );
}

#[test]
fn what_of_tls_is_not_understood_is_refused_in_words() {
    let directory = tempfile::tempdir().unwrap();
    let empty = directory.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    let roots = |file: &Path| format!("sslmode=require&sslrootcert={}", file.display());
    for (parameters, said) in [
        (
            "sslmode=verify-ca".to_owned(),
            "disable, prefer, require or verify-full",
        ),
        (
            "sslmode=allow".to_owned(),
            "disable, prefer, require or verify-full",
        ),
        (roots(&empty), "empty.pem: no certificate in PEM"),
        (
            roots(Path::new("/nowhere/root.pem")),
            "/nowhere/root.pem: No such file",
        ),
        ("sslcert=/etc/client.pem".to_owned(), "sslcert"),
    ] {
        let told = refused(&format!(
            "postgres://postgres@localhost:1/postgres?{parameters}"
        ));
        assert!(told.contains(said), "{told}");
    }
}
