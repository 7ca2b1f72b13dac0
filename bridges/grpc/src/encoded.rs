//! Events as bytes of protobuf: made once, and shared by all who read the event while it is new.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use bus_domain::{Event, NodeFacts};
use bus_engine::{EventIds, EventRef};
use lru::LruCache;
use prost::Message as _;
use prost::bytes::Bytes;

use crate::convert::{PayloadForm, event_to_message};
use crate::settings::GrpcStatistics;

/// What an event that is kept takes beside its bytes, about.
const ENTRY_BYTES: usize = 128;
/// The bound on bytes is reached long before.
const EVENTS_MAX: NonZeroUsize = NonZeroUsize::new(1_000_000).expect("not zero");

/// Messages of type `stanzabus.v1.Event` as they go over the wire. Cheap to clone; all clones share what is kept.
#[derive(Debug, Clone)]
pub(crate) struct EncodedEvents(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    ids: EventIds,
    bytes_max: usize,
    statistics: Arc<GrpcStatistics>,
    kept: Mutex<Kept>,
}

/// The newest ones, at most so many bytes of them, by whether they are CloudEvents.
#[derive(Debug)]
struct Kept {
    events: LruCache<(EventRef, bool), Bytes>,
    bytes: usize,
}

impl EncodedEvents {
    pub(crate) fn new(ids: EventIds, bytes_max: usize, statistics: Arc<GrpcStatistics>) -> Self {
        let kept = Mutex::new(Kept { events: LruCache::new(EVENTS_MAX), bytes: 0 });
        Self(Arc::new(Inner { ids, bytes_max, statistics, kept }))
    }

    /// An event that others read at the same time. Made under the lock: who comes second waits for the first, instead of
    /// doing the same.
    pub(crate) fn shared(&self, node: &NodeFacts, form: &PayloadForm, event: &Event) -> Bytes {
        let key = EventRef { node: node.id, epoch: node.epoch, seq: event.seq };
        let key = (key, form.is_cloud_event());
        let mut kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bytes) = kept.events.get(&key) {
            return bytes.clone();
        }
        let bytes = self.alone(node, form, event);
        kept.keep(key, bytes.clone(), self.0.bytes_max);
        bytes
    }

    /// An event that one reader has read for itself, far back in the log: it would take the place of what others share.
    pub(crate) fn alone(&self, node: &NodeFacts, form: &PayloadForm, event: &Event) -> Bytes {
        self.0.statistics.count_encoded();
        event_to_message(&self.0.ids, node, form, event).encode_to_vec().into()
    }
}

impl Kept {
    fn keep(&mut self, key: (EventRef, bool), bytes: Bytes, bytes_max: usize) {
        self.bytes += weight(&bytes);
        if let Some((_, replaced)) = self.events.push(key, bytes) {
            self.bytes -= weight(&replaced);
        }
        while self.bytes > bytes_max
            && let Some((_, oldest)) = self.events.pop_lru()
        {
            self.bytes -= weight(&oldest);
        }
    }
}

fn weight(bytes: &Bytes) -> usize {
    ENTRY_BYTES + bytes.len()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bus_domain::{Epoch, EventKind, Jid, NodeConfig, NodeId, NodeName};

    use super::*;
    use crate::v1;

    const XML: PayloadForm = PayloadForm::Xml;

    fn node() -> NodeFacts {
        NodeFacts {
            id: NodeId(1),
            name: NodeName::new("n").unwrap(),
            epoch: Epoch(7),
            creator: Jid::new("a@example.org").unwrap().to_bare(),
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
            kind: EventKind::Purged,
            publisher: Jid::new("a@example.org").unwrap(),
            published_at_ms: 0,
            recipients_version: 1,
            due_after_seq: None,
        }
    }

    fn encoded(bytes_max: usize) -> EncodedEvents {
        EncodedEvents::new(EventIds::new([7; 16]), bytes_max, Arc::default())
    }

    fn count(encoded: &EncodedEvents) -> u64 {
        encoded.0.statistics.snapshot().events_encoded
    }

    #[test]
    fn an_event_is_made_once_for_all_who_share_it() {
        let encoded = encoded(10_000);
        let (first, second) =
            (encoded.shared(&node(), &XML, &event(1)), encoded.clone().shared(&node(), &XML, &event(1)));
        assert_eq!((count(&encoded), first.as_ptr()), (1, second.as_ptr()), "the very same bytes");
        assert_eq!(v1::Event::decode(first).unwrap().seq, 1);
        encoded.shared(&NodeFacts { epoch: Epoch(8), ..node() }, &XML, &event(1));
        encoded.shared(&NodeFacts { id: NodeId(2), ..node() }, &XML, &event(1));
        encoded.shared(&node(), &XML, &event(2));
        assert_eq!(count(&encoded), 4, "each log and each life of one has events of its own");
        let service = node().creator;
        let form = PayloadForm::CloudEvent { service };
        encoded.shared(&node(), &form, &event(1));
        encoded.shared(&node(), &form, &event(1));
        assert_eq!(count(&encoded), 5, "and so has each form");
        encoded.alone(&node(), &XML, &event(2));
        assert_eq!(count(&encoded), 6);
    }

    #[test]
    fn what_is_kept_is_bounded_in_bytes() {
        let one = weight(&encoded(0).alone(&node(), &XML, &event(1)));
        let encoded = encoded(3 * one);
        for seq in 1..=1_000 {
            encoded.shared(&node(), &XML, &event(seq));
            assert!(encoded.0.kept.lock().unwrap().bytes <= 3 * one + 8, "{seq}");
        }
        encoded.shared(&node(), &XML, &event(999));
        assert_eq!(count(&encoded), 1_000, "the newest are there");
        encoded.shared(&node(), &XML, &event(1));
        assert_eq!(count(&encoded), 1_001);
    }
}
