//! Where a book on PostgreSQL is: a URL, shown to people without its password.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::failure::told;
use super::trust;
use crate::store::OpenError;

const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];
/// How long one server may take to be connected to.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(3);
/// How long what was sent may go unconfirmed: a host that vanished says nothing.
const SILENCE_MAX: Duration = Duration::from_secs(10);
const APPLICATION: &str = "addressbook";

/// Where a book is, and how it is reached.
#[derive(Clone)]
pub(super) struct Location {
    pub(super) config: Config,
    /// None where TLS is not wanted.
    pub(super) tls: Option<MakeRustlsConnect>,
    /// The schema of the book; found out once, when it is opened.
    pub(super) schema: Option<String>,
    /// Whether its contacts are spread over shards; found out once, when it is opened.
    pub(super) is_sharded: bool,
    /// The URL without the password.
    shown: PathBuf,
}

/// Whether this names a book on PostgreSQL, and no file.
pub fn is_url(path: &Path) -> bool {
    let begins = |text: &str, scheme: &str| {
        let begin = text.get(..scheme.len());
        begin.is_some_and(|begin| begin.eq_ignore_ascii_case(scheme))
    };
    path.to_str()
        .is_some_and(|text| SCHEMES.iter().any(|scheme| begins(text, scheme)))
}

impl Location {
    /// Reads a URL as libpq writes it: several hosts, `target_session_attrs`,
    /// `options=-c search_path=…`, `sslmode`, `sslrootcert`.
    ///
    /// # Errors
    /// `Storage` for anything else; the password is in none of them.
    pub(super) fn parse(url: &Path) -> Result<Self, OpenError> {
        let text = url.to_str().unwrap_or_default();
        let shown = without_secrets(text);
        let refused = |reason: String| OpenError::Storage {
            path: shown.clone(),
            reason,
        };
        let (scheme, rest) = text.split_once("://").unwrap_or_default();
        let text = format!("{}://{rest}", scheme.to_ascii_lowercase());
        let (text, roots) = trust::take_parameters(&text).map_err(refused)?;
        let parsed: Result<Config, _> = text.parse();
        let mut config = parsed.map_err(|error| refused(told(&error)))?;
        let tls = match config.get_ssl_mode() {
            SslMode::Disable => None,
            _ => Some(trust::connector(roots).map_err(refused)?),
        };
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIME_MAX);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(SILENCE_MAX);
        }
        if config.get_application_name().is_none() {
            config.application_name(APPLICATION);
        }
        Ok(Self {
            config,
            tls,
            schema: None,
            is_sharded: false,
            shown,
        })
    }

    pub(super) fn shown(&self) -> &Path {
        &self.shown
    }

    pub(super) fn storage_error(&self, reason: impl ToString) -> OpenError {
        OpenError::Storage {
            path: self.shown.clone(),
            reason: reason.to_string(),
        }
    }
}

/// Parameters that are shown; what else there is may be a password in another spelling.
const SHOWN: [&str; 9] = [
    "application_name",
    "connect_timeout",
    "host",
    "options",
    "port",
    "sslmode",
    "sslrootcert",
    "target_session_attrs",
    "user",
];

/// A URL without anything that may be a password or a part of one; whatever else it is.
pub fn without_secrets(url: &str) -> PathBuf {
    let Some((scheme, rest)) = url.split_once("://").filter(|_| is_url(Path::new(url))) else {
        return PathBuf::from(url);
    };
    let nothing = || PathBuf::from(format!("{scheme}://…"));
    let (user, rest) = match rest.rsplit_once('@') {
        // Who can say what of that is the password.
        Some((user, _)) if user.contains(['/', '?']) => return nothing(),
        Some((user, rest)) => (user.split(':').next(), rest),
        None => (None, rest),
    };
    let (place, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    let hosts = place.split('/').next().unwrap_or_default();
    if !hosts.split(',').all(has_a_port_or_none) {
        return nothing();
    }
    let user = user.map(|user| format!("{user}@")).unwrap_or_default();
    let mut shown = format!("{scheme}://{user}{place}");
    let kept: Vec<&str> = parameters
        .split('&')
        .filter(|one| SHOWN.contains(&one.split('=').next().unwrap_or_default()))
        .collect();
    if !kept.is_empty() {
        shown.push('?');
        shown.push_str(&kept.join("&"));
    }
    PathBuf::from(shown)
}

/// Whether what stands behind the colon of a host is a port, and not a password where
/// somebody forgot the `@`.
fn has_a_port_or_none(host: &str) -> bool {
    // An address of IPv6 is in brackets.
    let behind = host.rsplit_once(']').map_or(host, |(_, behind)| behind);
    let port = behind.split_once(':').map_or("", |(_, port)| port);
    port.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_its_password() {
        for (url, shown) in [
            ("postgres://h/book", "postgres://h/book"),
            (
                "postgres://u:se:cr@et@h1,h2:5433/book?sslmode=require",
                "postgres://u@h1,h2:5433/book?sslmode=require",
            ),
            (
                "postgresql://h/b?password=x&user=u",
                "postgresql://h/b?user=u",
            ),
            ("postgres://h/b?passw%6frd=x", "postgres://h/b"),
            ("postgres://u:my?secret@h/b", "postgres://…"),
            ("postgres://u:my/secret@h/b", "postgres://…"),
            ("postgres://h/b?password=se@cret", "postgres://…"),
            ("postgres://u:secret/b", "postgres://…"),
            ("Postgres://u:secret@h/b", "Postgres://u@h/b"),
            ("postgres://[::1]:5432,h:1/b", "postgres://[::1]:5432,h:1/b"),
            ("/data/book.db", "/data/book.db"),
        ] {
            assert_eq!(without_secrets(url), Path::new(shown));
        }
    }

    #[test]
    fn a_path_is_no_url() {
        assert!(is_url(Path::new("postgres://h1,h2/book")));
        assert!(is_url(Path::new("POSTGRES://h/book")));
        assert!(!is_url(Path::new("/data/postgres/book.db")));
    }
}
