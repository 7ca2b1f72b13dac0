use async_trait::async_trait;
use bus_domain::collection::{Child, FeedPosition, Neighbour, Neighbours};
use bus_domain::{AccessModel, Jid, NodeId};
use bus_store::{AssociationStore, Feed, StoreError};
use sqlx::sqlite::SqliteRow;

use crate::error::store_error;
use crate::statement::{query, statements};
use crate::{SqliteStore, rows};

/// What [`feed`] reads.
macro_rules! feeds {
    ($condition:literal) => {
        concat!(
            "SELECT a.collection_id, c.name AS collection_name, a.child_id, n.name, n.config, h.epoch, h.seq,
                    a.through_seq, a.is_new, a.ends_at_seq, a.changed_by
             FROM associations a JOIN nodes c ON c.node_id = a.collection_id JOIN nodes n ON n.node_id = a.child_id
             JOIN heads h ON h.node_id = a.child_id ",
            $condition
        )
    };
}

statements! {
    pub(crate) COLLECTIONS = "SELECT n.node_id, n.name FROM associations a JOIN nodes n ON n.node_id = a.collection_id
         WHERE a.child_id = ?1 AND a.ends_at_seq IS NULL AND n.deleted_at_ms IS NULL ORDER BY n.name";
    pub(crate) CHILDREN = "SELECT n.node_id, n.name FROM associations a JOIN nodes n ON n.node_id = a.child_id
         WHERE a.collection_id = ?1 AND a.ends_at_seq IS NULL AND n.deleted_at_ms IS NULL ORDER BY n.name";
    FEEDS = feeds!("WHERE (a.child_id, a.collection_id) > (?1, ?2) ORDER BY a.child_id, a.collection_id LIMIT ?3");
    FEEDS_OF = feeds!("WHERE a.child_id IN (SELECT value FROM jsonb_each(?1)) ORDER BY a.child_id, a.collection_id");
}

#[async_trait]
impl AssociationStore for SqliteStore {
    async fn neighbours_of(&self, node: NodeId) -> Result<Neighbours, StoreError> {
        // One read transaction: what moves from one list to the other is in one of them.
        let mut reader = self.readers.begin().await.map_err(store_error)?;
        let above = query(COLLECTIONS).bind(node.0).fetch_all(&mut *reader).await.map_err(store_error)?;
        let below = query(CHILDREN).bind(node.0).fetch_all(&mut *reader).await.map_err(store_error)?;
        Ok(Neighbours { collections: neighbours(&above)?, children: neighbours(&below)? })
    }

    async fn feeds(&self, after: Option<(NodeId, NodeId)>, feeds_max: u32) -> Result<Vec<Feed>, StoreError> {
        let (child, collection) = after.map_or((0, 0), |(child, collection)| (child.0, collection.0));
        let query = query(FEEDS).bind(child).bind(collection).bind(i64::from(feeds_max.max(1)));
        query.fetch_all(&self.readers).await.map_err(store_error)?.iter().map(feed).collect()
    }

    async fn feeds_of(&self, children: &[NodeId]) -> Result<Vec<Feed>, StoreError> {
        let children: Vec<i64> = children.iter().map(|child| child.0).collect();
        let query = query(FEEDS_OF).bind(serde_json::json!(children).to_string());
        query.fetch_all(&self.readers).await.map_err(store_error)?.iter().map(feed).collect()
    }
}

/// Nodes by id and name.
pub(crate) fn neighbours(found: &[SqliteRow]) -> Result<Vec<Neighbour>, StoreError> {
    let neighbour = |row: &SqliteRow| {
        Ok(Neighbour { id: NodeId(rows::integer(row, "node_id")?), name: rows::node_name(row)? })
    };
    found.iter().map(neighbour).collect()
}

fn feed(row: &SqliteRow) -> Result<Feed, StoreError> {
    let changed_by = rows::text(row, "changed_by")?;
    Ok(Feed {
        collection: NodeId(rows::integer(row, "collection_id")?),
        collection_name: rows::named(row, "collection_name")?,
        child: Child {
            id: NodeId(rows::integer(row, "child_id")?),
            name: rows::node_name(row)?,
            epoch: rows::epoch(row)?,
            access_model: model_once_gone(row),
            changed_by: Jid::new(&changed_by).map_err(|error| rows::inconsistent("associations", &error))?,
        },
        position: FeedPosition {
            through_seq: rows::unsigned(row, "through_seq")?,
            is_new: rows::integer(row, "is_new")? != 0,
            ends_at_seq: rows::optional_unsigned(row, "ends_at_seq")?,
        },
        head_seq: rows::unsigned(row, "seq")?,
    })
}

/// What counts of a child's rules once it is gone. What cannot be read holds up no other feed, and is shown to nobody by
/// itself; nor is what had rules above its own (XEP-0496).
fn model_once_gone(row: &SqliteRow) -> AccessModel {
    match rows::node_config(row) {
        Ok(config) if config.relation.is_none() => config.access_model,
        _ => AccessModel::Whitelist,
    }
}
