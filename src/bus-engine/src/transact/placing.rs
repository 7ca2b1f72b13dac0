use bus_domain::collection::{Change, Forwarding, Links, Member, Placing, changer};
use bus_domain::{BusError, NodeId, NodeName};
use bus_store::{FeedMove, StoreError, Transaction};

use super::node_work::{Draft, NodeWork};
use super::relating::{Pointing, relate};
use crate::committer::EntryResult;

/// What has changed around a node.
pub(super) struct Placed {
    /// Nodes that have become children of collections, or are none any more.
    pub(super) children: Vec<NodeId>,
    /// What the node points at.
    pub(super) relation: Pointing,
}

/// Changes what the node of this name is associated with and related to. What is refused leaves the changes before it: the
/// caller goes back to a savepoint of its own.
pub(super) async fn place(
    transaction: &mut dyn Transaction,
    node: &NodeName,
    placing: &Placing,
) -> Result<Result<Placed, BusError>, StoreError> {
    let actor = placing.actor.bare();
    let found = transaction.members(std::slice::from_ref(node), actor).await?;
    let Some(id) = found.first().map(|member| member.id) else {
        return Ok(Err(BusError::NodeNotFound));
    };
    let children = match associate(transaction, (id, node), placing).await? {
        Ok(children) => children,
        Err(refused) => return Ok(Err(refused)),
    };
    let relation = relate(transaction, id, placing).await?;
    Ok(relation.map(|relation| Placed { children, relation }))
}

/// Says whose feeds it concerns.
async fn associate(
    transaction: &mut dyn Transaction,
    (id, node): (NodeId, &NodeName),
    placing: &Placing,
) -> Result<Result<Vec<NodeId>, BusError>, StoreError> {
    let actor = placing.actor.bare();
    let neighbours = transaction.neighbours(id).await?;
    let changes = match placing.changes(node, &neighbours) {
        Ok(changes) => changes,
        Err(refused) => return Ok(Err(refused)),
    };
    let names: Vec<NodeName> = names(&changes);
    let mut members = if names.is_empty() { Vec::new() } else { transaction.members(&names, actor).await? };
    for member in members.iter_mut().filter(|member| member.name == *node) {
        member.config = placing.config.clone();
    }
    for change in &changes {
        if let Err(refused) = carry_out(transaction, placing, change, &mut members).await? {
            return Ok(Err(refused));
        }
    }
    let is_child = |member: &Member| changes.iter().any(|change| change.child == member.name);
    Ok(Ok(members.into_iter().filter(is_child).map(|member| member.id).collect()))
}

async fn carry_out(
    transaction: &mut dyn Transaction,
    placing: &Placing,
    change: &Change,
    members: &mut [Member],
) -> Result<Result<(), BusError>, StoreError> {
    let find = |name: &NodeName| members.iter().position(|member| member.name == *name);
    let (Some(above), Some(below)) = (find(&change.collection), find(&change.child)) else {
        return Ok(Err(BusError::NodeNotFound));
    };
    let (collection, child) = (&members[above], &members[below]);
    let (ids, changed_by) = ((collection.id, child.id), changer(&placing.actor));
    if change.is_end {
        if let Err(refused) = placing.check_end(collection, child) {
            return Ok(Err(refused));
        }
        if !transaction.end_association(ids.0, ids.1, &changed_by).await? {
            return Ok(Err(BusError::NotAssociated));
        }
        members[above].children = members[above].children.saturating_sub(1);
        return Ok(Ok(()));
    }
    // Who may not, or asks for what there is already, costs no look at the graph.
    match placing.check_begin(collection, child, Links::default()) {
        Ok(()) | Err(BusError::TooManyAssociations { .. }) => {}
        Err(refused) => return Ok(Err(refused)),
    }
    let there = transaction.neighbours(child.id).await?.collections;
    if there.iter().any(|neighbour| neighbour.id == collection.id) {
        return Ok(Ok(()));
    }
    let links = transaction.links(ids.0, ids.1).await?;
    if let Err(refused) = placing.check_begin(collection, child, links) {
        return Ok(Err(refused));
    }
    transaction.begin_association(ids.0, ids.1, &changed_by).await?;
    members[above].children += 1;
    Ok(Ok(()))
}

/// Whether what is written now goes through: a head that is locked keeps its version, so it will move.
pub(super) async fn is_of_now(
    transaction: &mut dyn Transaction,
    work: &NodeWork,
) -> Result<bool, StoreError> {
    let Some(facts) = &work.facts else { return Ok(false) };
    Ok(transaction.rules_version(facts.id).await? == Some(facts.rules_version))
}

/// Appends the next stretch of a feed, which moves with it: somebody else may have done so since it was read.
pub(super) async fn forward(
    transaction: &mut dyn Transaction,
    work: &mut NodeWork,
    forwarding: &Forwarding,
) -> Result<Option<EntryResult>, StoreError> {
    if !is_of_now(transaction, work).await? {
        return Ok(Some(EntryResult::Stale));
    }
    let Forwarding { collection, child, from, to, ref events } = *forwarding;
    if !transaction.move_feed(&FeedMove { collection, child, from, to }).await? {
        return Ok(Some(EntryResult::Refused(BusError::Contended)));
    }
    let due = work.facts.as_ref().is_some_and(|facts| facts.config.deliver_notifications);
    work.drafts.extend(events.iter().map(|event| Draft {
        kind: event.kind.clone(),
        publisher: event.publisher.clone(),
        due,
        may_overwrite: false,
    }));
    Ok(None)
}

fn names(changes: &[Change]) -> Vec<NodeName> {
    let both = changes.iter().flat_map(|change| [&change.collection, &change.child]);
    let mut names: Vec<NodeName> = both.cloned().collect();
    names.sort_unstable();
    names.dedup();
    names
}
