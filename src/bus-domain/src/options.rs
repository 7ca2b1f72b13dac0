//! Options: is it the actor's own subscription, and what its options become.

use jid::Jid;

use crate::subscribe::{Existing, Health};
use crate::unsubscribe::{SubIdGiven, pick};
use crate::{Actor, BusError, Limits, OptionSetting, Role, Subscription};

/// A request about the options of a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The address, exactly as subscribed.
    pub jid: Jid,
    /// Which of its subscriptions.
    pub sub_id: SubIdGiven,
    /// The fields to be set.
    pub settings: Vec<OptionSetting>,
}

/// A change of options that the rules allow; whether the subscription exists is settled in the transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opting {
    /// What is wanted.
    pub request: Request,
    /// The operator's bounds.
    pub limits: Limits,
}

/// What a settled change leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// The options are so already.
    Same,
    /// The subscription goes on with other options. Whoever sets some is alive: its failures are forgotten.
    Changed(Subscription),
    /// It was silent, and begins anew with these options: what came meanwhile was not wanted, and is no gap.
    Resumed(Subscription),
}

/// Decides (XEP-0060 §6.3): one's own subscriptions, and anybody's for an operator's admin.
pub fn decide(actor: &Actor, request: Request, limits: &Limits) -> Result<Opting, BusError> {
    decide_reading(actor, &request.jid)?;
    Ok(Opting { request, limits: limits.clone() })
}

/// Decides whether an actor may read the options of an address's subscriptions (§6.3.2).
pub fn decide_reading(actor: &Actor, jid: &Jid) -> Result<(), BusError> {
    let is_own = *actor.bare() == jid.to_bare();
    if is_own || actor.role() == Role::Admin { Ok(()) } else { Err(BusError::Forbidden) }
}

/// Picks the subscription whose options are asked for among those of the same bare JID. One that has ended by itself is
/// none any more.
pub fn find<'a>(
    of_bare: &'a [Subscription],
    jid: &Jid,
    sub_id: &SubIdGiven,
    now_ms: i64,
) -> Result<&'a Subscription, BusError> {
    pick(of_bare.iter().filter(|it| !it.options.has_expired(now_ms)), jid, sub_id)
        .map_err(|error| if error == BusError::NotSubscribed { BusError::NoOptions } else { error })
}

/// Checks the SubID of a reader's request (§6.5.9.1, §6.5.9.2) against the subscriptions of its bare JID: it must say which
/// one it is about if several have SubIDs, and name none that there is not.
pub fn check_sub_id(of_bare: &[Subscription], sub_id: &SubIdGiven, now_ms: i64) -> Result<(), BusError> {
    let there = of_bare.iter().filter(|it| !it.options.has_expired(now_ms));
    let sub_ids: Vec<_> = there.filter_map(|it| it.sub_id).collect();
    match sub_id {
        None if sub_ids.len() > 1 => Err(BusError::SubIdRequired),
        Some(given) if !sub_ids.is_empty() && !sub_ids.iter().any(|it| it.0.to_string() == *given) => {
            Err(BusError::InvalidSubId)
        }
        _ => Ok(()),
    }
}

/// Decides on the subscriptions that exist.
pub fn settle(opting: &Opting, existing: &Existing, now_ms: i64) -> Result<Settled, BusError> {
    let Request { jid, sub_id, settings } = &opting.request;
    let there = find(&existing.of_bare, jid, sub_id, now_ms)?;
    let options = there.options.with(settings, &opting.limits, now_ms)?;
    let is_well = existing.health_of(there.id) == Health::default();
    if options == there.options && is_well {
        return Ok(Settled::Same);
    }
    let changed = Subscription { options, ..there.clone() };
    let is_resumed = options.deliver && !there.options.deliver;
    Ok(if is_resumed { Settled::Resumed(changed) } else { Settled::Changed(changed) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Expire, SubscriptionId, SubscriptionState};

    fn check(deliver: bool, settings: &[OptionSetting], health: Health) -> Result<Settled, BusError> {
        let jid = Jid::new("a@example.org").unwrap();
        let mut there = Subscription::new(SubscriptionId(3), jid.clone(), SubscriptionState::Subscribed, 0);
        there.options.deliver = deliver;
        let existing = Existing { health: vec![(there.id, health)], of_bare: vec![there], in_all: 1 };
        let request = Request { jid, sub_id: None, settings: settings.to_vec() };
        settle(&Opting { request, limits: Limits::default() }, &existing, 1_000)
    }

    #[test]
    fn one_sets_ones_own_options_and_admins_anybodys() {
        let own = Jid::new("a@example.org/phone").unwrap();
        let decided = |actor: &str, role| {
            let actor = Actor::new(Jid::new(actor).unwrap(), role);
            decide_reading(&actor, &own)
        };
        assert_eq!(decided("a@example.org/desk", Role::User), Ok(()));
        assert_eq!(decided("b@example.org", Role::Creator), Err(BusError::Forbidden));
        assert_eq!(decided("b@example.org", Role::Admin), Ok(()));
    }

    #[test]
    fn a_change_says_whether_the_subscription_goes_on() {
        use OptionSetting::Deliver;
        let (well, ill) = (Health::default(), Health { is_parked: true, ..Health::default() });
        assert_eq!(check(true, &[], well), Ok(Settled::Same));
        assert_eq!(check(true, &[Deliver(true)], well), Ok(Settled::Same));
        assert!(matches!(check(true, &[], ill), Ok(Settled::Changed(_))), "a sign of life");
        assert!(matches!(check(true, &[Deliver(false)], well), Ok(Settled::Changed(_))));
        assert!(matches!(check(false, &[Deliver(true)], well), Ok(Settled::Resumed(_))));
    }

    #[test]
    fn readers_say_which_subscription_they_mean() {
        let there = |sub_ids: &[Option<i64>]| -> Vec<_> {
            let jid = Jid::new("a@example.org").unwrap();
            let plain = Subscription::new(SubscriptionId(1), jid, SubscriptionState::Subscribed, 0);
            let numbered =
                |sub_id: &Option<i64>| Subscription { sub_id: sub_id.map(SubscriptionId), ..plain.clone() };
            sub_ids.iter().map(numbered).collect()
        };
        for (sub_ids, given, expected) in [
            (&[][..], None, Ok(())),
            (&[None], Some("1"), Ok(())),
            (&[Some(1)], None, Ok(())),
            (&[Some(1)], Some("2"), Err(BusError::InvalidSubId)),
            (&[Some(1), Some(2)], Some("2"), Ok(())),
            (&[Some(1), Some(2)], None, Err(BusError::SubIdRequired)),
        ] {
            let checked = check_sub_id(&there(sub_ids), &given.map(str::to_owned), 0);
            assert_eq!(checked, expected, "{sub_ids:?} {given:?}");
        }
    }

    #[test]
    fn a_lease_that_is_over_has_no_options() {
        let lease = [OptionSetting::Expire(Expire::AtMs(2_000))];
        let Ok(Settled::Changed(leased)) = check(true, &lease, Health::default()) else { panic!("no lease") };
        let there = [leased];
        let found = |now_ms| find(&there, &there[0].jid, &None, now_ms).map(|it| it.id);
        assert_eq!(found(1_999), Ok(SubscriptionId(3)));
        assert_eq!(found(2_000), Err(BusError::NoOptions));
    }
}
