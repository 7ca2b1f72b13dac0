use async_trait::async_trait;
use bus_domain::{
    AccessModel, Affiliation, BareJid, NodeConfig, NodeFacts, NodeId, NodeName, RedirectUri, TypeFilter,
};

use crate::StoreError;

/// Reading nodes. Deleted nodes that wait for their last notification are not seen here, unless one is asked for.
#[async_trait]
pub trait NodeStore {
    /// Everything that decisions about the node rest on, but for what is above it (XEP-0496): of that, its configuration
    /// says where it is to be found.
    async fn find_node(&self, name: &NodeName) -> Result<Option<NodeFacts>, StoreError>;

    /// The same of a deleted node, as long as something waits for it.
    async fn find_deleted(&self, node: NodeId) -> Result<Option<NodeFacts>, StoreError>;

    /// Where the node of this name has moved, if it was deleted with that and no node has had the name since.
    async fn find_redirect(&self, name: &NodeName) -> Result<Option<RedirectUri>, StoreError>;

    /// A page of nodes in the order of their names' bytes, with the standing of `listing.viewer`.
    async fn list_nodes(&self, listing: NodeListing) -> Result<Vec<NodeSummary>, StoreError>;
}

/// Which nodes to list.
#[derive(Debug, Clone)]
pub struct NodeListing {
    /// Whose affiliation each summary carries.
    pub viewer: BareJid,
    /// Nodes of other access models are left out unless the viewer has an affiliation there.
    pub open_models: Vec<AccessModel>,
    /// Nodes whose payloads are of other types are left out.
    pub types: Option<TypeFilter>,
    /// Nodes that are no children of this collection are left out.
    pub children_of: Option<NodeId>,
    /// Start behind this name.
    pub after: Option<NodeName>,
    /// At most so many.
    pub nodes_max: u32,
}

/// A node in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeSummary {
    /// XEP-0060's NodeID.
    pub name: NodeName,
    /// Its configuration.
    pub config: NodeConfig,
    /// The viewer's row; the engine turns it into its standing.
    pub affiliation: Affiliation,
}
