//! The grammar of a key's token, and what is kept instead of its secret. Knows
//! no HTTP, no SQL and no clock.

use std::fmt;

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::base62::{self, is_base62};
use crate::error::Error;

const TOKEN_PREFIX: &str = "abk_";
const ID_CHARACTERS: usize = 12;
const SECRET_CHARACTERS: usize = 43;
const CHECKSUM_CHARACTERS: usize = 6;
/// Where the separator between id and secret stands.
const SEPARATOR_AT: usize = TOKEN_PREFIX.len() + ID_CHARACTERS;
/// Everything before the checksum: what the hash and the tag are made of.
const PROOF_CHARACTERS: usize = SEPARATOR_AT + 1 + SECRET_CHARACTERS;
const TOKEN_CHARACTERS: usize = PROOF_CHARACTERS + CHECKSUM_CHARACTERS;
const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 32;
/// Room reserved for argon2, of which it touches 19 MiB. What is larger than 32
/// MiB, glibc takes from the system and gives back at once (mallopt(3),
/// `M_MMAP_THRESHOLD`); what is smaller stays with the thread that freed it.
const RESERVED_BLOCKS: usize = 33 * 1024;

/// The public part of a key: the 12 base62 characters inside its token.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId([u8; ID_CHARACTERS]);

impl KeyId {
    /// Reads an id.
    pub fn parse(text: &str) -> Option<Self> {
        let characters: [u8; ID_CHARACTERS] = text.as_bytes().try_into().ok()?;
        is_base62(&characters).then_some(Self(characters))
    }

    /// The 12 characters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("base62 is ASCII")
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl serde::Serialize for KeyId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "KeyId({self})")
    }
}

/// A whole token: `abk_`, the id, `_`, 256 bits of secret, a CRC-32 of all
/// before it; 66 characters. Leaves memory when dropped, and its `Debug` prints
/// nothing.
pub struct Token(Zeroizing<String>);

impl Token {
    /// Makes a new token from the operating system's randomness.
    ///
    /// # Errors
    /// `Internal` where the operating system has none to give.
    pub fn generate() -> Result<Self, Error> {
        let mut text = Zeroizing::new(String::with_capacity(TOKEN_CHARACTERS));
        text.push_str(TOKEN_PREFIX);
        base62::push_random(&mut text, ID_CHARACTERS)?;
        text.push('_');
        base62::push_random(&mut text, SECRET_CHARACTERS)?;
        let checksum = checksum(text.as_bytes());
        text.extend(checksum.map(char::from));
        Ok(Self(text))
    }

    /// A token of a known key with a right checksum and a wrong secret.
    #[cfg(test)]
    pub(crate) fn forged(id: KeyId, number: u64) -> Self {
        let mut text = format!("{TOKEN_PREFIX}{id}_{number:043}");
        let checksum = checksum(text.as_bytes());
        text.extend(checksum.map(char::from));
        Self(Zeroizing::new(text))
    }

    /// Reads a token whose grammar and checksum hold. No secret is needed for
    /// that, and no database: it only turns typing errors and noise away.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let well_formed = bytes.len() == TOKEN_CHARACTERS
            && text.starts_with(TOKEN_PREFIX)
            && bytes[SEPARATOR_AT] == b'_'
            && is_base62(&bytes[TOKEN_PREFIX.len()..SEPARATOR_AT])
            && is_base62(&bytes[SEPARATOR_AT + 1..PROOF_CHARACTERS])
            && bytes[PROOF_CHARACTERS..] == checksum(&bytes[..PROOF_CHARACTERS]);
        well_formed.then(|| Self(Zeroizing::new(text.to_owned())))
    }

    /// Whether a token stands anywhere in `text`.
    pub fn is_in(text: &str) -> bool {
        let starts = text.match_indices(TOKEN_PREFIX).map(|(at, _)| at);
        starts
            .filter_map(|at| text.get(at..at + TOKEN_CHARACTERS))
            .any(|candidate| Self::parse(candidate).is_some())
    }

    /// The public part.
    pub fn id(&self) -> KeyId {
        let mut characters = [0; ID_CHARACTERS];
        characters.copy_from_slice(&self.0.as_bytes()[TOKEN_PREFIX.len()..SEPARATOR_AT]);
        KeyId(characters)
    }

    /// The text itself, for the one moment in which it is handed out.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// SHA-256 of `abk-tag`, a NUL byte and everything before the checksum.
    pub fn fingerprint(&self) -> Fingerprint {
        let mut hasher = Sha256::new();
        hasher.update(b"abk-tag\0");
        hasher.update(self.proof());
        Fingerprint(hasher.finalize().into())
    }

    fn proof(&self) -> &[u8] {
        &self.0.as_bytes()[..PROOF_CHARACTERS]
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token(secret)")
    }
}

