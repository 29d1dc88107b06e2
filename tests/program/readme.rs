//! The README's walk: every curl in it, sent in its order, is answered as pasted.

use crate::harness::{Call, PERMISSIONS, Server, id_of, redact_everywhere};

const README: &str = include_str!("../../README.md");

/// The id of the key with which the pasted answers were made.
const KEY_ID: &str = "y8YjjBMmtVQr";

/// The calls of the walk with the answers that stand below them.
fn walk() -> Vec<(&'static str, &'static str)> {
    let (_, walk) = README.split_once("### A walk through all of them").unwrap();
    let (walk, _) = walk.split_once("\n### ").unwrap();
    let blocks: Vec<&str> = walk.split("```").skip(1).step_by(2).collect();
    let pairs = blocks.chunks(2).map(|pair| {
        let call = pair[0].strip_prefix("sh\n").unwrap().trim_end();
        let answer = pair[1].strip_prefix("json\n").unwrap().trim_end();
        (call.lines().last().unwrap(), answer)
    });
    pairs.collect()
}

/// Splits a command as a shell does, as far as the README needs it.
fn words(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for character in command.chars() {
        match (quote, character) {
            (None, '\'' | '"') => quote = Some(character),
            (Some(open), _) if open == character => quote = None,
            (None, ' ') => words.push(String::new()),
            _ => words.last_mut().unwrap().push(character),
        }
    }
    words
}

/// The call that a curl of the README makes.
fn call(server: &Server, command: &str, key: &str, [id, group]: [&str; 2]) -> Call {
    let json = "Content-Type: application/json".to_owned();
    let named = |word: String| word.replace("$ID", id).replace("$GROUP", group);
    let words: Vec<String> = words(command).into_iter().map(named).collect();
    assert_eq!(words[1..3], ["-H", "$AUTH"]);
    let mut words = words.iter().skip(1);
    let (mut method, mut url, mut body) = (None, String::new(), None);
    let mut headers = Vec::new();
    while let Some(word) = words.next() {
        match word.as_str() {
            "-H" => headers.extend(words.next().filter(|header| *header != "$AUTH")),
            "-X" => method = words.next().cloned(),
            "--json" => {
                body = words.next().cloned();
                headers.push(&json);
            }
            "--data-binary" => body = words.next().cloned(),
            _ => url = word.replace("$BOOK", ""),
        }
    }
    let default = if body.is_some() { "POST" } else { "GET" };
    let mut call = server
        .call(method.as_deref().unwrap_or(default), &url)
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

#[test]
fn every_curl_of_the_walk_is_answered_as_pasted() {
    let server = Server::start();
    let key = server.key(&PERMISSIONS);
    let rename = "UPDATE api_keys SET name = 'initial'";
    server.open_file().execute(rename, []).unwrap();
    let (mut id, mut group) = (String::new(), String::new());
    let walk = walk();
    assert_eq!(walk.len(), 31);
    let mut wrong = Vec::new();
    for (command, pasted) in walk {
        let answer = call(&server, command, &key, [&id, &group]).send().body;
        let answer = answer.trim_end();
        for (id, holds) in [(&mut id, "\"john\""), (&mut group, "\"members\":0")] {
            if id.is_empty() && answer.contains(holds) {
                let json: serde_json::Value = serde_json::from_str(answer).unwrap();
                *id = json["record"]["id"].as_str().unwrap().to_owned();
            }
        }
        let said = redact_everywhere(&answer.replace(id_of(&key), KEY_ID));
        if said != redact_everywhere(pasted) {
            wrong.push(format!("{command}\n{answer}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
