use std::fmt;

use chrono::{DateTime, SecondsFormat, Timelike as _};

/// A moment, as it was written (RFC 3339).
///
/// The text is kept, because its offset and its digits say more than the moment does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timestamp {
    text: String,
    seconds: i64,
    nanos: i32,
}

/// The moments that RFC 3339 can write, in seconds since 1970.
const SECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

impl Timestamp {
    /// Reads the text; `None` if it is not a date and time of RFC 3339, or not one of the years 1 to 9999 in UTC.
    pub fn parse(text: &str) -> Option<Self> {
        // What RFC 3339 §5.6 leaves to applications is a `T` here.
        let has_separator = matches!(text.as_bytes().get(10), Some(b'T' | b't'));
        let moment = DateTime::parse_from_rfc3339(text).ok().filter(|_| has_separator)?;
        let seconds = Some(moment.timestamp()).filter(|seconds| SECONDS.contains(seconds))?;
        // A leap second counts as the last moment of the second before it.
        let nanos = i32::try_from(moment.nanosecond().min(999_999_999)).ok()?;
        Some(Self { text: text.to_owned(), seconds, nanos })
    }

    /// Writes a moment in UTC; `None` if RFC 3339 has no way to.
    pub fn from_seconds(seconds: i64, nanos: i32) -> Option<Self> {
        let nanos = u32::try_from(nanos).ok().filter(|nanos| *nanos < 1_000_000_000)?;
        let moment = DateTime::from_timestamp(seconds, nanos).filter(|_| SECONDS.contains(&seconds))?;
        Self::parse(&moment.to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }

    /// Writes a moment in UTC, in milliseconds since 1970. One that RFC 3339 cannot write becomes 1970.
    pub fn from_ms(since_1970_ms: i64) -> Self {
        let nanos = i32::try_from(since_1970_ms.rem_euclid(1_000)).unwrap_or_default() * 1_000_000;
        Self::from_seconds(since_1970_ms.div_euclid(1_000), nanos).unwrap_or_else(|| Self {
            text: "1970-01-01T00:00:00Z".to_owned(),
            seconds: 0,
            nanos: 0,
        })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The moment: seconds since 1970, and nanoseconds behind them. Digits beyond these are cut off.
    pub fn seconds_and_nanos(&self) -> (i64, i32) {
        (self.seconds, self.nanos)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_kept_as_they_were_written() {
        for (text, seconds, nanos) in [
            ("1970-01-01T00:00:00Z", 0, 0),
            ("2018-04-05T17:31:00.5+02:00", 1_522_942_260, 500_000_000),
            ("0001-01-01T00:00:00Z", -62_135_596_800, 0),
            ("9999-12-31T23:59:59.999999999Z", 253_402_300_799, 999_999_999),
            ("2016-12-31T23:59:60Z", 1_483_228_799, 999_999_999),
        ] {
            let read = Timestamp::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!((read.as_str(), read.seconds_and_nanos()), (text, (seconds, nanos)));
        }
        for text in
            ["", "now", "2018-04-05", "2018-04-05 17:31:00Z", "2018-04-05T17:31:00", "0000-01-01T00:00:00Z"]
        {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }

    #[test]
    fn moments_that_are_counted_are_written_with_the_digits_that_they_need() {
        for (seconds, nanos, text) in [
            (0, 0, "1970-01-01T00:00:00Z"),
            (-1, 120_000_000, "1969-12-31T23:59:59.120Z"),
            (253_402_300_799, 1, "9999-12-31T23:59:59.000000001Z"),
        ] {
            let made = Timestamp::from_seconds(seconds, nanos).unwrap();
            assert_eq!((made.as_str(), made.seconds_and_nanos()), (text, (seconds, nanos)));
        }
        for (seconds, nanos) in [(253_402_300_800, 0), (-62_135_596_801, 0), (0, -1), (0, 1_000_000_000)] {
            assert_eq!(Timestamp::from_seconds(seconds, nanos), None, "{seconds} {nanos}");
        }
        assert_eq!(Timestamp::from_ms(-1).as_str(), "1969-12-31T23:59:59.999Z");
    }
}
