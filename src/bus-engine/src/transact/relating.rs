use bus_domain::collection::Placing;
use bus_domain::relation::{self, Surroundings, Wanted};
use bus_domain::{BusError, NodeId, Relation};
use bus_store::{StoreError, Transaction};

/// More levels than any operator allows: where a look upwards ends in any case.
const LEVELS_MAX: u32 = 1_000;

/// Where a node points.
pub(super) enum Pointing {
    /// Where it did.
    AsBefore,
    /// To another node than it did, or nowhere.
    New(Option<Relation>),
}

/// Has the node point where it is wanted to (XEP-0496).
pub(super) async fn relate(
    transaction: &mut dyn Transaction,
    node: NodeId,
    placing: &Placing,
) -> Result<Result<Pointing, BusError>, StoreError> {
    if !placing.is_about_relations() {
        return Ok(Ok(Pointing::AsBefore));
    }
    let above = transaction.relations_above(node, LEVELS_MAX).await?;
    match placing.relation(relation::parent_in(&above)) {
        Err(refused) => Ok(Err(refused)),
        Ok(Wanted::AsIs) => Ok(Ok(Pointing::AsBefore)),
        Ok(Wanted::Nothing) => {
            transaction.point(node, None).await?;
            Ok(Ok(Pointing::New(None)))
        }
        Ok(Wanted::Relation { kind, name, claimed_parent }) => {
            let Some(other) =
                transaction.members(std::slice::from_ref(&name), placing.actor.bare()).await?.pop()
            else {
                return Ok(Err(BusError::NodeNotFound));
            };
            if let Err(refused) = relation::check_owner(&placing.actor, &other) {
                return Ok(Err(refused));
            }
            let relation = Relation { kind, node: other.id, name };
            // What is above and below is counted without the relation that ends.
            transaction.point(node, None).await?;
            let above = transaction.relations_above(other.id, LEVELS_MAX).await?;
            let topmost = above.last().map_or(other.id, |relation| relation.node);
            let counted_max = placing.limits.node_relatives_max.saturating_add(1);
            let tree = transaction.subtree(topmost, counted_max).await?;
            let below = transaction.subtree(node, counted_max).await?;
            let surroundings = Surroundings { above: &above, tree, below };
            if let Err(refused) =
                relation::check(node, &relation, claimed_parent.as_ref(), surroundings, &placing.limits)
            {
                return Ok(Err(refused));
            }
            transaction.point(node, Some((kind, other.id))).await?;
            Ok(Ok(Pointing::New(Some(relation))))
        }
    }
}
