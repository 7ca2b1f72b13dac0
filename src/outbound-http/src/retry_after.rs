use std::time::UNIX_EPOCH;

/// The milliseconds that an answer's `Retry-After` asks to wait (RFC 9110, section 10.2.3): seconds, or a date, which
/// is compared with `now_ms` since 1970. `None` when it is neither.
pub fn retry_after_ms(value: &str, now_ms: i64) -> Option<u64> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(seconds.saturating_mul(1_000));
    }
    let date = httpdate::parse_http_date(value).ok()?.duration_since(UNIX_EPOCH).ok()?;
    let date_ms = i64::try_from(date.as_millis()).ok()?;
    Some(u64::try_from(date_ms.saturating_sub(now_ms)).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates_are_read() {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(retry_after_ms(" 120 ", 0), Some(120_000));
        assert_eq!(retry_after_ms(date, 784_111_777_000 - 5_000), Some(5_000));
        assert_eq!(retry_after_ms(date, 784_111_777_000 + 5_000), Some(0), "a date that is over");
        for value in ["", "-1", "1.5", "soon"] {
            assert_eq!(retry_after_ms(value, 0), None, "{value}");
        }
        assert_eq!(retry_after_ms("18446744073709551615", 0), Some(u64::MAX));
    }
}
