use std::collections::BTreeMap;
use std::sync::Arc;

use bus_domain::{Event, NodeId, Seq};

use super::{ConsumerState, Key, Standing};

/// Bytes of events that were read to be handed out again; one event may go over it. What has no room is read again when some
/// of them have left.
const KEPT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Events that may be handed out again, in the order in which that came to be.
#[derive(Debug, Default)]
pub(super) struct Due {
    by_turn: BTreeMap<Turn, Key>,
    last_turn: u64,
}

/// A place in that order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Turn(u64);

impl Due {
    fn push(&mut self, key: Key) -> Turn {
        self.last_turn += 1;
        self.by_turn.insert(Turn(self.last_turn), key);
        Turn(self.last_turn)
    }

    pub(super) fn remove(&mut self, turn: Turn) {
        self.by_turn.remove(&turn);
    }

    /// The first so many, which keep their places until they are handed out.
    pub(super) fn front(&self, keys_max: usize) -> Vec<Key> {
        self.by_turn.values().take(keys_max).copied().collect()
    }
}

impl ConsumerState {
    /// Where an event stands that may be handed out now: behind all others.
    pub(super) fn due(&mut self, key: Key) -> Standing {
        Standing::Due { turn: self.due.push(key), event: None, is_being_read: false }
    }

    /// Takes an event that is to be handed out again; `None` if it is gone, which settles it.
    pub(crate) fn take_event(&mut self, node: NodeId, seq: Seq, found: Option<Arc<Event>>) {
        let Some(pending) = self.pending.get_mut(&(node, seq)) else { return };
        let Standing::Due { event, is_being_read, .. } = &mut pending.standing else { return };
        *is_being_read = false;
        let Some(found) = found else { return self.settle((node, seq)) };
        let bytes = found.weight_bytes();
        let has_room = self.kept_bytes == 0 || self.kept_bytes + bytes <= KEPT_BYTES_MAX;
        if event.is_none() && has_room {
            self.kept_bytes += bytes;
            *event = Some(found);
        }
    }

    /// Whether one more event may be read. What is read already is in front, and leaves first.
    pub(super) fn has_room_for_more(&self) -> bool {
        self.kept_bytes < KEPT_BYTES_MAX
    }

    /// An event cannot be read now.
    pub(crate) fn event_failed(&mut self, node: NodeId, seq: Seq) {
        if let Some(pending) = self.pending.get_mut(&(node, seq))
            && let Standing::Due { is_being_read, .. } = &mut pending.standing
        {
            *is_being_read = false;
        }
    }

    /// Takes an event off what is in memory.
    pub(super) fn unkeep(&mut self, event: Option<&Arc<Event>>) {
        self.kept_bytes -= event.map_or(0, |event| event.weight_bytes());
    }
}
