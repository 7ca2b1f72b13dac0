//! Park: the bus itself stops to send to a subscription whose notifications have failed for long.
//!
//! Nobody can ask for it. A parked subscription is still there; subscribing again revives it.

use jid::Jid;

use crate::bounce::Failures;
use crate::subscribe::Existing;
use crate::{Subscription, SubscriptionId};

/// A subscription to be parked; whether it still fails is settled in the transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parking {
    /// Which one.
    pub subscription: SubscriptionId,
    /// Where its notifications go.
    pub jid: Jid,
    /// Why.
    pub failures: Failures,
}

/// Picks the subscription, unless it has ended, is parked already, or has shown a sign of life meanwhile.
pub fn settle(parking: &Parking, existing: Existing) -> Option<Subscription> {
    let health = existing.health_of(parking.subscription);
    let still_fails = health.failures.is_some_and(|now| now.since_ms == parking.failures.since_ms);
    if health.is_parked || !still_fails {
        return None;
    }
    existing.of_bare.into_iter().find(|subscription| subscription.id == parking.subscription)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SubscriptionState;
    use crate::subscribe::Health;

    fn check(health: Health) -> bool {
        let id = SubscriptionId(3);
        let jid = Jid::new("a@example.org").unwrap();
        let parking = Parking {
            subscription: id,
            jid: jid.clone(),
            failures: Failures { since_ms: 5, through_seq: 8 },
        };
        let subscription = Subscription::new(id, jid, SubscriptionState::Subscribed, 0);
        let existing = Existing { of_bare: vec![subscription], health: vec![(id, health)], in_all: 1 };
        settle(&parking, existing).is_some()
    }

    #[test]
    fn only_what_has_failed_ever_since_is_parked() {
        let failing = |since_ms| Some(Failures { since_ms, through_seq: 9 });
        assert!(check(Health { failures: failing(5), is_parked: false }));
        assert!(!check(Health { failures: failing(6), is_parked: false }), "began anew");
        assert!(!check(Health { failures: None, is_parked: false }), "subscribed again");
        assert!(!check(Health { failures: failing(5), is_parked: true }));
    }
}
