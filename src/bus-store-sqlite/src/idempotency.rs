use async_trait::async_trait;
use bus_store::{CommitLevel, IdempotencyStore, StoreError};

use crate::SqliteStore;
use crate::error::store_error;
use crate::statement::{query, statements};

statements! {
    ARE_OVER = "SELECT 1 FROM idempotency_keys WHERE expires_at_ms <= ?1 LIMIT 1";
    pub(crate) FORGET = "DELETE FROM idempotency_keys WHERE rowid IN
         (SELECT rowid FROM idempotency_keys WHERE expires_at_ms <= ?1 ORDER BY expires_at_ms LIMIT ?2)";
}

#[async_trait]
impl IdempotencyStore for SqliteStore {
    async fn forget_requests(&self, now_ms: i64, requests_max: u32) -> Result<u64, StoreError> {
        let are_over = query(ARE_OVER).bind(now_ms).fetch_optional(&self.readers).await;
        if are_over.map_err(store_error)?.is_none() {
            return Ok(0);
        }
        let mut transaction = self.begin_write(CommitLevel::Relaxed).await?;
        let forget = query(FORGET).bind(now_ms).bind(i64::from(requests_max.max(1)));
        let forgotten = transaction.execute(forget).await?;
        transaction.commit_write().await?;
        Ok(forgotten)
    }
}
