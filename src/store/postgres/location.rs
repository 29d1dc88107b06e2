//! Where a book on PostgreSQL is: a URL, shown to people without its password.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::migrations::told;
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
    /// Whether its contacts are spread over shards; found out once, when it is opened.
    pub(super) is_sharded: bool,
    /// The URL without the password.
    shown: PathBuf,
}

/// Whether this names a book on PostgreSQL, and no file.
pub fn is_url(path: &Path) -> bool {
    path.to_str()
        .is_some_and(|text| SCHEMES.iter().any(|scheme| text.starts_with(scheme)))
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
        let (text, roots) = trust::take_parameters(text).map_err(refused)?;
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

/// A URL without what stands between its user's name and the `@`, and without a
/// password among its parameters; whatever else it is.
pub fn without_secrets(url: &str) -> PathBuf {
    if !is_url(Path::new(url)) {
        return PathBuf::from(url);
    }
    let (scheme, rest) = url.split_once("://").unwrap_or(("postgres", url));
    let (place, parameters) = match rest.split_once('?') {
        Some((place, parameters)) => (place, Some(parameters)),
        None => (rest, None),
    };
    let place = match place.rsplit_once('@') {
        Some((user, hosts)) => {
            let user = user.split(':').next().unwrap_or_default();
            format!("{user}@{hosts}")
        }
        None => place.to_owned(),
    };
    let mut shown = format!("{scheme}://{place}");
    let kept: Vec<&str> = parameters
        .unwrap_or_default()
        .split('&')
        .filter(|one| !one.is_empty() && !one.starts_with("password"))
        .collect();
    if !kept.is_empty() {
        shown.push('?');
        shown.push_str(&kept.join("&"));
    }
    PathBuf::from(shown)
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
            ("/data/book.db", "/data/book.db"),
        ] {
            assert_eq!(without_secrets(url), Path::new(shown));
        }
    }

    #[test]
    fn a_path_is_no_url() {
        assert!(is_url(Path::new("postgres://h1,h2/book")));
        assert!(!is_url(Path::new("/data/postgres/book.db")));
    }
}
