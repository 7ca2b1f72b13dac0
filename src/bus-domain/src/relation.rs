//! Relationships of nodes (XEP-0496): a node may have a parent, whose access and publish models count for it too, or be
//! linked to another node, and goes with either.
//!
//! Each node points at one other at most, so that all of them are trees. Whose parent a linked node has is its linking
//! nodes' parent, and follows from that. Like associations, relations are settled inside the transaction, under the lock of
//! the graph.

use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::collection::Member;
use crate::{Actor, Affiliation, BusError, Jid, Limits, NodeFacts, NodeId, NodeName, access};

/// What a node is to another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RelationKind {
    /// It is about the other one, and has the same parent.
    Link,
    /// It is below the other one: who may not use that may not use it.
    Parent,
}

impl RelationKind {
    /// The name under which it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Parent => "parent",
        }
    }
}

impl FromStr for RelationKind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = [Self::Link, Self::Parent].into_iter().find(|kind| kind.as_str() == name);
        found.ok_or_else(|| format!("there is no kind of relation called {name}"))
    }
}

/// The node that a node points at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relation {
    /// What it is to it.
    pub kind: RelationKind,
    /// The other node. Another one of its name is none of this node's.
    pub node: NodeId,
    /// Its name.
    pub name: NodeName,
}

/// What a node's relations are to be; `None` leaves one as it is, and `Some(None)` ends it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RelationWish {
    /// The node that it is linked to (`{urn:xmpp:pubsub-relationships:0}link`).
    pub link: Option<Option<NodeName>>,
    /// Its parent (`{urn:xmpp:pubsub-relationships:0}parent`).
    pub parent: Option<Option<NodeName>>,
}

/// The one relation that a node is to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// That which it has, or none.
    AsIs,
    /// None any more.
    Nothing,
    /// This one.
    Relation {
        /// Which.
        kind: RelationKind,
        /// To which node.
        name: NodeName,
        /// The parent that a linking node claims to have: it must be the linked node's.
        claimed_parent: Option<NodeName>,
    },
}

/// Nodes below one, all levels together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Subtree {
    /// How many.
    pub nodes: u32,
    /// On how many levels.
    pub levels: u32,
}

/// A node whose parent, or the node that it is linked to, is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    /// The node.
    pub id: NodeId,
    /// Its name.
    pub name: NodeName,
    /// Who has deleted the other one.
    pub deleted_by: Jid,
}

/// Where a relation would lead, as the transaction finds it. Both trees are seen without the node's own relation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Surroundings<'a> {
    /// What is above the other node, from the one that it points at to the top.
    pub above: &'a [Relation],
    /// What is below the top of the other node's tree.
    pub tree: Subtree,
    /// What is below the node itself.
    pub below: Subtree,
}

impl RelationWish {
    /// Whether nothing is wished.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What it makes of the relation that the node has. `parent` is the parent that it has in effect, by itself or by its
    /// link: to name that one again changes nothing.
    ///
    /// # Errors
    /// A linking node has no parent of its own.
    pub fn resolve(&self, now: Option<&Relation>, parent: Option<&NodeName>) -> Result<Wanted, BusError> {
        let of_kind = |kind| now.filter(|it| it.kind == kind).map(|it| &it.name);
        let linked = of_kind(RelationKind::Link);
        let link = self.link.as_ref().map_or(linked, Option::as_ref);
        if let Some(link) = link {
            let is_same = linked == Some(link);
            let claimed_parent = match &self.parent {
                Some(claimed) => claimed.clone(),
                None => of_kind(RelationKind::Parent).cloned(),
            };
            if !is_same {
                return Ok(Wanted::Relation { kind: RelationKind::Link, name: link.clone(), claimed_parent });
            }
            return match claimed_parent {
                Some(claimed) if Some(&claimed) != parent => Err(invalid(LINKING_HAS_NO_PARENT)),
                _ => Ok(Wanted::AsIs),
            };
        }
        // The parent that came with a link stays when the link ends.
        let wanted = match &self.parent {
            Some(parent) => parent.as_ref(),
            None => parent,
        };
        Ok(match wanted {
            Some(name) if of_kind(RelationKind::Parent) == Some(name) => Wanted::AsIs,
            Some(name) => {
                let name = name.clone();
                Wanted::Relation { kind: RelationKind::Parent, name, claimed_parent: None }
            }
            None if now.is_none() => Wanted::AsIs,
            None => Wanted::Nothing,
        })
    }
}

/// Whether somebody may relate a node of its own to another one: whoever does so binds the other one's tree.
pub fn check_owner(actor: &Actor, other: &Member) -> Result<(), BusError> {
    let is_owner = access::effective(other.affiliation, actor.role()) == Affiliation::Owner;
    if is_owner { Ok(()) } else { Err(BusError::AssociationForbidden) }
}

/// Decides on a relation of a node to another one.
pub fn check(
    node: NodeId,
    relation: &Relation,
    claimed_parent: Option<&NodeName>,
    surroundings: Surroundings<'_>,
    limits: &Limits,
) -> Result<(), BusError> {
    let Surroundings { above, tree, below } = surroundings;
    if relation.node == node || above.iter().any(|it| it.node == node) {
        return Err(invalid("a node would be above itself"));
    }
    if claimed_parent.is_some_and(|claimed| parent_in(above) != Some(claimed)) {
        return Err(invalid(LINKING_HAS_NO_PARENT));
    }
    let levels =
        u32::try_from(above.len()).unwrap_or(u32::MAX).saturating_add(1).saturating_add(below.levels);
    if levels > limits.node_relation_levels_max {
        return Err(invalid("there are too many levels of nodes"));
    }
    if tree.nodes.saturating_add(below.nodes).saturating_add(1) > limits.node_relatives_max {
        return Err(invalid("there are too many nodes below the topmost one"));
    }
    Ok(())
}

/// The facts of a node together with what is above it: those of the node that it points at, or `None` if nothing is left of
/// that. One of which only a tombstone is left counts as an orphan itself.
#[must_use]
pub fn below(node: NodeFacts, upper: Option<&Arc<NodeFacts>>) -> NodeFacts {
    let above = match node.config.relation.as_ref().map(|it| it.kind) {
        Some(RelationKind::Link) => upper.and_then(|upper| upper.above.clone()),
        Some(RelationKind::Parent) => upper.cloned(),
        None => None,
    };
    let is_orphan = node.is_orphan || upper.is_none_or(|upper| upper.is_orphan);
    NodeFacts { above, is_orphan, ..node }
}

const LINKING_HAS_NO_PARENT: &str = "the parent of a linking node is that of the node that it is linked to";

/// The parent that a node has in effect, from what is above it.
pub fn parent_in(above: &[Relation]) -> Option<&NodeName> {
    above.iter().find(|it| it.kind == RelationKind::Parent).map(|it| &it.name)
}

fn invalid(reason: &'static str) -> BusError {
    BusError::InvalidRelation { reason }
}

#[cfg(test)]
mod tests;
