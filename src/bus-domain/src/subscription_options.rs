use serde::{Deserialize, Serialize};

use crate::{BusError, Event, EventKind, Limits, ShowValues};

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
    /// What of the nodes below a collection is sent (`pubsub#subscription_type`).
    pub subscription_type: SubscriptionType,
    /// How far below a collection (`pubsub#subscription_depth`): 1 are its children, 0 is nothing but the collection
    /// itself, `None` is all.
    pub depth: Option<u32>,
    /// Whether events are put together into digests (`pubsub#digest`). Not on nodes in memory.
    pub digest: bool,
    /// Milliseconds between two digests at least (`pubsub#digest_frequency`); `None` is
    /// [`Self::DIGEST_FREQUENCY_MS_DEFAULT`].
    pub digest_frequency_ms: Option<u64>,
    /// When the subscription ends by itself (`pubsub#expire`), in milliseconds since 1970: later events are not due.
    /// Stores keep it apart, because they are asked for those that are over.
    #[serde(skip)]
    pub expires_at_ms: Option<i64>,
}

/// What of the nodes below a collection a subscriber wants (XEP-0248).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SubscriptionType {
    /// Published and retracted items, and purges.
    Items,
    /// Which nodes there are, and how they are configured.
    #[default]
    Nodes,
    /// Both.
    All,
}

impl SubscriptionType {
    /// Every choice, for tables.
    pub const ALL: [Self; 3] = [Self::Items, Self::Nodes, Self::All];

    /// The value of `pubsub#subscription_type`; the stored options use it too.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Items => "items",
            Self::Nodes => "nodes",
            Self::All => "all",
        }
    }
}

/// One field of the options with its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OptionSetting {
    /// See [`SubscriptionOptions::deliver`].
    Deliver(bool),
    /// See [`SubscriptionOptions::digest`].
    Digest(bool),
    /// See [`SubscriptionOptions::digest_frequency_ms`].
    DigestFrequencyMs(Option<u64>),
    /// See [`SubscriptionOptions::subscription_type`].
    Type(SubscriptionType),
    /// See [`SubscriptionOptions::depth`].
    Depth(Option<u32>),
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
    /// The shortest time between two digests.
    pub const DIGEST_FREQUENCY_MS_MIN: u64 = 1_000;
    /// The time between two digests where the subscriber does not say.
    pub const DIGEST_FREQUENCY_MS_DEFAULT: u64 = 60_000;

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
                OptionSetting::Digest(value) => self.digest = value,
                OptionSetting::DigestFrequencyMs(Some(ms))
                    if ms < Self::DIGEST_FREQUENCY_MS_MIN || ms > limits.subscription_digest_ms_max =>
                {
                    return Err(BusError::InvalidOptions {
                        reason: "no such time may lie between two digests",
                    });
                }
                OptionSetting::DigestFrequencyMs(value) => self.digest_frequency_ms = value,
                OptionSetting::Type(value) => self.subscription_type = value,
                OptionSetting::Depth(value) => self.depth = value,
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

    /// Milliseconds between two digests, if events are put together.
    pub fn digest_ms(&self) -> Option<u64> {
        self.digest.then(|| self.digest_frequency_ms.unwrap_or(Self::DIGEST_FREQUENCY_MS_DEFAULT))
    }

    /// Whether the lease is over at this moment.
    pub fn has_expired(&self, now_ms: i64) -> bool {
        self.expires_at_ms.is_some_and(|at_ms| at_ms <= now_ms)
    }

    /// Whether an event is wanted.
    pub fn want(&self, event: &Event) -> bool {
        self.want_at(event.published_at_ms) && self.reach(&event.kind)
    }

    /// Whether anything of this moment is wanted.
    pub fn want_at(&self, published_at_ms: i64) -> bool {
        self.deliver && !self.has_expired(published_at_ms)
    }

    /// Of what happens below a collection, not everything is wanted.
    fn reach(&self, kind: &EventKind) -> bool {
        let Some(distance) = kind.distance() else { return true };
        let is_of_kind = match self.subscription_type {
            SubscriptionType::Items => kind.is_about_items(),
            SubscriptionType::Nodes => !kind.is_about_items(),
            SubscriptionType::All => true,
        };
        is_of_kind && self.depth.is_none_or(|depth| distance <= depth)
    }
}

