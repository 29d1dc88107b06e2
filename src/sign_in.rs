//! The code that signs in once, in a browser, after the first start: who reads the
//! terminal need not find the key. It is kept beside the key, and who takes its file away
//! has it. Knows no HTTP and no clock.

use std::fmt;
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::base62::{self, is_base62};
use crate::error::Error;
use crate::files;
use crate::moment::Moment;
use crate::token::KeyId;

/// How long a code is good: 10 minutes.
pub const CODE_TIME: Duration = Duration::from_secs(10 * 60);
/// 143 bits.
const CODE_CHARACTERS: usize = 24;
const CODE_FILE: &str = "initial-sign-in-code";
/// More bytes than such a file has.
const FILE_BYTES_READ: u64 = 128;

/// A code: 24 base62 characters. Leaves memory when dropped, and its `Debug` prints
/// nothing.
pub struct Code(Zeroizing<String>);

impl Code {
    /// Makes a code of the operating system's randomness.
    ///
    /// # Errors
    /// `Internal` where the operating system has none to give.
    pub fn generate() -> Result<Self, Error> {
        let mut text = Zeroizing::new(String::with_capacity(CODE_CHARACTERS));
        base62::push_random(&mut text, CODE_CHARACTERS)?;
        Ok(Self(text))
    }

    /// Reads what a browser sends.
    pub fn parse(text: &str) -> Option<Self> {
        let is_whole = text.len() == CODE_CHARACTERS && is_base62(text.as_bytes());
        is_whole.then(|| Self(Zeroizing::new(text.to_owned())))
    }

    /// The text itself, for the one moment in which it is handed out.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Code(secret)")
    }
}

/// The file that a code is kept in: the code, its key's id and when it expires.
#[derive(Clone, Debug)]
pub struct CodeFile(PathBuf);

impl CodeFile {
    /// The one beside the address book at `book`.
    pub fn beside(book: &Path) -> Self {
        Self(book.with_file_name(CODE_FILE))
    }

    /// Keeps a code of the key `key`, in the place of an older one.
    ///
    /// # Errors
    /// The operating system's.
    pub fn keep(&self, code: &Code, key: KeyId, expires_on: Moment) -> io::Result<()> {
        match fs::remove_file(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = files::create_private(&self.0)?;
        let line = Zeroizing::new(format!("{} {key} {expires_on}\n", code.expose()));
        file.write_all(line.as_bytes())
    }

    /// Takes the code away and tells whose it was, if it is `code`; one that has expired
    /// is taken away, too. Of several that ask at once, one gets it. For a thread that may
    /// block.
    pub fn redeem(&self, code: &Code, now: Moment) -> Option<KeyId> {
        let mut held = Zeroizing::new(String::new());
        let file = files::open_private(&self.0).ok()?;
        file.take(FILE_BYTES_READ).read_to_string(&mut held).ok()?;
        let (kept, key, expires_on) = parts(&held)?;
        if expires_on <= now {
            let _ = self.take_away();
            return None;
        }
        let is_it: bool = kept.as_bytes().ct_eq(code.expose().as_bytes()).into();
        // Gone before anything comes of it: who fails at that is not the one.
        (is_it && self.take_away().is_ok()).then_some(key)
    }

    fn take_away(&self) -> io::Result<()> {
        fs::remove_file(&self.0)?;
        files::sync_directory_of(&self.0)
    }
}

/// Code, key and expiry, as they were written.
fn parts(line: &str) -> Option<(&str, KeyId, Moment)> {
    let mut parts = line.strip_suffix('\n')?.split(' ');
    let (code, key, expires_on) = (parts.next()?, parts.next()?, parts.next()?);
    Some((code, KeyId::parse(key)?, Moment::parse(expires_on)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const NOW: Moment = Moment::from_millis(1_762_805_712_000);

    fn kept(directory: &tempfile::TempDir) -> (CodeFile, Code, KeyId) {
        let file = CodeFile::beside(&directory.path().join("book.db"));
        let code = Code::generate().expect("random");
        let key = KeyId::parse("000000000000").expect("an id");
        let expires_on = NOW.checked_add(CODE_TIME).expect("a moment");
        file.keep(&code, key, expires_on).expect("kept");
        (file, code, key)
    }

    #[test]
    fn a_code_is_good_once_and_no_other_is() {
        let directory = tempfile::tempdir().expect("made");
        let (file, code, key) = kept(&directory);
        let mode = fs::metadata(&file.0).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let other = Code::generate().expect("random");
        assert_eq!(file.redeem(&other, NOW), None);
        assert_eq!(file.redeem(&code, NOW), Some(key));
        assert_eq!(file.redeem(&code, NOW), None);
        assert!(!file.0.exists());
    }

    #[test]
    fn a_code_expires_and_its_file_is_gone() {
        let directory = tempfile::tempdir().expect("made");
        let (file, code, key) = kept(&directory);
        let last = Moment::from_millis(NOW.millis() + 599_999);
        assert_eq!(file.redeem(&code, last), Some(key));
        let (file, code, _) = kept(&directory);
        let over = Moment::from_millis(NOW.millis() + 600_000);
        assert_eq!(file.redeem(&code, over), None);
        assert!(!file.0.exists());
        assert_eq!(file.redeem(&code, NOW), None);
    }

    #[test]
    fn of_many_that_ask_at_once_one_gets_it() {
        let directory = tempfile::tempdir().expect("made");
        let (file, code, _) = kept(&directory);
        let got = std::thread::scope(|scope| {
            let all: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| file.redeem(&code, NOW)))
                .collect();
            let all = all.into_iter().map(|one| one.join().expect("ran"));
            all.flatten().count()
        });
        assert_eq!(got, 1);
    }

    #[test]
    fn an_older_code_is_replaced_and_a_torn_file_is_none() {
        let directory = tempfile::tempdir().expect("made");
        let (_, old, _) = kept(&directory);
        let (file, code, key) = kept(&directory);
        assert_eq!(file.redeem(&old, NOW), None);
        assert_eq!(file.redeem(&code, NOW), Some(key));
        for torn in [
            "",
            code.expose(),
            &format!("{} 000000000000 ", code.expose()),
        ] {
            let mut made = files::create_private(&file.0).expect("made");
            made.write_all(torn.as_bytes()).expect("written");
            assert_eq!(file.redeem(&code, NOW), None, "{torn}");
            fs::remove_file(&file.0).expect("removed");
        }
    }

    #[test]
    fn what_is_no_code_is_none() {
        let code = Code::generate().expect("random");
        assert!(Code::parse(code.expose()).is_some());
        for wrong in [
            "",
            "abc",
            &code.expose()[1..],
            &format!("{}0", code.expose()),
        ] {
            assert!(Code::parse(wrong).is_none(), "{wrong}");
        }
        assert_eq!(format!("{code:?}"), "Code(secret)");
    }
}
