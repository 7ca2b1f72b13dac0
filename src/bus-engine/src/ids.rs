use std::hash::Hasher as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bus_domain::{Epoch, NodeId, Seq, SubscriptionId};
use siphasher::sip::SipHasher24;

/// Makes and checks the ids that leave the bus: of events (archive id, stanza-id, page position) and of
/// notification messages.
///
/// Both carry a MAC under a key of the store's, so that nobody can make one up: a position cannot be forged, and
/// neither can a bounce. To anyone else they are opaque.
#[derive(Debug, Clone)]
pub struct EventIds {
    key: [u8; 16],
}

/// What the id of a notification names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageRef {
    /// The event that it brings.
    pub event: EventRef,
    /// Whose it is.
    pub subscription: SubscriptionId,
    /// The event before it that was due to the subscriber: a bounce tells by that what it follows.
    pub after_seq: Seq,
}

/// What an event id names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EventRef {
    /// The node.
    pub node: NodeId,
    /// The life of its log.
    pub epoch: Epoch,
    /// The position.
    pub seq: Seq,
}

/// Length of an encoded id's fields and MAC.
const EVENT_BYTES: usize = 24;
const MESSAGE_BYTES: usize = 40;
const MAC_BYTES: usize = 8;

impl EventIds {
    /// Ids under the store's key.
    pub fn new(key: [u8; 16]) -> Self {
        Self { key }
    }

    /// The id of an event, 43 characters long.
    pub fn event_id(&self, event: EventRef) -> String {
        let mut bytes = [0; EVENT_BYTES + MAC_BYTES];
        write_event(&mut bytes, event);
        self.seal(&mut bytes);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// What an id names, if we made it.
    pub fn parse_event_id(&self, id: &str) -> Option<EventRef> {
        let bytes: [u8; EVENT_BYTES + MAC_BYTES] = self.open(id)?;
        Some(read_event(&bytes))
    }

    /// Appends the id of the message that brings an event to a subscription, 64 characters long.
    pub fn write_message_id(&self, message: MessageRef, out: &mut String) {
        let mut bytes = [0; MESSAGE_BYTES + MAC_BYTES];
        write_event(&mut bytes, message.event);
        bytes[24..32].copy_from_slice(&message.subscription.0.to_be_bytes());
        bytes[32..40].copy_from_slice(&message.after_seq.to_be_bytes());
        self.seal(&mut bytes);
        URL_SAFE_NO_PAD.encode_string(bytes, out);
    }

    /// What a message id names, if we made it.
    pub fn parse_message_id(&self, id: &str) -> Option<MessageRef> {
        let bytes: [u8; MESSAGE_BYTES + MAC_BYTES] = self.open(id)?;
        Some(MessageRef {
            event: read_event(&bytes),
            subscription: SubscriptionId(i64::from_be_bytes(field(&bytes, 24))),
            after_seq: u64::from_be_bytes(field(&bytes, 32)),
        })
    }

    /// A key that opens one thing for one purpose, and that nobody else can make.
    pub(crate) fn key_for(&self, purpose: &[u8], id: i64) -> String {
        URL_SAFE_NO_PAD.encode(self.mac(&[purpose, &id.to_be_bytes()].concat()))
    }

    /// Puts the MAC of all before it into the last bytes.
    fn seal(&self, bytes: &mut [u8]) {
        let (content, mac) = bytes.split_at_mut(bytes.len() - MAC_BYTES);
        mac.copy_from_slice(&self.mac(content));
    }

    fn open<const BYTES: usize>(&self, id: &str) -> Option<[u8; BYTES]> {
        let bytes: [u8; BYTES] = URL_SAFE_NO_PAD.decode(id).ok()?.try_into().ok()?;
        let (content, mac) = bytes.split_at(BYTES - MAC_BYTES);
        (self.mac(content) == mac).then_some(bytes)
    }

    fn mac(&self, content: &[u8]) -> [u8; MAC_BYTES] {
        let mut hasher = SipHasher24::new_with_key(&self.key);
        hasher.write(content);
        hasher.finish().to_be_bytes()
    }
}

fn write_event(bytes: &mut [u8], event: EventRef) {
    bytes[..8].copy_from_slice(&event.node.0.to_be_bytes());
    bytes[8..16].copy_from_slice(&event.epoch.0.to_be_bytes());
    bytes[16..24].copy_from_slice(&event.seq.to_be_bytes());
}

fn read_event(bytes: &[u8]) -> EventRef {
    EventRef {
        node: NodeId(i64::from_be_bytes(field(bytes, 0))),
        epoch: Epoch(u64::from_be_bytes(field(bytes, 8))),
        seq: u64::from_be_bytes(field(bytes, 16)),
    }
}

fn field(bytes: &[u8], at: usize) -> [u8; 8] {
    std::array::from_fn(|index| bytes[at + index])
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: EventRef = EventRef { node: NodeId(7), epoch: Epoch(u64::MAX), seq: 42 };

    #[test]
    fn ids_come_back_as_what_they_name() {
        let ids = EventIds::new([1; 16]);
        assert_eq!(ids.parse_event_id(&ids.event_id(EVENT)), Some(EVENT));
        let mut message = String::new();
        let named = MessageRef { event: EVENT, subscription: SubscriptionId(3), after_seq: 40 };
        ids.write_message_id(named, &mut message);
        assert_eq!(ids.parse_message_id(&message), Some(named));
        assert_eq!((ids.event_id(EVENT).len(), message.len()), (43, 64));
    }

    #[test]
    fn ids_that_we_did_not_make_name_nothing() {
        let ids = EventIds::new([1; 16]);
        let id = ids.event_id(EVENT);
        assert_eq!(EventIds::new([2; 16]).parse_event_id(&id), None, "another key");
        for at in 0..id.len() {
            let mut changed = id.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(ids.parse_event_id(std::str::from_utf8(&changed).unwrap()), None, "character {at}");
        }
        for id in ["", "x", "é", &"A".repeat(1_000)] {
            assert_eq!(ids.parse_event_id(id), None);
            assert_eq!(ids.parse_message_id(id), None);
        }
    }
}
