//! Sessions: a browser signs in by a key and goes on with a cookie.

use addressbook::moment::Moment;
use insta::assert_snapshot;
use serde_json::json;

use super::key_ring::{Ring, in_seconds, millis};
use crate::harness::{
    Call, Certificate, FOR_CONTACTS, Reply, Server, exchange, id_of, is_skipped, make_key,
};

const PATH: &str = "/auth/session";
const NAME: &str = "addressbook_session";

/// Signs in, as a page of this server does.
pub(super) fn sign_in(server: &Server, key: &str) -> Reply {
    let origin = format!("http://{}", server.address);
    let call = server.call("POST", PATH).key(key);
    let reply = call.header("Origin", &origin).send();
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply
}

/// What a browser keeps of an answer: the cookie, without what limits it.
pub(super) fn cookie_of(reply: &Reply) -> String {
    let cookie = reply.header("set-cookie").split(';').next().unwrap();
    cookie.to_owned()
}

/// Signs in and returns the cookie.
pub(super) fn session(server: &Server, key: &str) -> String {
    cookie_of(&sign_in(server, key))
}

/// A call of a page of this server, in a browser that has the cookie.
pub(super) fn by_cookie(server: &Server, method: &str, path: &str, cookie: &str) -> Call {
    let call = server.call(method, path).header("Cookie", cookie);
    call.header("Sec-Fetch-Site", "same-origin")
}

pub(super) fn told(reply: &Reply) -> (u16, String) {
    (reply.status, reply.message())
}

pub(super) fn ended() -> (u16, String) {
    (401, "Session has ended".to_owned())
}

/// Whether a session is let in.
pub(super) fn is_good(server: &Server, cookie: &str) -> bool {
    let reply = by_cookie(server, "GET", "/auth/test", cookie).send();
    if reply.status == 401 {
        assert_eq!(told(&reply), ended());
        let challenge = r#"Bearer realm="addressbook", error="invalid_token""#;
        assert_eq!(reply.header("www-authenticate"), challenge);
    }
    reply.status == 200
}

