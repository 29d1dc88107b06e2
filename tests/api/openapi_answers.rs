//! What the server really answers, held against the API document.

use serde_json::Value;

use super::shape::{document, resolved, wrong};
use crate::harness::{PERMISSIONS, Reply, Server};

/// A call of the walk: method, path as the document has it, what its segment stands for,
/// a header, and a body.
type Step<'a> = (&'a str, &'a str, &'a str, (&'a str, &'a str), &'a str);

/// The status, the headers and the body are among those that the document has.
fn assert_documented(document: &Value, (method, path): (&str, &str), reply: &Reply) {
    let call = format!("{method} {path} {} {}", reply.status, reply.body);
    let path = path.split('?').next().unwrap();
    let method = method.to_lowercase();
    let said = &document["paths"][path][method.as_str()];
    let answer = &said["responses"][reply.status.to_string().as_str()];
    assert!(answer.is_object(), "{call}");
    let answer = resolved(document, answer);
    let told = document["components"]["headers"].as_object().unwrap();
    for name in told.keys().filter(|name| reply.headers.contains_key(*name)) {
        assert!(answer["headers"][name].is_object(), "{call}: {name}");
    }
    let media_type = reply.header("content-type");
    if media_type.is_empty() {
        assert!(answer.get("content").is_none(), "{call}");
        return;
    }
    let contents = answer["content"].as_object().unwrap();
    let essence = media_type.split(';').next().unwrap();
    let content = contents.get(media_type).or(contents.get(essence));
    let content = content.unwrap_or_else(|| panic!("{call}: {media_type}"));
    if media_type == "application/json" {
        let found = wrong(document, &content["schema"], &reply.json());
        assert_eq!(found, None, "{call}");
    }
}

/// Sends a step, and what goes wrong with it: no key, no body, another type of body.
fn walk(server: &Server, document: &Value, key: &str, step: &Step<'_>) -> Reply {
    let (method, path, segment, header, body) = *step;
    let (before, after) = match (path.find('{'), path.find('}')) {
        (Some(opens), Some(closes)) => (&path[..opens], &path[closes + 1..]),
        _ => (path, ""),
    };
    let concrete = match path.contains('{') {
        true => format!("{before}{segment}{after}"),
        false => path.to_owned(),
    };
    let call = || server.call(method, &concrete).header(header.0, header.1);
    let mut replies = vec![call().send(), call().key(key).send()];
    if !body.is_empty() {
        let typed = || call().key(key).header("Content-Type", "application/json");
        replies.extend([call().key(key).body("{}").send(), typed().body("{").send()]);
        replies.push(typed().body("{\"colour\":1}").send());
    }
    for reply in &replies {
        assert_documented(document, (method, path), reply);
    }
    if body.is_empty() {
        return replies.remove(1);
    }
    let typed = match body.starts_with('{') {
        true => call().header("Content-Type", "application/json"),
        false => call().header("Content-Type", "text/csv"),
    };
    let reply = typed.key(key).body(body).send();
    assert_documented(document, (method, path), &reply);
    reply
}

const NO_HEADER: (&str, &str) = ("X-Request-Id", "walk");

