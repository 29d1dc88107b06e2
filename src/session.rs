//! A session: what stands in for a key in a browser, for a while. The browser has its
//! secret in a cookie that no script reads; the book has a hash of it. Knows no HTTP, no
//! SQL and no clock.

use std::fmt;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::base62::{self, is_base62};
use crate::error::Error;
use crate::key::{ApiKey, Credential, Grant};
use crate::moment::Moment;
use crate::session_hash::SessionHash;

/// Sessions of one key: one more ends the oldest.
pub const SESSIONS_OF_KEY_MAX: usize = 20;
/// How long a session lasts, unless its key ends earlier: 12 hours.
pub const SESSION_TIME: Duration = Duration::from_secs(12 * 60 * 60);
/// 256 bits.
const SECRET_CHARACTERS: usize = 43;

/// The secret of a session: 43 base62 characters. Leaves memory when dropped, and its
/// `Debug` prints nothing.
pub struct SessionSecret(Zeroizing<String>);

impl SessionSecret {
    /// Makes a secret of the operating system's randomness.
    ///
    /// # Errors
    /// `Internal` where the operating system has none to give.
    pub fn generate() -> Result<Self, Error> {
        let mut text = Zeroizing::new(String::with_capacity(SECRET_CHARACTERS));
        base62::push_random(&mut text, SECRET_CHARACTERS)?;
        Ok(Self(text))
    }

    /// Reads what a browser sends.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let is_whole = text.len() == SECRET_CHARACTERS && is_base62(text);
        let text = std::str::from_utf8(text).ok().filter(|_| is_whole)?;
        Some(Self(Zeroizing::new(text.to_owned())))
    }

    /// The text itself, for the one moment in which it is handed out.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What the book keeps of it. Nobody guesses 256 bits, so one SHA-256 is enough.
    pub fn hash(&self) -> SessionHash {
        SessionHash::of(self.0.as_bytes())
    }
}

impl fmt::Debug for SessionSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SessionSecret(secret)")
    }
}

/// A session as it stands, with the key that it stands in for.
#[derive(Clone, Debug)]
pub struct Session {
    /// From when on it is over.
    pub expires_on: Moment,
    /// What decides over its requests.
    pub credential: Credential,
}

impl Session {
    /// Whether the session goes on at `now`; its key is looked at apart from it.
    ///
    /// # Errors
    /// `SessionEnded`.
    pub fn check_time(&self, now: Moment) -> Result<(), Error> {
        match self.expires_on > now {
            true => Ok(()),
            false => Err(Error::SessionEnded),
        }
    }

    /// Whether a grant of the session still holds where both now stand like this.
    ///
    /// # Errors
    /// `SessionEnded`; those of [`Grant::confirm`].
    pub fn confirm(&self, grant: &Grant, now: Moment) -> Result<(), Error> {
        self.check_time(now)?;
        grant.confirm(Some(&self.credential.standing), now)
    }
}

/// A session that was just opened.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The key that it stands in for.
    pub key: ApiKey,
    /// From when on it is over.
    pub expires_on: Moment,
    /// How long that is from its opening.
    pub lasts: Duration,
}

impl Opened {
    /// A session of `key` that is opened at `now`: it never outlives its key.
    ///
    /// # Errors
    /// `Internal` at the end of the calendar.
    pub fn of(key: ApiKey, now: Moment) -> Result<Self, Error> {
        let latest = now.checked_add(SESSION_TIME).ok_or(Error::Internal)?;
        let expiry = key.terms.expires_on;
        let expires_on = expiry.map_or(latest, |expiry| expiry.min(latest));
        let lasts_ms = expires_on.millis().saturating_sub(now.millis());
        let lasts_ms = u64::try_from(lasts_ms).unwrap_or(0);
        Ok(Self {
            key,
            expires_on,
            lasts: Duration::from_millis(lasts_ms),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_what_was_generated_and_nothing_else() {
        let secret = SessionSecret::generate().expect("random");
        let text = secret.expose().to_owned();
        let read = SessionSecret::parse(text.as_bytes()).expect("a secret");
        assert_eq!(read.hash(), secret.hash());
        let other = SessionSecret::generate().expect("random");
        assert_ne!(other.hash(), secret.hash());
        for wrong in [
            "",
            &text[1..],
            &format!("{text}0"),
            &format!("-{}", &text[1..]),
        ] {
            assert!(SessionSecret::parse(wrong.as_bytes()).is_none(), "{wrong}");
        }
        assert!(SessionSecret::parse(&[0xff; SECRET_CHARACTERS]).is_none());
    }

    #[test]
    fn secrets_print_nothing() {
        let secret = SessionSecret::generate().expect("random");
        let printed = format!("{secret:?} {:?}", secret.hash());
        assert_eq!(printed, "SessionSecret(secret) SessionHash(secret)");
    }
}
