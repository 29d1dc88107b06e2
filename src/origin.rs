//! Origins of web pages: whose scripts may call the server from a browser. Knows no
//! header.

use std::str::FromStr;

/// An origin, as browsers write it (RFC 6454, section 6.2): `https://app.example.org`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Origin(String);

/// Origins by name; none are named by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins(Vec<Origin>);

impl Origins {
    /// Whether none is named.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a header names one of them.
    pub fn contain(&self, header: &[u8]) -> bool {
        self.0.iter().any(|origin| origin.0.as_bytes() == header)
    }
}

impl FromIterator<Origins> for Origins {
    fn from_iter<I: IntoIterator<Item = Origins>>(lists: I) -> Self {
        Self(lists.into_iter().flat_map(|list| list.0).collect())
    }
}

/// Reads origins that commas separate; nothing is none.
impl FromStr for Origins {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = text.split(',').map(str::trim).filter(|one| !one.is_empty());
        named.map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

/// Reads `scheme://host` or `scheme://host:port`, exactly as browsers send it: what
/// they would write otherwise would never match.
impl FromStr for Origin {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.contains('*') {
            return Err(
                "name each origin: with * every page that somebody opens could try keys here",
            );
        }
        let (scheme, authority) = text
            .split_once("://")
            .ok_or("write scheme://host, such as https://app.example.org")?;
        let (host, port) = split_port(authority);
        let is_scheme = scheme.starts_with(|first: char| first.is_ascii_lowercase())
            && scheme
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        let in_host = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let is_host = match host
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
            None => host
                .bytes()
                .all(|byte| in_host(byte) || b"-._".contains(&byte)),
        };
        if !is_scheme || !is_host || host.is_empty() {
            return Err("write scheme://host in lower case and nothing behind it, as browsers do");
        }
        match (scheme, port) {
            ("http", Some("80")) | ("https", Some("443")) => {
                Err("leave the scheme's own port out, as browsers do")
            }
            (_, Some(port)) if !is_port(port) => Err("a port is a number from 1 to 65535"),
            _ => Ok(Self(text.to_owned())),
        }
    }
}

/// The host, and what stands behind its colon.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

fn is_port(text: &str) -> bool {
    !text.starts_with(['0', '+']) && text.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_what_a_browser_sends() {
        for text in [
            "https://app.example.org",
            "http://localhost:5173",
            "https://xn--bcher-kva.example",
            "http://127.0.0.1:8443",
            "http://[::1]:3000",
            "http://[::1]",
            "chrome-extension://abcdefghijklmnop",
        ] {
            let origin: Origin = text.parse().expect(text);
            assert_eq!(origin.0, text);
        }
    }

    #[test]
    fn commas_separate_origins() {
        let origins: Origins = "https://a.example, https://b.example,"
            .parse()
            .expect("origins");
        assert!(origins.contain(b"https://a.example") && origins.contain(b"https://b.example"));
        assert!(!origins.contain(b"https://c.example") && !origins.contain(b""));
        assert!("".parse::<Origins>().expect("none").is_empty());
    }

    #[test]
    fn what_no_browser_sends_is_none() {
        for text in [
            "*",
            "null",
            "https://*.example.org",
            "app.example.org",
            "https://",
            "https://app.example.org/",
            "https://app.example.org/page",
            "https://App.example.org",
            "HTTPS://app.example.org",
            "https://app.example.org:443",
            "http://app.example.org:80",
            "https://app.example.org:",
            "https://app.example.org:0",
            "https://app.example.org:70000",
            "https://user@app.example.org",
            "https://bücher.example",
            "https://[::1",
            "https://a b",
            "",
        ] {
            assert!(text.parse::<Origin>().is_err(), "{text}");
        }
    }
}
