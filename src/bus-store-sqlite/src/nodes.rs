use async_trait::async_trait;
use bus_domain::{Affiliations, NodeFacts, NodeId, NodeName, RedirectUri, TypeFilter};
use bus_store::{NodeListing, NodeStore, NodeSummary, StoreError};

use crate::error::store_error;
use crate::statement::{SqliteQuery, query, statements};
use crate::transaction::redirects;
use crate::{SqliteStore, rows};

statements! {
    FIND = "SELECT n.node_id, n.name, n.creator, n.created_at_ms, n.config, h.epoch, h.rules_version
         FROM nodes n JOIN heads h USING (node_id)
         WHERE n.name = ?1 AND n.deleted_at_ms IS NULL";
    FIND_DELETED = "SELECT n.node_id, n.name, n.creator, n.created_at_ms, n.config, h.epoch, h.rules_version
         FROM nodes n JOIN heads h USING (node_id)
         WHERE n.node_id = ?1 AND n.deleted_at_ms IS NOT NULL";
    AFFILIATIONS = "SELECT jid, affiliation FROM affiliations WHERE node_id = ?1";
    LIST = "SELECT n.name, n.config, a.affiliation
         FROM nodes n LEFT JOIN affiliations a ON a.node_id = n.node_id AND a.jid = ?1
         WHERE n.deleted_at_ms IS NULL AND n.name > ?2
           AND (a.affiliation IS NOT NULL
                OR n.config ->> 'access_model' IN (SELECT value FROM jsonb_each(?4)))
           AND (?7 IS NULL OR n.node_id IN (SELECT s.child_id FROM associations s
                                            WHERE s.collection_id = ?7 AND s.ends_at_seq IS NULL))
           AND (?5 IS NULL
                OR (coalesce(n.config ->> '$.about.payload_type', '') IN (SELECT value FROM jsonb_each(?5))) = ?6)
         ORDER BY n.name LIMIT ?3";
}

#[async_trait]
impl NodeStore for SqliteStore {
    async fn find_node(&self, name: &NodeName) -> Result<Option<NodeFacts>, StoreError> {
        self.facts(query(FIND).bind(name.as_str().to_owned())).await
    }

    async fn find_deleted(&self, node: NodeId) -> Result<Option<NodeFacts>, StoreError> {
        self.facts(query(FIND_DELETED).bind(node.0)).await
    }

    async fn find_redirect(&self, name: &NodeName) -> Result<Option<RedirectUri>, StoreError> {
        let found = redirects::finding(name).fetch_optional(&self.readers).await.map_err(store_error)?;
        found.map_or(Ok(None), |row| rows::redirect(&row, "uri"))
    }

    async fn list_nodes(&self, listing: NodeListing) -> Result<Vec<NodeSummary>, StoreError> {
        query(LIST)
            .bind(listing.viewer.as_str())
            .bind(listing.after.as_ref().map_or("", NodeName::as_str))
            .bind(i64::from(listing.nodes_max))
            .bind(serde_json::json!(listing.open_models).to_string())
            .bind(listing.types.as_ref().map(|filter| serde_json::json!(filter.types()).to_string()))
            .bind(listing.types.as_ref().is_none_or(TypeFilter::is_inclusive))
            .bind(listing.children_of.map(|collection| collection.0))
            .fetch_all(&self.readers)
            .await
            .map_err(store_error)?
            .iter()
            .map(|row| {
                Ok(NodeSummary {
                    name: rows::node_name(row)?,
                    config: rows::node_config(row)?,
                    affiliation: rows::affiliation(row)?,
                })
            })
            .collect()
    }
}

impl SqliteStore {
    async fn facts(&self, finding: SqliteQuery<'_>) -> Result<Option<NodeFacts>, StoreError> {
        // One read transaction: the affiliations must be those of the version.
        let mut reader = self.readers.begin().await.map_err(store_error)?;
        let row = finding.fetch_optional(&mut *reader).await.map_err(store_error)?;
        let Some(row) = row else { return Ok(None) };
        let id = rows::integer(&row, "node_id")?;
        let affiliations: Affiliations = query(AFFILIATIONS)
            .bind(id)
            .fetch_all(&mut *reader)
            .await
            .map_err(store_error)?
            .iter()
            .map(|row| Ok((rows::bare_jid(row, "jid")?, rows::affiliation(row)?)))
            .collect::<Result<_, StoreError>>()?;
        Ok(Some(NodeFacts {
            id: NodeId(id),
            name: rows::node_name(&row)?,
            epoch: rows::epoch(&row)?,
            creator: rows::bare_jid(&row, "creator")?,
            created_at_ms: rows::integer(&row, "created_at_ms")?,
            config: rows::node_config(&row)?,
            affiliations: affiliations.into(),
            rules_version: rows::unsigned(&row, "rules_version")?,
            above: None,
            is_orphan: false,
        }))
    }
}
