//! Which metrics and labels an expression of Prometheus names, as far as it takes to hold
//! them against those that exist; `promtool` knows whether it is valid.

/// What is followed by labels in parentheses.
const GROUPINGS: [&str; 4] = ["by", "without", "on", "ignoring"];
/// Words that are no metrics.
const OPERATORS: [&str; 5] = ["and", "or", "unless", "bool", "offset"];

/// A metric with the labels that select its series, and their values.
pub(super) struct Metric {
    pub(super) name: String,
    pub(super) labels: Vec<(String, String)>,
}

pub(super) struct Expression {
    pub(super) metrics: Vec<Metric>,
    pub(super) grouped_by: Vec<String>,
}

enum Token {
    Word(String),
    Text(String),
    Sign(char),
}

impl Expression {
    /// Reads an expression, or the line of a sample.
    pub(super) fn read(text: &str) -> Self {
        let tokens = tokens(text);
        let word = |at: usize| match tokens.get(at) {
            Some(Token::Word(word)) => Some(word.as_str()),
            _ => None,
        };
        let sign = |at: usize, sign| matches!(tokens.get(at), Some(Token::Sign(is)) if *is == sign);
        let mut read = Self {
            metrics: Vec::new(),
            grouped_by: Vec::new(),
        };
        let mut at = 0;
        while at < tokens.len() {
            let Some(name) = word(at) else {
                at += 1;
                continue;
            };
            at += 1;
            if GROUPINGS.contains(&name) {
                while !sign(at, ')') {
                    read.grouped_by.extend(word(at).map(str::to_owned));
                    at += 1;
                }
                continue;
            }
            let is_function =
                sign(at, '(') || word(at).is_some_and(|next| GROUPINGS.contains(&next));
            if is_function || OPERATORS.contains(&name) {
                continue;
            }
            let mut labels: Vec<(String, String)> = Vec::new();
            if sign(at, '{') {
                while !sign(at, '}') {
                    match &tokens[at] {
                        Token::Word(label) => labels.push((label.clone(), String::new())),
                        Token::Text(value) => labels.last_mut().unwrap().1.clone_from(value),
                        Token::Sign(_) => {}
                    }
                    at += 1;
                }
            }
            let name = name.to_owned();
            read.metrics.push(Metric { name, labels });
        }
        read
    }
}

/// Words, texts and signs; numbers and ranges are left out.
fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_of_word = |c: char| c.is_ascii_alphanumeric() || "_:.".contains(c);
        let length = match first {
            '"' => 2 + rest[1..].find('"').unwrap(),
            '[' => 1 + rest.find(']').unwrap(),
            first if is_of_word(first) => rest.find(|c| !is_of_word(c)).unwrap_or(rest.len()),
            first => first.len_utf8(),
        };
        let (token, behind) = rest.split_at(length);
        rest = behind;
        match first {
            '"' => tokens.push(Token::Text(token.trim_matches('"').to_owned())),
            '[' | ' ' | '\n' | '0'..='9' => {}
            first if is_of_word(first) => tokens.push(Token::Word(token.to_owned())),
            first => tokens.push(Token::Sign(first)),
        }
    }
    tokens
}
