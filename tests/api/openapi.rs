//! The API document: whole in itself, and true to the route table.

use std::collections::{BTreeMap, BTreeSet};

use addressbook::http::CALLS;
use serde_json::{Value, json};

use super::shape::{document, printed, resolved, wrong};
use crate::harness::Server;

/// The stored document, which people read without a server.
const STORED: &str = include_str!("../../docs/openapi.json");

/// Every operation: method, path, and what is said of it.
fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    let operations = paths.flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().iter();
        methods.map(move |(method, said)| (method.to_uppercase(), path.clone(), said))
    });
    operations.collect()
}

/// Everything in the document that has this member, with what is in it.
fn having<'a>(value: &'a Value, member: &str, found: &mut Vec<(&'a Value, &'a Value)>) {
    if let Some(inside) = value.get(member) {
        found.push((value, inside));
    }
    match value {
        Value::Array(items) => items.iter().for_each(|item| having(item, member, found)),
        Value::Object(members) => members
            .values()
            .for_each(|inside| having(inside, member, found)),
        _ => {}
    }
}

#[test]
fn the_stored_document_is_the_one_of_the_code() {
    assert!(
        printed() == STORED,
        "the API document has changed, read what has, and store it: \
         cargo run -- openapi > docs/openapi.json"
    );
}

#[test]
fn it_is_served_without_a_key_as_the_command_line_prints_it() {
    let server = Server::start();
    let reply = server.call("GET", "/openapi.json").send();
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type"), "application/json");
    assert_eq!(reply.json(), document());
    assert_eq!(reply.json()["openapi"], "3.1.0");
    let head = server.call("HEAD", "/openapi.json").send();
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(
        head.header("content-length"),
        reply.body.len().to_string().as_str()
    );
    let post = server.call("POST", "/openapi.json").send();
    assert_eq!((post.status, post.header("allow")), (405, "GET, HEAD"));
}

#[test]
fn it_has_the_calls_of_the_route_table_each_with_its_permissions_and_no_others() {
    let document = document();
    let told = operations(&document)
        .into_iter()
        .map(|(method, path, said)| {
            let security = said["security"].as_array().unwrap();
            if path == "/metrics" {
                // Nothing is needed, and more is shown to a key.
                assert_eq!(*security, [json!({}), json!({"apiKey": ["read:Metrics"]})]);
                return ((path, method), None);
            }
            let needed = security.iter().map(|one| one["apiKey"].clone()).next();
            assert_eq!(security.len(), usize::from(needed.is_some()));
            assert_eq!(
                said.get("x-permissions"),
                needed.as_ref(),
                "{method} {path}"
            );
            ((path, method), needed)
        });
    let told: BTreeMap<_, _> = told.collect();
    let table = CALLS.iter().map(|call| {
        let needed = call.permissions.map(|permissions| {
            let names: Vec<_> = permissions.iter().map(|one| one.as_str()).collect();
            json!(names)
        });
        ((call.path.to_owned(), call.method.to_owned()), needed)
    });
    assert_eq!(told, table.collect());
}

#[test]
fn each_call_is_told_in_full() {
    let document = document();
    let tags: Vec<&Value> = document["tags"].as_array().unwrap().iter().collect();
    let tags: Vec<&Value> = tags.iter().map(|tag| &tag["name"]).collect();
    let mut ids = BTreeSet::new();
    for (method, path, said) in operations(&document) {
        let call = format!("{method} {path}");
        assert!(ids.insert(said["operationId"].as_str().unwrap()), "{call}");
        assert!(!said["summary"].as_str().unwrap().is_empty(), "{call}");
        assert!(tags.contains(&&said["tags"][0]), "{call}");
        let segments = path.matches('{').count();
        let parameters = said["parameters"].as_array().unwrap();
        let of_path = parameters.iter().filter(|one| one["in"] == "path");
        assert_eq!(of_path.count(), segments, "{call}");
        let answers = said["responses"].as_object().unwrap();
        let done = if path == "/console" { "308" } else { "200" };
        let mut expected = vec![done, "500", "503"];
        if said.get("x-permissions").is_some() {
            expected.extend(["401", "403", "429"]);
        }
        if said.get("requestBody").is_some() {
            expected.extend(["400", "408", "413", "415"]);
        }
        for status in expected {
            assert!(answers.contains_key(status), "{call} lacks {status}");
        }
        for (status, answer) in answers {
            let headers = &resolved(&document, answer)["headers"];
            assert!(headers["X-Request-Id"].is_object(), "{call} {status}");
            let waits = ["429", "503"].contains(&status.as_str());
            assert_eq!(headers["Retry-After"].is_object(), waits, "{call} {status}");
            let needs_some = said["x-permissions"]
                .as_array()
                .is_some_and(|all| !all.is_empty())
                // It shows more to a key that may read them.
                || path == "/metrics";
            let challenges = status == "401" || (status == "403" && needs_some);
            let challenge = headers["WWW-Authenticate"].is_object();
            assert_eq!(challenge, challenges, "{call} {status}");
        }
    }
}

#[test]
fn every_reference_resolves_and_every_component_is_referred_to() {
    let document = document();
    let mut references = Vec::new();
    having(&document, "$ref", &mut references);
    let mut named = BTreeSet::new();
    for (reference, place) in references {
        resolved(&document, reference);
        named.insert(place.as_str().unwrap().trim_start_matches("#/components/"));
    }
    for (kind, components) in document["components"].as_object().unwrap() {
        for name in components.as_object().unwrap().keys() {
            let place = format!("{kind}/{name}");
            let is_known = named.contains(place.as_str())
                // What is answered where a path has no such method, which no method tells of.
                || place == "responses/MethodNotAllowedError"
                || kind == "securitySchemes";
            assert!(is_known, "nobody refers to {place}");
        }
    }
}

#[test]
fn every_example_has_the_shape_that_stands_beside_it() {
    let document = document();
    let mut held = 0;
    let mut check = |shape: &Value, example: &Value| {
        let found = wrong(&document, shape, example);
        assert_eq!(found, None, "{example}");
        held += 1;
    };
    let mut single = Vec::new();
    having(&document, "example", &mut single);
    for (told, example) in single {
        check(&told["schema"], example);
    }
    let mut several = Vec::new();
    having(&document, "examples", &mut several);
    for (told, examples) in several {
        if told.get("schema").is_some() {
            for example in examples.as_object().unwrap().values() {
                check(&told["schema"], &resolved(&document, example)["value"]);
            }
        }
    }
    assert!(held > 200, "{held}");
}
