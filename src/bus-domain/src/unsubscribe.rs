//! Unsubscribe: is it the actor's own subscription.

use jid::Jid;

use crate::{Actor, BusError, Role, Subscription};

/// An end of a subscription that the rules allow; whether it exists is settled in the transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsubscribing {
    /// The address, exactly as subscribed.
    pub jid: Jid,
}

/// Decides (XEP-0060 §6.2). Leaving needs no right on the node, so an outcast may leave too.
pub fn decide(actor: &Actor, jid: Jid) -> Result<Unsubscribing, BusError> {
    if *actor.bare() != jid.to_bare() && actor.role() != Role::Admin {
        return Err(BusError::Forbidden);
    }
    Ok(Unsubscribing { jid })
}

/// Picks the subscription to end among those of the same bare JID.
pub fn settle(unsubscribing: &Unsubscribing, of_bare: &[Subscription]) -> Result<Subscription, BusError> {
    of_bare
        .iter()
        .find(|subscription| subscription.jid == unsubscribing.jid)
        .cloned()
        .ok_or(BusError::NotSubscribed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SubscriptionId, SubscriptionState};

    fn jid(text: &str) -> Jid {
        Jid::new(text).unwrap()
    }

    #[test]
    fn one_ends_ones_own_subscriptions_and_admins_any() {
        for (actor, role, expected) in [
            ("a@example.org/phone", Role::User, Ok(())),
            ("b@example.org", Role::User, Err(BusError::Forbidden)),
            ("b@example.org", Role::Creator, Err(BusError::Forbidden)),
            ("b@example.org", Role::Admin, Ok(())),
        ] {
            let decision = decide(&Actor::new(jid(actor), role), jid("a@example.org"));
            assert_eq!(decision.map(drop), expected, "{actor} {role:?}");
        }
    }

    #[test]
    fn the_address_must_be_exactly_the_subscribed_one() {
        let phone = Subscription {
            id: SubscriptionId(1),
            jid: jid("a@example.org/phone"),
            state: SubscriptionState::Subscribed,
            since_seq: 0,
        };
        let settled = |at: &str| settle(&Unsubscribing { jid: jid(at) }, std::slice::from_ref(&phone));
        assert_eq!(settled("a@example.org"), Err(BusError::NotSubscribed));
        assert_eq!(settled("a@example.org/phone"), Ok(phone.clone()));
    }
}
