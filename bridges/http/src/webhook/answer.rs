//! What a server's answer says of the events of a request, and of the server.

use bus_engine::{Condition, Verdict};
use hyper::header::RETRY_AFTER;
use outbound_http::{Response, retry_after_ms};

/// Judges an answer (CloudEvents webhooks §2.2).
pub(super) fn judge(response: &Response, now_ms: i64) -> (Verdict, Condition) {
    let wait_ms = response
        .headers
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| retry_after_ms(value, now_ms));
    of_status(response.status.as_u16(), wait_ms)
}

/// The one table of statuses.
fn of_status(status: u16, retry_after_ms: Option<u64>) -> (Verdict, Condition) {
    const AGAIN: Verdict = Verdict::Later { delay_ms: None };
    match (status, retry_after_ms) {
        (200..=299, _) => (Verdict::Taken, Condition::Well),
        (410, _) => (AGAIN, Condition::Gone { reason: "it answers 410 Gone".to_owned() }),
        (429 | 503, Some(wait_ms)) => {
            (Verdict::Later { delay_ms: Some(wait_ms) }, Condition::Busy { wait_ms })
        }
        // It is about the events: others may pass.
        (413 | 415, _) => (Verdict::Never, Condition::Well),
        (400 | 409 | 422, _) => (AGAIN, Condition::Well),
        (300..=399, _) => {
            let reason =
                format!("it answers {status}, and no redirect is followed; name the address that is meant");
            (AGAIN, Condition::Failing { reason })
        }
        _ => (AGAIN, Condition::Failing { reason: format!("it answers {status}") }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_has_its_consequence() {
        let again = Verdict::Later { delay_ms: None };
        let failing = |reason: &str| Condition::Failing { reason: reason.to_owned() };
        for (status, verdict) in
            [(200, Verdict::Taken), (201, Verdict::Taken), (202, Verdict::Taken), (204, Verdict::Taken)]
        {
            assert_eq!(of_status(status, None), (verdict, Condition::Well), "{status}");
        }
        for status in [413, 415] {
            assert_eq!(of_status(status, None), (Verdict::Never, Condition::Well), "{status}");
        }
        for status in [400, 409, 422] {
            assert_eq!(of_status(status, None), (again, Condition::Well), "{status}");
        }
        for status in [429, 503] {
            let busy = (Verdict::Later { delay_ms: Some(7_000) }, Condition::Busy { wait_ms: 7_000 });
            assert_eq!(of_status(status, Some(7_000)), busy);
            assert_eq!(of_status(status, None), (again, failing(&format!("it answers {status}"))));
        }
        for status in [401, 403, 404, 500, 502, 504, 199] {
            let (verdict, condition) = of_status(status, Some(1));
            assert_eq!((verdict, condition), (again, failing(&format!("it answers {status}"))));
        }
        for status in [301, 302, 307, 308] {
            assert!(
                matches!(of_status(status, None).1, Condition::Failing { reason } if reason.contains("redirect"))
            );
        }
        assert!(matches!(of_status(410, None), (Verdict::Later { .. }, Condition::Gone { .. })));
    }
}
