use async_trait::async_trait;
use bus_domain::Seq;
use bus_store::{
    DeliveryTarget, FailureNote, LaggingRow, LaggingStore, Leg, Recipient, StoreError, SubscriptionKey,
};

use super::{Disk, SimulatedStore};

#[async_trait]
impl LaggingStore for SimulatedStore {
    async fn lagging(
        &self,
        _leg: Leg,
        after: Option<SubscriptionKey>,
        rows_max: u32,
    ) -> Result<Vec<LaggingRow>, StoreError> {
        let disk = self.up()?;
        let behind = disk.lagging.values().filter(|row| after.is_none_or(|after| row.key > after));
        Ok(behind.copied().take(rows_max as usize).collect())
    }

    async fn delivery_targets(
        &self,
        subscriptions: &[SubscriptionKey],
    ) -> Result<Vec<DeliveryTarget>, StoreError> {
        let disk = self.up()?;
        Ok(subscriptions.iter().filter_map(|key| disk.target(*key)).collect())
    }

    async fn note_failures(&self, _leg: Leg, notes: &[FailureNote]) -> Result<(), StoreError> {
        let mut disk = self.up()?;
        for note in notes {
            let is_as_seen = disk.target(note.key).is_some_and(|target| target.failures == note.seen);
            if is_as_seen {
                disk.health.entry(note.key).or_default().failures = Some(note.now);
                let row = note.lagging.map(|row| disk.in_this_life(row));
                disk.lagging.extend(row.map(|row| (note.key, row)));
            }
        }
        Ok(())
    }

    async fn begin_lagging(&self, _leg: Leg, rows: &[LaggingRow]) -> Result<(), StoreError> {
        let mut disk = self.up()?;
        for row in rows {
            if disk.target(row.key).is_some() {
                let row = disk.in_this_life(*row);
                disk.lagging.entry(row.key).or_insert(row);
            }
        }
        Ok(())
    }

    async fn move_lagging(
        &self,
        _leg: Leg,
        moves: &[LaggingRow],
        ended: &[SubscriptionKey],
    ) -> Result<(), StoreError> {
        let mut disk = self.up()?;
        let taken = moves.iter().filter(|row| row.attempts == 0).map(|row| (row.key, row.through_seq));
        for (key, through_seq) in taken.chain(ended.iter().map(|key| (*key, Seq::MAX))) {
            let health = disk.health.get_mut(&key).filter(|health| !health.is_parked);
            if let Some(health) = health {
                health.failures = health.failures.filter(|failures| failures.through_seq > through_seq);
            }
        }
        for row in moves {
            if let Some(stored) = disk.lagging.get_mut(&row.key).filter(|stored| stored.epoch == row.epoch) {
                *stored = *row;
            }
        }
        disk.lagging.retain(|key, _| !ended.contains(key));
        Ok(())
    }

    async fn count_parked(&self) -> Result<u64, StoreError> {
        Ok(self.up()?.health.values().filter(|health| health.is_parked).count() as u64)
    }
}

impl Disk {
    /// Whether a subscription is parked.
    pub fn is_parked(&self, key: SubscriptionKey) -> bool {
        self.health.get(&key).is_some_and(|health| health.is_parked)
    }

    fn in_this_life(&self, row: LaggingRow) -> LaggingRow {
        match self.nodes.get(&row.key.node).map(|rows| rows.head.epoch) {
            Some(epoch) if epoch != row.epoch => {
                let cursor_seq = self.position(row.key.node).through_seq;
                LaggingRow { epoch, through_seq: row.through_seq.min(cursor_seq), ..row }
            }
            _ => row,
        }
    }

    fn target(&self, key: SubscriptionKey) -> Option<DeliveryTarget> {
        let rows = self.nodes.get(&key.node)?;
        let subscription = rows.subscriptions.get(&key.subscription).filter(|_| !self.is_parked(key))?;
        let affiliation = rows.affiliation(&subscription.jid.to_bare());
        Some(DeliveryTarget {
            node: key.node,
            name: rows.row.name.clone(),
            config: rows.row.config.clone(),
            head: rows.head,
            recipient: Recipient { subscription: subscription.clone(), affiliation },
            failures: self.health.get(&key).and_then(|health| health.failures),
        })
    }
}
