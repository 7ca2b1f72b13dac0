//! What must be true: the committed batches, applied one after the other to the plainest reference there is. It shares
//! the table of who may do what with the bus, and nothing else.

mod apply;
mod confirm;
mod life;
mod subscriptions;

use std::collections::BTreeMap;

use bus_domain::retention::WhenUndeliveredFull;
use bus_domain::{BareJid, Epoch, NodeId, NodeName, Seq};

pub(crate) use life::{Life, Logged, SubscriptionLife};

/// The number of a commit, in the order in which the store took them.
pub(crate) type CommitIndex = u64;

/// Every node that there has ever been.
#[derive(Debug)]
pub(crate) struct Model {
    lives: BTreeMap<NodeId, Life>,
    commits: CommitIndex,
    admin: BareJid,
}

impl Model {
    /// No node yet. The admin counts as an owner everywhere.
    pub(crate) fn new(admin: BareJid) -> Self {
        Self { lives: BTreeMap::new(), commits: 0, admin }
    }

    /// The newest commit.
    pub(crate) fn commits(&self) -> CommitIndex {
        self.commits
    }

    /// All nodes, deleted ones too.
    pub(crate) fn lives(&self) -> impl Iterator<Item = (NodeId, &Life)> {
        self.lives.iter().map(|(id, life)| (*id, life))
    }

    /// A node, deleted or not.
    pub(crate) fn life(&self, id: NodeId) -> Option<&Life> {
        self.lives.get(&id)
    }

    /// Retention has taken away events up to here that may not be delivered. Where a node lets that happen, subscribers
    /// may miss them; elsewhere it is those who lag by more than so many events.
    pub(crate) fn may_miss(&mut self, id: NodeId, through: Seq, undelivered_events_max: u64) {
        let Some(life) = self.lives.get_mut(&id) else { return };
        let allowed = match life.config.when_undelivered_full {
            WhenUndeliveredFull::Gap => through,
            WhenUndeliveredFull::Wait => life.head_seq().saturating_sub(undelivered_events_max),
        };
        life.may_miss_through = life.may_miss_through.max(through.min(allowed));
    }

    fn of_name<'a>(&'a self, name: &'a NodeName) -> impl Iterator<Item = &'a Life> {
        self.lives.values().filter(move |life| life.name == *name)
    }

    fn of_epoch(&self, epoch: Epoch) -> Option<&Life> {
        self.lives.values().find(|life| life.epoch == epoch)
    }
}
