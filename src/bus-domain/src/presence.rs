//! What hangs on whether somebody is available (XEP-0060 §12.5, §12.6, §16.4).

use serde::{Deserialize, Serialize};

use crate::{NodeConfig, SendLastItem, SubscriptionOptions};

/// What a resource shows (RFC 6121 §4.7.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Show {
    /// Nothing: it is simply there.
    #[serde(rename = "online")]
    Online,
    /// `chat`
    #[serde(rename = "chat")]
    Chat,
    /// `away`
    #[serde(rename = "away")]
    Away,
    /// `xa`
    #[serde(rename = "xa")]
    ExtendedAway,
    /// `dnd`
    #[serde(rename = "dnd")]
    DoNotDisturb,
}

impl Show {
    /// Every value, for tables.
    pub const ALL: [Self; 5] = [Self::Away, Self::Chat, Self::DoNotDisturb, Self::Online, Self::ExtendedAway];

    /// The text of `<show/>`, or `online` without one; stored options use it too.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Chat => "chat",
            Self::Away => "away",
            Self::ExtendedAway => "xa",
            Self::DoNotDisturb => "dnd",
        }
    }

    /// The inverse of [`Self::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|show| show.as_str() == text)
    }

    fn bit(self) -> u8 {
        match self {
            Self::Online => 1,
            Self::Chat => 2,
            Self::Away => 4,
            Self::ExtendedAway => 8,
            Self::DoNotDisturb => 16,
        }
    }
}

/// A set of [`Show`]s (`pubsub#show-values`). The empty one restricts nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Show>", into = "Vec<Show>")]
pub struct ShowValues(u8);

impl ShowValues {
    /// Whether it matters to nobody what is shown.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The members, by name.
    pub fn iter(self) -> impl Iterator<Item = Show> {
        Show::ALL.into_iter().filter(move |show| self.0 & show.bit() != 0)
    }

    /// Whether this is a member, or there is no restriction.
    pub fn allow(self, show: Show) -> bool {
        self.is_empty() || self.0 & show.bit() != 0
    }
}

impl FromIterator<Show> for ShowValues {
    fn from_iter<Shows: IntoIterator<Item = Show>>(shows: Shows) -> Self {
        Self(shows.into_iter().fold(0, |bits, show| bits | show.bit()))
    }
}

impl From<Vec<Show>> for ShowValues {
    fn from(shows: Vec<Show>) -> Self {
        shows.into_iter().collect()
    }
}

impl From<ShowValues> for Vec<Show> {
    fn from(values: ShowValues) -> Self {
        values.iter().collect()
    }
}

/// Whether events go to a subscription only while its subscriber is known to be available.
pub fn decides_delivery(config: &NodeConfig, options: &SubscriptionOptions) -> bool {
    config.presence_based_delivery || !options.show_values.is_empty()
}

/// Whether a subscription ends when its subscriber goes (§12.5).
pub fn ends_subscription(config: &NodeConfig, options: &SubscriptionOptions) -> bool {
    config.temporary_subscriptions || options.is_temporary
}

/// Whether something happens to a subscription, or is sent, when its subscriber comes or goes. Stores find these.
pub fn follows_subscribers(config: &NodeConfig, options: &SubscriptionOptions) -> bool {
    ends_subscription(config, options) || config.send_last_item == SendLastItem::OnSubscribeAndPresence
}

/// Whether anything of a subscription hangs on its subscriber's presence, so that the service has to see it.
pub fn matters(config: &NodeConfig, options: &SubscriptionOptions) -> bool {
    decides_delivery(config, options) || follows_subscribers(config, options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_stored_by_their_names() {
        let some: ShowValues = [Show::ExtendedAway, Show::Chat].into_iter().collect();
        assert_eq!(serde_json::to_string(&some).unwrap(), r#"["chat","xa"]"#);
        assert_eq!(serde_json::from_str::<ShowValues>(r#"["chat","xa"]"#).unwrap(), some);
        for show in Show::ALL {
            assert_eq!(serde_json::to_value(show).unwrap(), show.as_str());
            assert_eq!(Show::parse(show.as_str()), Some(show));
        }
    }

    #[test]
    fn what_is_shown_is_allowed_if_it_is_named_or_nothing_is() {
        let some: ShowValues = [Show::Online, Show::Chat].into_iter().collect();
        let allowed: Vec<_> = Show::ALL.into_iter().filter(|show| some.allow(*show)).collect();
        assert_eq!(allowed, [Show::Chat, Show::Online]);
        assert!(Show::ALL.into_iter().all(|show| ShowValues::default().allow(show)));
    }

    #[test]
    fn presence_matters_where_a_node_or_an_option_says_so() {
        let (plain, options) = (NodeConfig::default(), SubscriptionOptions::default());
        assert!(!matters(&plain, &options));
        let shown = SubscriptionOptions { show_values: [Show::Away].into_iter().collect(), ..options };
        let temporary = SubscriptionOptions { is_temporary: true, ..options };
        assert!(decides_delivery(&plain, &shown) && matters(&plain, &shown));
        assert!(ends_subscription(&plain, &temporary) && matters(&plain, &temporary));
        for config in [
            NodeConfig { presence_based_delivery: true, ..NodeConfig::default() },
            NodeConfig { temporary_subscriptions: true, ..NodeConfig::default() },
            NodeConfig { send_last_item: SendLastItem::OnSubscribeAndPresence, ..NodeConfig::default() },
        ] {
            assert!(matters(&config, &options), "{config:?}");
        }
    }
}
