//! The documentation's curls, sent in their order, are answered as pasted: the
//! README's, the walk in `docs/calls.md` and the calls of `docs/keys.md`.

use addressbook::token::KeyId;
use serde_json::Value;

use crate::harness::{Call, PERMISSIONS, Server, redact_everywhere};

const README: &str = include_str!("../../README.md");
const CALLS: &str = include_str!("../../docs/calls.md");
const KEYS: &str = include_str!("../../docs/keys.md");

/// What the documentation calls the server, and the header with its key.
const BOOK: &str = "http://127.0.0.1:8080";
const AUTH: &str = "Authorization: Bearer $(cat ./data/initial-api-key)";

/// The curls of a page from `heading` to the next of its level, with the answers
/// that stand below them.
fn curls<'a>(page: &'a str, heading: &str) -> Vec<(&'a str, &'a str)> {
    let (_, section) = page.split_once(heading).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let blocks: Vec<&str> = section.split("```").skip(1).step_by(2).collect();
    let pairs = blocks.chunks(2).map(|pair| {
        let commands = pair[0].strip_prefix("sh\n").unwrap();
        let answer = pair[1].strip_prefix("json\n").unwrap();
        let curl = commands.find("curl ").unwrap();
        (commands[curl..].trim_end(), answer.trim_end())
    });
    pairs.collect()
}

/// Splits a command as a shell does, as far as the documentation needs it.
fn words(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for character in command.replace("\\\n", " ").chars() {
        match (quote, character) {
            (None, '\'' | '"') => quote = Some(character),
            (Some(open), _) if open == character => quote = None,
            (None, ' ') => words.push(String::new()),
            _ => words.last_mut().unwrap().push(character),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// The call that a curl makes; `variables` are those that the reader has set.
fn call(server: &Server, command: &str, key: &str, variables: &[(&str, String)]) -> Call {
    let json = "Content-Type: application/json".to_owned();
    let named = |word: String| {
        let word = word.replace("$BOOK", BOOK).replace("$AUTH", AUTH);
        let set = variables.iter();
        set.fold(word, |word, (name, value)| word.replace(name, value))
    };
    let words: Vec<String> = words(command).into_iter().map(named).collect();
    assert!(words.iter().any(|word| word == AUTH), "{command}");
    let mut words = words.iter().skip(1);
    let (mut method, mut url, mut body) = (None, None, None);
    let mut headers = Vec::new();
    while let Some(word) = words.next() {
        match word.as_str() {
            "-H" | "--header" => headers.extend(words.next().filter(|header| *header != AUTH)),
            "-X" => method = words.next().cloned(),
            "--json" => {
                body = words.next().cloned();
                headers.push(&json);
            }
            "--data" | "--data-binary" => body = words.next().cloned(),
            _ => url = word.strip_prefix(BOOK),
        }
    }
    let default = if body.is_some() { "POST" } else { "GET" };
    let mut call = server
        .call(method.as_deref().unwrap_or(default), url.unwrap())
        .key(key);
    for header in headers {
        let (name, value) = header.split_once(": ").unwrap();
        call = call.header(name, value);
    }
    match body {
        Some(body) => call.body(body),
        None => call,
    }
}

/// A server that has one key, with every permission, as after a first start.
fn first_start() -> (Server, String) {
    let server = Server::start();
    let key = server.key(&PERMISSIONS);
    let rename = "UPDATE api_keys SET name = 'initial'";
    server.open_file().execute(rename, []).unwrap();
    (server, key)
}

/// What does not change from one address book to another.
fn redacted(answer: &str) -> String {
    let redacted = redact_everywhere(answer);
    let pieces = redacted.split('"').map(|piece| {
        if KeyId::parse(piece).is_some() {
            "[key]"
        } else if piece.starts_with("abk_") {
            "[token]"
        } else {
            piece
        }
    });
    pieces.collect::<Vec<_>>().join("\"")
}

/// Sends each curl. A variable is the first id that is answered beside the text
/// that is given for it.
fn assert_answered_as_pasted(
    (server, key): (Server, String),
    curls: &[(&str, &str)],
    variables: &[(&str, &str)],
) {
    let mut set = Vec::new();
    let mut wrong = Vec::new();
    for (command, pasted) in curls {
        let answer = call(&server, command, &key, &set).send().body;
        let answer = answer.trim_end();
        for (name, beside) in variables {
            if set.iter().all(|(known, _)| known != name) && answer.contains(beside) {
                let json: Value = serde_json::from_str(answer).unwrap();
                set.push((*name, json["record"]["id"].as_str().unwrap().to_owned()));
            }
        }
        if redacted(answer) != redacted(pasted) {
            wrong.push(format!("{command}\n{answer}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_readmes_first_contact_is_created_and_then_resolved() {
    let (server, key) = first_start();
    let looks = curls(README, "## What it looks like");
    let first = curls(README, "## Create the first contact");
    assert_eq!((looks.len(), first.len()), (1, 1));
    for (command, pasted) in first.iter().chain(&looks) {
        let answer = call(&server, command, &key, &[]).send().body;
        let [answer, pasted]: [Value; 2] =
            [answer.as_str(), pasted].map(|json| serde_json::from_str(&redacted(json)).unwrap());
        assert_eq!(answer, pasted, "{command}");
    }
}

#[test]
fn every_curl_of_the_walk_is_answered_as_pasted() {
    let walk = curls(CALLS, "## A walk through them");
    assert_eq!(walk.len(), 36);
    let (server, key) = first_start();
    // It goes on where the README's first contact ends.
    for (command, _) in curls(README, "## Create the first contact") {
        assert_eq!(call(&server, command, &key, &[]).send().status, 200);
    }
    let variables = [("$ID", "\"john\""), ("$GROUP", "\"members\":0")];
    assert_answered_as_pasted((server, key), &walk, &variables);
}

#[test]
fn every_call_about_keys_is_answered_as_pasted() {
    let calls = curls(KEYS, "## Over HTTP");
    assert_eq!(calls.len(), 7);
    assert_answered_as_pasted(first_start(), &calls, &[("$KEY", "\"token\":")]);
}
