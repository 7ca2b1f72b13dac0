//! Events in the forms in which a leg sends them: made once, and shared by all who read an event while it is new.

use std::hash::Hash;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use lru::LruCache;

use crate::EventRef;

/// What an event that is kept takes beside its bytes, about.
const ENTRY_BYTES: usize = 128;
/// The bound on bytes is reached long before.
const EVENTS_MAX: NonZeroUsize = NonZeroUsize::new(1_000_000).expect("not zero");

/// The newest events as bytes, by the form in which they are sent, where a leg has several. Cheap to clone; all clones share
/// what is kept.
#[derive(Debug)]
pub struct EncodedEvents<Form: Eq + Hash>(Arc<Inner<Form>>);

#[derive(Debug)]
struct Inner<Form: Eq + Hash> {
    bytes_max: usize,
    encodings: AtomicU64,
    kept: Mutex<Kept<Form>>,
}

#[derive(Debug)]
struct Kept<Form: Eq + Hash> {
    events: LruCache<(EventRef, Form), Bytes>,
    bytes: usize,
}

impl<Form: Eq + Hash> EncodedEvents<Form> {
    /// Keeps at most so many bytes.
    pub fn new(bytes_max: usize) -> Self {
        let kept = Mutex::new(Kept { events: LruCache::new(EVENTS_MAX), bytes: 0 });
        Self(Arc::new(Inner { bytes_max, encodings: AtomicU64::new(0), kept }))
    }

    /// An event that others read at the same time. Made under the lock: who comes second waits for the first, instead of
    /// doing the same.
    pub fn shared(&self, event: EventRef, form: Form, encode: impl FnOnce() -> Bytes) -> Bytes {
        let key = (event, form);
        let mut kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bytes) = kept.events.get(&key) {
            return bytes.clone();
        }
        let bytes = self.alone(encode);
        kept.keep(key, bytes.clone(), self.0.bytes_max);
        bytes
    }

    /// An event that one reader has read for itself, far back in the log: it would take the place of what others share.
    pub fn alone(&self, encode: impl FnOnce() -> Bytes) -> Bytes {
        self.0.encodings.fetch_add(1, Ordering::Relaxed);
        encode()
    }

    /// How often an event was made, so far.
    pub fn encodings(&self) -> u64 {
        self.0.encodings.load(Ordering::Relaxed)
    }

    /// About how many bytes are kept.
    pub fn bytes(&self) -> usize {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner).bytes
    }
}

impl<Form: Eq + Hash> Clone for EncodedEvents<Form> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<Form: Eq + Hash> Kept<Form> {
    fn keep(&mut self, key: (EventRef, Form), bytes: Bytes, bytes_max: usize) {
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
    use bus_domain::{Epoch, NodeId};

    use super::*;

    fn event(seq: u64) -> EventRef {
        EventRef { node: NodeId(1), epoch: Epoch(7), seq }
    }

    fn made() -> Bytes {
        Bytes::from(vec![1; 100])
    }

    #[test]
    fn an_event_is_made_once_in_each_form_for_all_who_share_it() {
        let encoded = EncodedEvents::new(10_000);
        let first = encoded.shared(event(1), false, made);
        let second = encoded.clone().shared(event(1), false, || panic!("it is there"));
        assert_eq!((encoded.encodings(), first.as_ptr()), (1, second.as_ptr()), "the very same bytes");
        encoded.shared(event(1), true, made);
        encoded.shared(EventRef { epoch: Epoch(8), ..event(1) }, false, made);
        encoded.shared(EventRef { node: NodeId(2), ..event(1) }, false, made);
        encoded.shared(event(2), false, made);
        assert_eq!(encoded.encodings(), 5, "each form, each log and each life of one has events of its own");
        encoded.alone(made);
        assert_eq!(encoded.encodings(), 6);
    }

    #[test]
    fn what_is_kept_is_bounded_in_bytes() {
        let one = weight(&made());
        let encoded = EncodedEvents::new(3 * one);
        for seq in 1..=1_000 {
            encoded.shared(event(seq), (), made);
            assert!(encoded.bytes() <= 3 * one, "{seq}");
        }
        encoded.shared(event(999), (), || panic!("the newest are there"));
        encoded.shared(event(1), (), made);
        assert_eq!(encoded.encodings(), 1_001);
        assert_eq!(EncodedEvents::new(0).shared(event(1), (), made), made(), "where nothing is kept");
    }
}
