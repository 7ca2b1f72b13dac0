use async_trait::async_trait;
use bus_domain::idempotency::{IdempotencyKey, KeptAnswer, KeptRequest, RequestName};
use bus_domain::{Durability, ItemId, NodeId};
use bus_store::{IdempotencyTransaction, StoreError};
use sqlx::postgres::PgRow;

use super::PostgresTransaction;
use crate::rows::{self, inconsistent, signed};
use crate::statement::{PgQuery, Statement, query, statements};

statements! {
    FIND = "SELECT k.node_id, k.principal, k.key, k.content_hash, k.epoch, k.first_seq, k.item_ids, k.durability,
                k.expires_at_ms
         FROM unnest($1::bigint[], $2::text[], $3::text[]) AS a (node_id, principal, key)
         JOIN idempotency_keys k USING (node_id, principal, key)
         WHERE k.expires_at_ms > $4";
    KEEP = "INSERT INTO idempotency_keys
             (node_id, principal, key, content_hash, epoch, first_seq, item_ids, durability, expires_at_ms)
         SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bytea[], $5::bigint[], $6::bigint[], $7::text[],
                              $8::text[], $9::bigint[])
         ON CONFLICT (node_id, principal, key) DO UPDATE SET
             content_hash = excluded.content_hash, epoch = excluded.epoch, first_seq = excluded.first_seq,
             item_ids = excluded.item_ids, durability = excluded.durability, expires_at_ms = excluded.expires_at_ms";
}

#[async_trait]
impl IdempotencyTransaction for PostgresTransaction {
    async fn find_requests(
        &mut self,
        names: &[RequestName],
        now_ms: i64,
    ) -> Result<Vec<KeptRequest>, StoreError> {
        let found = self.fetch_all(named(FIND, names.iter()).bind(now_ms)).await?;
        found.iter().map(kept_request).collect()
    }

    async fn keep_requests(&mut self, requests: &[KeptRequest]) -> Result<(), StoreError> {
        let answers = || requests.iter().map(|request| &request.answer);
        let item_ids = |answer: &KeptAnswer| {
            let ids: Vec<&str> = answer.item_ids.iter().map(ItemId::as_str).collect();
            serde_json::json!(ids).to_string()
        };
        let keep = named(KEEP, requests.iter().map(|request| &request.name))
            .bind(requests.iter().map(|request| request.content_hash.to_vec()).collect::<Vec<_>>())
            .bind(answers().map(|answer| answer.epoch.0.cast_signed()).collect::<Vec<_>>())
            .bind(answers().map(|answer| signed(answer.first_seq)).collect::<Vec<_>>())
            .bind(answers().map(item_ids).collect::<Vec<_>>())
            .bind(answers().map(|answer| answer.durability.as_str()).collect::<Vec<_>>())
            .bind(requests.iter().map(|request| request.expires_at_ms).collect::<Vec<_>>());
        self.execute(keep).await.map(drop)
    }
}

fn named<'q>(statement: Statement, names: impl Iterator<Item = &'q RequestName> + Clone) -> PgQuery<'q> {
    query(statement)
        .bind(names.clone().map(|name| name.node.0).collect::<Vec<_>>())
        .bind(names.clone().map(|name| name.principal.as_str()).collect::<Vec<_>>())
        .bind(names.map(|name| name.key.as_str()).collect::<Vec<_>>())
}

fn kept_request(row: &PgRow) -> Result<KeptRequest, StoreError> {
    let damaged = |message: String| inconsistent("idempotency_keys", &message);
    let key = IdempotencyKey::new(&rows::text(row, "key")?).map_err(|error| damaged(error.to_string()))?;
    let hash = rows::bytes(row, "content_hash")?;
    let durability = rows::text(row, "durability")?;
    let item_ids: Vec<String> =
        serde_json::from_str(&rows::text(row, "item_ids")?).map_err(|error| damaged(error.to_string()))?;
    let item_ids = item_ids.iter().map(|id| ItemId::new(id).map_err(|error| damaged(error.to_string())));
    Ok(KeptRequest {
        name: RequestName {
            node: NodeId(rows::integer(row, "node_id")?),
            principal: rows::parse_bare_jid(&rows::text(row, "principal")?)?,
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