/// Identifies one token in memory. Its first four bytes are the tag that the
/// store keeps to turn a wrong secret away before argon2.
#[derive(Clone, Copy)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The four bytes that the store keeps.
    pub fn tag(&self) -> Tag {
        let [a, b, c, d, ..] = self.0;
        Tag([a, b, c, d])
    }

    /// Compares in constant time.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Fingerprint(secret)")
    }
}

/// The first four bytes of a token's fingerprint: 32 of its secret's 256 bits
/// could be guessed from it, and argon2 guards the rest.
#[derive(Clone, Copy, Debug)]
pub struct Tag(pub [u8; 4]);

impl Tag {
    /// Compares in constant time.
    pub fn matches(self, other: Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

/// What is kept of a secret: a PHC string
/// `$argon2id$v=19$m=19456,t=2,p=1$salt$hash` (RFC 9106).
#[derive(Clone, PartialEq, Eq)]
pub struct SecretHash(String);

impl SecretHash {
    /// Hashes everything before the token's checksum, with a salt of its own.
    /// Takes tens of milliseconds and 19 MiB.
    ///
    /// # Errors
    /// `Internal` where the memory or the randomness is not to be had.
    pub fn of(token: &Token) -> Result<Self, Error> {
        let mut salt = [0; SALT_BYTES];
        getrandom::fill(&mut salt).map_err(|_| Error::Internal)?;
        // The defaults of this version are the parameters above; a test pins them.
        let params = Params::default();
        let phc = derive(token, &salt, params.clone()).and_then(|output| {
            Some(PasswordHash {
                algorithm: Algorithm::Argon2id.ident(),
                version: Some(Version::default().into()),
                params: ParamsString::try_from(&params).ok()?,
                salt: Some(Salt::new(&salt).ok()?),
                hash: Some(output),
            })
        });
        phc.map(|phc| Self(phc.to_string())).ok_or(Error::Internal)
    }

    /// Takes a PHC string from the store.
    pub fn from_phc(phc: String) -> Self {
        Self(phc)
    }

    /// The PHC string.
    pub fn as_phc(&self) -> &str {
        &self.0
    }

    /// Whether `token` has this hash. Takes tens of milliseconds and 19 MiB.
    pub fn verify(&self, token: &Token) -> bool {
        let expected = PasswordHash::new(&self.0).ok().and_then(|phc| {
            let params = Params::try_from(&phc).ok()?;
            Some((phc.salt?, phc.hash?, params))
        });
        expected.is_some_and(|(salt, hash, params)| {
            // Outputs compare in constant time.
            derive(token, &salt, params).is_some_and(|output| output == hash)
        })
    }
}

/// Runs argon2id over everything before the token's checksum.
fn derive(token: &Token, salt: &[u8], params: Params) -> Option<Output> {
    let blocks = params.block_count();
    let mut memory = Vec::with_capacity(blocks.max(RESERVED_BLOCKS));
    memory.resize(blocks, Block::new());
    let mut output = [0; HASH_BYTES];
    Argon2::new(Algorithm::Argon2id, Version::default(), params)
        .hash_password_into_with_memory(token.proof(), salt, &mut output, &mut memory)
        .ok()?;
    Output::new(&output).ok()
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SecretHash(secret)")
    }
}

/// A token before its key is stored, with what is kept of its secret.
#[derive(Debug)]
pub struct NewSecret {
    /// Handed out once the key is stored.
    pub token: Token,
    /// What is kept.
    pub hash: SecretHash,
}

impl NewSecret {
    /// Makes a token and its hash. Takes tens of milliseconds and 19 MiB.
    ///
    /// # Errors
    /// `Internal` where randomness or memory is not to be had.
    pub fn generate() -> Result<Self, Error> {
        Self::of(Token::generate()?)
    }

