use async_trait::async_trait;
use bus_domain::consumer::{Consumer, ConsumerId, ConsumerName, OrderKey, Standing};
use bus_domain::{BareJid, NodeId, NodeName};
use bus_store::{
    Claim, CommitLevel, ConsumerCursor, ConsumerMoves, ConsumerProgress, ConsumerStore, CursorPlace,
    DeliveryRow, NewConsumer, StoreError,
};
use serde_json::{Value, json};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use crate::error::store_error;
use crate::rows::{inconsistent, signed};
use crate::statement::{Statement, query, statements};
use crate::transaction::SqliteTransaction;
use crate::{SqliteStore, rows};

statements! {
    INSERT = "INSERT INTO consumers (name, owner, config, created_at_ms) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (name) DO NOTHING RETURNING consumer_id";
    FIND = "SELECT consumer_id, name, owner, config, is_paused, created_at_ms, standing FROM consumers WHERE name = ?1";
    LIST = "SELECT consumer_id, name, owner, config, is_paused, created_at_ms, standing FROM consumers
         WHERE owner = coalesce(?1, owner) AND name > ?2 AND reader = 'service' ORDER BY name LIMIT ?3";
    COUNT = "SELECT count(*) FROM consumers WHERE owner = ?1 AND reader = 'service'";
    CLAIM = "UPDATE consumers SET instance = ?2, claimed_until_ms = ?4, fence = fence + 1
         WHERE consumer_id = ?1 AND (instance IS NULL OR instance = ?2 OR claimed_until_ms <= ?3) RETURNING fence";
    RENEW = "UPDATE consumers SET claimed_until_ms = ?2 FROM jsonb_each(?1) k
         WHERE consumer_id = k.value ->> 0 AND fence = k.value ->> 1 RETURNING consumer_id";
    CURSORS = "SELECT n.node_id, n.name, h.epoch, h.seq, h.trimmed_through_seq, h.rules_version, h.recipients_version,
                c.seq AS through_seq, c.items_through_seq
         FROM consumer_cursors c JOIN nodes n ON n.node_id = c.node_id JOIN heads h ON h.node_id = c.node_id
         WHERE c.consumer_id = ?1 ORDER BY c.node_id";
    DELIVERIES = "SELECT node_id, seq, attempts, is_leased, due_at_ms, generation, order_key FROM consumer_deliveries
         WHERE consumer_id = ?1 ORDER BY node_id, seq";
    pub(crate) HELD = "SELECT c.consumer_id FROM jsonb_each(?1) k
         JOIN consumers c ON c.consumer_id = k.value ->> 0 AND c.fence = k.value ->> 1";
    MOVE = "INSERT INTO consumer_cursors (consumer_id, node_id, seq)
         SELECT k.value ->> 0, h.node_id, k.value ->> 3 FROM jsonb_each(?1) k
         JOIN heads h ON h.node_id = k.value ->> 1 AND h.epoch = k.value ->> 2 WHERE true
         ON CONFLICT (node_id, consumer_id) DO UPDATE SET seq = max(seq, excluded.seq)";
    PLACE = "INSERT INTO consumer_cursors (consumer_id, node_id, seq, items_through_seq)
         SELECT k.value ->> 0, h.node_id, k.value ->> 3, k.value ->> 4 FROM jsonb_each(?1) k
         JOIN heads h ON h.node_id = k.value ->> 1 AND h.epoch = k.value ->> 2 WHERE true
         ON CONFLICT (node_id, consumer_id) DO UPDATE
         SET seq = excluded.seq, items_through_seq = excluded.items_through_seq";
    PUT = "INSERT INTO consumer_deliveries
                (consumer_id, node_id, seq, attempts, is_leased, due_at_ms, generation, order_key)
         SELECT k.value ->> 0, h.node_id, k.value ->> 3, k.value ->> 4, k.value ->> 5, k.value ->> 6, k.value ->> 7, k.value ->> 8
         FROM jsonb_each(?1) k
         JOIN heads h ON h.node_id = k.value ->> 1 AND h.epoch = k.value ->> 2 WHERE true
         ON CONFLICT (node_id, seq, consumer_id) DO UPDATE
         SET attempts = excluded.attempts, is_leased = excluded.is_leased, due_at_ms = excluded.due_at_ms,
             generation = excluded.generation, order_key = excluded.order_key";
    REMOVE = "DELETE FROM consumer_deliveries WHERE (node_id, seq, consumer_id) IN
         (SELECT value ->> 1, value ->> 2, value ->> 0 FROM jsonb_each(?1))";
    CLEAR = "DELETE FROM consumer_deliveries WHERE (node_id, consumer_id) IN
         (SELECT value ->> 1, value ->> 0 FROM jsonb_each(?1))";
    DESTINATIONS = "SELECT consumer_id, name, owner, config, is_paused, created_at_ms, standing FROM consumers
         WHERE CASE WHEN json_valid(config) THEN config ->> 'destination' END IS NOT NULL AND name > ?1
         ORDER BY name LIMIT ?2";
    STAND = "UPDATE consumers SET standing = ?3 WHERE consumer_id = ?1 AND fence = coalesce(?2, fence)";
    PAUSE = "UPDATE consumers SET is_paused = ?3 WHERE consumer_id = ?1 AND fence = ?2";
    DELETE = "DELETE FROM consumers WHERE consumer_id = ?1 AND fence = ?2";
    pub(crate) DELETE_CURSORS = "DELETE FROM consumer_cursors WHERE consumer_id = ?1";
    DELETE_DELIVERIES = "DELETE FROM consumer_deliveries WHERE consumer_id = ?1";
    NEWEST = "SELECT max(node_id) AS node_id FROM nodes";
    NAMES = "SELECT node_id, name FROM nodes
         WHERE deleted_at_ms IS NULL AND name >= ?1 AND name > ?2 ORDER BY name LIMIT ?3";
}

