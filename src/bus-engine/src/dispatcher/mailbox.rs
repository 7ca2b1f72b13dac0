use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bus_domain::{BareJid, NodeId, Seq, SubscriptionId};
use bus_store::{Position, Recipient};
use tokio::sync::Notify;

use super::DeliveryNode;
use super::recipients::give_standing;

/// Changes of recipients that one entry holds; with more of them, the recipients are read again.
const DELTAS_MAX: usize = 64;

/// What the committer tells the dispatcher: which nodes have moved. One entry per node, however many commits, so
/// it never blocks a commit and never grows beyond the nodes in use.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    inner: Mutex<Mail>,
    filled: Notify,
}

/// What lies in the mailbox.
#[derive(Debug, Default)]
struct Mail {
    nodes: HashMap<NodeId, NodeSignal>,
    /// Other instances may have moved any node.
    look: bool,
}

/// A node that has moved.
#[derive(Debug)]
pub struct NodeSignal {
    /// The node, with its configuration of now.
    pub node: DeliveryNode,
    /// Where delivery begins if the node is not in memory: before the first commit that the signal is about.
    pub from: Position,
    /// The newest position of its log.
    pub head_seq: Seq,
    /// What has changed for its recipients, in order.
    pub deltas: Deltas,
}

/// Changes of recipients.
#[derive(Debug)]
pub enum Deltas {
    /// All of them.
    Known(Vec<RecipientDelta>),
    /// Too many, or of a kind that only a fresh read can tell.
    Reload,
}

/// One change of recipients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecipientDelta {
    /// The version that it leads to.
    pub recipients_version: u64,
    /// What has changed.
    pub change: RecipientChange,
}

/// What has changed for the recipients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecipientChange {
    /// Somebody subscribed.
    Added(Recipient),
    /// A subscription has ended.
    Removed(SubscriptionId),
    /// Standings have changed.
    Access,
}

impl Mailbox {
    /// Leaves word of a commit that appended so many events.
    pub(crate) fn put(&self, node: DeliveryNode, head_seq: Seq, events: u64, delta: Option<RecipientDelta>) {
        let mut inner = self.lock();
        let nodes = &mut inner.nodes;
        if let Some(signal) = nodes.get_mut(&node.id) {
            signal.node = node;
            signal.head_seq = head_seq;
            signal.deltas.extend(delta);
        } else {
            let mut deltas = Deltas::Known(Vec::new());
            deltas.extend(delta);
            let from = Position::behind(head_seq - events);
            nodes.insert(node.id, NodeSignal { node, from, head_seq, deltas });
        }
        drop(inner);
        self.filled.notify_one();
    }

    /// Asks the dispatcher to look into the store for nodes that have moved.
    pub(crate) fn ask_for_a_look(&self) {
        self.lock().look = true;
        self.filled.notify_one();
    }

    /// Waits until there is something and takes it all: the nodes, and whether to look into the store.
    pub(crate) async fn take(&self) -> (Vec<NodeSignal>, bool) {
        loop {
            let Mail { nodes, look } = std::mem::take(&mut *self.lock());
            if look || !nodes.is_empty() {
                return (nodes.into_values().collect(), look);
            }
            self.filled.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Mail> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Deltas {
    /// Turns the affiliations of new recipients into the standings that count; says how many there are.
    pub(super) fn give_standing(&mut self, admins: &HashSet<BareJid>) -> usize {
        let Self::Known(deltas) = self else { return 0 };
        let mut added = 0;
        for delta in deltas {
            if let RecipientChange::Added(recipient) = &mut delta.change {
                give_standing(recipient, admins);
                added += 1;
            }
        }
        added
    }

    fn extend(&mut self, delta: Option<RecipientDelta>) {
        let Some(delta) = delta else { return };
        match self {
            Self::Known(deltas) if deltas.len() < DELTAS_MAX && delta.change != RecipientChange::Access => {
                deltas.push(delta);
            }
            _ => *self = Self::Reload,
        }
    }
}
