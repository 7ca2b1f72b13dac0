use async_trait::async_trait;
use bus_domain::retention::{LogState, LoggedEvent};
use bus_domain::{NodeId, Seq};
use bus_store::{CommitLevel, NodeRules, RetainedNode, RetainedPage, RetentionStore, StoreError};
use sqlx::sqlite::SqliteRow;

use crate::SqliteStore;
use crate::error::store_error;
use crate::rows::{self, signed};
use crate::statement::{query, statements};
use crate::transaction::SqliteTransaction;

statements! {
    pub(crate) RETAINED = "SELECT n.node_id, n.creator, n.config, h.rules_version, h.seq, h.purged_through_seq, h.trimmed_through_seq,
                h.log_bytes, h.item_count, o.seq AS oldest_seq, coalesce(octet_length(o.payload), 0) AS payload_bytes,
                o.published_at_ms,
                CASE WHEN NOT json_valid(n.config) THEN NULL -- or one damaged node would fail the whole page
                     WHEN n.config ->> 'item_expire_seconds' IS NOT NULL THEN
                    (SELECT min(e.published_at_ms)
                     FROM (SELECT i.seq FROM items i
                           WHERE i.node_id = h.node_id AND i.seq > h.purged_through_seq ORDER BY i.seq LIMIT 16) oldest
                     JOIN events e ON e.node_id = h.node_id AND e.seq = oldest.seq)
                END AS oldest_item_published_at_ms,
                EXISTS (SELECT 1 FROM items i
                        WHERE i.node_id = h.node_id AND i.seq <= h.purged_through_seq) AS has_purged_items,
                (SELECT min(r.retracted_at_seq) FROM retracted_payloads r
                 WHERE r.node_id = h.node_id) AS oldest_retraction_seq,
                min(coalesce((SELECT c.seq FROM cursors c WHERE c.node_id = h.node_id AND c.leg = 'xmpp'), 0),
                    coalesce((SELECT min(a.through_seq) FROM associations a WHERE a.child_id = h.node_id), h.seq)) AS delivered_seq,
                (SELECT min(held.seq)
                 FROM (SELECT min(l.seq) AS seq FROM lagging l WHERE l.node_id = h.node_id
                       UNION ALL SELECT min(d.seq) - 1 FROM consumer_deliveries d WHERE d.node_id = h.node_id
                       UNION ALL SELECT c.seq FROM consumer_cursors c JOIN consumers p ON p.consumer_id = c.consumer_id
                                 WHERE c.node_id = h.node_id AND p.reader = 'push') held) AS lagging_seq
         FROM heads h JOIN nodes n USING (node_id)
         LEFT JOIN events o ON o.node_id = h.node_id AND o.seq = h.trimmed_through_seq + 1
         WHERE h.node_id > ?1 AND n.deleted_at_ms IS NULL ORDER BY h.node_id LIMIT ?2";
    pub(crate) OLDEST = "SELECT e.seq, coalesce(octet_length(e.payload), 0) AS payload_bytes, e.published_at_ms
         FROM events e
         WHERE e.node_id = ?1 AND e.seq > (SELECT trimmed_through_seq FROM heads WHERE node_id = ?1)
         ORDER BY e.seq LIMIT ?2";
    HEAD = "SELECT seq, trimmed_through_seq FROM heads WHERE node_id = ?1 AND rules_version = ?2";
    pub(crate) TRIM_HEAD = "UPDATE heads SET
             trimmed_through_seq = ?3,
             log_bytes = log_bytes - (SELECT coalesce(sum(octet_length(e.payload)), 0) FROM events e
                                      WHERE e.node_id = ?1 AND e.seq > ?2 AND e.seq <= ?3)
         WHERE node_id = ?1";
    pub(crate) TRIM_EVENTS = "DELETE FROM events WHERE node_id = ?1 AND seq > ?2 AND seq <= ?3
         AND NOT EXISTS (SELECT 1 FROM items i WHERE i.node_id = ?1 AND i.seq = events.seq)";
    // Left to itself, the planner reads all items of the node where it deletes some by their positions.
    pub(crate) EXPIRE = "DELETE FROM items INDEXED BY items_by_seq WHERE node_id = ?1 AND seq IN
         (SELECT oldest.seq
          FROM (SELECT seq FROM items
                WHERE node_id = ?1 AND seq > (SELECT purged_through_seq FROM heads WHERE node_id = ?1)
                ORDER BY seq LIMIT ?3) oldest
          JOIN events e ON e.node_id = ?1 AND e.seq = oldest.seq WHERE e.published_at_ms <= ?2)";
    pub(crate) EVICT = "DELETE FROM items INDEXED BY items_by_seq WHERE node_id = ?1 AND seq IN
         (SELECT seq FROM items
          WHERE node_id = ?1 AND seq > (SELECT purged_through_seq FROM heads WHERE node_id = ?1)
          ORDER BY seq LIMIT (SELECT max(0, min(?3, item_count - ?2)) FROM heads WHERE node_id = ?1))";
    pub(crate) SWEEP = "DELETE FROM items INDEXED BY items_by_seq WHERE node_id = ?1 AND seq IN
         (SELECT seq FROM items
          WHERE node_id = ?1 AND seq <= (SELECT purged_through_seq FROM heads WHERE node_id = ?1)
          ORDER BY seq LIMIT ?2)";
    pub(crate) TAKE_RETRACTED = "DELETE FROM retracted_payloads WHERE node_id = ?1
         AND (retracted_at_seq, seq) IN
             (SELECT retracted_at_seq, seq FROM retracted_payloads
              WHERE node_id = ?1 AND retracted_at_seq <= ?2 ORDER BY retracted_at_seq, seq LIMIT ?3)
         RETURNING seq";
    pub(crate) BLANK_HEAD = "UPDATE heads SET
             log_bytes = log_bytes - (SELECT coalesce(sum(octet_length(e.payload)), 0) FROM events e
                                      WHERE e.node_id = ?1 AND e.seq > heads.trimmed_through_seq
                                        AND e.seq IN (SELECT value FROM jsonb_each(?2)))
         WHERE node_id = ?1";
    pub(crate) BLANK_EVENTS = "UPDATE events SET payload = NULL
         WHERE node_id = ?1 AND seq IN (SELECT value FROM jsonb_each(?2))";
    LOWER_COUNT = "UPDATE heads SET item_count = item_count - ?2 WHERE node_id = ?1";
}

