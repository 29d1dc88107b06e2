//! The checksum of a contact's row: a bit that flipped on the disk is told from what was
//! stored, once the row is read.

use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;
use rusqlite::types::Type;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// What a row has that was written by hand, and is not checked.
pub(super) const NONE: i64 = 0;

const LOWER: i64 = 0xFFFF_FFFF;

/// The checksum of a row: half of an XXH3 of what every list shows, above that of the
/// rest, so that a list need not read what it does not show. The hash of one field is the
/// seed of the next (<https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md>).
pub(super) fn of(id: &[u8; 16], alias: &str, msisdn: &str, meta: &str, updated_on_ms: i64) -> i64 {
    (of_head(id, alias, msisdn) << 32) | of_rest(meta, updated_on_ms)
}

/// Holds what every list shows of a row against its checksum.
///
/// # Errors
/// A failed conversion of the column, as of every row that cannot be read.
pub(super) fn check_head(
    checksum: i64,
    id: &[u8; 16],
    alias: &str,
    msisdn: &str,
) -> Result<(), rusqlite::Error> {
    expect(checksum == NONE || (checksum >> 32) & LOWER == of_head(id, alias, msisdn))
}

/// Holds the rest of a row against its checksum.
///
/// # Errors
/// As [`check_head`].
pub(super) fn check_rest(
    checksum: i64,
    meta: &str,
    updated_on_ms: i64,
) -> Result<(), rusqlite::Error> {
    expect(checksum == NONE || checksum & LOWER == of_rest(meta, updated_on_ms))
}

/// Teaches a connection the function by which a migration writes checksums.
pub(super) fn add_function(connection: &Connection) -> Result<(), rusqlite::Error> {
    let flags = FunctionFlags::SQLITE_UTF8
        | FunctionFlags::SQLITE_DETERMINISTIC
        | FunctionFlags::SQLITE_DIRECTONLY;
    connection.create_scalar_function("contact_checksum", 5, flags, |row| {
        let text = |at| row.get_raw(at).as_str();
        Ok(of(&row.get(0)?, text(1)?, text(2)?, text(3)?, row.get(4)?))
    })
}

fn of_head(id: &[u8; 16], alias: &str, msisdn: &str) -> i64 {
    let number = xxh3_64_with_seed(msisdn.as_bytes(), xxh3_64(id));
    half(xxh3_64_with_seed(alias.as_bytes(), number))
}

fn of_rest(meta: &str, updated_on_ms: i64) -> i64 {
    half(xxh3_64_with_seed(
        meta.as_bytes(),
        updated_on_ms.cast_unsigned(),
    ))
}

fn half(hash: u64) -> i64 {
    hash.cast_signed() & LOWER
}

fn expect(is_what_was_stored: bool) -> Result<(), rusqlite::Error> {
    if is_what_was_stored {
        return Ok(());
    }
    let error = "the row is not what its checksum says".into();
    let column = 3;
    Err(rusqlite::Error::FromSqlConversionFailure(
        column,
        Type::Integer,
        error,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_of_every_field_is_told() {
        let row = (
            [7; 16],
            *b"alias",
            *b"15550000000",
            *b"{\"a\":1}",
            1_000_i64,
        );
        let (id, alias, msisdn, meta, updated_on_ms) = row;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec());
        let checksum = of(&id, "alias", "15550000000", "{\"a\":1}", updated_on_ms);
        let is_told = |id, alias: &[u8], msisdn: &[u8], meta: &[u8], updated_on_ms| {
            let (Ok(alias), Ok(msisdn), Ok(meta)) = (text(alias), text(msisdn), text(meta)) else {
                return true;
            };
            check_head(checksum, &id, &alias, &msisdn).is_err()
                || check_rest(checksum, &meta, updated_on_ms).is_err()
        };
        assert!(!is_told(id, &alias, &msisdn, &meta, updated_on_ms));
        for bit in 0..8 {
            let flipped = |bytes: &[u8], at: usize| {
                let mut bytes = bytes.to_vec();
                bytes[at] ^= 1 << bit;
                bytes
            };
            for at in 0..id.len() {
                let id = flipped(&id, at).try_into().expect("16 bytes");
                assert!(is_told(id, &alias, &msisdn, &meta, updated_on_ms));
            }
            for at in 0..alias.len() {
                assert!(is_told(
                    id,
                    &flipped(&alias, at),
                    &msisdn,
                    &meta,
                    updated_on_ms
                ));
            }
            for at in 0..msisdn.len() {
                assert!(is_told(
                    id,
                    &alias,
                    &flipped(&msisdn, at),
                    &meta,
                    updated_on_ms
                ));
            }
            for at in 0..meta.len() {
                assert!(is_told(
                    id,
                    &alias,
                    &msisdn,
                    &flipped(&meta, at),
                    updated_on_ms
                ));
            }
        }
        for bit in 0..64 {
            assert!(is_told(
                id,
                &alias,
                &msisdn,
                &meta,
                updated_on_ms ^ (1 << bit)
            ));
        }
    }
}
