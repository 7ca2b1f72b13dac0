use std::collections::HashSet;
use std::sync::Arc;

use bus_domain::{
    BusError, Durability, ItemId, Limits, NodeFacts, NodeId, PublishModel, affiliate, configure, create,
    delete, manage_subscriptions, options, publish, purge, retention, retract, subscribe, unsubscribe,
};

use bus_store::{CommitLevel, LockMode};

use super::{Entry, Work};
use crate::{Command, Verb};

/// Asks bus-domain about a command. On the nodes of `undelivered_full` too much waits for delivery; `next_item_id`
/// makes ids that no item has.
pub(super) fn plan(
    command: &Command,
    facts: Option<&Arc<NodeFacts>>,
    limits: &Limits,
    undelivered_full: &HashSet<NodeId>,
    next_item_id: &dyn Fn() -> ItemId,
) -> Result<Entry, BusError> {
    let actor = &command.actor;
    let existing = || facts.map(Arc::as_ref).ok_or(BusError::NodeNotFound);
    let work = match &command.verb {
        Verb::Create(config) => {
            Work::Create(create::decide(facts.map(Arc::as_ref), actor, config.clone(), limits)?)
        }
        Verb::Configure(settings) => {
            Work::Configure(configure::decide(existing()?, actor, settings, limits)?)
        }
        Verb::Delete => Work::Delete(delete::decide(existing()?, actor)?),
        Verb::Publish(request) if facts.is_none() => {
            let (new, publication) = publish::decide_new(actor, request.clone(), limits, next_item_id)?;
            Work::PublishNew(new, publication)
        }
        Verb::Publish(request) => {
            let facts = existing()?;
            let publication = publish::decide(facts, actor, request.clone(), limits, next_item_id)?;
            retention::check_undelivered(&facts.config, undelivered_full.contains(&facts.id))?;
            Work::Publish(publication)
        }
        Verb::Retract(request) => {
            Work::Retract(retract::decide(existing()?, actor, request.clone(), limits)?)
        }
        Verb::Purge => Work::Purge(purge::decide(existing()?, actor)?),
        Verb::Subscribe(request) => {
            Work::Subscribe(subscribe::decide(existing()?, actor, request.clone(), limits)?)
        }
        Verb::Unsubscribe(request) => {
            existing()?;
            Work::Unsubscribe(unsubscribe::decide(actor, request.clone())?)
        }
        Verb::SetOptions(request) => {
            existing()?;
            Work::SetOptions(options::decide(actor, request.clone(), limits)?)
        }
        Verb::Affiliate(request) => {
            Work::Affiliate(affiliate::decide(existing()?, actor, request.clone(), limits)?)
        }
        Verb::ManageSubscriptions(request) => Work::ManageSubscriptions(manage_subscriptions::decide(
            existing()?,
            actor,
            request.clone(),
            limits,
        )?),
        Verb::Park(parking) => {
            existing()?;
            Work::Park(parking.clone())
        }
        Verb::Expire(expiry) => {
            existing()?;
            Work::Expire(expiry.clone())
        }
    };
    Ok(Entry { node: command.node.clone(), facts: facts.cloned(), work, lock: LockMode::SkipHeld })
}

impl Verb {
    /// Whether the command must be the only one of its node in a batch: its outcome depends on rows that others in
    /// the batch could change, or others' decisions depend on its outcome.
    pub(super) fn is_alone(&self, facts: Option<&NodeFacts>) -> bool {
        match (self, facts) {
            (Self::Publish(_), Some(facts)) => facts.config.publish_model == PublishModel::Subscribers,
            _ => true,
        }
    }

    /// Whether nothing is written: a publish on a node in memory.
    pub(super) fn is_emitted(&self, facts: &NodeFacts) -> bool {
        matches!(self, Self::Publish(_)) && facts.is_transient()
    }

    /// What the commit must promise: on a relaxed node, events do not wait for their sync. Everything else does.
    pub(super) fn level(&self, facts: Option<&NodeFacts>) -> CommitLevel {
        match (self, facts.map(|facts| facts.config.durability)) {
            (Self::Publish(_) | Self::Retract(_), Some(Durability::Relaxed)) => CommitLevel::Relaxed,
            _ => CommitLevel::Fsync,
        }
    }
}