#[async_trait]
impl ConsumerStore for SqliteStore {
    async fn create_consumer(&self, new: &NewConsumer) -> Result<Option<ConsumerId>, StoreError> {
        let mut transaction = self.begin_write(CommitLevel::Fsync).await?;
        let config = serde_json::to_string(&new.config).map_err(|error| inconsistent("consumers", &error))?;
        let insert = query(INSERT)
            .bind(new.name.as_str().to_owned())
            .bind(new.owner.as_str().to_owned())
            .bind(config)
            .bind(new.created_at_ms);
        let Some(row) = transaction.fetch_all(insert).await?.into_iter().next() else { return Ok(None) };
        let id = ConsumerId(rows::integer(&row, "consumer_id")?);
        place(&mut transaction, id, &new.cursors).await?;
        transaction.commit_write().await?;
        Ok(Some(id))
    }

    async fn find_consumer(&self, name: &ConsumerName) -> Result<Option<Consumer>, StoreError> {
        let found = query(FIND).bind(name.as_str()).fetch_optional(&self.readers).await;
        found.map_err(store_error)?.map(|row| consumer(&row)).transpose()
    }

    async fn list_consumers(
        &self,
        owner: Option<&BareJid>,
        after: Option<&ConsumerName>,
        consumers_max: u32,
    ) -> Result<Vec<Consumer>, StoreError> {
        let list = query(LIST)
            .bind(owner.map(ToString::to_string))
            .bind(after.map_or("", ConsumerName::as_str))
            .bind(i64::from(consumers_max));
        list.fetch_all(&self.readers).await.map_err(store_error)?.iter().map(consumer).collect()
    }

    async fn count_consumers(&self, owner: &BareJid) -> Result<u64, StoreError> {
        let row = query(COUNT).bind(owner.as_str()).fetch_one(&self.readers).await.map_err(store_error)?;
        let count: i64 = row.try_get(0).map_err(store_error)?;
        Ok(count.unsigned_abs())
    }

    async fn claim_consumer(&self, consumer: ConsumerId, claim: &Claim) -> Result<Option<u64>, StoreError> {
        let mut transaction = self.begin_write(CommitLevel::Fsync).await?;
        let claiming =
            query(CLAIM).bind(consumer.0).bind(&claim.instance[..]).bind(claim.now_ms).bind(claim.until_ms);
        let claimed = transaction.fetch_all(claiming).await?;
        transaction.commit_write().await?;
        claimed.first().map(|row| rows::unsigned(row, "fence")).transpose()
    }

    async fn renew_claims(
        &self,
        claims: &[(ConsumerId, u64)],
        until_ms: i64,
    ) -> Result<Vec<ConsumerId>, StoreError> {
        let mut transaction = self.begin_write(CommitLevel::Relaxed).await?;
        let renew = query(RENEW).bind(array(claims.iter().map(fence_values))).bind(until_ms);
        let held = transaction.fetch_all(renew).await?;
        transaction.commit_write().await?;
        held.iter().map(consumer_id).collect()
    }

