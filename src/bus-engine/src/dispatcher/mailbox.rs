use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bus_domain::{BareJid, Event, NodeId, Seq, SubscriptionId};
use bus_store::{Position, Recipient};
use tokio::sync::Notify;

use super::DeliveryNode;
use super::recipients::give_standing;

/// Changes of recipients that one entry holds; with more of them, the recipients are read again.
const DELTAS_MAX: usize = 64;

/// What the committer tells the dispatcher: which nodes have moved. One entry per node, however many commits, so
/// it never blocks a commit and never grows beyond the nodes in use.
#[derive(Debug, Default)]
pub struct Mailbox {
    mail: Mutex<Pending>,
    filled: Notify,
}

#[derive(Debug, Default)]
struct Pending {
    nodes: BTreeMap<NodeId, NodeSignal>,
    look_again: bool,
}

/// What the mailbox held.
#[derive(Debug)]
pub struct Mail {
    /// Events may have been committed of which no signal tells; to be heeded before the signals.
    pub look_again: bool,
    /// Nodes that have moved.
    pub signals: Vec<NodeSignal>,
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
    /// The end of a log in memory, if it has come: it may be nowhere else.
    pub deletion: Option<Arc<Event>>,
}

/// Changes of recipients.
#[derive(Debug)]
pub enum Deltas {
    /// All of them.
    Known(Vec<RecipientDelta>),
    /// Too many, or of a kind that only a fresh read can tell.
    Reload,
}

/// What one commit has changed for the recipients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecipientDelta {
    /// The version that it leads to.
    pub recipients_version: u64,
    /// What has changed, in this order.
    pub changes: Vec<RecipientChange>,
}

/// What has changed for the recipients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecipientChange {
    /// Somebody subscribed.
    Added(Recipient),
    /// A subscription has other options, or is not parked any more.
    Changed(Recipient),
    /// A subscription has ended.
    Removed(SubscriptionId),
    /// Standings have changed.
    Access,
}

impl Mailbox {
    /// Leaves word of a commit that appended these events. What is known of a node's old life is forgotten with it.
    pub fn put(
        &self,
        node: DeliveryNode,
        head_seq: Seq,
        events: &[Arc<Event>],
        delta: Option<RecipientDelta>,
    ) {
        let last = events.last().filter(|event| node.is_transient() && event.kind.is_deletion());
        let deletion = last.cloned();
        let mut mail = self.lock();
        if let Some(signal) = mail.nodes.get_mut(&node.id).filter(|signal| signal.node.epoch == node.epoch) {
            signal.node = node;
            signal.head_seq = head_seq;
            signal.deltas.extend(delta);
            signal.deletion = deletion;
        } else {
            let mut deltas = Deltas::Known(Vec::new());
            deltas.extend(delta);
            let from = Position::behind(head_seq - events.len() as u64);
            mail.nodes.insert(node.id, NodeSignal { node, from, head_seq, deltas, deletion });
        }
        drop(mail);
        self.filled.notify_one();
    }

    /// Leaves word that events may have been committed of which no signal tells.
    pub fn look_again(&self) {
        self.lock().look_again = true;
        self.filled.notify_one();
    }

    /// Takes everything that is there, without waiting.
    pub fn take_now(&self) -> Mail {
        let taken = std::mem::take(&mut *self.lock());
        Mail { look_again: taken.look_again, signals: taken.nodes.into_values().collect() }
    }

    /// Waits until there is something and takes it all.
    pub(crate) async fn take(&self) -> Mail {
        loop {
            let mail = self.take_now();
            if mail.look_again || !mail.signals.is_empty() {
                return mail;
            }
            self.filled.notified().await;
        }
    }

    /// Every call leaves it consistent, so a panic elsewhere cannot have left it half changed.
    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.mail.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Deltas {
    /// Turns the affiliations of new recipients into the standings that count; says how many there are.
    pub(super) fn give_standing(&mut self, admins: &HashSet<BareJid>) -> usize {
        let Self::Known(deltas) = self else { return 0 };
        let mut added = 0;
        for change in deltas.iter_mut().flat_map(|delta| &mut delta.changes) {
            if let RecipientChange::Added(recipient) | RecipientChange::Changed(recipient) = change {
                give_standing(recipient, admins);
                added += 1;
            }
        }
        added
    }

    /// Whether nothing has changed.
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Known(deltas) if deltas.is_empty())
    }

    fn extend(&mut self, delta: Option<RecipientDelta>) {
        let Some(delta) = delta else { return };
        match self {
            Self::Known(deltas)
                if deltas.len() < DELTAS_MAX
                    && delta.changes.len() < DELTAS_MAX
                    && !delta.changes.contains(&RecipientChange::Access) =>
            {
                deltas.push(delta);
            }
            _ => *self = Self::Reload,
        }
    }
}
