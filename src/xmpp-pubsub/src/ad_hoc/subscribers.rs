use bus_domain::{BareJid, BusError, SubscriptionId, SubscriptionState};
use bus_engine::EntityPage;

use crate::ad_hoc::node_changes::node;
use crate::ad_hoc::table::{Column, Found, Row, Turn};
use crate::errors::Refusal;

const SUBSCRIPTIONS: &[Column] =
    &[("address", "Address"), ("state", "State"), ("since_seq", "Since position")];
const AFFILIATIONS: &[Column] = &[("address", "Address"), ("affiliation", "Affiliation")];

/// A page of those who are subscribed to a node and, behind them, of those who wait.
pub(super) async fn subscriptions(turn: Turn<'_>) -> Result<Found, Refusal> {
    let node = node(&turn)?;
    let (state, after) = match turn.after {
        None => (SubscriptionState::Subscribed, None),
        Some(uid) => parse(uid).ok_or(BusError::UnknownPosition)?,
    };
    let EntityPage { mut rows, mut has_more } =
        turn.engine.node_subscriptions(turn.actor, &node, state, after, u32::MAX).await?;
    if state == SubscriptionState::Subscribed && !has_more {
        let waits = SubscriptionState::Pending;
        let waiting = turn.engine.node_subscriptions(turn.actor, &node, waits, None, u32::MAX).await?;
        rows.extend(waiting.rows);
        has_more = waiting.has_more;
    }
    let rows = rows.into_iter().map(|it| Row {
        uid: format!("{}-{}", it.state.as_str(), it.id.0),
        cells: vec![it.jid.to_string(), it.state.as_str().to_owned(), it.since_seq.to_string()],
    });
    Ok(Found::Rows { columns: SUBSCRIPTIONS, rows: rows.collect(), has_more })
}

fn parse(uid: &str) -> Option<(SubscriptionState, Option<SubscriptionId>)> {
    let (state, id) = uid.split_once('-')?;
    Some((SubscriptionState::parse(state)?, Some(SubscriptionId(id.parse().ok()?))))
}

/// A page of the affiliations of a node, by address.
pub(super) async fn affiliations(turn: Turn<'_>) -> Result<Found, Refusal> {
    let node = node(&turn)?;
    let mut entries = turn.engine.node_affiliations(turn.actor, &node).await?;
    if let Some(after) = turn.after {
        let after = BareJid::new(after).map_err(|_| BusError::UnknownPosition)?;
        entries.retain(|(jid, _)| *jid > after);
    }
    let rows_max = turn.engine.settings().limits.page_items_max as usize;
    let has_more = entries.len() > rows_max;
    entries.truncate(rows_max);
    let rows = entries.into_iter().map(|(jid, affiliation)| Row {
        uid: jid.to_string(),
        cells: vec![jid.to_string(), affiliation.as_str().to_owned()],
    });
    Ok(Found::Rows { columns: AFFILIATIONS, rows: rows.collect(), has_more })
}
