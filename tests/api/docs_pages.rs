//! The pages for people: they load nothing from elsewhere, and nothing in them is inline.

use std::io::Write;
use std::process::{Command, Stdio};

use addressbook::http::CALLS;

use crate::harness::{Reply, Server};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

fn page(server: &Server, path: &str) -> Reply {
    let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    let reply = server.call("GET", path).header("Accept", browser).send();
    assert_eq!(reply.status, 200, "{path}: {}", reply.body);
    assert_eq!(reply.header("content-security-policy"), POLICY, "{path}");
    assert_eq!(reply.header("x-content-type-options"), "nosniff");
    assert_eq!(reply.header("x-request-id").len(), 36);
    reply
}

/// What a page's attributes of this name say.
fn named<'a>(page: &'a str, attribute: &str) -> Vec<&'a str> {
    let begins = format!(" {attribute}=\"");
    let values = page.split(begins.as_str()).skip(1);
    values.map(|rest| rest.split('"').next().unwrap()).collect()
}

#[test]
fn a_page_loads_what_is_served_beside_it_and_has_nothing_inline() {
    let server = Server::start();
    for path in ["/", "/docs"] {
        let reply = page(&server, path);
        assert_eq!(reply.header("content-type"), "text/html; charset=utf-8");
        for inline in [
            "<style",
            " style=",
            "<script>",
            " onload=",
            "javascript:",
            "//",
        ] {
            assert!(!reply.body.contains(inline), "{path}: {inline}");
        }
        let mut loaded = named(&reply.body, "href");
        loaded.extend(named(&reply.body, "src"));
        loaded.retain(|place| *place != "data:,");
        assert!(loaded.len() > 2, "{path}: {loaded:?}");
        for place in loaded {
            assert!(
                !place.starts_with('/'),
                "{place} leaves the prefix of a proxy"
            );
            let found = server.call("GET", &format!("/{place}")).send();
            assert_eq!(found.status, 200, "{place}");
        }
    }
}

#[test]
fn files_of_the_page_have_their_types_and_the_large_ones_are_compressed() {
    let server = Server::start();
    for (file, media_type, encoding, beginning) in [
        ("page.css", "text/css; charset=utf-8", "", "body"),
        (
            "reference.js",
            "text/javascript; charset=utf-8",
            "",
            "'use strict'",
        ),
        ("swagger-ui.css", "text/css; charset=utf-8", "gzip", ""),
        (
            "swagger-ui-bundle.js",
            "text/javascript; charset=utf-8",
            "gzip",
            "",
        ),
    ] {
        let path = format!("/docs/{file}");
        let head = server.call("HEAD", &path).send();
        assert_eq!((head.status, head.body.as_str()), (200, ""), "{file}");
        assert_eq!(head.header("content-type"), media_type);
        assert_eq!(head.header("content-security-policy"), POLICY);
        assert_eq!(head.header("content-encoding"), encoding, "{file}");
        if encoding.is_empty() {
            assert!(page(&server, &path).body.starts_with(beginning), "{file}");
        }
    }
    for file in [
        "index.html",
        "swagger-initializer.js",
        "..",
        "%2e%2e",
        "%ff",
        "x",
    ] {
        let reply = server.call("GET", &format!("/docs/{file}")).send();
        assert_eq!(reply.status, 404, "{file}");
    }
}

#[test]
fn the_front_page_is_for_browsers_and_anybody_else_finds_nothing() {
    let server = Server::start();
    assert!(page(&server, "/").body.contains("href=\"docs\""));
    for accept in ["application/json", "*/*", "text/plain"] {
        let reply = server.call("GET", "/").header("Accept", accept).send();
        assert_eq!(
            (reply.status, reply.message().as_str()),
            (404, "No such path")
        );
    }
    let post = server.call("POST", "/").send();
    assert_eq!((post.status, post.header("allow")), (405, "GET, HEAD"));
}

/// What a browser makes of a page, with all that it complains of; nothing without one.
fn rendered(url: &str) -> Option<(String, String)> {
    let profile = tempfile::tempdir().unwrap();
    let output = Command::new("chromium")
        .args(["--headless=new", "--no-sandbox", "--disable-gpu"])
        .args(["--enable-logging=stderr", "--virtual-time-budget=20000"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(["--dump-dom", url])
        .stdin(Stdio::null())
        .output();
    let Ok(output) = output else {
        let skipped = "skipped: a browser that shows the pages, which needs chromium\n";
        std::io::stderr().write_all(skipped.as_bytes()).unwrap();
        return None;
    };
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Some((text(output.stdout), text(output.stderr)))
}

#[test]
fn a_browser_shows_every_call_under_the_policy() {
    let server = Server::start();
    let Some((page, told)) = rendered(&format!("http://{}/docs", server.address)) else {
        return;
    };
    assert_eq!(
        page.matches("class=\"opblock opblock-").count(),
        CALLS.len()
    );
    assert!(page.contains("class=\"title\">addressbook"), "{page}");
    let complaints = told.lines().filter(|line| line.contains("CONSOLE"));
    let complaints: Vec<&str> = complaints.collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
}
