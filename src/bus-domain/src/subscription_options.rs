use serde::{Deserialize, Serialize};

use crate::{BusError, Limits};

/// What a subscriber wants of a subscription (XEP-0060 §16.4.2). Stored with it as JSON; a field that an older daemon
/// wrote without keeps its default.
///
/// A change of it is a list of [`OptionSetting`]s, of which there is one for each field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SubscriptionOptions {
    /// Whether anything is sent (`pubsub#deliver`). Without it the subscription counts and is silent.
    pub deliver: bool,
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
    /// See [`SubscriptionOptions::expires_at_ms`].
    ExpiresAtMs(Option<i64>),
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
                OptionSetting::ExpiresAtMs(None) => self.expires_at_ms = None,
                OptionSetting::ExpiresAtMs(Some(at_ms)) if at_ms <= now_ms => {
                    return Err(BusError::InvalidOptions { reason: "the lease would be over already" });
                }
                OptionSetting::ExpiresAtMs(Some(at_ms)) => {
                    let longest_ms = i64::try_from(limits.subscription_lease_ms_max).unwrap_or(i64::MAX);
                    self.expires_at_ms = Some(at_ms.min(now_ms.saturating_add(longest_ms)));
                }
            }
        }
        Ok(self)
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
        Self { deliver: true, expires_at_ms: None }
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
        let lease = |at_ms| check(&[OptionSetting::ExpiresAtMs(Some(at_ms))]).map(|it| it.expires_at_ms);
        assert_eq!(lease(10_500), Ok(Some(10_500)));
        assert_eq!(lease(99_999), Ok(Some(11_000)), "cut to the longest");
        assert!(matches!(lease(10_000), Err(BusError::InvalidOptions { .. })), "over already");
    }

    #[test]
    fn who_is_silent_or_whose_lease_is_over_wants_nothing() {
        let leased = check(&[OptionSetting::ExpiresAtMs(Some(10_500))]).unwrap();
        assert_eq!([10_499, 10_500].map(|moment| leased.want(moment)), [true, false]);
        assert!(!check(&[OptionSetting::Deliver(false)]).unwrap().want(0));
    }

    #[test]
    fn options_of_an_older_daemon_keep_their_meaning() {
        assert_eq!(
            serde_json::from_str::<SubscriptionOptions>("{}").unwrap(),
            SubscriptionOptions::default()
        );
    }
}
