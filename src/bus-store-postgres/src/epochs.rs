use async_trait::async_trait;
use bus_domain::NodeId;
use bus_store::{CommitLevel, EpochStore, StoreError};

use crate::statement::{query, statements};
use crate::{PostgresStore, rows};

statements! {
    COMMITS_KEPT = "SELECT EXISTS (SELECT 1 FROM commits_kept) AS are_kept";
    KEEP_COMMITS = "INSERT INTO commits_kept (only_row) VALUES (1) ON CONFLICT DO NOTHING";
    RELAXED_NODES = "SELECT node_id FROM nodes
         WHERE config ->> 'durability' = 'relaxed' AND deleted_at_ms IS NULL AND node_id > $1
         ORDER BY node_id LIMIT $2";
}

/// What this process commits, the server keeps without it; only an end of the server's own can lose commits.
#[async_trait]
impl EpochStore for PostgresStore {
    async fn mark_in_use(&self) -> Result<bool, StoreError> {
        let row = self.pool.session().await?.fetch_one(query(COMMITS_KEPT)).await?;
        Ok(!rows::boolean(&row, "are_kept")?)
    }

    async fn note_renewed(&self) -> Result<(), StoreError> {
        // Transactions that others have begun before may still rest on the old epochs; their versions refuse them.
        let mut transaction = self.begin_write(CommitLevel::Fsync).await?;
        transaction.execute(query(KEEP_COMMITS)).await?;
        transaction.commit_write().await
    }

    /// Others may go on.
    async fn close(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn relaxed_nodes(&self, after: Option<NodeId>, nodes_max: u32) -> Result<Vec<NodeId>, StoreError> {
        let query = query(RELAXED_NODES).bind(after.map_or(0, |node| node.0)).bind(i64::from(nodes_max));
        let rows = self.pool.session().await?.fetch_all(query).await?;
        rows.iter().map(|row| Ok(NodeId(rows::integer(row, "node_id")?))).collect()
    }
}
