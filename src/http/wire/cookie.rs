//! The session's cookie: its two names, how it is read and how it is set (RFC 6265bis).

use std::time::Duration;

use actix_web::http::header::{COOKIE, HeaderMap, HeaderValue};

use crate::base_path::BasePath;
use crate::session::SessionSecret;

/// Its name where nothing is encrypted.
const PLAIN: &str = "addressbook_session";
/// Its name over TLS: a browser takes it from this very host alone, encrypted, for all
/// paths, so that no other host of the domain sets one (RFC 6265bis, section 4.1.3.2).
const HOST: &str = "__Host-addressbook_session";

/// How the browser that asks is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// By this server's own TLS.
    Tls,
    /// By that of a proxy, as the page says from which it calls.
    TlsOfProxy,
    /// Perhaps by a proxy's TLS.
    Plain,
}

/// The value of a session's cookie, where there is one; what it says is not looked at.
pub(crate) fn session(headers: &HeaderMap, reach: Reach) -> Option<&[u8]> {
    let plain = || match reach {
        // Any host of the domain could have set it.
        Reach::Tls => None,
        Reach::TlsOfProxy | Reach::Plain => named(headers, PLAIN),
    };
    named(headers, HOST).or_else(plain)
}

/// Sets the cookie of a session that `lasts` so long. No script reads it, and no page of
/// another site sends it.
pub(crate) fn set(
    secret: &SessionSecret,
    lasts: Duration,
    reach: Reach,
    base: &BasePath,
) -> HeaderValue {
    let name = match reach {
        Reach::Tls | Reach::TlsOfProxy => HOST,
        Reach::Plain => PLAIN,
    };
    written(name, secret.expose(), lasts.as_secs(), base)
}

/// Takes both cookies away.
pub(crate) fn clear(base: &BasePath) -> [HeaderValue; 2] {
    [HOST, PLAIN].map(|name| written(name, "", 0, base))
}

fn written(name: &str, value: &str, max_age_s: u64, base: &BasePath) -> HeaderValue {
    let limits = "HttpOnly; SameSite=Strict";
    let text = match name {
        HOST => format!("{name}={value}; Secure; {limits}; Path=/; Max-Age={max_age_s}"),
        _ => format!("{name}={value}; {limits}; Path={base}/; Max-Age={max_age_s}"),
    };
    let mut header = HeaderValue::try_from(text).expect("names, base62 and paths are ASCII");
    header.set_sensitive(true);
    header
}

/// The value of the first cookie of this name.
fn named<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h [u8]> {
    let cookies = headers.get_all(COOKIE);
    let mut pairs = cookies.flat_map(|header| header.as_bytes().split(|&byte| byte == b';'));
    pairs.find_map(|pair| {
        let value = pair.trim_ascii().strip_prefix(name.as_bytes())?;
        value.strip_prefix(b"=")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(cookies: &[&'static str]) -> HeaderMap {
        let cookies = cookies.iter().copied().map(HeaderValue::from_static);
        HeaderMap::from_iter(cookies.map(|one| (COOKIE, one)))
    }

    #[test]
    fn the_cookie_is_found_among_others_by_its_whole_name() {
        for cookies in [
            &["addressbook_session=1"][..],
            &["a=b; addressbook_session=1; addressbook_session=2"],
            &["xaddressbook_session=0;addressbook_session=1"],
            &[
                "addressbook_session",
                "addressbook_session2=0; addressbook_session=1",
            ],
            &["__Host-addressbook_session=1; addressbook_session=2"],
            &["addressbook_session=2; __Host-addressbook_session=1"],
        ] {
            let headers = sent(cookies);
            assert_eq!(
                session(&headers, Reach::Plain),
                Some(&b"1"[..]),
                "{cookies:?}"
            );
        }
        for cookies in [
            &[][..],
            &["a=b"],
            &["Addressbook_session=1"],
            &["x=addressbook_session=1"],
        ] {
            assert_eq!(session(&sent(cookies), Reach::Plain), None, "{cookies:?}");
        }
    }

    #[test]
    fn over_tls_of_its_own_a_server_takes_the_one_that_no_other_host_sets() {
        let plain = sent(&["addressbook_session=1"]);
        assert_eq!(session(&plain, Reach::Tls), None);
        let host = sent(&["addressbook_session=1; __Host-addressbook_session=2"]);
        assert_eq!(session(&host, Reach::Tls), Some(&b"2"[..]));
    }
}
