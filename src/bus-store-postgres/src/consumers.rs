use async_trait::async_trait;
use bus_domain::consumer::{Consumer, ConsumerId, ConsumerName, OrderKey, Standing};
use bus_domain::{BareJid, Epoch, NodeId, NodeName, Seq};
use bus_store::{
    Claim, CommitLevel, ConsumerCursor, ConsumerMoves, ConsumerProgress, ConsumerStore, CursorPlace,
    DeliveryRow, NewConsumer, StoreError,
};
use sqlx::postgres::PgRow;

use crate::rows::{inconsistent, signed};
use crate::statement::{PgQuery, Statement, query, statements};
use crate::transaction::PostgresTransaction;
use crate::{PostgresStore, rows};

statements! {
    INSERT = "INSERT INTO consumers (name, owner, config, created_at_ms) VALUES ($1, $2, $3::text::jsonb, $4)
         ON CONFLICT (name) DO NOTHING RETURNING consumer_id";
    FIND = "SELECT consumer_id, name, owner, config::text AS config, is_paused, created_at_ms, standing::text AS standing
         FROM consumers WHERE name = $1";
    LIST = "SELECT consumer_id, name, owner, config::text AS config, is_paused, created_at_ms, standing::text AS standing
         FROM consumers
         WHERE owner = coalesce($1::text, owner) AND name > $2 AND reader = 'service' ORDER BY name LIMIT $3";
    COUNT = "SELECT count(*) AS consumers FROM consumers WHERE owner = $1 AND reader = 'service'";
    CLAIM = "UPDATE consumers SET instance = $2, claimed_until_ms = $4, fence = fence + 1
         WHERE consumer_id = $1 AND (instance IS NULL OR instance = $2 OR claimed_until_ms <= $3) RETURNING fence";
    // In the order of their ids, as all that lock several, so that nobody waits in a circle.
    HOLD = "SELECT c.consumer_id FROM consumers c
         JOIN unnest($1::bigint[], $2::bigint[]) AS k (consumer_id, fence)
              ON k.consumer_id = c.consumer_id AND k.fence = c.fence
         ORDER BY c.consumer_id FOR UPDATE OF c";
    RENEW = "UPDATE consumers SET claimed_until_ms = $2 WHERE consumer_id = ANY($1)";
    CURSORS = "SELECT n.node_id, n.name, h.epoch, h.seq, h.trimmed_through_seq, h.rules_version, h.recipients_version,
                c.seq AS through_seq, c.items_through_seq
         FROM consumer_cursors c JOIN nodes n ON n.node_id = c.node_id JOIN heads h ON h.node_id = c.node_id
         WHERE c.consumer_id = $1 ORDER BY c.node_id";
    DELIVERIES = "SELECT node_id, seq, attempts, is_leased, due_at_ms, generation, order_key FROM consumer_deliveries
         WHERE consumer_id = $1 ORDER BY node_id, seq";
    MOVE = "INSERT INTO consumer_cursors AS old (consumer_id, node_id, seq, items_through_seq)
         SELECT k.consumer_id, k.node_id, k.seq, k.items_through_seq
         FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[])
              AS k (consumer_id, node_id, epoch, seq, items_through_seq)
         JOIN heads h ON h.node_id = k.node_id AND h.epoch = k.epoch
         ON CONFLICT (node_id, consumer_id) DO UPDATE SET seq = greatest(old.seq, excluded.seq)";
    PLACE = "INSERT INTO consumer_cursors (consumer_id, node_id, seq, items_through_seq)
         SELECT k.consumer_id, k.node_id, k.seq, k.items_through_seq
         FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[])
              AS k (consumer_id, node_id, epoch, seq, items_through_seq)
         JOIN heads h ON h.node_id = k.node_id AND h.epoch = k.epoch
         ON CONFLICT (node_id, consumer_id) DO UPDATE
         SET seq = excluded.seq, items_through_seq = excluded.items_through_seq";
    PUT = "INSERT INTO consumer_deliveries
                (consumer_id, node_id, seq, attempts, is_leased, due_at_ms, generation, order_key)
         SELECT k.consumer_id, k.node_id, k.seq, k.attempts, k.is_leased, k.due_at_ms, k.generation, k.order_key
         FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::boolean[], $7::bigint[],
                     $8::bigint[], $9::bigint[])
              AS k (consumer_id, node_id, epoch, seq, attempts, is_leased, due_at_ms, generation, order_key)
         JOIN heads h ON h.node_id = k.node_id AND h.epoch = k.epoch
         ON CONFLICT (node_id, seq, consumer_id) DO UPDATE
         SET attempts = excluded.attempts, is_leased = excluded.is_leased, due_at_ms = excluded.due_at_ms,
             generation = excluded.generation, order_key = excluded.order_key";
    REMOVE = "DELETE FROM consumer_deliveries d
         USING unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS k (consumer_id, node_id, seq)
         WHERE d.node_id = k.node_id AND d.seq = k.seq AND d.consumer_id = k.consumer_id";
    CLEAR = "DELETE FROM consumer_deliveries WHERE consumer_id = $1 AND node_id = ANY($2)";
    DESTINATIONS = "SELECT consumer_id, name, owner, config::text AS config, is_paused, created_at_ms,
                standing::text AS standing
         FROM consumers WHERE config -> 'destination' IS NOT NULL AND name > $1 ORDER BY name LIMIT $2";
    STAND = "UPDATE consumers SET standing = $3::text::jsonb WHERE consumer_id = $1 AND fence = coalesce($2, fence)";
    PAUSE = "UPDATE consumers SET is_paused = $3 WHERE consumer_id = $1 AND fence = $2";
    DELETE = "DELETE FROM consumers WHERE consumer_id = $1 AND fence = $2";
    pub(crate) DELETE_CURSORS = "DELETE FROM consumer_cursors WHERE consumer_id = $1";
    DELETE_DELIVERIES = "DELETE FROM consumer_deliveries WHERE consumer_id = $1";
    NEWEST = "SELECT max(node_id) AS node_id FROM nodes";
    NAMES = "SELECT node_id, name FROM nodes
         WHERE deleted_at_ms IS NULL AND name >= $1 AND name > $2 ORDER BY name LIMIT $3";
}

