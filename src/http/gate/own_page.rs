//! Whether a request comes from a page of this very server. A browser sends the session's
//! cookie by itself, so what a page of somebody else asks for must not be done with it:
//! `Sec-Fetch-Site` (Fetch Metadata) says whose page asks, or else `Origin`. `SameSite`
//! keeps the cookie from other sites already; this, from other hosts and ports of the same.

use actix_web::http::Method;
use actix_web::http::header::{HOST, HeaderMap, HeaderName, ORIGIN};

use crate::error::Error;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// The ports that browsers leave out of an origin.
const OWN_PORTS: [(&str, &str); 2] = [("https://", ":443"), ("http://", ":80")];

/// What a header says that a browser sends at most once.
enum Said<'h> {
    Nothing,
    Once(&'h [u8]),
    /// No browser sends it so.
    Several,
}

/// Whether a request may be done in the name of the session that its cookie names.
///
/// # Errors
/// `OtherSite`.
pub(super) fn check(method: &Method, headers: &HeaderMap) -> Result<(), Error> {
    let only_reads = matches!(*method, Method::GET | Method::HEAD);
    ours(headers, only_reads, only_reads)
}

/// Whether a session may be opened, whose cookie the answer sets. A program that is no
/// browser sends neither header.
///
/// # Errors
/// `OtherSite`.
pub(crate) fn check_opening(headers: &HeaderMap) -> Result<(), Error> {
    ours(headers, false, true)
}

/// `typed` where it may be asked for by nobody's page, such as an address that somebody
/// typed, `unsaid` where nothing need be said.
fn ours(headers: &HeaderMap, typed: bool, unsaid: bool) -> Result<(), Error> {
    let is_ours = match said(headers, SEC_FETCH_SITE) {
        Said::Once(b"same-origin") => true,
        Said::Once(b"none") => typed,
        Said::Once(_) | Said::Several => false,
        Said::Nothing => match said(headers, ORIGIN) {
            Said::Once(origin) => is_own_host(origin, headers),
            Said::Several => false,
            Said::Nothing => unsaid,
        },
    };
    is_ours.then_some(()).ok_or(Error::OtherSite)
}

/// Whether an origin names the host that the request is for. Of the scheme nothing is
/// known: a proxy may have taken TLS off.
fn is_own_host(origin: &[u8], headers: &HeaderMap) -> bool {
    let (Said::Once(host), Ok(origin)) = (said(headers, HOST), std::str::from_utf8(origin)) else {
        return false;
    };
    OWN_PORTS.iter().any(|(scheme, port)| {
        let host = host.strip_suffix(port.as_bytes()).unwrap_or(host);
        let authority = origin.strip_prefix(scheme).unwrap_or_default();
        !authority.is_empty() && host.eq_ignore_ascii_case(authority.as_bytes())
    })
}

fn said(headers: &HeaderMap, name: HeaderName) -> Said<'_> {
    let mut values = headers.get_all(name);
    match (values.next(), values.next()) {
        (None, _) => Said::Nothing,
        (Some(value), None) => Said::Once(value.as_bytes()),
        (Some(_), Some(_)) => Said::Several,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;

    fn headers(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter().cloned();
        HeaderMap::from_iter(pairs.map(|(name, value)| (name, HeaderValue::from_static(value))))
    }

    /// Whether each of these is let through: a read, a write, an opening.
    fn let_through(pairs: &[(HeaderName, &'static str)]) -> [bool; 3] {
        let headers = headers(pairs);
        [
            check(&Method::GET, &headers).is_ok(),
            check(&Method::DELETE, &headers).is_ok(),
            check_opening(&headers).is_ok(),
        ]
    }

    const ALL: [bool; 3] = [true; 3];
    const NONE: [bool; 3] = [false; 3];
    const READ: [bool; 3] = [true, false, false];

    #[test]
    fn what_the_browser_says_of_the_page_decides_alone() {
        for (site, expected) in [
            ("same-origin", ALL),
            ("none", READ),
            ("same-site", NONE),
            ("cross-site", NONE),
            ("Same-Origin", NONE),
            ("same-origin, none", NONE),
            ("", NONE),
        ] {
            let site = (SEC_FETCH_SITE, site);
            assert_eq!(
                let_through(std::slice::from_ref(&site)),
                expected,
                "{site:?}"
            );
            for origin in ["http://book.example:8080", "https://evil.example", "null"] {
                let host = (HOST, "book.example:8080");
                let pairs = [site.clone(), host, (ORIGIN, origin)];
                assert_eq!(let_through(&pairs), expected, "{pairs:?}");
            }
        }
        let twice = [
            (SEC_FETCH_SITE, "same-origin"),
            (SEC_FETCH_SITE, "same-origin"),
        ];
        assert_eq!(let_through(&twice), NONE);
    }

    #[test]
    fn else_the_origin_has_to_be_the_requests_own_host() {
        for (host, origin, expected) in [
            ("book.example:8080", "http://book.example:8080", ALL),
            ("book.example:8080", "https://book.example:8080", ALL),
            ("Book.Example", "https://book.example", ALL),
            ("book.example:443", "https://book.example", ALL),
            ("book.example:80", "http://book.example", ALL),
            ("[::1]:8080", "http://[::1]:8080", ALL),
            ("book.example:443", "http://book.example", NONE),
            ("book.example:80", "https://book.example", NONE),
            ("book.example", "https://book.example:8443", NONE),
            ("book.example:8080", "http://book.example", NONE),
            ("book.example", "https://evil.example", NONE),
            ("book.example", "https://book.example.evil.example", NONE),
            ("book.example", "https://evilbook.example", NONE),
            ("book.example", "ftp://book.example", NONE),
            ("book.example", "book.example", NONE),
            ("book.example", "null", NONE),
            ("", "https://", NONE),
            ("book.example", "", NONE),
        ] {
            let pairs = [(HOST, host), (ORIGIN, origin)];
            assert_eq!(let_through(&pairs), expected, "{pairs:?}");
        }
        let twice = [(HOST, "a"), (ORIGIN, "http://a"), (ORIGIN, "http://a")];
        assert_eq!(let_through(&twice), NONE);
        let hosts = [(HOST, "a"), (HOST, "a"), (ORIGIN, "http://a")];
        assert_eq!(let_through(&hosts), NONE);
        assert_eq!(let_through(&[(ORIGIN, "http://a")]), NONE);
    }

    #[test]
    fn where_nothing_is_said_only_reads_go_through_and_what_no_browser_sends() {
        assert_eq!(let_through(&[]), [true, false, true]);
        assert_eq!(let_through(&[(HOST, "book.example")]), [true, false, true]);
        let reads = [Method::GET, Method::HEAD].map(|one| check(&one, &HeaderMap::new()).is_ok());
        assert_eq!(reads, [true, true]);
        let writes = [Method::POST, Method::PUT, Method::PATCH, Method::OPTIONS];
        assert!(
            writes
                .iter()
                .all(|one| check(one, &HeaderMap::new()).is_err())
        );
    }
}
