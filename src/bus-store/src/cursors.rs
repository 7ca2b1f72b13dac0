use async_trait::async_trait;
use bus_domain::{Epoch, NodeConfig, NodeId, NodeName, Seq, SubscriptionId};

use crate::{Head, StoreError};

/// Delivery cursors: one per node and leg.
#[async_trait]
pub trait CursorStore {
    /// Nodes whose log goes on behind their cursor, in the order of their ids, behind `after`; deleted nodes too.
    /// Looks at up to `nodes_max` nodes, and at least at one. A node whose rows cannot be read is logged and left out:
    /// the others must still be delivered.
    async fn undelivered(
        &self,
        leg: Leg,
        after: Option<NodeId>,
        nodes_max: u32,
    ) -> Result<UndeliveredPage, StoreError>;

    /// The stored cursors of these nodes; those that have not moved yet are left out.
    async fn positions(&self, leg: Leg, nodes: &[NodeId]) -> Result<Vec<(NodeId, Position)>, StoreError>;

    /// Moves cursors in one transaction. A cursor never moves back, and not to where another life than the log's had
    /// come.
    async fn move_cursors(&self, leg: Leg, moves: &[CursorMove]) -> Result<(), StoreError>;

    /// Removes at most `rows_max` rows, and at least one, of a deleted node whose last event has been handed over on
    /// every leg, lagging subscriptions included; node, head and cursors go together beyond that bound, once nothing else is left of it. Says how many
    /// rows there were; 0 means that nothing is left to do.
    async fn reap_deleted(&self, rows_max: u32) -> Result<u64, StoreError>;
}

/// A way out that keeps its own cursors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Leg {
    /// Notifications to subscribers.
    Xmpp,
}

impl Leg {
    /// The name in the cursors' table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Xmpp => "xmpp",
        }
    }
}

/// How far a node's events are handed over. Ordered like delivery itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Every event up to this one is handed over to everyone to whom it was due.
    pub through_seq: Seq,
    /// The event behind it is handed over to the recipients up to this one; 0 for none.
    pub through_subscription: SubscriptionId,
}

impl Position {
    /// Before the first event.
    pub const START: Self = Self::behind(0);

    /// Behind a whole event.
    pub const fn behind(seq: Seq) -> Self {
        Self { through_seq: seq, through_subscription: SubscriptionId(0) }
    }
}

/// A new place for a node's cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CursorMove {
    /// The node.
    pub node: NodeId,
    /// The life of its log that the place is in. `None` for a node in memory, of whose log only the end is stored.
    pub epoch: Option<Epoch>,
    /// The place.
    pub to: Position,
}

/// A node with events behind its cursor.
#[derive(Debug, Clone, PartialEq)]
pub struct Undelivered {
    /// The node.
    pub node: NodeId,
    /// Its name: notifications carry it, also after its deletion.
    pub name: NodeName,
    /// Its configuration.
    pub config: NodeConfig,
    /// Its head.
    pub head: Head,
    /// Its cursor.
    pub position: Position,
}

/// A page of nodes with events behind their cursors.
#[derive(Debug, Clone, PartialEq)]
pub struct UndeliveredPage {
    /// The nodes that could be read, in the order of their ids; may be empty before the last page.
    pub nodes: Vec<Undelivered>,
    /// Where the next page goes on; `None` on the last one.
    pub next_after: Option<NodeId>,
}
