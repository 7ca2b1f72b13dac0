use async_trait::async_trait;
use bus_domain::NodeId;
use bus_store::{CommitLevel, EpochStore, StoreError};

use crate::error::store_error;
use crate::statement::{query, statements};
use crate::{SqliteStore, rows};

statements! {
    pub(crate) RELAXED_NODES = "SELECT node_id FROM nodes
         WHERE CASE WHEN json_valid(config) THEN config ->> 'durability' = 'relaxed' END AND deleted_at_ms IS NULL AND node_id > ?1
         ORDER BY node_id LIMIT ?2";
    IS_IN_USE = "SELECT in_use FROM store";
    SET_IN_USE = "UPDATE store SET in_use = ?1";
}

#[async_trait]
impl EpochStore for SqliteStore {
    async fn mark_in_use(&self) -> Result<bool, StoreError> {
        Ok(!self.set_in_use(true).await?)
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.set_in_use(false).await.map(drop)
    }

    async fn relaxed_nodes(&self, after: Option<NodeId>, nodes_max: u32) -> Result<Vec<NodeId>, StoreError> {
        query(RELAXED_NODES)
            .bind(after.map_or(0, |node| node.0))
            .bind(i64::from(nodes_max))
            .fetch_all(&self.readers)
            .await
            .map_err(store_error)?
            .iter()
            .map(|row| Ok(NodeId(rows::integer(row, "node_id")?)))
            .collect()
    }
}

impl SqliteStore {
    /// Says whether that changed the mark. The transaction has a page to write even if not, so its commit syncs.
    async fn set_in_use(&self, in_use: bool) -> Result<bool, StoreError> {
        let mut transaction = self.begin_write(CommitLevel::Fsync).await?;
        let before = transaction.fetch_all(query(IS_IN_USE)).await?;
        let before = before.first().map_or(Ok(0), |row| rows::integer(row, "in_use"))?;
        transaction.execute(query(SET_IN_USE).bind(in_use)).await?;
        transaction.commit_write().await?;
        Ok((before != 0) != in_use)
    }
}
