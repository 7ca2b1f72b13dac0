use async_trait::async_trait;
use bus_domain::{Durability, NodeId};
use bus_store::{EpochStore, StoreError};

use super::SimulatedStore;

#[async_trait]
impl EpochStore for SimulatedStore {
    async fn mark_in_use(&self) -> Result<bool, StoreError> {
        Ok(std::mem::replace(&mut self.up()?.in_use, true))
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.up()?.in_use = false;
        Ok(())
    }

    async fn relaxed_nodes(&self, after: Option<NodeId>, nodes_max: u32) -> Result<Vec<NodeId>, StoreError> {
        let disk = self.up()?;
        let relaxed = disk.nodes.iter().filter(|(id, rows)| {
            after.is_none_or(|after| **id > after)
                && rows.deleted_at_ms.is_none()
                && rows.row.config.durability == Durability::Relaxed
        });
        Ok(relaxed.map(|(id, _)| *id).take(nodes_max as usize).collect())
    }
}
