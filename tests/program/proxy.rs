//! The documented configurations of proxies (Debian: `nginx`, `caddy`), each in front of
//! a real server: what is sent through them arrives as it was sent.

use std::cell::RefCell;
use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use socket2::{Domain, Socket, Type};

use crate::harness::{Certificate, FOR_CONTACTS, Server, WAIT_MAX, exchange, make_key, until};

/// A proxy in front of a server; killed when dropped.
struct Proxy {
    child: Child,
    address: SocketAddr,
    certificate: Certificate,
    server: Server,
    _directory: tempfile::TempDir,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program of this name, or none, which is said.
fn installed(name: &str) -> Option<String> {
    let places = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"];
    let mut paths = places.iter().map(|place| format!("{place}/{name}"));
    let found = paths.find(|path| Path::new(path).exists());
    if found.is_none() {
        let skipped = format!("skipped: a proxy in front of the server, which needs {name}\n");
        std::io::stderr().write_all(skipped.as_bytes()).unwrap();
    }
    found
}

/// Our configuration, with each of `changes` made, which it has to have room for.
fn configuration(name: &str, changes: &[(&str, &str)]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("deploy")
        .join(name);
    let mut text = fs::read_to_string(path).unwrap();
    for (from, to) in changes {
        assert!(text.contains(from), "{name} has no {from:?}");
        text = text.replacen(from, to, 1);
    }
    text
}

/// Starts a server, and what `run` makes of a certificate, the proxy's own address, the
/// server's and a directory.
fn start(run: impl Fn(&Certificate, SocketAddr, SocketAddr, &Path) -> Command) -> Proxy {
    let server = Server::start_with(&["--trusted-proxy", "127.0.0.1/32", "--base-path", "/book"]);
    let certificate = Certificate::new();
    let directory = tempfile::tempdir().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let log = directory.path().join("log");
    let mut command = run(&certificate, address, server.address, directory.path());
    command.stdout(Stdio::null());
    command.stderr(fs::File::create(&log).unwrap());
    let child = RefCell::new(command.spawn().unwrap());
    until(|| {
        let ended = child.borrow_mut().try_wait().unwrap();
        assert!(ended.is_none(), "{}", fs::read_to_string(&log).unwrap());
        TcpStream::connect(address).ok()
    });
    Proxy {
        child: child.into_inner(),
        address,
        certificate,
        server,
        _directory: directory,
    }
}

fn nginx() -> Option<Proxy> {
    let program = installed("nginx")?;
    Some(start(|certificate, own, server, directory| {
        let places = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let places = places.map(|name| format!("{name}_temp_path {};", directory.display()));
        let places = format!("http {{\naccess_log off;\n{}", places.join("\n"));
        let of_example = |file: &str| format!("/etc/ssl/book.example.org/{file}");
        let text = configuration(
            "nginx.conf",
            &[
                ("http {", &places),
                ("listen 443 ssl;", &format!("listen {own} ssl;")),
                ("127.0.0.1:8080;", &format!("{server};")),
                (
                    &of_example("fullchain.pem"),
                    certificate.path().to_str().unwrap(),
                ),
                (
                    &of_example("privkey.pem"),
                    certificate.key_path().to_str().unwrap(),
                ),
            ],
        );
        let file = directory.join("nginx.conf");
        fs::write(&file, text).unwrap();
        let mut command = Command::new(&program);
        command
            .args(["-e", "stderr", "-p"])
            .arg(directory)
            .arg("-c")
            .arg(file);
        let pid = directory.join("pid");
        let alone = format!("daemon off; master_process off; pid {};", pid.display());
        command.args(["-g", &alone]);
        command
    }))
}

fn caddy() -> Option<Proxy> {
    let program = installed("caddy")?;
    Some(start(|certificate, own, server, directory| {
        let (chain, key) = (certificate.path(), certificate.key_path());
        let site = format!(
            "{{\n\tadmin off\n\tauto_https disable_redirects\n}}\nhttps://localhost:{} {{\n\tbind {}\n\ttls {} {}\n",
            own.port(),
            own.ip(),
            chain.display(),
            key.display()
        );
        let text = configuration(
            "Caddyfile",
            &[
                ("book.example.org {\n", &site),
                (
                    "reverse_proxy 127.0.0.1:8080",
                    &format!("reverse_proxy {server}"),
                ),
            ],
        );
        let file = directory.join("Caddyfile");
        fs::write(&file, text).unwrap();
        let mut command = Command::new(&program);
        command
            .args(["run", "--adapter", "caddyfile", "--config"])
            .arg(file);
        for variable in ["HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"] {
            command.env(variable, directory);
        }
        command
    }))
}

impl Proxy {
    /// Sends a request through the proxy, from a client at `client`.
    fn call_from(&self, client: &str, head: &str, body: &str) -> (u16, String) {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let client: SocketAddr = format!("{client}:0").parse().unwrap();
        socket.bind(&client.into()).unwrap();
        socket.connect(&self.address.into()).unwrap();
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(WAIT_MAX)).unwrap();
        let mut client = self.certificate.client(stream).unwrap();
        let request = format!(
            "{head}\r\nHost: localhost:{}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            self.address.port(),
            body.len()
        );
        let answer = exchange(&mut client, request.as_bytes());
        let status = answer
            .split(' ')
            .nth(1)
            .unwrap_or_else(|| panic!("{answer:?}"));
        (status.parse().unwrap(), answer)
    }

