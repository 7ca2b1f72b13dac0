use async_trait::async_trait;
use bus_domain::collection::{FeedPosition, Links, Member, Neighbours};
use bus_domain::{BareJid, Jid, NodeId, NodeName};
use bus_store::{AssociationTransaction, FeedMove, StoreError};
use sqlx::sqlite::SqliteRow;

use super::SqliteTransaction;
use crate::associations::{CHILDREN, COLLECTIONS, neighbours};
use crate::rows::{self, signed};
use crate::statement::{query, statements};

statements! {
    RULES_VERSION = "SELECT rules_version FROM heads WHERE node_id = ?1";
    MEMBERS = "SELECT n.node_id, n.name, n.config, f.affiliation,
                (SELECT count(*) FROM associations a JOIN nodes c ON c.node_id = a.child_id
                 WHERE a.collection_id = n.node_id AND a.ends_at_seq IS NULL AND c.deleted_at_ms IS NULL) AS children
         FROM nodes n LEFT JOIN affiliations f ON f.node_id = n.node_id AND f.jid = ?2
         WHERE n.deleted_at_ms IS NULL AND n.name IN (SELECT value FROM jsonb_each(?1))";
    LINKS = "WITH RECURSIVE
             above (node_id, distance) AS (
                 SELECT ?1, 0
                 UNION SELECT a.collection_id, above.distance + 1
                 FROM above JOIN associations a ON a.child_id = above.node_id AND a.ends_at_seq IS NULL),
             below (node_id, distance) AS (
                 SELECT ?2, 0
                 UNION SELECT a.child_id, below.distance + 1
                 FROM below JOIN associations a ON a.collection_id = below.node_id AND a.ends_at_seq IS NULL),
             over_below (below_id, node_id) AS (
                 SELECT node_id, node_id FROM below
                 UNION SELECT o.below_id, a.collection_id
                 FROM over_below o JOIN associations a ON a.child_id = o.node_id AND a.ends_at_seq IS NULL)
         SELECT EXISTS (SELECT 1 FROM above WHERE node_id = ?2) AS is_cycle,
                EXISTS (SELECT 1 FROM above JOIN over_below USING (node_id)) AS is_second_way,
                (SELECT max(distance) FROM above) + (SELECT max(distance) FROM below) + 1 AS levels,
                (SELECT count(DISTINCT node_id) FROM above)
                + (SELECT max(most.collections)
                   FROM (SELECT count(*) - 1 AS collections FROM over_below GROUP BY below_id) most) AS collections";
    BEGIN = "INSERT INTO associations (collection_id, child_id, through_seq, is_new, changed_by)
         SELECT ?1, node_id, seq, 1, ?3 FROM heads JOIN nodes USING (node_id) WHERE node_id = ?2 AND deleted_at_ms IS NULL
         ON CONFLICT (collection_id, child_id) DO UPDATE SET ends_at_seq = NULL, changed_by = excluded.changed_by";
    END = "UPDATE associations SET
             ends_at_seq = (SELECT seq FROM heads WHERE node_id = ?2), changed_by = ?3
         WHERE collection_id = ?1 AND child_id = ?2 AND ends_at_seq IS NULL";
    MOVE = "UPDATE associations SET through_seq = ?6, is_new = ?7
         WHERE collection_id = ?1 AND child_id = ?2 AND through_seq = ?3 AND is_new = ?4 AND ends_at_seq IS ?5";
    REMOVE = "DELETE FROM associations
         WHERE collection_id = ?1 AND child_id = ?2 AND through_seq = ?3 AND is_new = ?4 AND ends_at_seq IS ?5";
    REMOVE_CHILDREN = "DELETE FROM associations WHERE collection_id = ?1";
    SAVEPOINT = "SAVEPOINT before_placing";
    UNDO = "ROLLBACK TO SAVEPOINT before_placing";
}

#[async_trait]
impl AssociationTransaction for SqliteTransaction {
    /// `BEGIN IMMEDIATE` has locked the whole file.
    async fn lock_graph(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn rules_version(&mut self, node: NodeId) -> Result<Option<u64>, StoreError> {
        let found = self.fetch_all(query(RULES_VERSION).bind(node.0)).await?;
        found.first().map(|row| rows::unsigned(row, "rules_version")).transpose()
    }

    async fn neighbours(&mut self, node: NodeId) -> Result<Neighbours, StoreError> {
        let above = self.fetch_all(query(COLLECTIONS).bind(node.0)).await?;
        let below = self.fetch_all(query(CHILDREN).bind(node.0)).await?;
        Ok(Neighbours { collections: neighbours(&above)?, children: neighbours(&below)? })
    }

    async fn members(&mut self, names: &[NodeName], actor: &BareJid) -> Result<Vec<Member>, StoreError> {
        let names: Vec<&str> = names.iter().map(NodeName::as_str).collect();
        let query = query(MEMBERS).bind(serde_json::json!(names).to_string()).bind(actor.as_str().to_owned());
        self.fetch_all(query).await?.iter().map(member).collect()
    }

    async fn links(&mut self, collection: NodeId, child: NodeId) -> Result<Links, StoreError> {
        let found = self.fetch_all(query(LINKS).bind(collection.0).bind(child.0)).await?;
        let Some(row) = found.first() else { return Ok(Links::default()) };
        Ok(Links {
            is_cycle: rows::integer(row, "is_cycle")? != 0,
            is_second_way: rows::integer(row, "is_second_way")? != 0,
            levels: rows::count(row, "levels")?,
            collections: rows::count(row, "collections")?,
        })
    }

    async fn begin_association(
        &mut self,
        collection: NodeId,
        child: NodeId,
        changed_by: &Jid,
    ) -> Result<(), StoreError> {
        let query = query(BEGIN).bind(collection.0).bind(child.0).bind(changed_by.as_str().to_owned());
        self.execute(query).await.map(drop)
    }

    async fn end_association(
        &mut self,
        collection: NodeId,
        child: NodeId,
        changed_by: &Jid,
    ) -> Result<bool, StoreError> {
        let query = query(END).bind(collection.0).bind(child.0).bind(changed_by.as_str().to_owned());
        Ok(self.execute(query).await? > 0)
    }

    async fn move_feed(&mut self, step: &FeedMove) -> Result<bool, StoreError> {
        let FeedMove { collection, child, from, to } = step;
        let FeedPosition { through_seq, is_new, ends_at_seq } = from;
        let moved = query(if to.is_some() { MOVE } else { REMOVE })
            .bind(collection.0)
            .bind(child.0)
            .bind(signed(*through_seq))
            .bind(i64::from(*is_new))
            .bind(ends_at_seq.map(signed));
        let moved = match to {
            Some(to) => moved.bind(signed(to.through_seq)).bind(i64::from(to.is_new)),
            None => moved,
        };
        Ok(self.execute(moved).await? > 0)
    }

    async fn remove_children(&mut self, collection: NodeId) -> Result<(), StoreError> {
        self.execute(query(REMOVE_CHILDREN).bind(collection.0)).await.map(drop)
    }

    async fn savepoint(&mut self) -> Result<(), StoreError> {
        self.execute(query(SAVEPOINT)).await.map(drop)
    }

    async fn undo_to_savepoint(&mut self) -> Result<(), StoreError> {
        self.execute(query(UNDO)).await.map(drop)
    }
}

fn member(row: &SqliteRow) -> Result<Member, StoreError> {
    Ok(Member {
        id: NodeId(rows::integer(row, "node_id")?),
        name: rows::node_name(row)?,
        config: rows::node_config(row)?,
        affiliation: rows::affiliation(row)?,
        children: rows::count(row, "children")?,
    })
}
