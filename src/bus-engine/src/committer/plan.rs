use std::sync::Arc;

use bus_domain::{
    BusError, ItemId, Limits, NodeFacts, affiliate, create, delete, publish, retract, subscribe, unsubscribe,
};

use bus_store::LockMode;

use super::{Entry, Work};
use crate::{Command, Verb};

/// Asks bus-domain about a command. `next_item_id` makes ids that no item has.
pub(super) fn plan(
    command: &Command,
    facts: Option<&Arc<NodeFacts>>,
    limits: &Limits,
    next_item_id: &dyn Fn() -> ItemId,
) -> Result<Entry, BusError> {
    let actor = &command.actor;
    let existing = || facts.map(Arc::as_ref).ok_or(BusError::NodeNotFound);
    let work = match &command.verb {
        Verb::Create(config) => {
            Work::Create(create::decide(facts.map(Arc::as_ref), actor, config.clone(), limits)?)
        }
        Verb::Delete => Work::Delete(delete::decide(existing()?, actor)?),
        Verb::Publish(request) => {
            Work::Publish(publish::decide(existing()?, actor, request.clone(), limits, next_item_id)?)
        }
        Verb::Retract(request) => {
            Work::Retract(retract::decide(existing()?, actor, request.clone(), limits)?)
        }
        Verb::Subscribe(jid) => Work::Subscribe(subscribe::decide(existing()?, actor, jid.clone(), limits)?),
        Verb::Unsubscribe(jid) => {
            existing()?;
            Work::Unsubscribe(unsubscribe::decide(actor, jid.clone())?)
        }
        Verb::Affiliate(entries) => {
            Work::Affiliate(affiliate::decide(existing()?, actor, entries.clone(), limits)?)
        }
    };
    Ok(Entry { node: command.node.clone(), facts: facts.cloned(), work, lock: LockMode::SkipHeld })
}

impl Verb {
    /// Whether the command must be the only one of its node in a batch: its outcome depends on rows that others in
    /// the batch could change, or others' decisions depend on its outcome.
    pub(super) fn is_alone(&self) -> bool {
        !matches!(self, Self::Publish(_))
    }
}
