//! What one user has on all nodes.

use bus_domain::{BareJid, BusError, NodeId};

use crate::ad_hoc::table::{Column, Found, Row, Turn};
use crate::errors::{CommandProblem, Refusal};
use crate::subscriptions;

const SUBSCRIPTIONS: &[Column] = &[("node", "Node"), ("address", "Address"), ("state", "State")];
const AFFILIATIONS: &[Column] = &[("node", "Node"), ("affiliation", "Affiliation")];

/// A page of a user's subscriptions.
pub(super) async fn subscriptions(turn: Turn<'_>) -> Result<Found, Refusal> {
    let after = turn.after.map(subscriptions::key).transpose()?;
    let user = user(&turn)?;
    let found = turn.engine.subscriptions_of_entity(turn.actor, &user, after, u32::MAX).await?;
    let rows = found.rows.into_iter().map(|entry| Row {
        uid: subscriptions::uid(&entry),
        cells: vec![
            entry.name.to_string(),
            entry.subscription.jid.to_string(),
            entry.subscription.state.as_str().to_owned(),
        ],
    });
    Ok(Found::Rows { columns: SUBSCRIPTIONS, rows: rows.collect(), has_more: found.has_more })
}

/// A page of a user's affiliations.
pub(super) async fn affiliations(turn: Turn<'_>) -> Result<Found, Refusal> {
    let after = turn.after.map(str::parse).transpose().map_err(|_| BusError::UnknownPosition)?;
    let user = user(&turn)?;
    let found = turn.engine.affiliations_of_entity(turn.actor, &user, after.map(NodeId), u32::MAX).await?;
    let rows = found.rows.into_iter().map(|entry| Row {
        uid: entry.node.0.to_string(),
        cells: vec![entry.name.to_string(), entry.affiliation.as_str().to_owned()],
    });
    Ok(Found::Rows { columns: AFFILIATIONS, rows: rows.collect(), has_more: found.has_more })
}

fn user(turn: &Turn<'_>) -> Result<BareJid, Refusal> {
    let user = BareJid::new(turn.argument);
    user.map_err(|error| CommandProblem::bad_payload(format!("the address is no bare JID: {error}")).into())
}
