//! Dead letters: what is written for an event that no worker could deal with, and its way back.

use jid::Jid;

use crate::access::{self, Action};
use crate::consumer::{ConsumerId, ConsumerName, OrderKey};
use crate::publish::{self, NewItem, Overflow, Publication, Request};
use crate::{Actor, BusError, Epoch, ItemId, Limits, NodeConfig, NodeFacts, NodeId, NodeName, Payload, Seq};

/// The event that a dead letter is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Undeliverable {
    /// Whose it was.
    pub consumer: ConsumerId,
    /// The claim under which it was leased (see bus-store).
    pub fence: u64,
    /// The node.
    pub node: NodeId,
    /// The life of its log.
    pub epoch: Epoch,
    /// The event.
    pub seq: Seq,
}

/// A dead letter on its way to its node. The bus itself writes it, for the owner of the consumer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The event that counts as dealt with from then on; both happen in one transaction, or neither.
    pub about: Undeliverable,
    /// What is published: a `<dead-letter/>` with the event in it.
    pub payload: Payload,
}

/// What a dead letter says of its event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Particulars {
    /// The consumer.
    pub consumer: ConsumerName,
    /// The node.
    pub node: NodeName,
    /// The life of its log.
    pub epoch: Epoch,
    /// The event.
    pub seq: Seq,
    /// Who had published it.
    pub publisher: Jid,
    /// When, in milliseconds since 1970.
    pub published_at_ms: i64,
    /// Its item, if it is about one.
    pub item_id: Option<String>,
    /// How often it was handed out.
    pub attempts: u32,
    /// How the last attempt has failed.
    pub reason: String,
}

/// Dead letters that go back to their consumer, all or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redrive {
    /// The consumer.
    pub consumer: ConsumerId,
    /// The claim under which that is done.
    pub fence: u64,
    /// What leaves the dead-letter node, and is handed out again.
    pub letters: Vec<Redriven>,
    /// When they may be handed out, in milliseconds since 1970.
    pub due_at_ms: i64,
}

/// A dead letter that goes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redriven {
    /// The item of the dead-letter node.
    pub item_id: ItemId,
    /// The node of the event.
    pub node: NodeId,
    /// The life of its log.
    pub epoch: Epoch,
    /// The event.
    pub seq: Seq,
    /// The order in which it stands, if its consumer keeps one.
    pub order_key: Option<OrderKey>,
}

/// About how many bytes a dead letter may have beside the content of its event.
pub const ENVELOPE_BYTES_MAX: usize = 32 * 1024;

/// Decides a dead letter: a publish for the owner of the consumer, which may be longer than others by its envelope. What
/// was taken once must not fail here for its length.
pub fn decide_dead_letter(
    facts: &NodeFacts,
    actor: &Actor,
    letter: &DeadLetter,
    limits: &Limits,
    next_id: impl FnMut() -> ItemId,
) -> Result<Publication, BusError> {
    let payload_bytes_max = limits.payload_bytes_max + ENVELOPE_BYTES_MAX;
    let limits = Limits { payload_bytes_max, ..limits.clone() };
    let config = NodeConfig { payload_bytes_max: None, ..facts.config.clone() };
    let facts = NodeFacts { config, ..facts.clone() };
    let item = NewItem { id: None, payload: Some(letter.payload.clone()) };
    let request = Request { items: vec![item], ..Request::default() };
    let publication = publish::decide(&facts, actor, request, &limits, next_id)?;
    // A full node takes no more, instead of losing the oldest ones: the event waits until there is room.
    let items_max = u64::from(facts.config.items_max(&limits));
    Ok(Publication { overflow: Some(Overflow::Refused { items_max }), ..publication })
}

/// Checks that a node takes dead letters, and keeps them to be looked at.
pub fn check_node(facts: &NodeFacts, actor: &Actor) -> Result<(), BusError> {
    access::may(facts, actor, Action::Publish)?;
    let config = &facts.config;
    if config.is_transient() || config.is_collection() || !config.persist_items || !config.deliver_payloads {
        let reason =
            "a dead-letter node must be a leaf on disk that keeps items and delivers payloads".to_owned();
        return Err(super::ConsumerError::Invalid { reason }.into());
    }
    if config.item_expire_seconds.is_some() || config.purge_when_publisher_goes {
        let reason =
            "dead letters would be lost: the items of the dead-letter node go by themselves".to_owned();
        return Err(super::ConsumerError::Invalid { reason }.into());
    }
    Ok(())
}