#[test]
fn what_is_answered_about_contacts_is_what_the_document_says() {
    let server = Server::start();
    let document = document();
    let key = server.key(&PERMISSIONS);
    let one = "/addressbook/contacts/{id}";
    let all = "/addressbook/contacts";
    let by_alias = "/addressbook/contacts/alias/{alias}";
    let john = r#"{"alias":"john","msisdn":"4479000000001","meta":{"NAME":"John"}}"#;
    let step = |step: Step<'_>| walk(&server, &document, &key, &step);
    let created = step(("POST", all, "", ("Idempotency-Key", "one"), john));
    let id = created.json()["record"]["id"].as_str().unwrap().to_owned();
    assert_eq!(
        step(("POST", all, "", ("Idempotency-Key", "one"), john)).status,
        200
    );
    assert_eq!(
        step(("POST", all, "", NO_HEADER, john)).status,
        400,
        "taken"
    );
    let other = r#"{"alias":"joe","msisdn":"4479000000001"}"#;
    assert_eq!(
        step(("POST", all, "", ("Idempotency-Key", "one"), other)).status,
        422
    );
    for _ in 0..2 {
        let taken = step(("POST", all, "", ("Idempotency-Key", "taken"), john));
        assert_eq!(taken.status, 400);
    }
    let got = step(("GET", one, &id, NO_HEADER, ""));
    let etag = got.header("etag");
    assert_eq!(
        step(("GET", by_alias, "john", ("If-None-Match", etag), "")).status,
        304
    );
    let change = r#"{"meta":{"NAME":"J"}}"#;
    assert_eq!(step(("PATCH", one, &id, NO_HEADER, change)).status, 200);
    assert_eq!(
        step(("POST", one, &id, ("If-Match", etag), change)).status,
        412
    );
    assert_eq!(step(("POST", one, &id, NO_HEADER, change)).status, 200);
    assert_eq!(step(("POST", one, "1", NO_HEADER, change)).status, 404);
    let put = r#"{"msisdn":"4479000000001"}"#;
    assert_eq!(step(("PUT", by_alias, "jane", NO_HEADER, put)).status, 200);
    assert_eq!(
        step(("DELETE", one, "4479000000001", NO_HEADER, "")).status,
        409
    );
    for query in ["?limit=1&include=meta", "?cursor=&limit=1", "?limit=0"] {
        step(("GET", &format!("{all}{query}"), "", NO_HEADER, ""));
    }
    for more in [r#""mode":"upsert","dryRun":true"#, r#""atomic":true"#] {
        let bulk = format!(r#"{{{more},"contacts":[{john},{{"alias":"x"}}]}}"#);
        step(("POST", "/addressbook/contacts/bulk", "", NO_HEADER, &bulk));
    }
    let texts = r#"{"recipients":["john","jane","nobody"],"text":"{{NAME}} {{CITY}}"}"#;
    step((
        "POST",
        "/addressbook/contacts/resolve",
        "",
        NO_HEADER,
        texts,
    ));
    let import = "/addressbook/contacts/import";
    for file in ["alias,msisdn\njim,12\n", "alias\njim\n"] {
        step(("POST", import, "", NO_HEADER, file));
    }
    let dry = format!("{import}?mode=upsert&dryRun=true");
    step((
        "POST",
        &dry,
        "",
        NO_HEADER,
        "alias,msisdn\njim,447700900102\n",
    ));
    for accept in ["text/csv", "application/x-ndjson"] {
        step((
            "GET",
            "/addressbook/contacts/export",
            "",
            ("Accept", accept),
            "",
        ));
    }
    let bulk_delete = "/addressbook/contacts/bulk-delete";
    for (name, body) in [
        ("a", r#"{"aliases":["jim","nobody"]}"#),
        ("b", r#"{"ids":["nobody"],"dryRun":true}"#),
        ("c", r#"{"filter":{"alias":"nobody"},"expect":0}"#),
        ("d", r#"{"filter":{"alias":"nobody"},"expect":1}"#),
        ("d", r#"{"filter":{"alias":"nobody"},"expect":1}"#),
        ("e", r#"{"filter":{"colour":"red"},"expect":1}"#),
    ] {
        step(("POST", bulk_delete, "", ("Idempotency-Key", name), body));
    }
    assert_eq!(step(("DELETE", one, &id, NO_HEADER, "")).status, 200);
    assert_eq!(step(("DELETE", one, &id, NO_HEADER, "")).status, 404);
}

#[test]
fn what_is_answered_about_all_else_is_what_the_document_says() {
    let server = Server::start();
    let document = document();
    let limited = server.key(&["read:ApiKeys"]);
    let key = server.key(&PERMISSIONS);
    let step = |step: Step<'_>| walk(&server, &document, &key, &step);
    let id_of = |reply: Reply| reply.json()["record"]["id"].as_str().unwrap().to_owned();
    let john = r#"{"alias":"john","msisdn":"4479000000001"}"#;
    step(("POST", "/addressbook/contacts", "", NO_HEADER, john));
    let friends = r#"{"name":"Friends"}"#;
    let group = id_of(step((
        "POST",
        "/addressbook/groups",
        "",
        NO_HEADER,
        friends,
    )));
    let members = "/addressbook/groups/{id}/members";
    let added = r#"{"add":["john","nobody"]}"#;
    step(("POST", members, &group, NO_HEADER, added));
    step(("GET", members, &group, NO_HEADER, ""));
    let one = "/addressbook/groups/{id}";
    step(("PATCH", one, &group, NO_HEADER, friends));
    step((
        "GET",
        "/addressbook/contacts/alias/{alias}",
        "john",
        NO_HEADER,
        "",
    ));
    for (method, path) in [
        ("GET", one),
        ("GET", "/addressbook/groups"),
        ("DELETE", one),
    ] {
        step((method, path, &group, NO_HEADER, ""));
    }
    let number = r#"{"msisdn":"4479000000001"}"#;
    step(("POST", "/addressbook/optouts", "", NO_HEADER, number));
    let numbers = r#"{"msisdns":["4479000000001","4479000000002","12"]}"#;
    step(("POST", "/addressbook/optouts/bulk", "", NO_HEADER, numbers));
    for query in ["", "?cursor=&limit=1", "?msisdn=4479000000001", "?msisdn=x"] {
        let list = format!("/addressbook/optouts{query}");
        step(("GET", &list, "", NO_HEADER, ""));
    }
    for msisdn in ["4479000000001", "1234567", "12"] {
        let one = "/addressbook/optouts/{msisdn}";
        step(("GET", one, msisdn, NO_HEADER, ""));
    }
    step((
        "DELETE",
        "/addressbook/optouts/{msisdn}",
        "12",
        NO_HEADER,
        "",
    ));
    let new = r#"{"name":"shop","permissions":["create:Contacts"],"rate_limit":9}"#;
    let shop = id_of(step(("POST", "/auth/keys", "", NO_HEADER, new)));
    step(("POST", "/auth/session", "", NO_HEADER, ""));
    step(("DELETE", "/auth/session", "", NO_HEADER, ""));
    let stale = ("Cookie", "addressbook_session=x");
    step(("GET", "/auth/test", "", stale, ""));
    let code = r#"{"code":"000000000000000000000000"}"#;
    step(("POST", "/auth/session/code", "", NO_HEADER, code));
    let of_key = "/auth/keys/{id}";
    step(("PATCH", of_key, &shop, NO_HEADER, r#"{"rate_limit":null}"#));
    let rotation = r#"{"overlapSeconds":60}"#;
    step(("POST", "/auth/keys/{id}/rotate", &shop, NO_HEADER, rotation));
    assert_eq!(
        step(("POST", "/auth/keys/{id}/rotate", &shop, NO_HEADER, rotation)).status,
        409
    );
    for (method, path) in [("GET", of_key), ("DELETE", of_key), ("GET", "/auth/keys")] {
        step((method, path, &shop, NO_HEADER, ""));
    }
    for path in [
        "/auth/test",
        "/auth/audit",
        "/healthz",
        "/readyz",
        "/metrics",
        "/status",
        "/status?colour=red",
    ] {
        step(("GET", path, "", NO_HEADER, ""));
    }
    for path in ["/", "/docs", "/openapi.json"] {
        step(("GET", path, "", NO_HEADER, ""));
        step(("GET", path, "", ("Accept", "text/html"), ""));
    }
    step(("GET", "/docs/{file}", "page.css", NO_HEADER, ""));
    step(("GET", "/docs/{file}", "nothing.css", NO_HEADER, ""));
    assert_eq!(step(("GET", "/console", "", NO_HEADER, "")).status, 308);
    step(("GET", "/console/{file}", "nothing.css", NO_HEADER, ""));
    let refused = walk(
        &server,
        &document,
        &limited,
        &("GET", "/auth/audit", "", NO_HEADER, ""),
    );
    assert_eq!(refused.status, 403);
}

#[test]
fn every_example_of_a_request_is_accepted() {
    let server = Server::start();
    let document = document();
    let key = server.key(&PERMISSIONS);
    let nobody = "01a20902-1e8c-70a0-b5cf-e8a72ccb4cd2";
    let mut sent = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, said) in item.as_object().unwrap() {
            let contents = said["requestBody"]["content"].as_object();
            for (media_type, content) in contents.into_iter().flatten() {
                let example = &content["example"];
                let body = example.as_str().map_or(example.to_string(), str::to_owned);
                let path = path.replace("{alias}", "jane").replace("{id}", nobody);
                let call = server.call(&method.to_uppercase(), &path).key(&key);
                let reply = call.header("Content-Type", media_type).body(body).send();
                let is_accepted = match reply.status {
                    200 => true,
                    // What the example would change is not there.
                    404 => path.contains(nobody) || path.contains("/auth/keys/"),
                    401 => path == "/auth/session/code",
                    _ => false,
                };
                assert!(is_accepted, "{method} {path} {media_type}: {}", reply.body);
                sent += 1;
            }
        }
    }
    assert!(sent > 15, "{sent}");
}