/// The transactions hold the file's write lock, so there is no head to be locked.
#[async_trait]
impl RetentionStore for SqliteStore {
    async fn retained(&self, after: Option<NodeId>, nodes_max: u32) -> Result<RetainedPage, StoreError> {
        let nodes_max = nodes_max.max(1);
        let rows = query(RETAINED)
            .bind(after.map_or(0, |node| node.0))
            .bind(i64::from(nodes_max))
            .fetch_all(&self.readers)
            .await
            .map_err(store_error)?;
        let is_last = rows.len() < nodes_max as usize;
        let mut page = RetainedPage { nodes: Vec::with_capacity(rows.len()), next_after: None };
        for row in &rows {
            let node = NodeId(rows::integer(row, "node_id")?);
            page.next_after = Some(node).filter(|_| !is_last);
            match retained(node, row) {
                Ok(retained) => page.nodes.push(retained),
                Err(error) => {
                    // Delivery says it once, at its start; here it would be said again and again.
                    tracing::debug!(node_id = node.0, %error, "a node cannot be read, it keeps all it has");
                }
            }
        }
        Ok(page)
    }

    async fn oldest_events(&self, node: NodeId, events_max: u32) -> Result<Vec<LoggedEvent>, StoreError> {
        let rows = query(OLDEST)
            .bind(node.0)
            .bind(i64::from(events_max))
            .fetch_all(&self.readers)
            .await
            .map_err(store_error)?;
        rows.iter().map(|row| logged_event(rows::unsigned(row, "seq")?, row)).collect()
    }

    async fn trim_log(&self, node: NodeRules, through_seq: Seq, events_max: u32) -> Result<u64, StoreError> {
        let mut transaction = self.begin_write(CommitLevel::Relaxed).await?;
        let Some(head) = head(&mut transaction, node).await? else { return Ok(0) };
        let from = rows::unsigned(&head, "trimmed_through_seq")?;
        let through =
            through_seq.min(rows::unsigned(&head, "seq")?).min(from.saturating_add(events_max.max(1).into()));
        if through <= from {
            return Ok(0);
        }
        for statement in [TRIM_HEAD, TRIM_EVENTS] {
            let query = query(statement).bind(node.node.0).bind(signed(from)).bind(signed(through));
            transaction.execute(query).await?;
        }
        transaction.commit_write().await?;
        Ok(through - from)
    }