#[async_trait]
impl ConsumerStore for PostgresStore {
    async fn create_consumer(&self, new: &NewConsumer) -> Result<Option<ConsumerId>, StoreError> {
        let mut transaction = self.begin_write(CommitLevel::Fsync).await?;
        let config = serde_json::to_string(&new.config).map_err(|error| inconsistent("consumers", &error))?;
        let insert = query(INSERT)
            .bind(new.name.as_str())
            .bind(new.owner.as_str())
            .bind(config)
            .bind(new.created_at_ms);
        let Some(row) = transaction.fetch_optional(insert).await? else {
            transaction.rollback().await?;
            return Ok(None);
        };
        let id = ConsumerId(rows::integer(&row, "consumer_id")?);
        place(&mut transaction, PLACE, &of(id, &new.cursors)).await?;
        transaction.commit_write().await?;
        Ok(Some(id))
    }

    async fn find_consumer(&self, name: &ConsumerName) -> Result<Option<Consumer>, StoreError> {
        let found = self.pool.session().await?.fetch_optional(query(FIND).bind(name.as_str())).await?;
        found.map(|row| consumer(&row)).transpose()
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
        self.pool.session().await?.fetch_all(list).await?.iter().map(consumer).collect()
    }

    async fn count_consumers(&self, owner: &BareJid) -> Result<u64, StoreError> {
        let count = query(COUNT).bind(owner.as_str());
        rows::unsigned(&self.pool.session().await?.fetch_one(count).await?, "consumers")
    }

    async fn claim_consumer(&self, consumer: ConsumerId, claim: &Claim) -> Result<Option<u64>, StoreError> {
        let mut transaction = self.begin_write(CommitLevel::Fsync).await?;
        let claiming =
            query(CLAIM).bind(consumer.0).bind(&claim.instance[..]).bind(claim.now_ms).bind(claim.until_ms);
        let claimed = transaction.fetch_optional(claiming).await?;
        transaction.commit_write().await?;
        claimed.map(|row| rows::unsigned(&row, "fence")).transpose()
    }

