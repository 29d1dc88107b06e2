//! A moment in time as the address book keeps it, and the one place that reads
//! the clock.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A moment in UTC, in whole milliseconds since 1970.
///
/// Written as RFC 3339 with exactly three decimals and `Z`:
/// `2025-11-10T20:15:12.000Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(i64);

impl Moment {
    /// Reads the clock. A clock before 1970 counts as 1970.
    pub fn now() -> Self {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
    }

    /// The moment this many milliseconds after the beginning of 1970.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the beginning of 1970.
    pub fn millis(self) -> i64 {
        self.0
    }

    /// The moment that lies `duration` later, or `None` beyond the year 9999,
    /// which RFC 3339 cannot write.
    pub fn checked_add(self, duration: Duration) -> Option<Self> {
        let millis = i64::try_from(duration.as_millis()).ok()?;
        let later = Self(self.0.checked_add(millis)?);
        later.calendar().map(|_| later)
    }

    /// Reads an RFC 3339 time of any offset; what is below a millisecond is cut
    /// off. In UTC, too, it must not lie beyond the year 9999.
    pub fn parse(text: &str) -> Option<Self> {
        let at = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        let millis = i64::try_from(at.unix_timestamp_nanos().div_euclid(1_000_000)).ok()?;
        let moment = Self(millis);
        moment.calendar().map(|_| moment)
    }

    /// Writes it; what no four-digit year holds is written as 1970.
    pub fn to_text(self) -> MomentText {
        let at = self.calendar().filter(|at| at.year() >= 0);
        let millis = at.map_or(0, |_| self.0.rem_euclid(1000) as u32);
        let at = at.unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let mut text = MomentText(*b"0000-00-00T00:00:00.000Z");
        let year = at.year().unsigned_abs();
        text.put(0, (year / 100) as u8);
        text.put(2, (year % 100) as u8);
        text.put(5, at.month().into());
        text.put(8, at.day());
        text.put(11, at.hour());
        text.put(14, at.minute());
        text.put(17, at.second());
        text.put(20, (millis / 10) as u8);
        text.0[22] += (millis % 10) as u8;
        text
    }

    /// Its second, or `None` beyond the calendar.
    fn calendar(self) -> Option<OffsetDateTime> {
        OffsetDateTime::from_unix_timestamp(self.0.div_euclid(1000)).ok()
    }
}

/// A moment as it is written: 24 ASCII characters.
pub struct MomentText([u8; 24]);

impl MomentText {
    /// The 24 characters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("digits and marks are ASCII")
    }

    /// The same as bytes.
    pub fn as_bytes(&self) -> &[u8; 24] {
        &self.0
    }

    /// Writes a number below 100 with two digits.
    fn put(&mut self, at: usize, number: u8) {
        self.0[at] = b'0' + number / 10;
        self.0[at + 1] = b'0' + number % 10;
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.to_text().as_str())
    }
}

impl serde::Serialize for Moment {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.to_text().as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_with_three_decimals() {
        let documented = Moment::from_millis(1_762_805_712_000);
        assert_eq!(documented.to_string(), "2025-11-10T20:15:12.000Z");
        let uneven = Moment::from_millis(1_762_805_712_070);
        assert_eq!(uneven.to_string(), "2025-11-10T20:15:12.070Z");
    }

    #[test]
    fn times_of_any_offset_are_read() {
        let documented = Some(Moment::from_millis(1_762_805_712_000));
        for text in [
            "2025-11-10T20:15:12.000Z",
            "2025-11-10T20:15:12Z",
            "2025-11-10T21:15:12.0009+01:00",
        ] {
            assert_eq!(Moment::parse(text), documented, "{text}");
        }
        for text in [
            "",
            "2025-11-10",
            "2025-11-10T20:15:12",
            "2025-13-10T20:15:12Z",
            "1762805712",
        ] {
            assert_eq!(Moment::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_moment_beyond_the_calendar_does_not_exist() {
        let now = Moment::from_millis(1_762_805_712_000);
        assert_eq!(now.checked_add(Duration::from_secs(u64::MAX / 2000)), None);
        assert_eq!(now.checked_add(Duration::from_secs(400_000_000_000)), None);
        let tomorrow = now.checked_add(Duration::from_secs(86_400));
        assert_eq!(tomorrow.map(Moment::millis), Some(1_762_892_112_000));
    }
}