    async fn consumer_progress(&self, consumer: ConsumerId) -> Result<ConsumerProgress, StoreError> {
        // One read transaction: an event is either behind the cursor or has its row.
        let mut reader = self.readers.begin().await.map_err(store_error)?;
        let cursors = query(CURSORS).bind(consumer.0).fetch_all(&mut *reader).await.map_err(store_error)?;
        let deliveries =
            query(DELIVERIES).bind(consumer.0).fetch_all(&mut *reader).await.map_err(store_error)?;
        Ok(ConsumerProgress {
            cursors: cursors.iter().map(cursor).collect::<Result<_, _>>()?,
            deliveries: deliveries.iter().map(delivery).collect::<Result<_, _>>()?,
        })
    }

    async fn move_consumers(&self, moves: &[ConsumerMoves]) -> Result<Vec<ConsumerId>, StoreError> {
        let mut transaction = self.begin_write(CommitLevel::Fsync).await?;
        let fences = array(moves.iter().map(|moves| fence_values(&(moves.consumer, moves.fence))));
        let held = transaction.fetch_all(query(HELD).bind(fences)).await?;
        let held: Vec<ConsumerId> = held.iter().map(consumer_id).collect::<Result<_, _>>()?;
        let of_held = || moves.iter().filter(|moves| held.contains(&moves.consumer));
        let cursors: Vec<Value> = of_held()
            .flat_map(|moves| moves.cursors.iter().map(|place| place_values(moves.consumer, place)))
            .collect();
        let put: Vec<Value> =
            of_held().flat_map(|moves| moves.put.iter().map(|row| row_values(moves.consumer, row))).collect();
        let removed: Vec<Value> = of_held()
            .flat_map(|moves| {
                moves.removed.iter().map(|(node, seq)| json!([moves.consumer.0, node.0, signed(*seq)]))
            })
            .collect();
        execute_rows(&mut transaction, MOVE, cursors).await?;
        execute_rows(&mut transaction, PUT, put).await?;
        execute_rows(&mut transaction, REMOVE, removed).await?;
        transaction.commit_write().await?;
        Ok(held)
    }

    async fn seek_consumer(
        &self,
        consumer: ConsumerId,
        fence: u64,
        cursors: &[CursorPlace],
    ) -> Result<bool, StoreError> {
        let mut transaction = self.begin_write(CommitLevel::Fsync).await?;
        let fences = array(std::iter::once(fence_values(&(consumer, fence))));
        if transaction.fetch_all(query(HELD).bind(fences)).await?.is_empty() {
            return Ok(false);
        }
        let places = cursors.iter().map(|place| place_values(consumer, place)).collect();
        execute_rows(&mut transaction, CLEAR, places).await?;
        place(&mut transaction, consumer, cursors).await?;
        transaction.commit_write().await?;
        Ok(true)
    }

    async fn pause_consumer(
        &self,
        consumer: ConsumerId,
        fence: u64,
        is_paused: bool,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.begin_write(CommitLevel::Fsync).await?;
        let pause = query(PAUSE).bind(consumer.0).bind(signed(fence)).bind(i64::from(is_paused));
        let paused = transaction.execute(pause).await?;
        transaction.commit_write().await?;
        Ok(paused > 0)
    }

    async fn list_with_destinations(
        &self,
        after: Option<&ConsumerName>,
        consumers_max: u32,
    ) -> Result<Vec<Consumer>, StoreError> {
        let list =
            query(DESTINATIONS).bind(after.map_or("", ConsumerName::as_str)).bind(i64::from(consumers_max));
        list.fetch_all(&self.readers).await.map_err(store_error)?.iter().map(consumer).collect()
    }

    async fn set_standing(
        &self,
        consumer: ConsumerId,
        fence: Option<u64>,
        standing: &Standing,
    ) -> Result<bool, StoreError> {
        let standing = serde_json::to_string(standing).map_err(|error| inconsistent("consumers", &error))?;
        let mut transaction = self.begin_write(CommitLevel::Fsync).await?;
        let stand = query(STAND).bind(consumer.0).bind(fence.map(signed)).bind(standing);
        let changed = transaction.execute(stand).await?;
        transaction.commit_write().await?;
        Ok(changed > 0)
    }

    async fn delete_consumer(&self, consumer: ConsumerId, fence: u64) -> Result<bool, StoreError> {
        let mut transaction = self.begin_write(CommitLevel::Fsync).await?;
        if transaction.execute(query(DELETE).bind(consumer.0).bind(signed(fence))).await? == 0 {
            return Ok(false);
        }
        for statement in [DELETE_CURSORS, DELETE_DELIVERIES] {
            transaction.execute(query(statement).bind(consumer.0)).await?;
        }
        transaction.commit_write().await?;
        Ok(true)
    }

