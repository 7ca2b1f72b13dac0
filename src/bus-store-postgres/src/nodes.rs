use async_trait::async_trait;
use bus_domain::{Affiliations, NodeFacts, NodeId, NodeName, RedirectUri, TypeFilter};
use bus_store::{NodeListing, NodeStore, NodeSummary, StoreError};
use sqlx::postgres::PgRow;

use crate::statement::{query, statements};
use crate::transaction::redirects;
use crate::{PostgresStore, rows};

/// What [`facts`] reads. One statement, because the affiliations must be those of the version.
macro_rules! facts {
    ($condition:literal) => {
        concat!(
            "SELECT n.node_id, n.name, n.creator, n.created_at_ms, n.config::text AS config, h.epoch, h.rules_version,
                    ARRAY(SELECT a.jid FROM affiliations a WHERE a.node_id = n.node_id ORDER BY a.jid) AS jids,
                    ARRAY(SELECT a.affiliation FROM affiliations a WHERE a.node_id = n.node_id ORDER BY a.jid) AS standings
             FROM nodes n JOIN heads h USING (node_id) WHERE ",
            $condition
        )
    };
}

statements! {
    FIND = facts!("n.name = $1 AND n.deleted_at_ms IS NULL");
    FIND_DELETED = facts!("n.node_id = $1 AND n.deleted_at_ms IS NOT NULL");
    LIST = "SELECT n.name, n.config::text AS config, a.affiliation
         FROM nodes n LEFT JOIN affiliations a ON a.node_id = n.node_id AND a.jid = $1
         WHERE n.deleted_at_ms IS NULL AND n.name > $2
           AND (a.affiliation IS NOT NULL OR n.config ->> 'access_model' IN (SELECT jsonb_array_elements_text($4::text::jsonb)))
           AND ($7::bigint IS NULL OR n.node_id IN (SELECT s.child_id FROM associations s
                                                    WHERE s.collection_id = $7 AND s.ends_at_seq IS NULL))
           AND ($5::text IS NULL
                OR (coalesce(n.config #>> '{about,payload_type}', '')
                    IN (SELECT jsonb_array_elements_text($5::text::jsonb))) = $6::boolean)
         ORDER BY n.name LIMIT $3";
}

#[async_trait]
impl NodeStore for PostgresStore {
    async fn find_node(&self, name: &NodeName) -> Result<Option<NodeFacts>, StoreError> {
        let row = self.pool.session().await?.fetch_optional(query(FIND).bind(name.as_str())).await?;
        row.map(|row| facts(&row)).transpose()
    }

    async fn find_deleted(&self, node: NodeId) -> Result<Option<NodeFacts>, StoreError> {
        let row = self.pool.session().await?.fetch_optional(query(FIND_DELETED).bind(node.0)).await?;
        row.map(|row| facts(&row)).transpose()
    }

    async fn find_redirect(&self, name: &NodeName) -> Result<Option<RedirectUri>, StoreError> {
        let found = self.pool.session().await?.fetch_optional(redirects::finding(name)).await?;
        found.map_or(Ok(None), |row| rows::redirect(&row, "uri"))
    }

    async fn list_nodes(&self, listing: NodeListing) -> Result<Vec<NodeSummary>, StoreError> {
        let query = query(LIST)
            .bind(listing.viewer.as_str())
            .bind(listing.after.as_ref().map_or("", NodeName::as_str))
            .bind(i64::from(listing.nodes_max))
            .bind(serde_json::json!(listing.open_models).to_string())
            .bind(listing.types.as_ref().map(|filter| serde_json::json!(filter.types()).to_string()))
            .bind(listing.types.as_ref().is_none_or(TypeFilter::is_inclusive))
            .bind(listing.children_of.map(|collection| collection.0));
        self.pool.session().await?.fetch_all(query).await?.iter().map(summary).collect()
    }
}

fn facts(row: &PgRow) -> Result<NodeFacts, StoreError> {
    let (jids, standings) = (rows::texts(row, "jids")?, rows::texts(row, "standings")?);
    let affiliations: Affiliations = jids
        .iter()
        .zip(&standings)
        .map(|(jid, standing)| Ok((rows::parse_bare_jid(jid)?, rows::parse_affiliation(standing)?)))
        .collect::<Result<_, StoreError>>()?;
    Ok(NodeFacts {
        id: NodeId(rows::integer(row, "node_id")?),
        name: rows::node_name(row)?,
        epoch: rows::epoch(row)?,
        creator: rows::parse_bare_jid(&rows::text(row, "creator")?)?,
        created_at_ms: rows::integer(row, "created_at_ms")?,
        config: rows::node_config(row)?,
        affiliations: affiliations.into(),
        rules_version: rows::unsigned(row, "rules_version")?,
        above: None,
        is_orphan: false,
    })
}

fn summary(row: &PgRow) -> Result<NodeSummary, StoreError> {
    Ok(NodeSummary {
        name: rows::node_name(row)?,
        config: rows::node_config(row)?,
        affiliation: rows::affiliation(row)?,
    })
}
