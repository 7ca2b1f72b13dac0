use async_trait::async_trait;
use bus_domain::idempotency::{IdempotencyKey, KeptAnswer, KeptRequest, RequestName};
use bus_domain::{Durability, ItemId, NodeId};
use bus_store::{IdempotencyTransaction, StoreError};
use serde_json::{Value, json};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::{SqliteTransaction, array};
use crate::error::store_error;
use crate::rows::{self, inconsistent};
use crate::statement::{query, statements};

statements! {
    // Left to itself, the planner may walk through all that expires later.
    pub(crate) FIND = "SELECT k.node_id, k.principal, k.key, k.content_hash, k.epoch, k.first_seq, k.item_ids, k.durability,
                k.expires_at_ms
         FROM jsonb_each(?1) a CROSS JOIN idempotency_keys k
             ON k.node_id = a.value ->> 0 AND k.principal = a.value ->> 1 AND k.key = a.value ->> 2
         WHERE +k.expires_at_ms > ?2";
    KEEP = "INSERT OR REPLACE INTO idempotency_keys
             (node_id, principal, key, content_hash, epoch, first_seq, item_ids, durability, expires_at_ms)
         SELECT value ->> 0, value ->> 1, value ->> 2, unhex(value ->> 3), value ->> 4, value ->> 5, value ->> 6, value ->> 7,
                value ->> 8
         FROM jsonb_each(?1)";
}

#[async_trait]
impl IdempotencyTransaction for SqliteTransaction {
    async fn find_requests(
        &mut self,
        names: &[RequestName],
        now_ms: i64,
    ) -> Result<Vec<KeptRequest>, StoreError> {
        let wanted = array(names.iter().map(|name| json!(name_values(name))));
        let found = self.fetch_all(query(FIND).bind(wanted).bind(now_ms)).await?;
        found.iter().map(kept_request).collect()
    }

    async fn keep_requests(&mut self, requests: &[KeptRequest]) -> Result<(), StoreError> {
        self.execute(query(KEEP).bind(array(requests.iter().map(values)))).await.map(drop)
    }
}

fn name_values(name: &RequestName) -> [Value; 3] {
    [json!(name.node.0), json!(name.principal.as_str()), json!(name.key.as_str())]
}

fn values(request: &KeptRequest) -> Value {
    let KeptRequest { name, content_hash, answer, expires_at_ms } = request;
    let mut values = Vec::from(name_values(name));
    let item_ids: Vec<&str> = answer.item_ids.iter().map(ItemId::as_str).collect();
    values.extend([
        json!(content_hash.map(|byte| format!("{byte:02x}")).concat()),
        json!(answer.epoch.0.cast_signed()),
        json!(answer.first_seq),
        json!(json!(item_ids).to_string()),
        json!(answer.durability.as_str()),
        json!(expires_at_ms),
    ]);
    Value::Array(values)
}

fn kept_request(row: &SqliteRow) -> Result<KeptRequest, StoreError> {
    let damaged = |message: String| inconsistent("idempotency_keys", &message);
    let key = IdempotencyKey::new(&rows::text(row, "key")?).map_err(|error| damaged(error.to_string()))?;
    let hash: Vec<u8> = row.try_get("content_hash").map_err(store_error)?;
    let durability = rows::text(row, "durability")?;
    let item_ids: Vec<String> =
        serde_json::from_str(&rows::text(row, "item_ids")?).map_err(|error| damaged(error.to_string()))?;
    let item_ids = item_ids.iter().map(|id| ItemId::new(id).map_err(|error| damaged(error.to_string())));
    Ok(KeptRequest {
        name: RequestName {
            node: NodeId(rows::integer(row, "node_id")?),
            principal: rows::bare_jid(row, "principal")?,
            key,
        },
        content_hash: hash.try_into().map_err(|_| damaged("a hash of another length".to_owned()))?,
        answer: KeptAnswer {
            epoch: rows::epoch(row)?,
            first_seq: rows::unsigned(row, "first_seq")?,
            item_ids: item_ids.collect::<Result<_, _>>()?,
            durability: Durability::parse(&durability).ok_or_else(|| damaged(durability))?,
        },
        expires_at_ms: rows::integer(row, "expires_at_ms")?,
    })
}
