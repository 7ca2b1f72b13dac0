//! Delivery of committed events to one leg's sink, from the durable cursors on.

mod below;
mod bounces;
mod digest;
mod driver;
mod followed;
mod judging;
mod lag;
mod lagging;
mod mailbox;
mod marks;
mod node;
mod recipients;
mod state;

use std::sync::Arc;

use bus_domain::bounce::BounceClass;
use bus_domain::{
    BareJid, Durability, Epoch, Event, Jid, NodeConfig, NodeFacts, NodeId, NodeName, Seq, Subscription,
    SubscriptionId,
};

use crate::MessageRef;
pub use below::{Below, Known};
pub use bounces::PendingBounce;
pub(crate) use driver::{read_events, run};
pub use judging::{Judged, Retry, Verdict};
pub use lagging::{LagPosition, LaggingBounds};
pub use mailbox::{Deltas, Mail, Mailbox, NodeSignal, RecipientChange, RecipientDelta};
pub use state::{Dispatcher, DispatcherBounds, Lag, Need};

/// Where notifications go: a leg's encoder and its lane.
pub trait NotificationSink: Send + 'static {
    /// Takes one notification or, without waiting, says that the lane is full; the dispatcher then comes again
    /// after [`DeliveryInput::RoomAgain`].
    fn try_send(&mut self, delivery: &Delivery<'_>) -> Result<(), SinkFull>;
}

/// The sink cannot take more at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SinkFull;

/// One event for one recipient.
#[derive(Debug, Clone)]
pub struct Delivery<'a> {
    /// Which hand-off it is.
    pub hand_off: HandOff,
    /// The node.
    pub node: &'a DeliveryNode,
    /// The event. The same allocation comes for each of its recipients, one after the other.
    pub event: &'a Arc<Event>,
    /// The node below where the event has happened, if this is a collection and that node is still there.
    pub source: Option<&'a NodeFacts>,
    /// Those before it that go out in the same message, in a digest: all of its kind, in order.
    pub earlier: &'a [Arc<Event>],
    /// Whose it is.
    pub subscription: &'a Subscription,
    /// The SubIDs of all subscriptions of its address to which the event is due, its own among them.
    pub sub_ids: &'a [SubscriptionId],
    /// Whether the event may have happened long ago, or may have been sent before.
    pub is_late: bool,
    /// The event before this one, and before the earlier ones, that was due to the recipient, or where its subscription
    /// began.
    pub after_seq: Seq,
}

/// The name of one hand-off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HandOff {
    /// The life of the link that it is meant for, as named by [`DeliveryInput::LinkUp`]. A sink must not send it
    /// on another one: what was on its way before comes again, and it would overtake that.
    pub link: u64,
    /// Ever-increasing, for [`DeliveryInput::HandedOver`].
    pub ticket: u64,
}

/// What notifications need to know of their node.
#[derive(Debug, Clone, PartialEq)]
pub struct DeliveryNode {
    /// The node.
    pub id: NodeId,
    /// XEP-0060's NodeID.
    pub name: NodeName,
    /// The life of its log.
    pub epoch: Epoch,
    /// Its configuration.
    pub config: NodeConfig,
    /// Its owners, where their rosters decide; `None` if that is to be looked up.
    pub owners: Option<Arc<[BareJid]>>,
}

impl DeliveryNode {
    pub(crate) fn of(facts: &NodeFacts) -> Self {
        let asks_rosters = facts.config.access_model.asks_rosters();
        let owners = asks_rosters.then(|| facts.affiliations.owners().into());
        Self {
            id: facts.id,
            name: facts.name.clone(),
            epoch: facts.epoch,
            config: facts.config.clone(),
            owners,
        }
    }

    /// Whether the node's events live in memory alone.
    pub fn is_transient(&self) -> bool {
        self.config.durability == Durability::Memory
    }
}

/// What the leg tells the dispatcher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryInput {
    /// Notifications can be sent from now on; everything that is not proven is sent again.
    LinkUp {
        /// A name for this life of the link.
        link: u64,
    },
    /// What was sent and is not proven may be lost.
    LinkDown,
    /// Every notification up to this ticket is in the other side's hands.
    HandedOver {
        /// The ticket.
        through_ticket: u64,
    },
    /// A sink that was full can take more.
    RoomAgain,
    /// A notification came back.
    Bounced(Box<Bounce>),
}

/// A notification that came back as an error, under an id that we made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounce {
    /// What the id names.
    pub message: MessageRef,
    /// Who sent it back, as authenticated; whether that fits the subscription is checked on its row.
    pub from: Jid,
    /// What the error says.
    pub class: BounceClass,
}
