//! Expire: the bus itself ends a subscription whose lease is over (XEP-0060 §12.19).
//!
//! Nobody can ask for it.

use jid::Jid;

use crate::{Subscription, SubscriptionId};

/// A subscription to be ended; whether its lease was renewed meanwhile is settled in the transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expiry {
    /// Which one.
    pub subscription: SubscriptionId,
    /// Where its notifications go.
    pub jid: Jid,
}

/// Picks the subscription, unless it has ended or goes on.
pub fn settle(expiry: &Expiry, of_bare: &[Subscription], now_ms: i64) -> Option<Subscription> {
    let there = of_bare.iter().find(|it| it.id == expiry.subscription);
    there.filter(|it| it.options.has_expired(now_ms)).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SubscriptionOptions, SubscriptionState};

    #[test]
    fn a_lease_that_was_renewed_goes_on() {
        let (id, jid) = (SubscriptionId(3), Jid::new("a@example.org").unwrap());
        let mut there = Subscription::new(id, jid.clone(), SubscriptionState::Subscribed, 0);
        there.options = SubscriptionOptions { expires_at_ms: Some(10), ..there.options };
        let expiry = |subscription| Expiry { subscription, jid: jid.clone() };
        let ends = |id, now_ms| settle(&expiry(id), std::slice::from_ref(&there), now_ms).is_some();
        assert_eq!((ends(id, 9), ends(id, 10), ends(SubscriptionId(4), 10)), (false, true, false));
    }
}
