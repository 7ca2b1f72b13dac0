use async_trait::async_trait;
use bus_domain::consumer::redrive::{Redrive, Redriven, Undeliverable};
use bus_store::{ConsumerTransaction, StoreError};

use super::PostgresTransaction;
use crate::rows::signed;
use crate::statement::{query, statements};

statements! {
    // Nobody claims the consumer until the end of the transaction.
    HOLD = "SELECT 1 FROM consumers WHERE consumer_id = $1 AND fence = $2 FOR SHARE";
    SETTLE = "DELETE FROM consumer_deliveries d USING heads h
         WHERE d.node_id = $2 AND d.seq = $4 AND d.consumer_id = $1 AND h.node_id = d.node_id AND h.epoch = $3";
    // One that has a row is handed out again anyway: it begins anew.
    RETURN = "INSERT INTO consumer_deliveries (consumer_id, node_id, seq, attempts, is_leased, due_at_ms, order_key)
         SELECT c.consumer_id, e.node_id, e.seq, 0, false, $2, k.order_key
         FROM unnest($3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[]) AS k (node_id, epoch, seq, order_key)
         JOIN heads h ON h.node_id = k.node_id AND h.epoch = k.epoch
         JOIN events e ON e.node_id = k.node_id AND e.seq = k.seq
         JOIN consumer_cursors c ON c.node_id = k.node_id AND c.consumer_id = $1 AND c.seq >= e.seq
         ON CONFLICT (node_id, seq, consumer_id) DO UPDATE
         SET attempts = 0, is_leased = false, due_at_ms = excluded.due_at_ms";
}

#[async_trait]
impl ConsumerTransaction for PostgresTransaction {
    async fn settle_delivery(&mut self, about: &Undeliverable) -> Result<bool, StoreError> {
        let hold = query(HOLD).bind(about.consumer.0).bind(signed(about.fence));
        if self.fetch_optional(hold).await?.is_none() {
            return Ok(false);
        }
        let settle = query(SETTLE)
            .bind(about.consumer.0)
            .bind(about.node.0)
            .bind(about.epoch.0.cast_signed())
            .bind(signed(about.seq));
        Ok(self.execute(settle).await? > 0)
    }

    async fn return_deliveries(&mut self, redrive: &Redrive) -> Result<u64, StoreError> {
        let hold = query(HOLD).bind(redrive.consumer.0).bind(signed(redrive.fence));
        if self.fetch_optional(hold).await?.is_none() {
            return Ok(0);
        }
        let column = |value: fn(&Redriven) -> i64| redrive.letters.iter().map(value).collect::<Vec<_>>();
        let order_keys = redrive.letters.iter().map(|letter| letter.order_key.map(|key| key.0.cast_signed()));
        let returned = query(RETURN)
            .bind(redrive.consumer.0)
            .bind(redrive.due_at_ms)
            .bind(column(|letter| letter.node.0))
            .bind(column(|letter| letter.epoch.0.cast_signed()))
            .bind(column(|letter| signed(letter.seq)))
            .bind(order_keys.collect::<Vec<_>>());
        self.execute(returned).await
    }
}
