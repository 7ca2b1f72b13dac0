//! Moments as XEP-0082 writes them.

use chrono::{DateTime, SecondsFormat};

/// Milliseconds since 1970, in UTC.
pub(crate) fn encode(since_1970_ms: i64) -> String {
    let time = DateTime::from_timestamp_millis(since_1970_ms).unwrap_or_default();
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// The milliseconds since 1970 of a moment in any time zone.
pub(crate) fn parse(text: &str) -> Option<i64> {
    let time = DateTime::parse_from_rfc3339(text.trim()).ok()?;
    Some(time.timestamp_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_utc_to_the_millisecond() {
        assert_eq!(encode(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(encode(1_700_000_000_123), "2023-11-14T22:13:20.123Z");
    }

    #[test]
    fn times_are_read_from_every_zone() {
        for (text, expected) in [
            ("2023-11-14T22:13:20.123Z", Some(1_700_000_000_123)),
            ("2023-11-14T22:13:20Z", Some(1_700_000_000_000)),
            ("2023-11-15T00:13:20+02:00", Some(1_700_000_000_000)),
            ("2023-11-14T22:13:20", None),
            ("presence", None),
            ("2023-13-14T22:13:20Z", None),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }
}
