use bus_domain::NodeName;
use bus_engine::{Command, Verb};

use crate::ad_hoc::table::{Found, Turn};
use crate::errors::{CommandProblem, Refusal};

/// Removes all items of a node.
pub(super) async fn purge(turn: Turn<'_>) -> Result<Found, Refusal> {
    change(turn, Verb::Purge).await?;
    Ok(Found::done("All items of the node are removed."))
}

/// Deletes a node.
pub(super) async fn delete(turn: Turn<'_>) -> Result<Found, Refusal> {
    change(turn, Verb::Delete(None)).await?;
    Ok(Found::done("The node is deleted."))
}

async fn change(turn: Turn<'_>, verb: Verb) -> Result<(), Refusal> {
    let node = node(&turn)?;
    turn.engine.execute(Command { actor: turn.actor.clone(), node, verb }).await?;
    Ok(())
}

/// The node that was named.
pub(super) fn node(turn: &Turn<'_>) -> Result<NodeName, Refusal> {
    let node = NodeName::new(turn.argument);
    node.map_err(|error| CommandProblem::bad_payload(format!("the node id {error}")).into())
}
