//! Delete: may the actor.

use jid::Jid;

use crate::access::{Action, may};
use crate::{Actor, BusError, NodeFacts, NodeId, RedirectUri};

/// The end of a node: one last event in its log; the name is free at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deletion {
    /// Who deletes, as authenticated.
    pub deleter: Jid,
    /// Whether subscribers are told.
    pub notify: bool,
    /// Where the node is from now on: its subscribers hear of it, and whoever asks for its name later.
    pub redirect: Option<RedirectUri>,
}

/// Decides a deletion (XEP-0060 §8.4).
pub fn decide(facts: &NodeFacts, actor: &Actor, redirect: Option<RedirectUri>) -> Result<Deletion, BusError> {
    may(facts, actor, Action::Delete)?;
    Ok(Deletion { deleter: actor.jid().clone(), notify: facts.config.notify_delete, redirect })
}

/// Decides a deletion that follows from another one: that of the node's parent, or of the one that it is linked to
/// (XEP-0496). Another node may have its name by now.
pub fn decide_orphan(facts: &NodeFacts, actor: &Actor, orphan: NodeId) -> Result<Deletion, BusError> {
    if facts.id != orphan || !facts.is_orphan {
        return Err(BusError::NodeNotFound);
    }
    Ok(Deletion { deleter: actor.jid().clone(), notify: facts.config.notify_delete, redirect: None })
}
