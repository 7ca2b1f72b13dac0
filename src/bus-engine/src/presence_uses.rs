use std::sync::atomic::{AtomicBool, Ordering};

use bus_domain::{NodeConfig, SubscriptionOptions, presence};
use bus_store::PresenceUses;
use tokio::sync::Notify;

/// Whether anything hangs on presence, as far as this process knows. What has been so once stays so: it costs reads, and is no
/// promise.
#[derive(Debug, Default)]
pub(crate) struct KnownPresenceUses {
    by_subscriptions: AtomicBool,
    by_purges: AtomicBool,
    news: Notify,
}

impl KnownPresenceUses {
    pub(crate) fn get(&self) -> PresenceUses {
        PresenceUses {
            by_subscriptions: self.by_subscriptions.load(Ordering::Relaxed),
            by_purges: self.by_purges.load(Ordering::Relaxed),
        }
    }

    /// Takes note of what the store has.
    pub(crate) fn add(&self, uses: PresenceUses) {
        self.by_subscriptions.fetch_or(uses.by_subscriptions, Ordering::Relaxed);
        self.by_purges.fetch_or(uses.by_purges, Ordering::Relaxed);
    }

    /// Takes note of a configuration that holds now. Its subscribers have to be looked for.
    pub(crate) fn note_config(&self, config: &NodeConfig) {
        let by_subscriptions = presence::follows_subscribers(config, &SubscriptionOptions::default());
        let by_purges = config.purge_when_publisher_goes;
        if by_subscriptions || by_purges {
            self.add(PresenceUses { by_subscriptions, by_purges });
            self.news.notify_one();
        }
    }

    /// Takes note of the options of a subscription.
    pub(crate) fn note_options(&self, config: &NodeConfig, options: &SubscriptionOptions) {
        let by_subscriptions = presence::follows_subscribers(config, options);
        if by_subscriptions {
            self.add(PresenceUses { by_subscriptions, by_purges: false });
        }
    }

    /// Waits for a configuration under which something hangs on presence.
    pub(crate) async fn news(&self) {
        self.news.notified().await;
    }
}