    async fn renew_claims(
        &self,
        claims: &[(ConsumerId, u64)],
        until_ms: i64,
    ) -> Result<Vec<ConsumerId>, StoreError> {
        let mut transaction = self.begin_write(CommitLevel::Relaxed).await?;
        let held = hold(&mut transaction, claims).await?;
        let ids = column(&held, |consumer| consumer.0);
        transaction.execute(query(RENEW).bind(ids).bind(until_ms)).await?;
        transaction.commit_write().await?;
        Ok(held)
    }

    async fn consumer_progress(&self, consumer: ConsumerId) -> Result<ConsumerProgress, StoreError> {
        // Of one moment: an event is either behind the cursor or has its row.
        let mut reader = PostgresTransaction::begin_snapshot(&self.pool).await?;
        let cursors = reader.fetch_all(query(CURSORS).bind(consumer.0)).await?;
        let deliveries = reader.fetch_all(query(DELIVERIES).bind(consumer.0)).await?;
        reader.rollback().await?;
        Ok(ConsumerProgress {
            cursors: cursors.iter().map(cursor).collect::<Result<_, _>>()?,
            deliveries: deliveries.iter().map(delivery).collect::<Result<_, _>>()?,
        })
    }

    async fn move_consumers(&self, moves: &[ConsumerMoves]) -> Result<Vec<ConsumerId>, StoreError> {
        let mut transaction = self.begin_write(CommitLevel::Fsync).await?;
        let fences = column(moves, |moves| (moves.consumer, moves.fence));
        let held = hold(&mut transaction, &fences).await?;
        let of_held = || moves.iter().filter(|moves| held.contains(&moves.consumer));
        let cursors: Vec<_> = of_held().flat_map(|moves| of(moves.consumer, &moves.cursors)).collect();
        let put: Vec<_> = of_held()
            .flat_map(|moves| moves.put.iter().map(|(epoch, row)| (moves.consumer, *epoch, *row)))
            .collect();
        let removed: Vec<(ConsumerId, NodeId, Seq)> = of_held()
            .flat_map(|moves| moves.removed.iter().map(|(node, seq)| (moves.consumer, *node, *seq)))
            .collect();
        place(&mut transaction, MOVE, &cursors).await?;
        put_rows(&mut transaction, &put).await?;
        if !removed.is_empty() {
            let remove = query(REMOVE)
                .bind(column(&removed, |(consumer, ..)| consumer.0))
                .bind(column(&removed, |(_, node, _)| node.0))
                .bind(column(&removed, |(.., seq)| signed(*seq)));
            transaction.execute(remove).await?;
        }
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
        if hold(&mut transaction, &[(consumer, fence)]).await?.is_empty() {
            transaction.rollback().await?;
            return Ok(false);
        }
        let nodes = column(cursors, |place| place.node.0);
        transaction.execute(query(CLEAR).bind(consumer.0).bind(nodes)).await?;
        place(&mut transaction, PLACE, &of(consumer, cursors)).await?;
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
        let pause = query(PAUSE).bind(consumer.0).bind(signed(fence)).bind(is_paused);
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
        self.pool.session().await?.fetch_all(list).await?.iter().map(consumer).collect()
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
            transaction.rollback().await?;
            return Ok(false);
        }
        for statement in [DELETE_CURSORS, DELETE_DELIVERIES] {
            transaction.execute(query(statement).bind(consumer.0)).await?;
        }
        transaction.commit_write().await?;
        Ok(true)
    }

    async fn newest_node(&self) -> Result<Option<NodeId>, StoreError> {
        let row = self.pool.session().await?.fetch_one(query(NEWEST)).await?;
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
        let found = self.pool.session().await?.fetch_all(names).await?;
        found.iter().map(|row| Ok((NodeId(rows::integer(row, "node_id")?), rows::node_name(row)?))).collect()
    }
}

