//! A call over HTTP and its answer.

use serde_json::Value;

use super::WAIT_MAX;

/// A client that keeps its connections and takes every status as an answer.
pub fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .max_redirects(0)
        .timeout_global(Some(WAIT_MAX))
        .build()
        .into()
}

/// A call being put together.
pub struct Call {
    agent: ureq::Agent,
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl Call {
    pub(super) fn begin(method: &str, url: String) -> Self {
        Self {
            agent: agent(),
            method: method.to_owned(),
            url,
            headers: Vec::new(),
            body: None,
        }
    }

    /// Uses the connections of another client.
    pub fn by(mut self, agent: &ureq::Agent) -> Self {
        self.agent = agent.clone();
        self
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn key(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    pub fn json(self, body: impl Into<Vec<u8>>) -> Self {
        self.header("Content-Type", "application/json").body(body)
    }

    /// Sends it, failing the test where no answer comes.
    pub fn send(self) -> Reply {
        self.try_send().unwrap()
    }

    /// Sends it.
    pub fn try_send(self) -> Result<Reply, ureq::Error> {
        let mut request = ureq::http::Request::builder()
            .method(self.method.as_str())
            .uri(&self.url);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let response = match self.body {
            Some(body) => self.agent.run(request.body(body.as_slice()).unwrap()),
            None => self.agent.run(request.body(()).unwrap()),
        };
        Reply::read(response?)
    }
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: ureq::http::HeaderMap,
    pub body: String,
}

impl Reply {
    fn read(mut response: ureq::http::Response<ureq::Body>) -> Result<Self, ureq::Error> {
        Ok(Self {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.body_mut().read_to_string()?,
        })
    }

    /// A header, or an empty text.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.body))
    }

    /// The message of a failure whose envelope is whole.
    pub fn message(&self) -> String {
        let begins = r#"{"success":false,"error":{"name":""#;
        assert!(self.body.starts_with(begins), "{}", self.body);
        let body = self.json();
        assert_eq!(body["error"]["statusCode"], self.status);
        body["error"]["message"].as_str().unwrap().to_owned()
    }

    /// Status and body, the body's ids and times checked and then replaced.
    pub fn redacted(&self) -> String {
        format!("{} {}", self.status, redact(&self.body))
    }
}

/// Replaces each contact id and its `created_on`, once they are what they claim:
/// a UUID of version 7 and the millisecond inside it.
pub fn redact(body: &str) -> String {
    let mut redacted = body.to_owned();
    let json: Value = serde_json::from_str(body).unwrap();
    let record = &json["record"];
    let (Some(id), Some(created_on)) = (record["id"].as_str(), record["created_on"].as_str())
    else {
        return redacted;
    };
    let uuid = uuid::Uuid::parse_str(id).unwrap();
    assert_eq!(uuid.get_version_num(), 7);
    assert_eq!(
        uuid.hyphenated().to_string(),
        id,
        "lower case, with hyphens"
    );
    let millis = i64::try_from(uuid.as_u128() >> 80).unwrap();
    let moment = addressbook::moment::Moment::from_millis(millis);
    assert_eq!(moment.to_string(), created_on);
    for (found, name) in [(id, "[id]"), (created_on, "[time]")] {
        redacted = redacted.replace(found, name);
    }
    redacted
}

/// Replaces every UUID by `[id]` and every time by `[time]`.
pub fn redact_everywhere(text: &str) -> String {
    let pieces: Vec<&str> = text.split('"').collect();
    let redacted: Vec<&str> = pieces
        .into_iter()
        .map(|piece| match piece.len() {
            36 if uuid::Uuid::parse_str(piece).is_ok() => "[id]",
            24 if piece.ends_with('Z') && piece.as_bytes()[10] == b'T' => "[time]",
            _ => piece,
        })
        .collect();
    redacted.join("\"")
}
