//! Unsubscribe: is it the actor's own subscription, and which one.

use jid::Jid;

use crate::{Actor, BusError, Role, Subscription};

/// The SubID that a request names. It is text, because a wrong one may be anything.
pub type SubIdGiven = Option<String>;

/// An end of a subscription that the rules allow; whether it exists is settled in the transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsubscribing {
    /// The address, exactly as subscribed.
    pub jid: Jid,
    /// Which of its subscriptions.
    pub sub_id: SubIdGiven,
}

impl From<Jid> for Unsubscribing {
    fn from(jid: Jid) -> Self {
        Self { jid, sub_id: None }
    }
}

/// Decides (XEP-0060 §6.2). Leaving needs no right on the node, so an outcast may leave too.
pub fn decide(actor: &Actor, unsubscribing: Unsubscribing) -> Result<Unsubscribing, BusError> {
    if *actor.bare() != unsubscribing.jid.to_bare() && actor.role() != Role::Admin {
        return Err(BusError::Forbidden);
    }
    Ok(unsubscribing)
}

/// Picks the subscription to end among those of the same bare JID. One whose lease is over is none any more.
pub fn settle(
    unsubscribing: &Unsubscribing,
    of_bare: &[Subscription],
    now_ms: i64,
) -> Result<Subscription, BusError> {
    let there = of_bare.iter().filter(|it| !it.options.has_expired(now_ms));
    pick(there, &unsubscribing.jid, &unsubscribing.sub_id).cloned()
}

/// Picks the subscription of an address that a request is about (§6.2.3.1, §6.2.3.5): it must say which if there are
/// several, and name none that there is not. Where none of them has a SubID, one that is named is superfluous. One that was
/// made when there were no SubIDs is meant where none is named.
pub fn pick<'a>(
    subscriptions: impl Iterator<Item = &'a Subscription>,
    jid: &Jid,
    sub_id: &SubIdGiven,
) -> Result<&'a Subscription, BusError> {
    let of_address: Vec<_> = subscriptions.filter(|subscription| subscription.jid == *jid).collect();
    let has_sub_ids = of_address.iter().any(|subscription| subscription.sub_id.is_some());
    match (&*of_address, sub_id) {
        ([], _) => Err(BusError::NotSubscribed),
        (_, Some(given)) if has_sub_ids => {
            let is_named =
                |it: &&&Subscription| it.sub_id.is_some_and(|sub_id| sub_id.0.to_string() == *given);
            of_address.iter().find(is_named).copied().ok_or(BusError::InvalidSubId)
        }
        ([only], _) => Ok(only),
        _ => of_address.into_iter().find(|it| it.sub_id.is_none()).ok_or(BusError::SubIdRequired),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SubscriptionId, SubscriptionState};

    fn jid(text: &str) -> Jid {
        Jid::new(text).unwrap()
    }

    fn subscription(id: i64, at: &str, sub_id: Option<i64>) -> Subscription {
        let sub_id = sub_id.map(SubscriptionId);
        Subscription {
            sub_id,
            ..Subscription::new(SubscriptionId(id), jid(at), SubscriptionState::Subscribed, 0)
        }
    }

    #[test]
    fn one_ends_ones_own_subscriptions_and_admins_any() {
        for (actor, role, expected) in [
            ("a@example.org/phone", Role::User, Ok(())),
            ("b@example.org", Role::User, Err(BusError::Forbidden)),
            ("b@example.org", Role::Creator, Err(BusError::Forbidden)),
            ("b@example.org", Role::Admin, Ok(())),
        ] {
            let decision = decide(&Actor::new(jid(actor), role), jid("a@example.org").into());
            assert_eq!(decision.map(drop), expected, "{actor} {role:?}");
        }
    }

    #[test]
    fn the_request_says_which_subscription_it_is_about() {
        let phone = "a@example.org/phone";
        let plain = [subscription(1, phone, None)];
        let one = [subscription(2, phone, Some(2))];
        let two = [subscription(2, phone, Some(2)), subscription(7, phone, Some(3))];
        let mixed = [subscription(1, phone, None), subscription(2, phone, Some(2))];
        let wrong = Err(BusError::InvalidSubId);
        for (of_bare, at, sub_id, expected) in [
            (&plain[..], "a@example.org", None, Err(BusError::NotSubscribed)),
            (&plain, phone, None, Ok(1)),
            (&plain, phone, Some("anything"), Ok(1)),
            (&one, phone, None, Ok(2)),
            (&one, phone, Some("2"), Ok(2)),
            (&one, phone, Some("02"), wrong.clone()),
            (&two, phone, None, Err(BusError::SubIdRequired)),
            (&two, phone, Some("3"), Ok(7)),
            (&two, phone, Some("7"), wrong.clone()),
            (&two, "a@example.org", Some("2"), Err(BusError::NotSubscribed)),
            (&mixed, phone, None, Ok(1)),
            (&mixed, phone, Some("2"), Ok(2)),
        ] {
            let unsubscribing = Unsubscribing { jid: jid(at), sub_id: sub_id.map(str::to_owned) };
            let settled = settle(&unsubscribing, of_bare, 0).map(|it| it.id.0);
            assert_eq!(settled, expected, "{of_bare:?} {at} {sub_id:?}");
        }
    }
}
