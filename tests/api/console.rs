//! The web console's files: all that the repository has, joined and small, from this server
//! alone.

use std::io::Read;

use flate2::read::GzDecoder;

use crate::harness::{Server, agent};

/// What the compressed files may take together.
const BYTES_MAX: usize = 60_000;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// What a browser asks for.
const SERVED: [&str; 5] = ["icon.svg", "index.html", "main.css", "main.js", "theme.js"];

/// The files of the repository: name and text.
fn files() -> Vec<(String, String)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/console");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        (name, std::fs::read_to_string(entry.path()).unwrap())
    });
    files.collect()
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        other => panic!("{other:?}"),
    }
}

/// The bytes of an answer, as they travel.
fn bytes(server: &Server, path: &str) -> Vec<u8> {
    let url = format!("http://{}{path}", server.address);
    let mut reply = agent().get(url).call().unwrap();
    assert_eq!(reply.status(), 200, "{path}");
    reply.body_mut().read_to_vec().unwrap()
}

fn inflated(bytes: &[u8]) -> Vec<u8> {
    let mut inflated = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut inflated).unwrap();
    inflated
}

#[test]
fn a_browser_gets_all_that_the_folder_has_in_a_few_small_files() {
    let server = Server::start();
    let sent = SERVED.map(|name| bytes(&server, &format!("/console/{name}")));
    assert!(bytes(&server, "/console/") == sent[1]);
    let total: usize = sent.iter().map(Vec::len).sum();
    assert!((1..BYTES_MAX).contains(&total), "{total} bytes");
    let [_, page, styles, script, theme] = sent.map(|sent| inflated(&sent));
    let [page, styles, script, theme] =
        [page, styles, script, theme].map(|sent| String::from_utf8(sent).unwrap());
    for (name, stored) in files() {
        match name.rsplit_once('.').unwrap() {
            ("index", "html") => assert_eq!(page, stored),
            ("theme", "js") => assert!(!theme.is_empty()),
            ("main", _) | (_, "svg") => {}
            (module, "js") => assert!(script.contains(&format!("const ${module} = ")), "{name}"),
            (_, "css") => {
                let last = stored.lines().rfind(|line| line.ends_with('}')).unwrap();
                assert!(styles.contains(last.trim()), "{name}");
            }
            other => panic!("{other:?}"),
        }
    }
    // What is for readers stays in the repository.
    for comment in ["/**", "* @", "\n//"] {
        assert!(!script.contains(comment), "{comment}");
    }
}

#[test]
fn a_file_has_its_headers_and_they_say_what_the_page_may() {
    let server = Server::start();
    for name in SERVED.into_iter().chain([""]) {
        let path = format!("/console/{name}");
        let head = server.call("HEAD", &path).send();
        assert_eq!((head.status, head.body.as_str()), (200, ""), "{path}");
        let of_name = if name.is_empty() { "index.html" } else { name };
        for (header, value) in [
            ("content-type", media_type(of_name)),
            ("content-encoding", "gzip"),
            ("cache-control", "no-cache"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("x-content-type-options", "nosniff"),
            ("content-security-policy", POLICY),
        ] {
            assert_eq!(head.header(header), value, "{path}");
        }
        assert_eq!(head.header("x-request-id").len(), 36);
        assert_eq!(head.headers.get_all("cache-control").iter().count(), 1);
        let sent = bytes(&server, &path).len().to_string();
        assert_eq!(head.header("content-length"), sent);
    }
}

#[test]
fn a_file_that_has_not_changed_is_not_sent_again() {
    let server = Server::start();
    let asked = |named: &str| {
        let call = server.call("HEAD", "/console/main.js");
        call.header("If-None-Match", named).send()
    };
    let etag = asked("\"0\"").header("etag").to_owned();
    let digits = etag.trim_matches('"');
    assert_eq!((etag.len(), digits.len()), (34, 32), "{etag}");
    assert!(digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
    let others = server.call("HEAD", "/console/theme.js").send();
    assert_ne!(others.header("etag"), etag);
    for named in [etag.clone(), format!("\"0\", W/{etag}"), "*".to_owned()] {
        let call = server.call("GET", "/console/main.js");
        let reply = call.header("If-None-Match", &named).send();
        assert_eq!((reply.status, reply.body.as_str()), (304, ""), "{named}");
        assert_eq!(reply.header("etag"), etag);
        assert_eq!(reply.header("cache-control"), "no-cache");
    }
    for named in [digits, "\"\"", "", "\"0"] {
        assert_eq!(asked(named).status, 200, "{named}");
    }
}

#[test]
fn the_path_without_its_slash_leads_to_it_behind_any_prefix() {
    let server = Server::start_with(&["--base-path", "/book"]);
    let reply = server.call("GET", "/book/console").send();
    assert_eq!((reply.status, reply.body.as_str()), (308, ""));
    assert_eq!(reply.header("location"), "console/");
    let page = inflated(&bytes(&server, "/book/console/"));
    let page = String::from_utf8(page).unwrap();
    for beside in page.split(" src=\"").chain(page.split(" href=\"")).skip(1) {
        let place = beside.split('"').next().unwrap();
        assert!(!place.starts_with('/'), "{place}");
    }
    let post = server.call("POST", "/book/console/").send();
    assert_eq!((post.status, post.header("allow")), (405, "GET, HEAD"));
}

#[test]
fn an_unknown_file_is_not_found() {
    let server = Server::start();
    for name in [
        "nothing.js",
        "..",
        "%2e%2e",
        "%ff",
        "index.html.gz",
        "a/b",
        "api.js",
    ] {
        let reply = server.call("GET", &format!("/console/{name}")).send();
        assert_eq!(
            (reply.status, reply.message().as_str()),
            (404, "No such path"),
            "{name}"
        );
        assert_eq!(reply.header("cache-control"), "no-store");
    }
}

#[test]
fn no_file_names_another_host() {
    // It is no address: it names what the elements are.
    const SVG_NAMESPACE: &str = "http://www.w3.org/2000/svg";
    for (name, text) in files() {
        let text = text.to_lowercase();
        let text = text.replace(SVG_NAMESPACE, "");
        for other in [
            "http:",
            "https:",
            "ws://",
            "wss://",
            "data:text",
            "javascript:",
        ] {
            assert!(!text.contains(other), "{name}: {other}");
        }
    }
}
