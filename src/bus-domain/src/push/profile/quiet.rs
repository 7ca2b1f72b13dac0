use serde::{Deserialize, Serialize};

/// Hours of the day in which nothing is pushed, by one fixed offset from UTC for all devices: the bus keeps no tables of time
/// zones, and knows nobody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuietHours {
    /// The first quiet minute of the day, from 0 to 1439.
    pub from_minute: u16,
    /// The first minute after them, from 0 to 1439; at or before `from_minute`, they end on the next day.
    pub to_minute: u16,
    /// Minutes that the clock is ahead of UTC, from -840 to 840.
    pub utc_offset_minutes: i16,
    /// What becomes of pushes then.
    pub then: QuietThen,
}

/// What becomes of pushes in quiet hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum QuietThen {
    /// They wait until the hours are over; their time to live begins then.
    #[default]
    Hold,
    /// They are not sent.
    Drop,
}

const MINUTE_MS: i64 = 60_000;
const DAY_MINUTES: u16 = 24 * 60;

impl QuietHours {
    /// What is wrong with them, if anything is.
    pub(super) fn problem(self) -> Option<&'static str> {
        if self.from_minute >= DAY_MINUTES || self.to_minute >= DAY_MINUTES {
            Some("quiet hours are given in minutes of the day, from 0 to 1439")
        } else if self.from_minute == self.to_minute {
            Some("quiet hours must begin and end at different minutes")
        } else if self.utc_offset_minutes.unsigned_abs() > 14 * 60 {
            Some("the offset from UTC must be from -840 to 840 minutes")
        } else {
            None
        }
    }

    /// When the quiet hours end, in milliseconds since 1970, if a moment falls into them.
    pub fn end_ms(self, at_ms: i64) -> Option<i64> {
        let day_ms = i64::from(DAY_MINUTES) * MINUTE_MS;
        let local_ms = at_ms.saturating_add(i64::from(self.utc_offset_minutes) * MINUTE_MS);
        let of_day_ms = local_ms.rem_euclid(day_ms);
        let since = |minute: u16| (of_day_ms - i64::from(minute) * MINUTE_MS).rem_euclid(day_ms);
        let lasts_ms = (i64::from(self.to_minute) - i64::from(self.from_minute)) * MINUTE_MS;
        let lasts_ms = lasts_ms.rem_euclid(day_ms);
        let gone_ms = since(self.from_minute);
        (gone_ms < lasts_ms).then(|| at_ms.saturating_add(lasts_ms - gone_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: i64 = 60 * MINUTE_MS;

    fn quiet(from_hour: u16, to_hour: u16, offset_hours: i16) -> QuietHours {
        QuietHours {
            from_minute: from_hour * 60,
            to_minute: to_hour * 60,
            utc_offset_minutes: offset_hours * 60,
            then: QuietThen::Hold,
        }
    }

    #[test]
    fn a_moment_in_quiet_hours_is_told_when_they_end() {
        let day_ms = 20_000 * 24 * HOUR_MS;
        for (hours, at_hour, end_hour) in [
            (quiet(9, 17, 0), 8, None),
            (quiet(9, 17, 0), 9, Some(17)),
            (quiet(9, 17, 0), 17, None),
            (quiet(22, 6, 0), 23, Some(30)),
            (quiet(22, 6, 0), 5, Some(6)),
            (quiet(22, 6, 0), 6, None),
            (quiet(22, 6, 2), 21, Some(28)),
            (quiet(22, 6, -8), 5, None),
            (quiet(22, 6, -8), 6, Some(14)),
        ] {
            let end = hours.end_ms(day_ms + at_hour * HOUR_MS);
            assert_eq!(end, end_hour.map(|hour: i64| day_ms + hour * HOUR_MS), "{hours:?} {at_hour}");
        }
        assert_eq!(quiet(22, 6, 0).end_ms(-HOUR_MS), Some(6 * HOUR_MS), "before 1970, too");
    }

    #[test]
    fn hours_that_cannot_be_are_named() {
        assert_eq!(quiet(22, 6, 14).problem(), None);
        for wrong in [quiet(24, 6, 0), quiet(6, 24, 0), quiet(6, 6, 0), quiet(22, 6, 15), quiet(22, 6, -15)] {
            assert!(wrong.problem().is_some(), "{wrong:?}");
        }
    }
}
