use bus_store::{BatchId, StoreError};

use super::PostgresTransaction;
use crate::statement::{query, statements};

statements! {
    // Every 1,024th batch removes the ids that nobody will ask for any more; what another instance is removing is left
    // to it. 20,000 are more than all instances write while one of them asks for the fate of a batch.
    RECORD = "WITH added AS (INSERT INTO batches (batch_id, committed_at_ms) VALUES ($1, $2) RETURNING batch_number)
         DELETE FROM batches WHERE batch_number IN
             (SELECT old.batch_number FROM batches old, added
              WHERE added.batch_number % 1024 = 0 AND old.batch_number <= added.batch_number - 20000
              FOR UPDATE OF old SKIP LOCKED)";
}

pub(super) async fn record(
    transaction: &mut PostgresTransaction,
    id: BatchId,
    committed_at_ms: i64,
) -> Result<(), StoreError> {
    transaction.execute(query(RECORD).bind(&id.0[..]).bind(committed_at_ms)).await.map(drop)
}
