use async_trait::async_trait;
use bus_store::{CommitLevel, IdempotencyStore, StoreError};

use crate::PostgresStore;
use crate::statement::{query, statements};

statements! {
    ARE_OVER = "SELECT 1 FROM idempotency_keys WHERE expires_at_ms <= $1 LIMIT 1";
    // What another instance is at is left to it. The condition is looked at again behind the lock: a request may have been
    // kept under the same name meanwhile.
    FORGET = "WITH over AS MATERIALIZED
             (SELECT node_id, principal, key FROM idempotency_keys WHERE expires_at_ms <= $1
              ORDER BY expires_at_ms LIMIT $2 FOR UPDATE SKIP LOCKED)
         DELETE FROM idempotency_keys k USING over o
         WHERE (k.node_id, k.principal, k.key) = (o.node_id, o.principal, o.key)";
}

#[async_trait]
impl IdempotencyStore for PostgresStore {
    async fn forget_requests(&self, now_ms: i64, requests_max: u32) -> Result<u64, StoreError> {
        let are_over = self.pool.session().await?.fetch_all(query(ARE_OVER).bind(now_ms)).await?;
        if are_over.is_empty() {
            return Ok(0);
        }
        let mut transaction = self.begin_write(CommitLevel::Relaxed).await?;
        let forget = query(FORGET).bind(now_ms).bind(i64::from(requests_max.max(1)));
        let forgotten = transaction.execute(forget).await?;
        transaction.commit_write().await?;
        Ok(forgotten)
    }
}
