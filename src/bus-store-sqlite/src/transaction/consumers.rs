use async_trait::async_trait;
use bus_domain::consumer::redrive::{Redrive, Undeliverable};
use bus_store::{ConsumerTransaction, StoreError};
use serde_json::json;

use super::{SqliteTransaction, array};
use crate::rows::signed;
use crate::statement::{query, statements};

statements! {
    SETTLE = "DELETE FROM consumer_deliveries
         WHERE node_id = ?3 AND seq = ?5 AND consumer_id = ?1
           AND EXISTS (SELECT 1 FROM consumers WHERE consumer_id = ?1 AND fence = ?2)
           AND EXISTS (SELECT 1 FROM heads WHERE node_id = ?3 AND epoch = ?4)";
    // One that has a row is handed out again anyway: it begins anew.
    RETURN = "INSERT INTO consumer_deliveries (consumer_id, node_id, seq, attempts, is_leased, due_at_ms, order_key)
         SELECT c.consumer_id, h.node_id, e.seq, 0, 0, ?3, k.value ->> 3
         FROM jsonb_each(?4) k
         JOIN heads h ON h.node_id = k.value ->> 0 AND h.epoch = k.value ->> 1
         JOIN events e ON e.node_id = h.node_id AND e.seq = k.value ->> 2
         JOIN consumer_cursors c ON c.node_id = h.node_id AND c.consumer_id = ?1 AND c.seq >= e.seq
         WHERE EXISTS (SELECT 1 FROM consumers WHERE consumer_id = ?1 AND fence = ?2)
         ON CONFLICT (node_id, seq, consumer_id) DO UPDATE SET attempts = 0, is_leased = 0, due_at_ms = excluded.due_at_ms";
}

#[async_trait]
impl ConsumerTransaction for SqliteTransaction {
    async fn settle_delivery(&mut self, about: &Undeliverable) -> Result<bool, StoreError> {
        let settle = query(SETTLE)
            .bind(about.consumer.0)
            .bind(signed(about.fence))
            .bind(about.node.0)
            .bind(about.epoch.0.cast_signed())
            .bind(signed(about.seq));
        Ok(self.execute(settle).await? > 0)
    }

    async fn return_deliveries(&mut self, redrive: &Redrive) -> Result<u64, StoreError> {
        let letters = redrive.letters.iter();
        let letters = array(letters.map(|letter| {
            let order_key = letter.order_key.map(|key| key.0.cast_signed());
            json!([letter.node.0, letter.epoch.0.cast_signed(), signed(letter.seq), order_key])
        }));
        let returned = query(RETURN)
            .bind(redrive.consumer.0)
            .bind(signed(redrive.fence))
            .bind(redrive.due_at_ms)
            .bind(letters);
        self.execute(returned).await
    }
}