    fn call(&self, method: &str, path: &str, key: &str, body: &str) -> (u16, String) {
        let media_type = match path.ends_with("/import") {
            true => "text/csv",
            false => "application/json",
        };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nAuthorization: Bearer {key}\r\nContent-Type: {media_type}"
        );
        self.call_from("127.0.0.1", &head, body)
    }
}

/// The alias of an answer's record.
fn alias_of(answer: &str) -> String {
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let body: serde_json::Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("{answer}"));
    body["record"]["alias"].as_str().unwrap().to_owned()
}

/// Aliases, and how clients write them in a path.
const ALIASES: [(&str, &str); 19] = [
    ("a/b", "a%2Fb"),
    ("a/b", "a%2fb"),
    ("a%2Fb", "a%252Fb"),
    ("100%", "100%25"),
    ("a b", "a%20b"),
    ("a+b", "a+b"),
    ("a+b", "a%2Bb"),
    ("a//b", "a%2F%2Fb"),
    ("//", "%2F%2F"),
    ("/a/", "%2Fa%2F"),
    ("../x", "..%2fx"),
    ("../x", "%2E%2E%2Fx"),
    ("a/../b", "a%2F..%2Fb"),
    ("a\\b", "a%5Cb"),
    ("a?b#c", "a%3Fb%23c"),
    ("a;b=c&d", "a;b=c&d"),
    ("Zoë 😀", "Zo%C3%AB%20%F0%9F%98%80"),
    ("a:b@c", "a:b@c"),
    // Once more would be out of /book, where the proxy has another say.
    ("../../../x", "..%2F..%2F..%2Fx"),
];

