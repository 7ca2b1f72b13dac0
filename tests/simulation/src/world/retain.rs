use bus_domain::retention::trim_through;
use bus_store::{RetainedNode, RetentionStore as _, StoreError};

use crate::Mutation;

use super::World;
use super::commit::at_once;

/// Nodes that are looked at with one read, and rows that one transaction deals with.
const NODES_MAX: u32 = 2;
const ROWS_MAX: u32 = 3;

impl World {
    /// Retention takes away what the next nodes need not keep, and lets others have their turn.
    pub(super) fn retain(&mut self) {
        let Ok(page) = at_once(self.store.retained(self.tended_through, NODES_MAX)) else { return };
        self.tended_through = page.next_after;
        for node in page.nodes {
            // Whoever holds the head is in the way for now, and a store that is away for a while.
            if let Ok(trimmed) = self.tend(&node) {
                self.counts.trimmed += trimmed;
            }
        }
    }

    fn tend(&mut self, node: &RetainedNode) -> Result<u64, StoreError> {
        let id = node.node;
        let undelivered_max = self.scenario.settings.limits.node_undelivered_events_max;
        let delivered = node.log.handed_over_through(undelivered_max);
        if node.has_purged_items {
            at_once(self.store.sweep_purged(id, ROWS_MAX))?;
        }
        if node.oldest_retraction_seq.is_some_and(|seq| seq <= delivered) {
            at_once(self.store.blank_retracted(id, delivered, ROWS_MAX))?;
        }
        let mut log = node.log;
        if self.is(Mutation::TrimmedBeforeDelivery) {
            (log.delivered_through_seq, log.lagging_through_seq) = (log.head_seq, None);
        }
        let oldest = at_once(self.store.oldest_events(id, ROWS_MAX))?;
        let through = trim_through(&node.config, &log, &oldest, undelivered_max, self.clock_ms);
        let Some(through) = through else { return Ok(0) };
        let trimmed = at_once(self.store.trim_log(node.rules(), through, ROWS_MAX))?;
        self.note(format!("{id:?} keeps no event through {through}: {trimmed} go"));
        if through > node.log.handed_over_through(u64::MAX) {
            self.model.may_miss(id, through, undelivered_max);
        }
        Ok(trimmed)
    }
}
