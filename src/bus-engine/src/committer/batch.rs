use std::sync::Arc;

use bus_domain::consumer::redrive;
use bus_domain::source::SourceMove;
use bus_domain::{
    BusError, NodeFacts, NodeName, affiliate, collection, configure, create, delete, expire,
    manage_subscriptions, options, park, publish, purge, retract, subscribe, unsubscribe,
};

use bus_store::{CommitLevel, LockMode};

use crate::Outcome;

/// What is to be written in one transaction.
#[derive(Debug, Clone)]
pub struct Batch {
    /// What its commit promises: levels never share a transaction, or the lower one would wait for the higher.
    pub level: CommitLevel,
    /// In the order of decision.
    pub entries: Vec<Entry>,
}

/// One decided command.
#[derive(Debug, Clone)]
pub struct Entry {
    /// On which node.
    pub node: NodeName,
    /// The facts that the decision saw; `None` for a name that was free.
    pub facts: Option<Arc<NodeFacts>>,
    /// What was decided.
    pub work: Work,
    /// Whether quotas bind whoever asks.
    pub is_bound: bool,
    /// Whether the node's head is waited for, because it was held by others again and again.
    pub lock: LockMode,
}

/// A decision of bus-domain.
#[derive(Debug, Clone)]
pub enum Work {
    /// See [`create`]; where it is to be among other nodes, see [`collection`].
    Create(create::NewNode, Option<Box<collection::Placing>>),
    /// See [`configure`]; `None` if nothing changes.
    Configure(Option<configure::Configuration>),
    /// See [`collection`], with what changes of the configuration.
    Place(Box<collection::Placing>, Option<configure::Configuration>),
    /// See [`collection`].
    Forward(collection::Forwarding),
    /// See [`delete`].
    Delete(delete::Deletion),
    /// See [`publish`].
    Publish(publish::Publication),
    /// The same, on a node that is made with it.
    PublishNew(create::NewNode, publish::Publication),
    /// See [`retract`].
    Retract(retract::Retraction),
    /// See [`purge`].
    Purge(purge::Purge),
    /// See [`subscribe`].
    Subscribe(subscribe::Subscribing),
    /// See [`unsubscribe`].
    Unsubscribe(unsubscribe::Unsubscribing),
    /// See [`affiliate`].
    Affiliate(affiliate::Change),
    /// See [`manage_subscriptions`].
    ManageSubscriptions(manage_subscriptions::Managing),
    /// See [`options`].
    SetOptions(options::Opting),
    /// See [`park`].
    Park(park::Parking),
    /// See [`expire`].
    Expire(expire::Expiry),
    /// See [`redrive`]: the event that is settled, and what is published of it.
    DeadLetter(redrive::Undeliverable, publish::Publication),
    /// See [`bus_domain::source`]: the token that moves, and what is published with it.
    Sourced(SourceMove, publish::Publication),
    /// See [`redrive`]: the items that go, and the events that are handed out again.
    Redrive(retract::Retraction, Box<redrive::Redrive>),
}

impl Work {
    /// Whether it rests on which nodes are below which, or changes that.
    pub(crate) fn is_about_graph(&self, facts: Option<&NodeFacts>) -> bool {
        match self {
            Self::Place(..) | Self::Create(_, Some(_)) => true,
            Self::Delete(_) => facts.is_some_and(|facts| facts.config.is_collection()),
            _ => false,
        }
    }

    /// Whether it changes rules that count for other nodes as well, or has nodes point at others.
    pub(crate) fn concerns_others(&self) -> bool {
        match self {
            Self::Configure(Some(_)) | Self::Place(..) | Self::Delete(_) | Self::Affiliate(_) => true,
            Self::Create(_, Some(placing)) => placing.is_about_relations(),
            _ => false,
        }
    }

    /// The nodes that others are to point at.
    pub(crate) fn targets(&self) -> impl Iterator<Item = &NodeName> {
        let placing = match self {
            Self::Place(placing, _) | Self::Create(_, Some(placing)) => Some(placing),
            _ => None,
        };
        placing.into_iter().flat_map(|placing| placing.targets())
    }

    /// Rows that the work appends or changes at most, beside its head: what bounds a batch.
    pub(super) fn events(&self) -> usize {
        match self {
            // Each item may push another one out.
            Self::Publish(publication) | Self::DeadLetter(_, publication) | Self::Sourced(_, publication)
                if publication.overflow.is_some() =>
            {
                2 * publication.items.len()
            }
            Self::Publish(publication)
            | Self::PublishNew(_, publication)
            | Self::Sourced(_, publication)
            | Self::DeadLetter(_, publication) => publication.items.len(),
            Self::Retract(retraction) => retraction.item_ids.len(),
            Self::Redrive(retraction, _) => 2 * retraction.item_ids.len(),
            Self::Forward(forwarding) => forwarding.events.len(),
            Self::Configure(_) | Self::Place(..) | Self::Delete(_) | Self::Purge(_) => 1,
            Self::Affiliate(change) => change.entries.len(),
            Self::ManageSubscriptions(managing) => managing.entries.len(),
            Self::Create(..)
            | Self::Subscribe(_)
            | Self::Unsubscribe(_)
            | Self::SetOptions(_)
            | Self::Park(_)
            | Self::Expire(_) => 0,
        }
    }
}

/// What became of an entry.
#[derive(Debug, Clone)]
pub enum EntryResult {
    /// Committed, or found to be so already.
    Done {
        /// The answer.
        outcome: Box<Outcome>,
        /// What later decisions rest on.
        facts: FactsAfter,
    },
    /// Settled against the sender by rows that only the transaction could see.
    Refused(BusError),
    /// The rules have moved since the decision.
    Stale,
    /// Another transaction held the node's head.
    Postponed,
}

/// The facts of an entry's node after the batch.
#[derive(Debug, Clone)]
pub enum FactsAfter {
    /// As they were.
    Same,
    /// These, or none if the node is gone.
    Now(Option<Arc<NodeFacts>>),
}