    async fn expire_items(
        &self,
        node: NodeRules,
        published_through_ms: i64,
        items_max: u32,
    ) -> Result<u64, StoreError> {
        let mut transaction = self.begin_write(CommitLevel::Relaxed).await?;
        if head(&mut transaction, node).await?.is_none() {
            return Ok(0);
        }
        let node = node.node;
        let expire = query(EXPIRE).bind(node.0).bind(published_through_ms).bind(bound(items_max));
        let expired = transaction.execute(expire).await?;
        if expired > 0 {
            transaction.execute(query(LOWER_COUNT).bind(node.0).bind(signed(expired))).await?;
            transaction.commit_write().await?;
        }
        Ok(expired)
    }

    async fn evict_items(&self, node: NodeRules, items_kept: u32, items_max: u32) -> Result<u64, StoreError> {
        let mut transaction = self.begin_write(CommitLevel::Relaxed).await?;
        if head(&mut transaction, node).await?.is_none() {
            return Ok(0);
        }
        let node = node.node;
        let evict = query(EVICT).bind(node.0).bind(i64::from(items_kept)).bind(bound(items_max));
        let evicted = transaction.execute(evict).await?;
        transaction.execute(query(LOWER_COUNT).bind(node.0).bind(signed(evicted))).await?;
        transaction.commit_write().await?;
        Ok(evicted)
    }

    async fn sweep_purged(&self, node: NodeId, items_max: u32) -> Result<u64, StoreError> {
        let mut transaction = self.begin_write(CommitLevel::Relaxed).await?;
        let swept = transaction.execute(query(SWEEP).bind(node.0).bind(bound(items_max))).await?;
        transaction.commit_write().await?;
        Ok(swept)
    }

    async fn blank_retracted(
        &self,
        node: NodeId,
        retracted_through_seq: Seq,
        events_max: u32,
    ) -> Result<u64, StoreError> {
        let mut transaction = self.begin_write(CommitLevel::Relaxed).await?;
        let seqs = take_retracted(&mut transaction, node, retracted_through_seq, events_max).await?;
        let rows = serde_json::json!(seqs).to_string();
        for statement in [BLANK_HEAD, BLANK_EVENTS] {
            transaction.execute(query(statement).bind(node.0).bind(rows.clone())).await?;
        }
        transaction.commit_write().await?;
        Ok(seqs.len() as u64)
    }
}

/// The head, if its rules are still those.
async fn head(
    transaction: &mut SqliteTransaction,
    NodeRules { node, rules_version }: NodeRules,
) -> Result<Option<SqliteRow>, StoreError> {
    let query = query(HEAD).bind(node.0).bind(signed(rules_version));
    Ok(transaction.fetch_all(query).await?.into_iter().next())
}

async fn take_retracted(
    transaction: &mut SqliteTransaction,
    node: NodeId,
    retracted_through_seq: Seq,
    events_max: u32,
) -> Result<Vec<i64>, StoreError> {
    let query =
        query(TAKE_RETRACTED).bind(node.0).bind(signed(retracted_through_seq)).bind(bound(events_max));
    let rows = transaction.fetch_all(query).await?;
    rows.iter().map(|row| rows::integer(row, "seq")).collect()
}

fn logged_event(seq: Seq, row: &SqliteRow) -> Result<LoggedEvent, StoreError> {
    Ok(LoggedEvent {
        seq,
        payload_bytes: rows::unsigned(row, "payload_bytes")?,
        published_at_ms: rows::integer(row, "published_at_ms")?,
    })
}

fn bound(rows_max: u32) -> i64 {
    i64::from(rows_max.max(1))
}

fn retained(node: NodeId, row: &SqliteRow) -> Result<RetainedNode, StoreError> {
    Ok(RetainedNode {
        node,
        creator: rows::bare_jid(row, "creator")?,
        config: rows::node_config(row)?,
        rules_version: rows::unsigned(row, "rules_version")?,
        log: LogState {
            head_seq: rows::unsigned(row, "seq")?,
            purged_through_seq: rows::unsigned(row, "purged_through_seq")?,
            delivered_through_seq: rows::unsigned(row, "delivered_seq")?,
            lagging_through_seq: rows::optional_unsigned(row, "lagging_seq")?,
            log_bytes: rows::unsigned(row, "log_bytes")?,
        },
        trimmed_through_seq: rows::unsigned(row, "trimmed_through_seq")?,
        oldest_event: rows::optional_unsigned(row, "oldest_seq")?
            .map(|seq| logged_event(seq, row))
            .transpose()?,
        item_count: rows::unsigned(row, "item_count")?,
        oldest_item_published_at_ms: rows::optional_integer(row, "oldest_item_published_at_ms")?,
        has_purged_items: rows::integer(row, "has_purged_items")? != 0,
        oldest_retraction_seq: rows::optional_unsigned(row, "oldest_retraction_seq")?,
    })
}
