use std::hash::Hasher as _;
use std::num::NonZeroUsize;

use bus_domain::quota::{Counted, Quota, Rate, Scope, binds};
use bus_domain::{Actor, LimitKind};
use lru::LruCache;
use siphasher::sip::SipHasher13;

use crate::{IdSource, Settings};

/// How fast everybody publishes through this process: two numbers for each address and each domain that was heard of
/// lately. Nothing is allocated for one that is known.
///
/// Keys are hashes under a random key: they take the same little space whatever the length of an address, and nobody can
/// make two that meet. Over the bound, those who have published least lately are forgotten, and so begin with a whole
/// burst; the rates of their domain and of all together hold against many made-up addresses.
#[derive(Debug)]
pub(crate) struct PublishRates {
    key: [u8; 16],
    rates: [Rate; Scope::ALL.len()],
    request_items_max: u64,
    jids: LruCache<u64, u64>,
    domains: LruCache<u64, u64>,
    total: u64,
}

impl PublishRates {
    pub(crate) fn new(settings: &Settings, ids: &dyn IdSource) -> Self {
        let request_items_max = settings.limits.request_items_max as u64;
        let rate = |scope| {
            let per_second = settings.quotas.bound(Quota { counted: Counted::Publishes, scope });
            Rate::new(per_second, settings.quotas.publish_burst_ms, request_items_max)
        };
        let keys_max = NonZeroUsize::new(settings.engine.publish_rate_keys_max).unwrap_or(NonZeroUsize::MIN);
        Self {
            key: ids.random_bytes(),
            rates: Scope::ALL.map(rate),
            request_items_max,
            jids: LruCache::new(keys_max),
            domains: LruCache::new(keys_max),
            total: 0,
        }
    }

    /// Counts the items of a request, all of them or none; refuses it where it comes too fast. What is refused for
    /// another reason later has counted: it has cost something, too.
    pub(crate) fn admit(&mut self, actor: &Actor, items: usize, now_ms: i64) -> Result<(), LimitKind> {
        if !binds(actor) {
            return Ok(());
        }
        let items = (items as u64).clamp(1, self.request_items_max);
        let jid = self.hash(actor.bare().as_str());
        let domain = self.hash(actor.bare().domain().as_str());
        let used = [
            self.jids.get(&jid).copied().unwrap_or_default(),
            self.domains.get(&domain).copied().unwrap_or_default(),
            self.total,
        ];
        let mut after = [0; Scope::ALL.len()];
        for (index, scope) in Scope::ALL.into_iter().enumerate() {
            after[index] = self.rates[index]
                .admit(used[index], now_ms, items)
                .map_err(|retry_after_ms| LimitKind::PublishRate { scope, retry_after_ms })?;
        }
        let [of_jid, of_domain, of_all] = after;
        self.jids.put(jid, of_jid);
        self.domains.put(domain, of_domain);
        self.total = of_all;
        Ok(())
    }

    fn hash(&self, text: &str) -> u64 {
        let mut hasher = SipHasher13::new_with_key(&self.key);
        hasher.write(text.as_bytes());
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use bus_domain::quota::Quotas;
    use bus_domain::{BareJid, Role};

    use super::*;
    use crate::SystemIds;

    const NOW_MS: i64 = 1_700_000_000_000;

    fn rates(keys_max: usize) -> PublishRates {
        let mut settings = Settings {
            quotas: Quotas {
                publishes_per_second_per_jid_max: 10,
                publishes_per_second_per_domain_max: 20,
                publishes_per_second_max: 30,
                publish_burst_ms: 1_000,
                ..Quotas::default()
            },
            ..Settings::default()
        };
        settings.engine.publish_rate_keys_max = keys_max;
        PublishRates::new(&settings, &SystemIds)
    }

    fn send(rates: &mut PublishRates, jid: &str, items: usize) -> Option<Scope> {
        let actor = Actor::new(BareJid::new(jid).unwrap(), Role::User);
        match rates.admit(&actor, items, NOW_MS) {
            Ok(()) => None,
            Err(LimitKind::PublishRate { scope, .. }) => Some(scope),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn the_narrowest_scope_that_is_full_refuses_and_nothing_is_counted() {
        let mut rates = rates(100);
        assert_eq!(send(&mut rates, "a@one.example", 10), None);
        assert_eq!(send(&mut rates, "a@one.example", 1), Some(Scope::Jid));
        assert_eq!(send(&mut rates, "b@one.example", 10), None);
        assert_eq!(send(&mut rates, "c@one.example", 1), Some(Scope::Domain));
        assert_eq!(send(&mut rates, "a@two.example", 9), None);
        assert_eq!(send(&mut rates, "b@two.example", 2), Some(Scope::Total));
        assert_eq!(send(&mut rates, "a@two.example", 1), None, "what was refused has not counted");
        assert_eq!(send(&mut rates, "three.example", 1), Some(Scope::Total));
    }

    #[test]
    fn resources_of_an_address_count_together_and_admins_not_at_all() {
        let mut rates = rates(100);
        let from = |jid: &str, role| Actor::new(bus_domain::Jid::new(jid).unwrap(), role);
        assert!(rates.admit(&from("a@one.example/x", Role::Creator), 10, NOW_MS).is_ok());
        assert!(rates.admit(&from("a@one.example/y", Role::Creator), 1, NOW_MS).is_err());
        for _ in 0..10 {
            assert!(rates.admit(&from("a@one.example/y", Role::Admin), 1_000, NOW_MS).is_ok());
        }
    }

    #[test]
    fn made_up_addresses_take_no_room_and_their_domain_is_held_to_its_rate() {
        let mut rates = rates(4);
        let refused = (0..1_000).filter_map(|number| send(&mut rates, &format!("{number}@one.example"), 1));
        assert_eq!(refused.filter(|scope| *scope == Scope::Domain).count(), 980);
        assert!(rates.jids.len() <= 4 && rates.domains.len() <= 4);
        assert_eq!(send(&mut rates, "a@two.example", 10), None, "others have their own rate");
    }
}
