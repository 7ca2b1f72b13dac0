//! Expire: the bus itself ends a subscription whose lease is over (XEP-0060 §12.19), or a temporary one whose subscriber
//! has gone (§12.5).
//!
//! Nobody can ask for it.

use jid::Jid;

use crate::{NodeConfig, Subscription, SubscriptionId, presence};

/// A subscription to be ended; whether it is to go on by now is settled in the transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expiry {
    /// Which one.
    pub subscription: SubscriptionId,
    /// Where its notifications go.
    pub jid: Jid,
    /// Why.
    pub cause: ExpiryCause,
}

/// Why a subscription ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpiryCause {
    /// Its lease is over.
    Lease,
    /// Its subscriber has gone.
    Presence,
}

/// Picks the subscription, unless it has ended or goes on.
pub fn settle(
    expiry: &Expiry,
    config: &NodeConfig,
    of_bare: &[Subscription],
    now_ms: i64,
) -> Option<Subscription> {
    let there = of_bare.iter().find(|it| it.id == expiry.subscription);
    let is_over = |it: &&Subscription| match expiry.cause {
        ExpiryCause::Lease => it.options.has_expired(now_ms),
        ExpiryCause::Presence => presence::ends_subscription(config, &it.options),
    };
    there.filter(is_over).cloned()
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
        let expiry = |subscription| Expiry { subscription, jid: jid.clone(), cause: ExpiryCause::Lease };
        let config = NodeConfig { temporary_subscriptions: true, ..NodeConfig::default() };
        let ends = |id, now_ms| settle(&expiry(id), &config, std::slice::from_ref(&there), now_ms).is_some();
        assert_eq!((ends(id, 9), ends(id, 10), ends(SubscriptionId(4), 10)), (false, true, false));
    }

    #[test]
    fn who_goes_ends_what_is_temporary_by_now() {
        let (id, jid) = (SubscriptionId(3), Jid::new("a@example.org").unwrap());
        let expiry = Expiry { subscription: id, jid: jid.clone(), cause: ExpiryCause::Presence };
        let mut there = Subscription::new(id, jid, SubscriptionState::Pending, 0);
        let mut config = NodeConfig::default();
        for (of_node, of_option, expected) in
            [(false, false, false), (true, false, true), (false, true, true)]
        {
            config.temporary_subscriptions = of_node;
            there.options.is_temporary = of_option;
            let ended = settle(&expiry, &config, std::slice::from_ref(&there), 0);
            assert_eq!(ended.is_some(), expected, "{of_node} {of_option}");
        }
    }
}