    /// Makes the hash of a token that is there. Takes as long.
    ///
    /// # Errors
    /// `Internal` where memory is not to be had.
    pub fn of(token: Token) -> Result<Self, Error> {
        let hash = SecretHash::of(&token)?;
        Ok(Self { token, hash })
    }
}

/// CRC-32/IEEE in base62, most significant digit first, padded with `0`.
fn checksum(text: &[u8]) -> [u8; CHECKSUM_CHARACTERS] {
    let mut rest = crc32fast::hash(text) as usize;
    let mut digits = [b'0'; CHECKSUM_CHARACTERS];
    for digit in digits.iter_mut().rev() {
        *digit = base62::DIGITS[rest % base62::DIGITS.len()];
        rest /= base62::DIGITS.len();
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ZEROS: &str = "abk_000000000000_00000000000000000000000000000000000000000001SQnlA";
    const MIXED: &str = "abk_Hq3T0bJm91Xa_Zk2pV7sYw0QdL4nR8tUe6cBf1GhJ5mXo9aKiPvNzTqS4bQlpH";

    #[test]
    fn the_documented_tokens_parse_and_no_change_of_them_does() {
        for vector in [ZEROS, MIXED] {
            let token = Token::parse(vector).expect("documented");
            assert_eq!(token.id().as_str(), &vector[4..16]);
            for position in 0..vector.len() {
                let mut changed = vector.as_bytes().to_vec();
                changed[position] = if changed[position] == b'a' {
                    b'b'
                } else {
                    b'a'
                };
                let changed = String::from_utf8(changed).expect("ASCII");
                assert!(Token::parse(&changed).is_none(), "{changed}");
            }
        }
    }

    #[test]
    fn the_tag_of_the_documented_token_is_the_documented_one() {
        let token = Token::parse(MIXED).expect("documented");
        assert_eq!(token.fingerprint().tag().0, [0x3f, 0xeb, 0x1a, 0x11]);
    }

    #[test]
    fn a_generated_token_parses_and_proves_itself_alone() {
        let (token, other) = (
            Token::generate().expect("random"),
            Token::generate().expect("random"),
        );
        assert!(Token::parse(token.expose()).is_some());
        let hash = SecretHash::of(&token).expect("hashed");
        assert!(hash.as_phc().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(hash.verify(&token));
        assert!(!hash.verify(&other));
        assert_ne!(
            hash,
            SecretHash::of(&token).expect("hashed"),
            "the salt differs"
        );
    }

    #[test]
    fn secrets_print_nothing() {
        let token = Token::parse(MIXED).expect("documented");
        let printed = format!(
            "{token:?} {:?} {:?}",
            token.fingerprint(),
            SecretHash::from_phc("$argon2id$x".into())
        );
        assert_eq!(
            printed,
            "Token(secret) Fingerprint(secret) SecretHash(secret)"
        );
    }

    proptest! {
        #[test]
        fn nothing_but_a_whole_token_parses(text in "(abk_)?[0-9A-Za-z_]{0,70}|\\PC{0,80}|abk_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}") {
            if let Some(token) = Token::parse(&text) {
                let body = &text.as_bytes()[..60];
                prop_assert_eq!(token.expose(), &text);
                let sum = checksum(body);
                prop_assert_eq!(&sum, &text.as_bytes()[60..]);
            }
        }

        #[test]
        fn every_body_with_its_checksum_is_a_token(id in "[0-9A-Za-z]{12}", secret in "[0-9A-Za-z]{43}") {
            let body = format!("abk_{id}_{secret}");
            let sum = String::from_utf8(checksum(body.as_bytes()).to_vec()).expect("ASCII");
            let token = Token::parse(&format!("{body}{sum}")).expect("well formed");
            prop_assert_eq!(token.id(), KeyId::parse(&id).expect("an id"));
        }
    }
}
