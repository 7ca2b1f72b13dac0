use bus_domain::consumer::OrderKey;
use bus_domain::{NodeId, Seq};
use bus_store::DeliveryRow;

use super::{ConsumerState, Pending, Standing};

impl ConsumerState {
    /// Takes events that have rows on disk.
    pub(crate) fn add_rows(&mut self, mut rows: Vec<DeliveryRow>) {
        // What was handed out before stands in front of its line still.
        rows.sort_by_key(|row| (row.attempts == 0, row.node, row.seq));
        for row in &rows {
            self.add_row(row);
        }
    }

    fn add_row(&mut self, row: &DeliveryRow) {
        let key = (row.node, row.seq);
        if !self.nodes.contains_key(&row.node) {
            return;
        }
        self.forget_pending(key);
        let until_ms = row.due_at_ms;
        let is_its_turn =
            row.order_key.is_none_or(|order_key| self.lines.enter(row.node, order_key, row.seq));
        let standing = match row.is_leased {
            _ if !is_its_turn => Standing::Held,
            true => Standing::Leased { until_ms },
            false => Standing::Waiting { until_ms },
        };
        if is_its_turn {
            self.leased += usize::from(row.is_leased);
            self.timeline.insert((until_ms, row.node, row.seq));
        }
        let DeliveryRow { attempts, generation, order_key, .. } = *row;
        let pending =
            Pending { attempts, standing, is_hopeless: false, is_told: false, generation, order_key };
        self.pending.insert(key, pending);
        self.rows.insert(key);
        self.dirty.remove(&key);
    }

    /// Takes events that are handed out again as if they never were. Leases of before are none any more.
    pub(crate) fn redrive(&mut self, events: Vec<(NodeId, Seq, Option<OrderKey>)>, due_at_ms: i64) {
        self.generation += 1;
        let generation = self.generation;
        let row = |(node, seq, order_key)| DeliveryRow {
            node,
            seq,
            attempts: 0,
            is_leased: false,
            due_at_ms,
            generation,
            order_key,
        };
        self.add_rows(events.into_iter().map(row).collect());
    }
}