fn aliases_arrive_as_they_were_sent(proxy: &Proxy) {
    let key = proxy.server.key(FOR_CONTACTS);
    for (alias, segment) in ALIASES {
        let path = format!("/book/addressbook/contacts/alias/{segment}");
        let (status, put) = proxy.call("PUT", &path, &key, r#"{"msisdn":"4479000000001"}"#);
        assert_eq!((status, alias_of(&put).as_str()), (200, alias), "{segment}");
        let (status, got) = proxy.call("GET", &path, &key, "");
        assert_eq!((status, alias_of(&got).as_str()), (200, alias), "{segment}");
    }
    let mut aliases: Vec<_> = ALIASES.iter().map(|(alias, _)| alias).collect();
    aliases.sort();
    aliases.dedup();
    assert_eq!(proxy.server.stored(), aliases.len() as i64);
}

fn a_link_leads_back_through_the_proxy(proxy: &Proxy) {
    let key = proxy.server.key(FOR_CONTACTS);
    let john = r#"{"alias":"john","msisdn":"4479000000001"}"#;
    let create = || proxy.call("POST", "/book/contacts", &key, john);
    assert_eq!(create().0, 200);
    let (status, taken) = create();
    assert_eq!(status, 400);
    let (_, link) = taken
        .split_once("</book/addressbook/contacts/")
        .expect("a link");
    let (id, _) = link.split_once(">; rel=\"item\"").expect("a link");
    let (status, found) = proxy.call("GET", &format!("/book/addressbook/contacts/{id}"), &key, "");
    assert_eq!((status, alias_of(&found).as_str()), (200, "john"));
    assert_eq!(proxy.call("GET", "/book/healthz", &key, "").0, 200);
    for path in [
        "/contacts",
        "/",
        "/book/addressbook/contacts/alias/..%2F..%2F..%2F..%2Fx",
    ] {
        let (status, outside) = proxy.call("GET", path, &key, "");
        assert!(status == 404 && !outside.contains("success"), "{outside}");
    }
}

/// Five megabytes of a file.
fn file() -> String {
    let mut file = "alias,msisdn,NAME\n".to_owned();
    for row in 0..40_000 {
        file.push_str(&format!("row {row:05},15550000000,{}\n", "x".repeat(110)));
    }
    assert!(file.len() > 5_000_000);
    file
}

fn a_file_passes(proxy: &Proxy) {
    let key = proxy.server.key(FOR_CONTACTS);
    let before = proxy.server.stored();
    let (status, answer) = proxy.call("POST", "/book/contacts/import", &key, &file());
    assert_eq!(status, 200, "{answer}");
    assert_eq!(proxy.server.stored(), before + 40_000);
}

fn a_wrong_key_is_told_before_a_file_was_sent(proxy: &Proxy) {
    for _ in 0..10 {
        let (status, answer) = proxy.call("POST", "/book/contacts/import", "none", &file());
        assert_eq!(status, 401, "{answer}");
    }
}

fn the_forwarded_address_is_the_clients(proxy: &Proxy) {
    let database = &proxy.server.database;
    let key = make_key(database, &["read:Contacts"], &["--allowed-ip", "127.0.0.2"]);
    let head = format!("GET /book/contacts HTTP/1.1\r\nAuthorization: Bearer {key}");
    let forged = format!("{head}\r\nX-Forwarded-For: 127.0.0.2");
    let status = |client, head: &str| proxy.call_from(client, head, "").0;
    assert_eq!(status("127.0.0.2", &head), 200);
    assert_eq!(status("127.0.0.3", &head), 403);
    assert_eq!(status("127.0.0.3", &forged), 403);
    assert_eq!(status("127.0.0.1", &forged), 403);
}

/// As a browser does that says nothing of whose page it is.
fn a_page_signs_in_and_writes(proxy: &Proxy) {
    let key = proxy.server.key(FOR_CONTACTS);
    let port = proxy.address.port();
    let own = format!("Origin: https://localhost:{port}");
    let head = format!("POST /book/auth/session HTTP/1.1\r\n{own}\r\nAuthorization: Bearer {key}");
    let (status, answer) = proxy.call_from("127.0.0.1", &head, "");
    assert_eq!(status, 200, "{answer}");
    let at = answer
        .find("__Host-addressbook_session=")
        .expect("a cookie");
    let cookie = answer[at..].split(';').next().unwrap();
    let delete = |origin: &str| {
        let head =
            format!("DELETE /book/contacts/4479000000009 HTTP/1.1\r\n{origin}\r\nCookie: {cookie}");
        proxy.call_from("127.0.0.1", &head, "").0
    };
    assert_eq!(delete(&own), 404);
    assert_eq!(delete("Origin: https://localhost"), 403);
    assert_eq!(delete("Sec-Fetch-Site: same-origin"), 404);
    assert_eq!(delete("Sec-Fetch-Site: cross-site"), 403);
}

#[test]
fn what_nginx_passes_on_is_what_was_sent() {
    if let Some(proxy) = nginx() {
        aliases_arrive_as_they_were_sent(&proxy);
        a_link_leads_back_through_the_proxy(&proxy);
        a_file_passes(&proxy);
        a_wrong_key_is_told_before_a_file_was_sent(&proxy);
        the_forwarded_address_is_the_clients(&proxy);
        a_page_signs_in_and_writes(&proxy);
    }
}

#[test]
fn what_caddy_passes_on_is_what_was_sent() {
    if let Some(proxy) = caddy() {
        aliases_arrive_as_they_were_sent(&proxy);
        a_link_leads_back_through_the_proxy(&proxy);
        // (Whom it refuses in the middle of a body, it resets: the refusal may be lost.)
        a_file_passes(&proxy);
        the_forwarded_address_is_the_clients(&proxy);
        a_page_signs_in_and_writes(&proxy);
    }
}
