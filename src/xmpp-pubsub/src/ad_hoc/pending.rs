//! `get-pending` (XEP-0060 §8.7): an owner is asked again about those who wait for approval.

use bus_domain::{Actor, BusError, NodeId, NodeName, SubscriptionId};
use bus_engine::Engine;

use crate::ad_hoc::node_changes::node;
use crate::ad_hoc::table::{Found, NoteKind, Options, Turn};
use crate::errors::{CommandProblem, Refusal};

/// Bytes of names that a form offers. Others chose them, and escaped they grow.
const OPTIONS_BYTES_MAX: usize = 16 * 1024;

/// Finds the nodes on which somebody waits, as many as a page has and a form can hold.
pub(super) async fn options(engine: &Engine, actor: &Actor) -> Result<Options, Refusal> {
    let found = engine.pending_nodes(actor, None, u32::MAX).await?;
    let count = found.rows.len();
    let mut bytes = 0;
    let fits = |(_, name): &(NodeId, NodeName)| {
        bytes += name.as_str().len();
        bytes <= OPTIONS_BYTES_MAX
    };
    let values: Vec<_> = found.rows.into_iter().take_while(fits).map(|(_, name)| name.to_string()).collect();
    let has_more = found.has_more || values.len() < count;
    let note = has_more.then(|| "There are more nodes; any may be named.".to_owned());
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
