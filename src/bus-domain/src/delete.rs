//! Delete: may the actor.

use jid::Jid;

use crate::access::{Action, may};
use crate::{Actor, BusError, NodeFacts, RedirectUri};

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
