use async_trait::async_trait;
use bus_domain::collection::{Child, FeedPosition, Links, Member, Neighbours};
use bus_domain::{BareJid, Jid, NodeId, NodeName};

use crate::StoreError;

/// Reading which nodes are below which (XEP-0248), and how far collections have taken the logs of their children. Deleted
/// nodes, and associations that have been ended, are seen in feeds only: until these have come to their end.
#[async_trait]
pub trait AssociationStore {
    /// The collections above a node and its children, by name.
    async fn neighbours_of(&self, node: NodeId) -> Result<Neighbours, StoreError>;

    /// A page of all feeds, by child and then by collection, behind `after` (child, collection).
    async fn feeds(&self, after: Option<(NodeId, NodeId)>, feeds_max: u32) -> Result<Vec<Feed>, StoreError>;

    /// All feeds of these children, in the same order.
    async fn feeds_of(&self, children: &[NodeId]) -> Result<Vec<Feed>, StoreError>;
}

/// What a transaction does to associations. The graph of all nodes has one lock, which comes behind all locks of heads and
/// before those of usage; whoever changes an association or decides on one holds it.
#[async_trait]
pub trait AssociationTransaction {
    /// Locks the graph until the end of the transaction.
    async fn lock_graph(&mut self) -> Result<(), StoreError>;

    /// The version of a node's rules; `None` for a node that is gone. With the node's head locked it stays.
    async fn rules_version(&mut self, node: NodeId) -> Result<Option<u64>, StoreError>;

    /// As [`AssociationStore::neighbours_of`].
    async fn neighbours(&mut self, node: NodeId) -> Result<Neighbours, StoreError>;

    /// The nodes of these names, as far as there are any, with the affiliation of `actor` there.
    async fn members(&mut self, names: &[NodeName], actor: &BareJid) -> Result<Vec<Member>, StoreError>;

    /// What the graph has around two nodes.
    async fn links(&mut self, collection: NodeId, child: NodeId) -> Result<Links, StoreError>;

    /// Makes a node the child of a collection. The feed begins where the child's log ends now; one that has not come to its
    /// end yet goes on, as if nothing had been.
    async fn begin_association(
        &mut self,
        collection: NodeId,
        child: NodeId,
        changed_by: &Jid,
    ) -> Result<(), StoreError>;

    /// Ends an association: the feed goes on to where the child's log ends now. False if there is none.
    async fn end_association(
        &mut self,
        collection: NodeId,
        child: NodeId,
        changed_by: &Jid,
    ) -> Result<bool, StoreError>;

    /// Moves a feed on, or removes it at its end (`to` is `None`): if it still is where it was. False if it is not.
    async fn move_feed(&mut self, step: &FeedMove) -> Result<bool, StoreError>;

    /// Ends the associations of all children of a collection that is deleted, with their feeds.
    async fn remove_children(&mut self, collection: NodeId) -> Result<(), StoreError>;

    /// Marks a place to go back to, instead of the last one.
    async fn savepoint(&mut self) -> Result<(), StoreError>;

    /// Takes everything back that the transaction has written since the savepoint. Locks may go with it.
    async fn undo_to_savepoint(&mut self) -> Result<(), StoreError>;
}

/// An association as a feed of the collection's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feed {
    /// The collection.
    pub collection: NodeId,
    /// Its name.
    pub collection_name: NodeName,
    /// The child.
    pub child: Child,
    /// How far it has come.
    pub position: FeedPosition,
    /// Where the child's log ends.
    pub head_seq: u64,
}

/// How a feed is to move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedMove {
    /// The collection.
    pub collection: NodeId,
    /// The child.
    pub child: NodeId,
    /// Where it was when it was read.
    pub from: FeedPosition,
    /// Where it is to be; `None` at its end.
    pub to: Option<FeedPosition>,
}

impl Feed {
    /// Whether there is something for the collection to take.
    pub fn is_behind(&self) -> bool {
        let FeedPosition { through_seq, is_new, ends_at_seq } = self.position;
        is_new || ends_at_seq.is_some() || through_seq < self.head_seq
    }
}