#[test]
fn a_key_opens_a_session_whose_cookie_no_script_reads() {
    let server = Server::start();
    let key = server.key(&["create:Contacts", "read:Contacts"]);
    let before = Moment::now();
    let reply = sign_in(&server, &key);
    let after = Moment::now();
    let ends = reply.json()["record"]["session_expires_on"].clone();
    let ends = ends.as_str().unwrap();
    let twelve_hours = 12 * 60 * 60 * 1000;
    let ends_after_ms = millis(&json!(ends)) - twelve_hours;
    assert!((before.millis()..=after.millis()).contains(&ends_after_ms));
    let body = reply
        .body
        .replace(id_of(&key), "[id]")
        .replace(ends, "[time]");
    assert_snapshot!(body, @r#"{"success":true,"record":{"id":"[id]","name":"test","permissions":["create:Contacts","read:Contacts"],"expires_on":null,"session_expires_on":"[time]"}}"#);
    let set = reply.header("set-cookie");
    let secret = cookie_of(&reply).split_once('=').unwrap().1.to_owned();
    assert!(secret.len() == 43 && secret.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    let limits = "HttpOnly; SameSite=Strict; Path=/; Max-Age=43200";
    assert_eq!(set, format!("{NAME}={secret}; {limits}"));
    assert_eq!(reply.headers.get_all("set-cookie").iter().count(), 1);
    assert_eq!(reply.header("cache-control"), "no-store");
}

#[test]
fn a_session_stands_in_for_its_key_and_may_what_that_may() {
    let server = Server::start();
    let key = server.key(&["create:Contacts", "read:Contacts"]);
    let cookie = session(&server, &key);
    let test = by_cookie(&server, "GET", "/auth/test", &cookie).send();
    assert_eq!(test.json()["record"]["id"], id_of(&key));
    let john = r#"{"alias":"john","msisdn":"4479000000001"}"#;
    let created = by_cookie(&server, "POST", "/contacts", &cookie).json(john);
    assert_eq!(created.send().status, 200);
    let listed = by_cookie(&server, "GET", "/contacts", &cookie).send();
    assert_eq!(listed.json()["total"], 1);
    let refused = by_cookie(&server, "DELETE", "/contacts/4479000000001", &cookie).send();
    let lacking = "API Key is not permitted to perform this action. (delete:Contacts)";
    assert_eq!(told(&refused), (403, lacking.to_owned()));
    assert_eq!(server.stored(), 1);
}

#[test]
fn a_session_does_not_prolong_itself() {
    let server = Server::start();
    let key = server.key(&["read:Contacts"]);
    let cookie = session(&server, &key);
    let again = by_cookie(&server, "POST", PATH, &cookie).send();
    assert_eq!(told(&again), (401, "API key is missing".to_owned()));
    assert_eq!(again.header("set-cookie"), "");
    let with_key = by_cookie(&server, "POST", PATH, &cookie).key(&key).send();
    assert_eq!(with_key.status, 200);
    assert_ne!(cookie_of(&with_key), cookie);
    assert!(is_good(&server, &cookie), "the one before goes on");
    for body in ["{}", "not json"] {
        let reply = server.call("POST", PATH).key(&key).json(body).send();
        assert_eq!(reply.status, 200, "{body}");
    }
    let without = server.call("POST", PATH).send();
    assert_eq!(told(&without), (401, "API key is missing".to_owned()));
}

#[test]
fn signing_out_ends_this_session_at_once() {
    let server = Server::start();
    let key = server.key(FOR_CONTACTS);
    let (one, other) = (session(&server, &key), session(&server, &key));
    let out = by_cookie(&server, "DELETE", PATH, &one).send();
    assert_eq!(
        (out.status, out.body.as_str()),
        (200, r#"{"success":true}"#)
    );
    let cleared: Vec<_> = out.headers.get_all("set-cookie").iter().collect();
    assert_eq!(
        cleared,
        [
            "__Host-addressbook_session=; Secure; HttpOnly; SameSite=Strict; Path=/; Max-Age=0",
            "addressbook_session=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0",
        ]
    );
    assert!(!is_good(&server, &one));
    let john = r#"{"alias":"john","msisdn":"4479000000001"}"#;
    let write = by_cookie(&server, "POST", "/contacts", &one)
        .json(john)
        .send();
    assert_eq!(told(&write), ended());
    assert_eq!(
        told(&by_cookie(&server, "DELETE", PATH, &one).send()),
        ended()
    );
    assert!(is_good(&server, &other));
    let by_key = server.call("DELETE", PATH).key(&key).send();
    assert_eq!(told(&by_key), (404, "Session not found".to_owned()));
    let both = by_cookie(&server, "DELETE", PATH, &other).key(&key).send();
    assert_eq!(both.status, 404, "the key is what counts");
    assert!(is_good(&server, &other));
}

#[test]
fn a_cookie_is_looked_at_only_where_there_is_no_authorization() {
    let server = Server::start();
    let key = server.key(&["read:Contacts"]);
    let cookie = session(&server, &key);
    let with = |cookie: &str, authorization: &str| {
        let call = by_cookie(&server, "GET", "/auth/test", cookie);
        call.header("Authorization", authorization).send().status
    };
    assert_eq!(with("addressbook_session=x", &format!("Bearer {key}")), 200);
    for wrong in ["", "Bearer", "Bearer x", "Basic eDp5"] {
        assert_eq!(with(&cookie, wrong), 401, "{wrong}");
    }
}

#[test]
fn what_is_no_session_gets_one_answer() {
    let server = Server::start();
    let cookie = session(&server, &server.key(&["read:Contacts"]));
    let secret = cookie.split_once('=').unwrap().1;
    let unknown = format!("{NAME}={}", "0".repeat(43));
    let cut = format!("{NAME}={}", &secret[1..]);
    let longer = format!("{NAME}={secret}0");
    let quoted = format!("{NAME}=\"{secret}\"");
    for wrong in [&unknown, &cut, &longer, &quoted, &format!("{NAME}=")] {
        assert!(!is_good(&server, wrong), "{wrong}");
    }
    assert!(is_good(&server, &format!("theme=dark; {cookie}; lang=en")));
    let other = by_cookie(&server, "GET", "/auth/test", &format!("other={secret}")).send();
    assert_eq!(told(&other), (401, "API key is missing".to_owned()));
}

#[test]
fn the_secret_is_in_no_file() {
    if is_skipped("file whose bytes could be looked at") {
        return;
    }
    let server = Server::start();
    let cookie = session(&server, &server.key(&["read:Contacts"]));
    let secret = cookie.split_once('=').unwrap().1.as_bytes();
    for end in ["", "-wal"] {
        let file = format!("{}{end}", server.database.display());
        let bytes = std::fs::read(file).unwrap();
        let found = bytes.windows(secret.len()).any(|window| window == secret);
        assert!(!found, "in the file{end}");
    }
    assert!(!server.logged().contains(NAME));
}

#[test]
fn the_cookie_is_for_the_base_path_alone_unless_it_is_the_hosts() {
    let server = Server::start_with(&["--base-path", "/book"]);
    let key = server.key(&["read:Contacts"]);
    let set = |origin: &str| {
        let call = server.call("POST", "/book/auth/session").key(&key);
        let reply = call.header("Origin", origin).send();
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.header("set-cookie").to_owned()
    };
    let plain = set(&format!("http://{}", server.address));
    assert!(plain.contains("; Path=/book/; "), "{plain}");
    assert!(!plain.contains("Secure"), "{plain}");
    // A proxy speaks TLS.
    let host = set(&format!("https://{}", server.address));
    assert!(host.starts_with("__Host-addressbook_session="), "{host}");
    assert!(host.ends_with("; Secure; HttpOnly; SameSite=Strict; Path=/; Max-Age=43200"));
    let cookie = |set: &str| set.split(';').next().unwrap().to_owned();
    let both = format!("{NAME}=old; {}", cookie(&host));
    for cookie in [cookie(&plain), cookie(&host), both] {
        let call = by_cookie(&server, "GET", "/book/auth/test", &cookie);
        assert_eq!(call.send().status, 200, "{cookie}");
    }
}

#[test]
fn over_its_own_tls_only_the_cookie_of_the_host_counts() {
    let certificate = Certificate::new();
    let server = certificate.server(&[]);
    let key = server.key(&["read:Contacts"]);
    let call = |head: &str| {
        let mut client = server.connect_tls(certificate.trusting()).unwrap();
        let end = "Host: localhost\r\nSec-Fetch-Site: same-origin\r\nConnection: close\r\n\r\n";
        exchange(&mut client, format!("{head}\r\n{end}").as_bytes())
    };
    let answer = call(&format!(
        "POST {PATH} HTTP/1.1\r\nAuthorization: Bearer {key}\r\nOrigin: http://localhost"
    ));
    let (_, set) = answer.split_once("set-cookie: ").expect("a cookie");
    let (name, secret) = set.split(';').next().unwrap().split_once('=').unwrap();
    assert_eq!(name, "__Host-addressbook_session");
    let test = |cookie: &str| call(&format!("GET /auth/test HTTP/1.1\r\nCookie: {cookie}"));
    assert!(test(&format!("{name}={secret}")).starts_with("HTTP/1.1 200 "));
    let plain = test(&format!("{NAME}={secret}"));
    assert!(plain.contains("API key is missing"), "{plain}");
}

#[test]
fn metrics_are_shown_to_a_session_whose_key_may_read_them() {
    let server = Server::start();
    let of_book = |cookie: &str| {
        let reply = by_cookie(&server, "GET", "/metrics", cookie).send();
        (reply.status, reply.body.contains("addressbook_contacts 0"))
    };
    assert_eq!(of_book("theme=dark"), (200, false));
    let reader = session(&server, &server.key(&["read:Metrics"]));
    assert_eq!(of_book(&reader), (200, true));
    let other = session(&server, &server.key(&["read:Contacts"]));
    assert_eq!(of_book(&other), (403, false));
    assert_eq!(of_book(&format!("{NAME}=x")), (401, false));
    let counted = by_cookie(&server, "GET", "/metrics", &reader).send().body;
    for stage in ["Session", "SessionEnded"] {
        let line = format!("key_checks_total{{stage=\"{stage}\"}}");
        assert!(counted.contains(&line), "{counted}");
    }
}

#[test]
fn a_key_has_twenty_sessions_and_one_more_ends_the_oldest() {
    let server = Server::start();
    let key = server.key(&["read:Contacts"]);
    let other = session(&server, &server.key(&["read:Contacts"]));
    let open = || {
        // The order is that of whole milliseconds.
        std::thread::sleep(std::time::Duration::from_millis(2));
        session(&server, &key)
    };
    let all: Vec<_> = (0..20).map(|_| open()).collect();
    assert!(all.iter().all(|one| is_good(&server, one)));
    let last = open();
    let good: Vec<_> = all.iter().map(|one| is_good(&server, one)).collect();
    assert!(!good[0] && good[1..].iter().all(|good| *good), "{good:?}");
    assert!(is_good(&server, &last) && is_good(&server, &other));
}

#[test]
fn a_session_ends_by_its_time_and_never_after_its_key() {
    let ring = Ring::start();
    let body = json!({
        "name": "short", "permissions": ["read:Contacts"], "expires_on": in_seconds(3600)
    });
    let short = ring.create_by(&ring.admin, &body).json()["record"].clone();
    let reply = sign_in(&ring.server, short["token"].as_str().unwrap());
    let record = &reply.json()["record"];
    assert_eq!(record["session_expires_on"], short["expires_on"]);
    let set = reply.header("set-cookie");
    let (_, max_age) = set.rsplit_once("Max-Age=").unwrap();
    assert!((3500..=3600).contains(&max_age.parse().unwrap()), "{set}");

    let cookie = session(&ring.server, &ring.admin);
    let over = "UPDATE sessions SET expires_on = created_on";
    ring.server.change(over);
    assert!(!is_good(&ring.server, &cookie));
    let count = "SELECT count(*) FROM sessions";
    let count = || ring.server.number(count);
    assert_eq!(count(), 2);
    session(&ring.server, &ring.admin);
    assert_eq!(count(), 1, "what is over is forgotten");
}

#[test]
fn two_servers_of_one_book_would_know_the_same_sessions() {
    let server = Server::start();
    let cookie = session(&server, &server.key(&["read:Contacts"]));
    let server = server.restarted(&[]);
    assert!(is_good(&server, &cookie));
    let expired = make_key(
        &server.database,
        &["read:Contacts"],
        &["--expires-in", "0s"],
    );
    let refused = server.call("POST", PATH).key(&expired).send();
    assert_eq!(refused.status, 401);
}

#[test]
fn a_page_is_told_who_is_signed_in_without_a_failure() {
    let server = Server::start();
    let key = server.key(&["read:Contacts"]);
    let nobody = json!({"success": true, "record": null});
    let cookie = session(&server, &key);
    let ask = |cookie: &str| by_cookie(&server, "GET", PATH, cookie).send();
    let record = ask(&cookie).json()["record"].clone();
    assert_eq!(record["id"], id_of(&key));
    assert_eq!(record["permissions"], json!(["read:Contacts"]));
    // By its cookie alone, from this server's own pages alone.
    assert_eq!(server.call("GET", PATH).send().json(), nobody);
    assert_eq!(server.call("GET", PATH).key(&key).send().json(), nobody);
    let elsewhere = server.call("GET", PATH).header("Cookie", &cookie);
    let elsewhere = elsewhere.header("Sec-Fetch-Site", "cross-site").send();
    assert_eq!(
        told(&elsewhere),
        (403, "Request comes from another site".to_owned())
    );
    let unknown = format!("{NAME}={}", "0".repeat(43));
    for gone in [unknown.as_str(), "addressbook_session=x"] {
        let reply = ask(gone);
        assert_eq!(
            (reply.status, reply.json()),
            (200, nobody.clone()),
            "{gone}"
        );
    }
    let revoked = crate::harness::run(&[
        "key",
        "revoke",
        id_of(&key),
        "--database",
        server.database.to_str().unwrap(),
        "--force",
    ]);
    assert!(revoked.status.success());
    assert_eq!(ask(&cookie).json(), nobody);
}
