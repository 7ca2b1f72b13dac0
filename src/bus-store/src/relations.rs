use async_trait::async_trait;
use bus_domain::relation::{Orphan, Subtree};
use bus_domain::{NodeId, NodeName, Relation, RelationKind};

use crate::StoreError;

/// Reading what has to go because of relationships (XEP-0496). Which node a node points at stands in its configuration.
#[async_trait]
pub trait RelationStore {
    /// A page of the nodes that point at a deleted one, by id behind `after`. Such a deleted node is not reaped.
    async fn orphans(&self, after: Option<NodeId>, nodes_max: u32) -> Result<Vec<Orphan>, StoreError>;
}

/// What a transaction does to relationships, under the lock of the graph.
#[async_trait]
pub trait RelationTransaction {
    /// What is above a node: the node that it points at first, the topmost last. A cycle, which there is none of, would end
    /// it after `relations_max`.
    async fn relations_above(
        &mut self,
        node: NodeId,
        relations_max: u32,
    ) -> Result<Vec<Relation>, StoreError>;

    /// What is below a node; counted no further than `nodes_max`.
    async fn subtree(&mut self, node: NodeId, nodes_max: u32) -> Result<Subtree, StoreError>;

    /// The heads that have to be locked together with the nodes' own, before anything else is: of everything below nodes
    /// whose rules are about to change, and of nodes that others are about to point at, with everything above these. Whoever
    /// does the one then sees what who does the other has done, and nobody waits who holds a head. Reads without a lock;
    /// none, where a transaction holds everything.
    async fn heads_around(
        &mut self,
        rules_of: &[NodeId],
        targets: &[NodeName],
    ) -> Result<Vec<NodeId>, StoreError>;

    /// Has a node point at another one, or at none.
    async fn point(&mut self, node: NodeId, at: Option<(RelationKind, NodeId)>) -> Result<(), StoreError>;

    /// Moves the version of the rules of everything below these nodes, and says of which nodes. These themselves do not move.
    async fn move_rules_below(&mut self, nodes: &[NodeId]) -> Result<Vec<(NodeId, NodeName)>, StoreError>;
}
