//! Rosters of owners, on nodes where they decide who may receive.

use std::sync::Arc;

use bus_domain::{NodeId, Roster};

use super::super::DeliveryNode;
use super::Dispatcher;

/// How long a node that is sending goes by the rosters that it was given.
const RENEWAL_MS: u64 = 5_000;

impl Dispatcher {
    /// Takes the rosters that were asked for; none mean that nobody is let in by one. `None`: they cannot be had yet, and
    /// the node waits for [`Self::rosters_changed`].
    pub fn take_rosters(&mut self, node: NodeId, rosters: Option<Vec<Arc<Roster>>>) {
        if rosters.is_none() {
            self.put_aside(node);
        }
        let Some(delivery) = self.nodes.get_mut(&node) else { return };
        if let Some(rosters) = rosters {
            delivery.take_rosters(rosters, self.rosters_version);
        } else {
            delivery.forget_events();
            self.waits_for_rosters.insert(node);
        }
    }

    /// Takes note that rosters may be otherwise by now, or to be had.
    pub fn rosters_changed(&mut self) {
        self.rosters_version += 1;
        self.rosters_renewed_at_ms = self.now_ms;
        for node in std::mem::take(&mut self.waits_for_rosters) {
            self.activate(node);
        }
    }

    /// A node in memory.
    pub(in super::super) fn node(&self, node: NodeId) -> Option<&DeliveryNode> {
        self.nodes.get(&node).map(|delivery| &delivery.node)
    }

    /// Whoever leaves a roster is not told of it, so rosters are asked for again.
    pub(super) fn renew_rosters(&mut self) {
        if self.now_ms.saturating_sub(self.rosters_renewed_at_ms) >= RENEWAL_MS {
            self.rosters_changed();
        }
    }
}
