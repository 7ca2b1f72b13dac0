//! Collections (XEP-0248): which nodes may be below which, and what a collection takes from a node below it.
//!
//! Nodes stand to each other as rows of their own, which no configuration has: they are settled inside the transaction,
//! under one lock for the whole graph. What changes on a child reaches the log of the collection by a feed
//! ([`forward`]), after its commit.

use jid::{BareJid, Jid};

use crate::{
    Actor, Affiliation, AssociationPolicy, BusError, Limits, NodeConfig, NodeFacts, NodeId, NodeName,
    RelationWish, Seq, access, relation,
};

mod forward;

pub use forward::{Child, Forwarded, forward};

/// Associations that one request begins and ends at most.
const CHANGES_MAX: usize = 64;

/// Which collections a node is to be below, and which children it is to have. `None` leaves it as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Placement {
    /// All collections that it is to be a child of (`pubsub#collection`).
    pub collections: Option<Vec<NodeName>>,
    /// All nodes that are to be its children (`pubsub#children`).
    pub children: Option<Vec<NodeName>>,
    /// What it is to be related to.
    pub relation: RelationWish,
}

/// A change that concerns a node's associations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// All of them are to be like this.
    Placement(Placement),
    /// One more child (§6.7.1).
    Associate(NodeName),
    /// One child less (§6.7.2).
    Dissociate(NodeName),
}

/// Associations that the rules of one node allow to be changed; the rest is settled in the transaction.
#[derive(Debug, Clone, PartialEq)]
pub struct Placing {
    /// Who asks.
    pub actor: Actor,
    /// For what.
    pub wish: Wish,
    /// How the node is configured then.
    pub config: NodeConfig,
    /// The operator's bounds.
    pub limits: Limits,
}

/// A node next to another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbour {
    /// The node.
    pub id: NodeId,
    /// Its name.
    pub name: NodeName,
}

/// What a node is associated with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Neighbours {
    /// The collections that it is a child of, by name.
    pub collections: Vec<Neighbour>,
    /// Its children, by name.
    pub children: Vec<Neighbour>,
}

/// A node that associations are about, as the transaction finds it.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// The node.
    pub id: NodeId,
    /// Its name.
    pub name: NodeName,
    /// How it is configured.
    pub config: NodeConfig,
    /// What the actor is there, going by the list alone.
    pub affiliation: Affiliation,
    /// Children that it has.
    pub children: u32,
}

/// What the graph has around a collection and what is to be its child.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Links {
    /// The collection is below the child.
    pub is_cycle: bool,
    /// A node below the child, or the child itself, is below the collection or above ones already: its events would
    /// come there twice.
    pub is_second_way: bool,
    /// Levels of collections from the highest one above to the lowest one below.
    pub levels: u32,
    /// Collections, on all levels together, above the one of the nodes there that has most of them.
    pub collections: u32,
}

/// One association to be begun or ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The collection.
    pub collection: NodeName,
    /// Its child.
    pub child: NodeName,
    /// Whether it ends.
    pub is_end: bool,
}

/// Decides on the rules of the node that is asked: whoever may configure it may place it, and who may have it take one
/// node more or less depends on that node, too.
pub fn decide(facts: &NodeFacts, actor: &Actor, wish: Wish, limits: &Limits) -> Result<Placing, BusError> {
    match wish {
        Wish::Placement(_) => access::may(facts, actor, access::Action::Configure)?,
        Wish::Associate(_) | Wish::Dissociate(_) if !facts.config.is_collection() => {
            return Err(BusError::InvalidAssociation { reason: "a leaf has no children" });
        }
        Wish::Associate(_) | Wish::Dissociate(_) => {}
    }
    Ok(Placing { actor: actor.clone(), wish, config: facts.config.clone(), limits: limits.clone() })
}

impl Placing {
    /// Whether it says anything of relations.
    pub fn is_about_relations(&self) -> bool {
        matches!(&self.wish, Wish::Placement(placement) if !placement.relation.is_empty())
    }

    /// The nodes that it is to be related to.
    pub fn targets(&self) -> impl Iterator<Item = &NodeName> {
        let relation = match &self.wish {
            Wish::Placement(placement) => Some(&placement.relation),
            Wish::Associate(_) | Wish::Dissociate(_) => None,
        };
        relation.into_iter().flat_map(|wish| [&wish.link, &wish.parent]).flatten().flatten()
    }

    /// What the node's relation is to be, with the parent that it has in effect.
    pub fn relation(&self, parent: Option<&NodeName>) -> Result<relation::Wanted, BusError> {
        match &self.wish {
            Wish::Placement(placement) => placement.relation.resolve(self.config.relation.as_ref(), parent),
            Wish::Associate(_) | Wish::Dissociate(_) => Ok(relation::Wanted::AsIs),
        }
    }