/// Locks those consumers whose fences are these, until the transaction ends: nobody claims them meanwhile.
pub(crate) async fn hold(
    transaction: &mut PostgresTransaction,
    fences: &[(ConsumerId, u64)],
) -> Result<Vec<ConsumerId>, StoreError> {
    let locking = query(HOLD)
        .bind(column(fences, |(consumer, _)| consumer.0))
        .bind(column(fences, |(_, fence)| signed(*fence)));
    let locked = transaction.fetch_all(locking).await?;
    locked.iter().map(|row| rows::integer(row, "consumer_id").map(ConsumerId)).collect()
}

fn of(consumer: ConsumerId, places: &[CursorPlace]) -> Vec<(ConsumerId, CursorPlace)> {
    places.iter().map(|place| (consumer, *place)).collect()
}

async fn place(
    transaction: &mut PostgresTransaction,
    statement: Statement,
    places: &[(ConsumerId, CursorPlace)],
) -> Result<(), StoreError> {
    if places.is_empty() {
        return Ok(());
    }
    let place = query(statement)
        .bind(column(places, |(consumer, _)| consumer.0))
        .bind(column(places, |(_, place)| place.node.0))
        .bind(column(places, |(_, place)| place.epoch.0.cast_signed()))
        .bind(column(places, |(_, place)| signed(place.through_seq)))
        .bind(column(places, |(_, place)| place.items_through_seq.map(signed)));
    transaction.execute(place).await.map(drop)
}

async fn put_rows(
    transaction: &mut PostgresTransaction,
    rows: &[(ConsumerId, Epoch, DeliveryRow)],
) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let put: PgQuery<'_> = query(PUT)
        .bind(column(rows, |(consumer, ..)| consumer.0))
        .bind(column(rows, |(.., row)| row.node.0))
        .bind(column(rows, |(_, epoch, _)| epoch.0.cast_signed()))
        .bind(column(rows, |(.., row)| signed(row.seq)))
        .bind(column(rows, |(.., row)| i64::from(row.attempts)))
        .bind(column(rows, |(.., row)| row.is_leased))
        .bind(column(rows, |(.., row)| row.due_at_ms))
        .bind(column(rows, |(.., row)| signed(row.generation)))
        .bind(column(rows, |(.., row)| row.order_key.map(|key| key.0.cast_signed())));
    transaction.execute(put).await.map(drop)
}

fn column<R, T>(rows: &[R], value: impl Fn(&R) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}

fn consumer(row: &PgRow) -> Result<Consumer, StoreError> {
    Ok(Consumer {
        id: ConsumerId(rows::integer(row, "consumer_id")?),
        name: ConsumerName::new(&rows::text(row, "name")?)
            .map_err(|error| inconsistent("consumers", &error))?,
        owner: rows::parse_bare_jid(&rows::text(row, "owner")?)?,
        config: serde_json::from_str(&rows::text(row, "config")?)
            .map_err(|error| inconsistent("consumers", &error))?,
        is_paused: rows::boolean(row, "is_paused")?,
        created_at_ms: rows::integer(row, "created_at_ms")?,
        standing: standing(row)?,
    })
}

fn standing(row: &PgRow) -> Result<Option<Standing>, StoreError> {
    let text = rows::optional_text(row, "standing")?;
    text.map(|text| serde_json::from_str(&text).map_err(|error| inconsistent("consumers", &error)))
        .transpose()
}

fn cursor(row: &PgRow) -> Result<ConsumerCursor, StoreError> {
    Ok(ConsumerCursor {
        node: NodeId(rows::integer(row, "node_id")?),
        name: rows::node_name(row)?,
        head: rows::head(row)?,
        through_seq: rows::unsigned(row, "through_seq")?,
        items_through_seq: rows::optional_unsigned(row, "items_through_seq")?,
    })
}

fn delivery(row: &PgRow) -> Result<DeliveryRow, StoreError> {
    Ok(DeliveryRow {
        node: NodeId(rows::integer(row, "node_id")?),
        seq: rows::unsigned(row, "seq")?,
        attempts: u32::try_from(rows::integer(row, "attempts")?).unwrap_or(u32::MAX),
        is_leased: rows::boolean(row, "is_leased")?,
        due_at_ms: rows::integer(row, "due_at_ms")?,
        generation: rows::unsigned(row, "generation")?,
        order_key: rows::optional_unsigned(row, "order_key")?.map(OrderKey),
    })
}
