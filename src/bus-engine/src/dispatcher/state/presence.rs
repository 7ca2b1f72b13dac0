//! Nodes that send to those who are available only.

use bus_domain::NodeId;

use super::super::node::PresenceWait;
use super::Dispatcher;

impl Dispatcher {
    /// Has a node wait for word of its recipients' presence. It looks again with the next tick. For those whose own options
    /// ask for their presence it waits as long as word of that may take.
    pub(super) fn wait_for_presence(&mut self, node: NodeId) {
        self.put_aside(node);
        if let Some(delivery) = self.nodes.get_mut(&node) {
            if delivery.presence_wait == PresenceWait::NotYet {
                let wait_ms = u64::try_from(self.presence.answer_max().as_millis()).unwrap_or(u64::MAX);
                delivery.presence_wait = PresenceWait::Until(self.now_ms.saturating_add(wait_ms));
            }
            delivery.forget_events();
            self.waits_for_presence.insert(node);
        }
    }

    pub(super) fn look_for_presence(&mut self) {
        for node in std::mem::take(&mut self.waits_for_presence) {
            if let Some(delivery) = self.nodes.get_mut(&node)
                && let PresenceWait::Until(until_ms) = delivery.presence_wait
                && self.now_ms >= until_ms
            {
                delivery.presence_wait = PresenceWait::Over;
            }
            self.activate(node);
        }
    }
}
