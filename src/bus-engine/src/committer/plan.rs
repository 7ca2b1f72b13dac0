use std::collections::HashSet;
use std::sync::Arc;

use bus_domain::collection::{Placement, Placing, Wish};
use bus_domain::consumer::redrive;
use bus_domain::quota::StoredFull;
use bus_domain::{
    Actor, BareJid, BusError, Durability, ItemId, Limits, NodeConfig, NodeFacts, NodeId, PublishModel,
    affiliate, collection, configure, create, delete, manage_subscriptions, options, publish, purge, quota,
    retention, retract, source, subscribe, unsubscribe,
};

use bus_store::{CommitLevel, LockMode};

use super::{Entry, Work};
use crate::{Command, Verb};

/// What decisions rest on besides a node's facts and the operator's limits.
#[derive(Debug, Default)]
pub(super) struct Surroundings {
    /// Nodes of which too much waits for delivery.
    pub(super) undelivered_full: HashSet<NodeId>,
    /// Creators of nodes that store too much.
    pub(super) stored_full: StoredFull,
    /// Whether access models that rosters decide can be set.
    pub(super) rosters_are_readable: bool,
}

/// Asks bus-domain about a command. `next_item_id` makes ids that no item has.
#[expect(clippy::too_many_lines, reason = "one arm for each verb")]
pub(super) fn plan(
    command: &Command,
    facts: Option<&Arc<NodeFacts>>,
    limits: &Limits,
    surroundings: &Surroundings,
    next_item_id: &dyn Fn() -> ItemId,
) -> Result<Entry, BusError> {
    let Surroundings { undelivered_full, stored_full, rosters_are_readable } = surroundings;
    let check_model =
        |config: &NodeConfig, before: &NodeConfig| config.check_access_model(before, *rosters_are_readable);
    let actor = &command.actor;
    let existing = || facts.map(Arc::as_ref).ok_or(BusError::NodeNotFound);
    let work = match &command.verb {
        Verb::Create(config) | Verb::CreateAmong(config, _) => {
            let new = create::decide(facts.map(Arc::as_ref), actor, config.clone(), limits)?;
            check_model(&new.config, &NodeConfig::default())?;
            let placing = command.verb.placement().map(|placement| Placing {
                actor: actor.clone(),
                wish: Wish::Placement(Placement::clone(placement)),
                config: new.config.clone(),
                limits: limits.clone(),
            });
            Work::Create(new, placing.map(Box::new))
        }
        Verb::Configure(settings) | Verb::ConfigureAmong(settings, _) => {
            let facts = existing()?;
            let configuration = configure::decide(facts, actor, settings, limits)?;
            if let Some(configuration) = &configuration {
                check_model(&configuration.config, &facts.config)?;
            }
            match command.verb.placement() {
                None => Work::Configure(configuration),
                Some(placement) => {
                    let wish = Wish::Placement(Placement::clone(placement));
                    let placing = collection::decide(facts, actor, wish, limits)?;
                    let config = configuration.as_ref().map(|it| it.config.clone()).unwrap_or(placing.config);
                    Work::Place(Box::new(Placing { config, ..placing }), configuration)
                }
            }
        }
        Verb::Associate(child) => {
            let wish = Wish::Associate(child.clone());
            Work::Place(Box::new(collection::decide(existing()?, actor, wish, limits)?), None)
        }
        Verb::Dissociate(child) => {
            let wish = Wish::Dissociate(child.clone());
            Work::Place(Box::new(collection::decide(existing()?, actor, wish, limits)?), None)
        }
        Verb::Forward(forwarding) => {
            // A collection of this name may be another one by now.
            if existing()?.id != forwarding.collection {
                return Err(BusError::NodeNotFound);
            }
            Work::Forward(forwarding.clone())
        }
        Verb::Delete(redirect) => Work::Delete(delete::decide(existing()?, actor, redirect.clone())?),
        Verb::DeleteOrphan(node) => Work::Delete(delete::decide_orphan(existing()?, actor, *node)?),
        Verb::Publish(request) if facts.is_none() => {
            let (new, publication) = publish::decide_new(actor, request.clone(), limits, next_item_id)?;
            check_model(&new.config, &NodeConfig::default())?;
            check_stored(actor, stored_full, &new.owner)?;
            Work::PublishNew(new, publication)
        }
        Verb::Publish(request) => {
            let facts = existing()?;
            let publication = publish::decide(facts, actor, request.clone(), limits, next_item_id)?;
            retention::check_undelivered(&facts.config, undelivered_full.contains(&facts.id))?;
            check_stored(actor, stored_full, &facts.creator)?;
            Work::Publish(publication)
        }
        Verb::Retract(request) => {
            Work::Retract(retract::decide(existing()?, actor, request.clone(), limits)?)
        }
        Verb::Purge => Work::Purge(purge::decide(existing()?, actor)?),
        Verb::PurgeBehind(publisher) => Work::Purge(purge::decide_behind(existing()?, publisher)?),
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
        Verb::DeadLetter(letter) => {
            let facts = existing()?;
            let publication = redrive::decide_dead_letter(facts, actor, letter, limits, next_item_id)?;
            Work::DeadLetter(letter.about, publication)
        }
        Verb::PublishSourced(sourced) => {
            let facts = existing()?;
            source::check_node(facts, actor)?;
            let request = publish::Request { items: sourced.items.clone(), ..publish::Request::default() };
            let publication = publish::decide(facts, actor, request, limits, next_item_id)?;
            retention::check_undelivered(&facts.config, undelivered_full.contains(&facts.id))?;
            check_stored(actor, stored_full, &facts.creator)?;
            Work::Sourced(sourced.to.clone(), publication)
        }
        Verb::Redrive(wanted) => {
            let item_ids = wanted.letters.iter().map(|letter| letter.item_id.clone()).collect();
            let request = retract::Request { item_ids, notify: None };
            let retraction = retract::decide(existing()?, actor, request, limits)?;
            Work::Redrive(retraction, wanted.clone())
        }
        Verb::Park(parking) => {
            existing()?;
            Work::Park(parking.clone())
        }
        Verb::Expire(expiry) => {
            existing()?;
            Work::Expire(expiry.clone())
        }
    };
    Ok(Entry {
        node: command.node.clone(),
        facts: facts.cloned(),
        work,
        is_bound: quota::binds(actor),
        lock: LockMode::SkipHeld,
    })
}

fn check_stored(actor: &Actor, full: &StoredFull, creator: &BareJid) -> Result<(), BusError> {
    if quota::binds(actor) { full.check(creator) } else { Ok(()) }
}

impl Verb {
    /// The nodes that the node is to be among, if that is to change.
    fn placement(&self) -> Option<&Placement> {
        match self {
            Self::CreateAmong(_, placement) | Self::ConfigureAmong(_, placement) => Some(placement),
            _ => None,
        }
    }

    /// Whether the command must be the only one of its node in a batch: its outcome depends on rows that others in
    /// the batch could change, or others' decisions depend on its outcome.
    pub(super) fn is_alone(&self, facts: Option<&NodeFacts>) -> bool {
        match (self, facts) {
            (Self::Publish(_), Some(NodeFacts { config, .. })) => {
                config.publish_model == PublishModel::Subscribers || config.minds_when_full()
            }
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
