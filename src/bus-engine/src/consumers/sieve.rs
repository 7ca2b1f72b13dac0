//! Filters of consumers: which events of a page are to be handed out.
//!
//! What a filter says of an event is remembered for a while, and shared by all consumers with the same filter: each event is
//! looked at once for each distinct filter, however many consumers keep up with a log.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use bus_cloudevents::{CloudEvent, arrived};
use bus_domain::consumer::Filter;
use bus_domain::consumer::filter::Attributes;
use bus_domain::{BareJid, Event, NodeFacts};
use lru::LruCache;

use crate::{EventRef, Statistics};

/// Events of which a filter remembers what it has said: some pages of them.
const REMEMBERED_MAX: usize = 4_096;

/// The filters of the consumers that this instance serves.
#[derive(Debug)]
pub(super) struct Sieves {
    service: BareJid,
    known: Mutex<HashMap<Filter, Weak<Sieve>>>,
}

/// A filter with what it has said.
#[derive(Debug)]
pub(super) struct Sieve {
    service: BareJid,
    filter: Filter,
    said: Mutex<LruCache<EventRef, bool>>,
}

impl Sieves {
    /// For nodes of this service.
    pub(super) fn new(service: BareJid) -> Self {
        Self { service, known: Mutex::default() }
    }

    /// The one of a filter, which all who have the same filter share.
    pub(super) fn of(&self, filter: &Filter) -> Arc<Sieve> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sieve) = known.get(filter).and_then(Weak::upgrade) {
            return sieve;
        }
        known.retain(|_, sieve| sieve.strong_count() > 0);
        let said = Mutex::new(LruCache::unbounded());
        let sieve = Arc::new(Sieve { service: self.service.clone(), filter: filter.clone(), said });
        known.insert(filter.clone(), Arc::downgrade(&sieve));
        sieve
    }
}

impl Sieve {
    /// Whether an event is to be handed out. Asked under the lock: who comes second waits for the first, instead of doing
    /// the same.
    pub(super) fn passes(&self, node: &NodeFacts, event: &Event, statistics: &Statistics) -> bool {
        let key = EventRef { node: node.id, epoch: node.epoch, seq: event.seq };
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(passes) = said.get(&key) {
            return *passes;
        }
        statistics.consumer_filterings.add(1);
        let passes = self.filter.matches(&EventAttributes::new(&self.service, node, event));
        said.put(key, passes);
        if said.len() > REMEMBERED_MAX {
            said.pop_lru();
        }
        passes
    }
}

/// What an event has for filters. It is read as a CloudEvent when a filter asks for the first attribute of one.
struct EventAttributes<'a> {
    service: &'a BareJid,
    node: &'a NodeFacts,
    event: &'a Event,
    cloud_event: OnceCell<CloudEvent>,
}

impl<'a> EventAttributes<'a> {
    fn new(service: &'a BareJid, node: &'a NodeFacts, event: &'a Event) -> Self {
        Self { service, node, event, cloud_event: OnceCell::new() }
    }
}

impl Attributes for EventAttributes<'_> {
    fn text(&self, name: &str) -> Option<String> {
        match name {
            "bus.node" => Some(self.node.name.as_str().to_owned()),
            "bus.item_id" => self.event.kind.item_id().map(|id| id.as_str().to_owned()),
            "bus.publisher" => Some(self.event.publisher.to_bare().to_string()),
            _ => self.cloud_event.get_or_init(|| arrived(self.service, self.node, self.event)).text(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use bus_domain::consumer::filter::BUS_ATTRIBUTES;
    use bus_domain::{Epoch, EventKind, ItemId, Jid, NodeConfig, NodeId, NodeName};

    use super::*;

    fn node() -> NodeFacts {
        NodeFacts {
            id: NodeId(1),
            name: NodeName::new("orders").unwrap(),
            epoch: Epoch(3),
            creator: BareJid::new("owner@example.org").unwrap(),
            created_at_ms: 0,
            config: NodeConfig::default(),
            affiliations: Arc::default(),
            rules_version: 1,
            above: None,
            is_orphan: false,
        }
    }

    fn event(seq: u64) -> Event {
        Event {
            seq,
            kind: EventKind::Published {
                item_id: ItemId::new(&format!("item-{seq}")).unwrap(),
                payload: None,
            },
            publisher: Jid::new("a@example.org/home").unwrap(),
            published_at_ms: 0,
            recipients_version: 1,
            due_after_seq: None,
        }
    }

    fn exact(name: &str, value: &str) -> Filter {
        Filter::Exact([(name.to_owned(), value.to_owned())].into())
    }

    #[test]
    fn each_event_is_looked_at_once_for_each_distinct_filter() {
        let sieves = Sieves::new(BareJid::new("events.example.org").unwrap());
        let statistics = Statistics::default();
        let (first, same) = (sieves.of(&exact("subject", "item-2")), sieves.of(&exact("subject", "item-2")));
        let other = sieves.of(&exact("subject", "item-1"));
        for sieve in [&first, &same, &first, &other] {
            let passed = (1..=3).filter(|seq| sieve.passes(&node(), &event(*seq), &statistics));
            assert_eq!(passed.collect::<Vec<_>>(), [if Arc::ptr_eq(sieve, &other) { 1 } else { 2 }]);
        }
        assert_eq!(statistics.snapshot().consumer_filterings, 6);
        let of_another_life = NodeFacts { epoch: Epoch(4), ..node() };
        first.passes(&of_another_life, &event(1), &statistics);
        assert_eq!(statistics.snapshot().consumer_filterings, 7);
        for seq in 1..=2 * REMEMBERED_MAX as u64 {
            first.passes(&node(), &event(seq), &statistics);
        }
        assert_eq!(first.said.lock().unwrap().len(), REMEMBERED_MAX);
        drop((first, same));
        sieves.of(&exact("type", "x"));
        assert_eq!(sieves.known.lock().unwrap().len(), 2, "filters that nobody has are forgotten");
    }

    #[test]
    fn any_event_has_attributes_of_the_bus_and_of_a_cloud_event() {
        let service = BareJid::new("events.example.org").unwrap();
        let (node, event) = (node(), event(7));
        let attributes = EventAttributes::new(&service, &node, &event);
        let texts = BUS_ATTRIBUTES.map(|name| attributes.text(name).expect("each is there"));
        assert_eq!(texts, ["orders", "item-7", "a@example.org"]);
        assert!(attributes.cloud_event.get().is_none(), "nothing was read for that");
        let source = "xmpp:events.example.org?;node=orders";
        for (name, expected) in
            [("type", "stanzabus.item.published"), ("source", source), ("subject", "item-7")]
        {
            assert_eq!(attributes.text(name).as_deref(), Some(expected), "{name}");
        }
        assert_eq!(attributes.text("partitionkey"), None);
    }
}