    /// What is to be changed for the node of this name; ends come first, so that they make room.
    pub fn changes(&self, node: &NodeName, neighbours: &Neighbours) -> Result<Vec<Change>, BusError> {
        let below =
            |child: &NodeName, is_end| Change { collection: node.clone(), child: child.clone(), is_end };
        let above = |collection: &NodeName, is_end| Change {
            collection: collection.clone(),
            child: node.clone(),
            is_end,
        };
        let mut changes = match &self.wish {
            Wish::Associate(child) => vec![below(child, false)],
            Wish::Dissociate(child) => vec![below(child, true)],
            Wish::Placement(Placement { collections, children, relation: _ }) => {
                let collections =
                    collections.iter().flat_map(|all| differences(all, &neighbours.collections, above));
                let children = children.iter().flat_map(|all| differences(all, &neighbours.children, below));
                collections.chain(children).collect()
            }
        };
        if changes.len() > CHANGES_MAX {
            let reason = format!("one request changes at most {CHANGES_MAX} associations");
            return Err(BusError::bad_request(reason));
        }
        changes.sort_by_key(|change| !change.is_end);
        Ok(changes)
    }

    /// Decides on an association that is to begin.
    pub fn check_begin(&self, collection: &Member, child: &Member, links: Links) -> Result<(), BusError> {
        let refused = |reason| Err(BusError::InvalidAssociation { reason });
        if !self.owns(child) || !self.may_add_to(collection) {
            return Err(BusError::AssociationForbidden);
        }
        if !collection.config.is_collection() {
            return refused("a leaf has no children");
        }
        if child.config.is_transient() {
            return refused("the log of the child is in memory, where nothing waits for a collection");
        }
        if links.is_cycle {
            return refused("the collection is below the node already");
        }
        if links.is_second_way {
            return refused("a node would be below the collection in two ways, and notify it twice");
        }
        if links.levels > self.limits.collection_levels_max {
            return refused("there are too many levels of collections");
        }
        let (children_max, collections_max) =
            (collection.config.children.max(&self.limits), self.limits.node_collections_max);
        if collection.children >= children_max {
            return Err(BusError::TooManyAssociations { nodes_max: children_max });
        }
        if links.collections > collections_max {
            return Err(BusError::TooManyAssociations { nodes_max: collections_max });
        }
        Ok(())
    }

    /// Decides on an association that is to end: the owners of either node can do without it.
    pub fn check_end(&self, collection: &Member, child: &Member) -> Result<(), BusError> {
        let is_owner = self.owns(child) || self.owns(collection);
        if is_owner { Ok(()) } else { Err(BusError::AssociationForbidden) }
    }

    fn owns(&self, member: &Member) -> bool {
        access::effective(member.affiliation, self.actor.role()) == Affiliation::Owner
    }

    /// `pubsub#children_association_policy`. Whoever is banned there adds nothing.
    fn may_add_to(&self, collection: &Member) -> bool {
        let children = &collection.config.children;
        match (access::effective(collection.affiliation, self.actor.role()), children.association_policy) {
            (Affiliation::Outcast, _) => false,
            (Affiliation::Owner, _) | (_, AssociationPolicy::All) => true,
            (_, AssociationPolicy::Whitelist) => children.lists(self.actor.bare()),
            (_, AssociationPolicy::Owners) => false,
        }
    }
}

/// What leads from the neighbours that there are to those that are wanted.
fn differences(
    wanted: &[NodeName],
    there: &[Neighbour],
    change: impl Fn(&NodeName, bool) -> Change,
) -> Vec<Change> {
    let gone = there.iter().filter(|it| !wanted.contains(&it.name)).map(|it| change(&it.name, true));
    let is_new = |name: &&NodeName| !there.iter().any(|it| it.name == **name);
    let mut changes: Vec<Change> = gone.collect();
    for name in wanted.iter().filter(is_new) {
        let begun = change(name, false);
        if !changes.contains(&begun) {
            changes.push(begun);
        }
    }
    changes
}

/// How far the feed of an association has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedPosition {
    /// The collection has the child's events up to here.
    pub through_seq: Seq,
    /// Its subscribers have not been told of the child yet.
    pub is_new: bool,
    /// Where it ends, once it is dissociated.
    pub ends_at_seq: Option<Seq>,
}

/// The next stretch of a feed, for the collection's log.
#[derive(Debug, Clone, PartialEq)]
pub struct Forwarding {
    /// The collection.
    pub collection: NodeId,
    /// The child.
    pub child: NodeId,
    /// Where the feed was when it was read: it is moved on from there or not at all.
    pub from: FeedPosition,
    /// Where it is then; `None` if it has come to its end.
    pub to: Option<FeedPosition>,
    /// What the collection takes, in order.
    pub events: Vec<Forwarded>,
}

/// The account that changed an association, as the publisher of the event that tells of it.
pub fn changer(actor: &Actor) -> Jid {
    let bare: &BareJid = actor.bare();
    bare.clone().into()
}

#[cfg(test)]
mod tests;
