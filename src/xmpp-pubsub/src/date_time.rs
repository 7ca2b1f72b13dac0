//! XEP-0082: moments as text.

use bus_domain::BusError;
use chrono::{DateTime, SecondsFormat};

use crate::errors::Refusal;

/// A moment in UTC, to the millisecond.
pub(crate) fn encode(since_1970_ms: i64) -> String {
    let time = DateTime::from_timestamp_millis(since_1970_ms).unwrap_or_default();
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Which millisecond stands for a moment between two of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Round {
    /// The one before.
    Down,
    /// The one after.
    Up,
}

/// A moment of any time zone, in milliseconds since 1970.
pub(crate) fn parse(text: &str, round: Round) -> Result<i64, Refusal> {
    let time = DateTime::parse_from_rfc3339(text.trim())
        .map_err(|_| BusError::bad_request("a time must be like 2002-09-10T23:08:25Z (XEP-0082)"))?;
    let is_between = time.timestamp_subsec_nanos() % 1_000_000 != 0;
    Ok(time.timestamp_millis() + i64::from(is_between && round == Round::Up))
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
    fn times_are_read_with_their_zones_and_fractions() {
        for (text, down, up) in [
            ("1970-01-01T00:00:00Z", 0, 0),
            (" 2023-11-14T22:13:20.123Z\n", 1_700_000_000_123, 1_700_000_000_123),
            ("2023-11-15T00:13:20.1+02:00", 1_700_000_000_100, 1_700_000_000_100),
            ("1970-01-01T00:00:00.0019Z", 1, 2),
            ("1969-12-31T23:59:59.9991Z", -1, 0),
        ] {
            let both = [Round::Down, Round::Up].map(|round| parse(text, round).unwrap());
            assert_eq!(both, [down, up], "{text}");
        }
        for text in ["", "now", "2023-11-14", "22:13:20Z", "2023-11-14T22:13:20", "2023-13-14T22:13:20Z"] {
            assert!(parse(text, Round::Down).is_err(), "{text}");
        }
    }
}