impl Default for SubscriptionOptions {
    fn default() -> Self {
        Self {
            deliver: true,
            show_values: ShowValues::default(),
            is_temporary: false,
            subscription_type: SubscriptionType::Nodes,
            depth: Some(1),
            digest: false,
            digest_frequency_ms: None,
            expires_at_ms: None,
        }
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
    use crate::{AccessModel, Epoch, NodeId, NodeName, Source};

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
    fn digests_come_no_more_often_than_each_second_and_no_more_rarely_than_allowed() {
        let limits = Limits { subscription_digest_ms_max: 5_000, ..Limits::default() };
        let frequency = |ms| {
            let settings = [OptionSetting::Digest(true), OptionSetting::DigestFrequencyMs(ms)];
            SubscriptionOptions::default().with(&settings, &limits, 0).map(|it| it.digest_ms())
        };
        assert_eq!(frequency(None), Ok(Some(SubscriptionOptions::DIGEST_FREQUENCY_MS_DEFAULT)));
        for ms in [1_000, 5_000] {
            assert_eq!(frequency(Some(ms)), Ok(Some(ms)));
        }
        for ms in [0, 999, 5_001] {
            assert!(matches!(frequency(Some(ms)), Err(BusError::InvalidOptions { .. })), "{ms}");
        }
        let unused = check(&[OptionSetting::DigestFrequencyMs(Some(2_000))]).unwrap();
        assert_eq!(unused.digest_ms(), None, "only where digests are wanted");
    }

    #[test]
    fn leases_lie_between_now_and_the_longest() {
        let lease = |at_ms| check(&[OptionSetting::Expire(Expire::AtMs(at_ms))]).map(|it| it.expires_at_ms);
        assert_eq!(lease(10_500), Ok(Some(10_500)));
        assert_eq!(lease(99_999), Ok(Some(11_000)), "cut to the longest");
        assert!(matches!(lease(10_000), Err(BusError::InvalidOptions { .. })), "over already");
    }

    fn event(published_at_ms: i64, kind: EventKind) -> Event {
        let publisher = crate::Jid::new("p@example.org").unwrap();
        Event { seq: 1, kind, publisher, published_at_ms, recipients_version: 1, due_after_seq: Some(0) }
    }

    #[test]
    fn who_is_silent_or_whose_lease_is_over_wants_nothing() {
        let leased = check(&[OptionSetting::Expire(Expire::AtMs(10_500))]).unwrap();
        let wants = |moment| leased.want(&event(moment, EventKind::Purged));
        assert_eq!([10_499, 10_500].map(wants), [true, false]);
        assert!(!check(&[OptionSetting::Deliver(false)]).unwrap().want(&event(0, EventKind::Purged)));
    }

    #[test]
    fn type_and_depth_pick_from_what_happens_below_a_collection() {
        let source = |distance| {
            Box::new(Source {
                node: NodeId(7),
                name: NodeName::new("leaf").unwrap(),
                distance,
                epoch: Epoch(1),
                seq: 1,
                published_at_ms: 0,
                access_model: AccessModel::Open,
            })
        };
        let forwarded =
            |distance, kind| EventKind::Forwarded { source: source(distance), kind: Box::new(kind) };
        let associated = || EventKind::Associated { child: source(1) };
        let kinds = [
            EventKind::Configured,
            associated(),
            forwarded(1, EventKind::Purged),
            forwarded(1, EventKind::Deleted { redirect: None }),
            forwarded(2, EventKind::Purged),
            forwarded(1, associated()),
        ];
        for (wanted, depth, expected) in [
            (SubscriptionType::Nodes, Some(1), [true, true, false, true, false, false]),
            (SubscriptionType::Items, Some(1), [true, false, true, false, false, false]),
            (SubscriptionType::All, Some(1), [true, true, true, true, false, false]),
            (SubscriptionType::All, Some(0), [true, false, false, false, false, false]),
            (SubscriptionType::All, Some(2), [true; 6]),
            (SubscriptionType::Items, None, [true, false, true, false, true, false]),
        ] {
            let options = check(&[OptionSetting::Type(wanted), OptionSetting::Depth(depth)]).unwrap();
            let wants = kinds.clone().map(|kind| options.want(&event(0, kind)));
            assert_eq!(wants, expected, "{wanted:?} {depth:?}");
        }
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
