//! `get-pending` (XEP-0060 §8.7): an owner is asked again about those who wait for approval.

use bus_domain::{Actor, BusError, SubscriptionId};
use bus_engine::Engine;

use crate::ad_hoc::node_changes::node;
use crate::ad_hoc::table::{Found, NoteKind, Options, Turn};
use crate::errors::{CommandProblem, Refusal};

/// Finds the nodes on which somebody waits, as many as a page has.
pub(super) async fn options(engine: &Engine, actor: &Actor) -> Result<Options, Refusal> {
    let found = engine.pending_nodes(actor, None, u32::MAX).await?;
    let note = found.has_more.then(|| "There are more nodes; any may be named.".to_owned());
    let values = found.rows.into_iter().map(|(_, name)| name.to_string()).collect();
    Ok(Options { values, note, none: "Nobody waits for approval.".to_owned() })
}

/// Has the actor asked about those who wait on one of them, in portions: each is a message of its own (§8.7.4), and there
/// may be very many.
pub(super) async fn ask(turn: Turn<'_>) -> Result<Found, Refusal> {
    let node = node(&turn)?;
    let after = turn.after.map(str::parse).transpose().map_err(|_| BusError::UnknownPosition)?;
    let asked = turn.engine.ask_for_approval(turn.actor, &node, after.map(SubscriptionId)).await;
    let asked = asked.map_err(|error| match error {
        // §8.7.3.3: of the type that commands have it with.
        BusError::Forbidden => Refusal::from(CommandProblem::Forbidden),
        error => error.into(),
    })?;
    let last = asked.rows.last().map(|waiting| waiting.id.0.to_string());
    let count = asked.rows.len();
    let more = if asked.has_more { "; there are more" } else { "" };
    let text = format!("Requests for approval that are sent to you: {count}{more}.");
    Ok(Found::Said { kind: NoteKind::Info, text, next_after: last.filter(|_| asked.has_more) })
}
