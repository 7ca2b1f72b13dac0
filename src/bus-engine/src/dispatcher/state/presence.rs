//! Nodes that send to those who are available only.

use bus_domain::NodeId;

use super::Dispatcher;

impl Dispatcher {
    /// Has a node wait for word of its recipients' presence. It looks again with the next tick.
    pub(super) fn wait_for_presence(&mut self, node: NodeId) {
        self.put_aside(node);
        if let Some(delivery) = self.nodes.get_mut(&node) {
            delivery.forget_events();
            self.waits_for_presence.insert(node);
        }
    }

    pub(super) fn look_for_presence(&mut self) {
        for node in std::mem::take(&mut self.waits_for_presence) {
            self.activate(node);
        }
    }
}