    async fn newest_node(&self) -> Result<Option<NodeId>, StoreError> {
        let row = query(NEWEST).fetch_one(&self.readers).await.map_err(store_error)?;
        Ok(rows::optional_integer(&row, "node_id")?.map(NodeId))
    }

    async fn names_of_nodes(
        &self,
        from: &str,
        after: Option<&NodeName>,
        nodes_max: u32,
    ) -> Result<Vec<(NodeId, NodeName)>, StoreError> {
        let names =
            query(NAMES).bind(from).bind(after.map_or("", NodeName::as_str)).bind(i64::from(nodes_max));
        let found = names.fetch_all(&self.readers).await.map_err(store_error)?;
        found.iter().map(|row| Ok((NodeId(rows::integer(row, "node_id")?), rows::node_name(row)?))).collect()
    }
}

async fn place(
    transaction: &mut SqliteTransaction,
    consumer: ConsumerId,
    cursors: &[CursorPlace],
) -> Result<(), StoreError> {
    let places = cursors.iter().map(|place| place_values(consumer, place)).collect();
    execute_rows(transaction, PLACE, places).await
}

async fn execute_rows(
    transaction: &mut SqliteTransaction,
    statement: Statement,
    rows: Vec<Value>,
) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    transaction.execute(query(statement).bind(Value::Array(rows).to_string())).await.map(drop)
}

fn array(values: impl Iterator<Item = Value>) -> String {
    Value::Array(values.collect()).to_string()
}

fn fence_values((consumer, fence): &(ConsumerId, u64)) -> Value {
    json!([consumer.0, signed(*fence)])
}

fn place_values(consumer: ConsumerId, place: &CursorPlace) -> Value {
    let items_through_seq = place.items_through_seq.map(signed);
    json!([
        consumer.0,
        place.node.0,
        place.epoch.0.cast_signed(),
        signed(place.through_seq),
        items_through_seq
    ])
}

fn row_values(consumer: ConsumerId, (epoch, row): &(bus_domain::Epoch, DeliveryRow)) -> Value {
    let DeliveryRow { node, seq, attempts, is_leased, due_at_ms, generation, order_key } = row;
    let (epoch, is_leased) = (epoch.0.cast_signed(), i64::from(*is_leased));
    let order_key = order_key.map(|key| key.0.cast_signed());
    let (seq, generation) = (signed(*seq), signed(*generation));
    json!([consumer.0, node.0, epoch, seq, attempts, is_leased, due_at_ms, generation, order_key])
}

fn consumer_id(row: &SqliteRow) -> Result<ConsumerId, StoreError> {
    rows::integer(row, "consumer_id").map(ConsumerId)
}

fn consumer(row: &SqliteRow) -> Result<Consumer, StoreError> {
    Ok(Consumer {
        id: consumer_id(row)?,
        name: ConsumerName::new(&rows::text(row, "name")?)
            .map_err(|error| inconsistent("consumers", &error))?,
        owner: rows::bare_jid(row, "owner")?,
        config: serde_json::from_str(&rows::text(row, "config")?)
            .map_err(|error| inconsistent("consumers", &error))?,
        is_paused: rows::integer(row, "is_paused")? != 0,
        created_at_ms: rows::integer(row, "created_at_ms")?,
        standing: standing(row)?,
    })
}

fn standing(row: &SqliteRow) -> Result<Option<Standing>, StoreError> {
    let text: Option<String> = row.try_get("standing").map_err(store_error)?;
    text.map(|text| serde_json::from_str(&text).map_err(|error| inconsistent("consumers", &error)))
        .transpose()
}

fn cursor(row: &SqliteRow) -> Result<ConsumerCursor, StoreError> {
    Ok(ConsumerCursor {
        node: NodeId(rows::integer(row, "node_id")?),
        name: rows::node_name(row)?,
        head: rows::head(row)?,
        through_seq: rows::unsigned(row, "through_seq")?,
        items_through_seq: rows::optional_unsigned(row, "items_through_seq")?,
    })
}

fn delivery(row: &SqliteRow) -> Result<DeliveryRow, StoreError> {
    Ok(DeliveryRow {
        node: NodeId(rows::integer(row, "node_id")?),
        seq: rows::unsigned(row, "seq")?,
        attempts: u32::try_from(rows::integer(row, "attempts")?).unwrap_or(u32::MAX),
        is_leased: rows::integer(row, "is_leased")? != 0,
        due_at_ms: rows::integer(row, "due_at_ms")?,
        generation: rows::unsigned(row, "generation")?,
        order_key: rows::optional_unsigned(row, "order_key")?.map(OrderKey),
    })
}
