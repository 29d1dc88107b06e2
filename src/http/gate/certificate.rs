//! Until when a certificate is good (RFC 5280, section 4.1): the one thing that a
//! server has to tell of it. Everything else is skipped, and nothing is verified.

use crate::moment::Moment;

/// What stands before the serial number of most certificates: their version.
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// The end of a certificate in DER; none where it cannot be read.
pub(super) fn not_after(der: &[u8]) -> Option<Moment> {
    let (_, certificate, _) = element(der)?;
    let (_, signed, _) = element(certificate)?;
    let (tag, _, behind_first) = element(signed)?;
    let mut rest = if tag == VERSION { behind_first } else { signed };
    // The serial number, the algorithm, the issuer.
    for _ in 0..3 {
        (_, _, rest) = element(rest)?;
    }
    let (_, validity, _) = element(rest)?;
    let (_, _, rest) = element(validity)?;
    let (tag, text, _) = element(rest)?;
    moment(tag, std::str::from_utf8(text).ok()?)
}

/// The tag and the contents of the element that `der` begins with, and what follows.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first - 0x80))?;
            let digit = |length, digit: &u8| length << 8 | usize::from(*digit);
            (digits.iter().fold(0, digit), rest)
        }
        _ => return None,
    };
    let (contents, rest) = rest.split_at_checked(length)?;
    Some((*tag, contents, rest))
}

/// Reads `YYMMDDHHMMSSZ`, of the years 1950 to 2049, or the same with the whole year.
fn moment(tag: u8, text: &str) -> Option<Moment> {
    let (century, rest) = match tag {
        UTC_TIME if text.get(..2)? < "50" => ("20", text),
        UTC_TIME => ("19", text),
        GENERALIZED_TIME => text.split_at_checked(2)?,
        _ => return None,
    };
    let pair = |at: usize| rest.get(2 * at..2 * at + 2);
    let (year, month, day) = (pair(0)?, pair(1)?, pair(2)?);
    let (hour, minute, second) = (pair(3)?, pair(4)?, pair(5)?);
    Moment::parse(&format!(
        "{century}{year}-{month}-{day}T{hour}:{minute}:{second}Z"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A certificate that is good until the first second of `year`.
    fn ending(year: i32) -> Vec<u8> {
        let mut parameters =
            rcgen::CertificateParams::new(["localhost".to_owned()]).expect("parameters");
        parameters.not_after = rcgen::date_time_ymd(year, 1, 2);
        let key = rcgen::KeyPair::generate().expect("a key");
        parameters.self_signed(&key).expect("signed").der().to_vec()
    }

    #[test]
    fn the_end_is_read_in_both_of_its_forms() {
        for year in [1999, 2026, 2049, 2050, 2999] {
            let end = not_after(&ending(year)).expect("an end");
            assert_eq!(end.to_string(), format!("{year}-01-02T00:00:00.000Z"));
        }
    }

    #[test]
    fn what_is_no_certificate_has_no_end() {
        let whole = ending(2030);
        for length in 0..200.min(whole.len()) {
            assert_eq!(not_after(&whole[..length]), None);
        }
        for length in [0x80, 0x84, 0x85, 0xff] {
            assert_eq!(not_after(&[0x30, length, 0xff, 0xff, 0xff, 0xff]), None);
        }
    }
}
