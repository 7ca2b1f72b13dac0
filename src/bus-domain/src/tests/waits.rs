//! Who is refused for now hears when to come again, and nobody else does.

use crate::consumer::ConsumerError;
use crate::quota::Scope;
use crate::{BusError, ErrorClass, LimitKind};

#[test]
fn who_is_to_wait_hears_for_how_long() {
    let publishes = LimitKind::PublishRate { scope: Scope::Jid, retry_after_ms: 7 };
    for (error, expected_ms) in [
        (BusError::Contended, Some(50)),
        (BusError::Busy, Some(200)),
        (BusError::StoreUnavailable, Some(1_000)),
        (BusError::RosterUnavailable, Some(1_000)),
        (BusError::LimitReached(LimitKind::Undelivered), Some(1_000)),
        (BusError::LimitReached(publishes), Some(7)),
        (BusError::LimitReached(LimitKind::Subscriptions), Some(60_000)),
        (BusError::Consumer(ConsumerError::Elsewhere), Some(5_000)),
        (BusError::Consumer(ConsumerError::NotFound), None),
        (BusError::Forbidden, None),
        (BusError::Internal, None),
    ] {
        assert_eq!(error.retry_after_ms(), expected_ms, "{error:?}");
        assert!(expected_ms.is_none() || error.class() == ErrorClass::Wait, "{error:?}");
    }
}
