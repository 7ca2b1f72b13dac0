use serde::{Deserialize, Serialize};

use crate::{BusError, Limits, ShowValues};

/// What a subscriber wants of a subscription (XEP-0060 §16.4.2). Stored with it as JSON; a field that an older daemon
/// wrote without keeps its default.
///
/// A change of it is a list of [`OptionSetting`]s, of which there is one for each field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SubscriptionOptions {
    /// Whether anything is sent (`pubsub#deliver`). Without it the subscription counts and is silent.
    pub deliver: bool,
    /// What a resource of the subscriber has to show for something to be sent (`pubsub#show-values`); empty: nothing.
    pub show_values: ShowValues,
    /// Whether the subscription ends when the subscriber goes (`pubsub#expire` of `presence`, XEP-0060 §12.5).
    pub is_temporary: bool,
    /// When the subscription ends by itself (`pubsub#expire`), in milliseconds since 1970: later events are not due.
    /// Stores keep it apart, because they are asked for those that are over.
    #[serde(skip)]
    pub expires_at_ms: Option<i64>,
}

/// One field of the options with its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OptionSetting {
    /// See [`SubscriptionOptions::deliver`].
    Deliver(bool),
    /// See [`SubscriptionOptions::show_values`].
    ShowValues(ShowValues),
    /// See [`SubscriptionOptions::expires_at_ms`] and [`SubscriptionOptions::is_temporary`].
    Expire(Expire),
}

/// What ends a subscription that nobody has ended (`pubsub#expire`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expire {
    /// Nothing.
    Never,
    /// A moment, in milliseconds since 1970.
    AtMs(i64),
    /// That the subscriber is not available any more.
    WithPresence,
}

impl SubscriptionOptions {
    /// The options with these fields set; the others stay. A lease that is longer than the operator allows is cut to
    /// that (§12.19), one that is over already is refused.
    pub fn with(
        mut self,
        settings: &[OptionSetting],
        limits: &Limits,
        now_ms: i64,
    ) -> Result<Self, BusError> {
        for setting in settings {
            match *setting {
                OptionSetting::Deliver(value) => self.deliver = value,
                OptionSetting::ShowValues(values) => self.show_values = values,
                OptionSetting::Expire(expire) => {
                    self.is_temporary = expire == Expire::WithPresence;
                    self.expires_at_ms = lease_until_ms(expire, limits, now_ms)?;
                }
            }
        }
        Ok(self)
    }

    /// What ends the subscription by itself.
    pub fn expire(&self) -> Expire {
        match self.expires_at_ms {
            _ if self.is_temporary => Expire::WithPresence,
            Some(at_ms) => Expire::AtMs(at_ms),
            None => Expire::Never,
        }
    }

    /// Whether the lease is over at this moment.
    pub fn has_expired(&self, now_ms: i64) -> bool {
        self.expires_at_ms.is_some_and(|at_ms| at_ms <= now_ms)
    }

    /// Whether an event of this moment is wanted.
    pub fn want(&self, published_at_ms: i64) -> bool {
        self.deliver && !self.has_expired(published_at_ms)
    }
}

impl Default for SubscriptionOptions {
    fn default() -> Self {
        Self { deliver: true, show_values: ShowValues::default(), is_temporary: false, expires_at_ms: None }
    }
}

fn lease_until_ms(expire: Expire, limits: &Limits, now_ms: i64) -> Result<Option<i64>, BusError> {
    match expire {
        Expire::Never | Expire::WithPresence => Ok(None),
        Expire::AtMs(at_ms) if at_ms <= now_ms => {
            Err(BusError::InvalidOptions { reason: "the lease would be over already" })
        }
        Expire::AtMs(at_ms) => {
            let longest_ms = i64::try_from(limits.subscription_lease_ms_max).unwrap_or(i64::MAX);
            Ok(Some(at_ms.min(now_ms.saturating_add(longest_ms))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(settings: &[OptionSetting]) -> Result<SubscriptionOptions, BusError> {
        let limits = Limits { subscription_lease_ms_max: 1_000, ..Limits::default() };
        SubscriptionOptions::default().with(settings, &limits, 10_000)
    }

    #[test]
    fn what_is_not_set_stays() {
        let silent = check(&[OptionSetting::Deliver(false)]).unwrap();
        assert_eq!(silent, SubscriptionOptions { deliver: false, ..SubscriptionOptions::default() });
        assert_eq!(silent.with(&[], &Limits::default(), 0), Ok(silent));
    }

    #[test]
    fn leases_lie_between_now_and_the_longest() {
        let lease = |at_ms| check(&[OptionSetting::Expire(Expire::AtMs(at_ms))]).map(|it| it.expires_at_ms);
        assert_eq!(lease(10_500), Ok(Some(10_500)));
        assert_eq!(lease(99_999), Ok(Some(11_000)), "cut to the longest");
        assert!(matches!(lease(10_000), Err(BusError::InvalidOptions { .. })), "over already");
    }

    #[test]
    fn who_is_silent_or_whose_lease_is_over_wants_nothing() {
        let leased = check(&[OptionSetting::Expire(Expire::AtMs(10_500))]).unwrap();
        assert_eq!([10_499, 10_500].map(|moment| leased.want(moment)), [true, false]);
        assert!(!check(&[OptionSetting::Deliver(false)]).unwrap().want(0));
    }

    #[test]
    fn a_subscription_ends_with_its_lease_or_with_presence() {
        let ends = [Expire::Never, Expire::AtMs(10_500), Expire::WithPresence];
        for (first, then) in ends.into_iter().flat_map(|first| ends.map(|then| (first, then))) {
            let options = check(&[OptionSetting::Expire(first), OptionSetting::Expire(then)]);
            assert_eq!(options.map(|it| it.expire()), Ok(then), "after {first:?}");
        }
    }

    #[test]
    fn options_of_an_older_daemon_keep_their_meaning() {
        assert_eq!(
            serde_json::from_str::<SubscriptionOptions>("{}").unwrap(),
            SubscriptionOptions::default()
        );
    }
}
