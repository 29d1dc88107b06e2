//! A server that stands under a path of its proxy.

use crate::harness::{Server, program};

fn under(base: &str) -> Server {
    Server::start_with(&["--base-path", base])
}

#[test]
fn every_call_is_served_under_the_base_path_and_nowhere_else() {
    let server = under("/book");
    for call in addressbook::http::CALLS {
        let file = match call.path.starts_with("/docs") {
            true => "page.css",
            false => "main.css",
        };
        let path = call.path.replace("{file}", file);
        let path = path.replace(['{', '}'], "");
        let status = |path: &str| {
            let call = server.call(call.method, path);
            call.header("Accept", "text/html").send().status
        };
        let expected = match path.as_str() {
            "/console" => 308,
            // A body is wanted.
            "/auth/session/code" => 415,
            _ if call.permissions.is_some() => 401,
            _ => 200,
        };
        assert_eq!(status(&format!("/book{path}")), expected, "{path}");
        let elsewhere = server.call(call.method, &path).send();
        assert_eq!(
            (elsewhere.status, elsewhere.message().as_str()),
            (404, "No such path")
        );
        if let Some(short) = path.strip_prefix("/addressbook/contacts") {
            assert_eq!(status(&format!("/book/contacts{short}")), 401);
        }
    }
    for path in ["/", "/book", "/book/", "/bookhealthz", "/book/book/healthz"] {
        assert_eq!(server.call("GET", path).send().status, 404, "{path}");
    }
}

#[test]
fn a_link_to_the_holder_of_an_alias_leads_to_it() {
    let server = under("/a/b.c/");
    let key = server.key(&["create:Contacts", "read:Contacts"]);
    let john = r#"{"alias":"john","msisdn":"4479000000001"}"#;
    let create = || {
        let call = server.call("POST", "/a/b.c/addressbook/contacts").key(&key);
        call.json(john).send()
    };
    let id = create().json()["record"]["id"].as_str().unwrap().to_owned();
    let taken = create();
    let path = format!("/a/b.c/addressbook/contacts/{id}");
    assert_eq!(taken.header("link"), format!("<{path}>; rel=\"item\""));
    let found = server.call("GET", &path).key(&key).send();
    assert_eq!(found.json()["record"]["alias"], "john");
}

#[test]
fn the_log_names_routes_without_the_base_path() {
    let server = under("/book");
    assert_eq!(server.call("GET", "/book/healthz").send().status, 200);
    let logged = server.logged();
    assert!(logged.contains(r#""route":"/healthz""#), "{logged}");
}

#[test]
fn a_healthcheck_asks_under_the_base_path() {
    let server = under("/book");
    let listen = server.address.to_string();
    for (base, is_healthy) in [("/book", true), ("", false)] {
        let checked = program()
            .args(["healthcheck", "--listen", &listen])
            .env("ADDRESSBOOK_BASE_PATH", base)
            .output()
            .unwrap();
        assert_eq!(checked.status.success(), is_healthy, "{base:?}");
    }
}
