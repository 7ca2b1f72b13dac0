//! There are no collections in the simulation, and no relations.

use async_trait::async_trait;
use bus_domain::collection::{Links, Member, Neighbours};
use bus_domain::relation::{Orphan, Subtree};
use bus_domain::{BareJid, Jid, NodeId, NodeName, Relation, RelationKind};
use bus_store::{
    AssociationStore, AssociationTransaction, Feed, FeedMove, RelationStore, RelationTransaction, StoreError,
};

use super::SimulatedStore;
use super::transaction::SimulatedTransaction;

#[async_trait]
impl AssociationStore for SimulatedStore {
    async fn neighbours_of(&self, _node: NodeId) -> Result<Neighbours, StoreError> {
        Ok(Neighbours::default())
    }

    async fn feeds(
        &self,
        _after: Option<(NodeId, NodeId)>,
        _feeds_max: u32,
    ) -> Result<Vec<Feed>, StoreError> {
        Ok(Vec::new())
    }

    async fn feeds_of(&self, _children: &[NodeId]) -> Result<Vec<Feed>, StoreError> {
        Ok(Vec::new())
    }
}

#[async_trait]
impl AssociationTransaction for SimulatedTransaction {
    async fn lock_graph(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn rules_version(&mut self, _node: NodeId) -> Result<Option<u64>, StoreError> {
        Ok(None)
    }

    async fn neighbours(&mut self, _node: NodeId) -> Result<Neighbours, StoreError> {
        Ok(Neighbours::default())
    }

    async fn members(&mut self, _names: &[NodeName], _actor: &BareJid) -> Result<Vec<Member>, StoreError> {
        Ok(Vec::new())
    }

    async fn links(&mut self, _collection: NodeId, _child: NodeId) -> Result<Links, StoreError> {
        Ok(Links::default())
    }

    async fn begin_association(
        &mut self,
        _collection: NodeId,
        _child: NodeId,
        _changed_by: &Jid,
    ) -> Result<(), StoreError> {
        Ok(())
    }

    async fn end_association(
        &mut self,
        _collection: NodeId,
        _child: NodeId,
        _changed_by: &Jid,
    ) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn move_feed(&mut self, _step: &FeedMove) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn remove_children(&mut self, _collection: NodeId) -> Result<(), StoreError> {
        Ok(())
    }

    async fn savepoint(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn undo_to_savepoint(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}

#[async_trait]
impl RelationStore for SimulatedStore {
    async fn orphans(&self, _after: Option<NodeId>, _nodes_max: u32) -> Result<Vec<Orphan>, StoreError> {
        Ok(Vec::new())
    }
}

#[async_trait]
impl RelationTransaction for SimulatedTransaction {
    async fn relations_above(
        &mut self,
        _node: NodeId,
        _relations_max: u32,
    ) -> Result<Vec<Relation>, StoreError> {
        Ok(Vec::new())
    }

    async fn subtree(&mut self, _node: NodeId, _nodes_max: u32) -> Result<Subtree, StoreError> {
        Ok(Subtree::default())
    }

    async fn heads_around(&mut self, _: &[NodeId], _: &[NodeName]) -> Result<Vec<NodeId>, StoreError> {
        Ok(Vec::new())
    }

    async fn point(&mut self, _node: NodeId, _at: Option<(RelationKind, NodeId)>) -> Result<(), StoreError> {
        Ok(())
    }

    async fn move_rules_below(&mut self, _nodes: &[NodeId]) -> Result<Vec<(NodeId, NodeName)>, StoreError> {
        Ok(Vec::new())
    }
}
