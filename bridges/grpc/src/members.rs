//! Who has a standing on a node, and who is subscribed to it over XMPP, as its owners see and change it.

use bus_domain::manage_subscriptions::{Entry, Request as Manage, Wanted};
use bus_domain::{Actor, BareJid, BusError, Jid, Subscription, SubscriptionId, SubscriptionState};
use bus_engine::{Command, Engine, Outcome, Verb};
use tonic::Status;

use crate::convert::{affiliation_to_message, node_name};
use crate::paging::{page_size, page_token, token};
use crate::status::{invalid_field, status};
use crate::v1;

/// A page of standings.
pub(crate) async fn list_affiliations(
    engine: &Engine,
    actor: &Actor,
    message: v1::ListAffiliationsRequest,
) -> Result<v1::ListAffiliationsResponse, Status> {
    let node = node_name("node", &message.node)?;
    let after = page_token(&message.page_token, |text| BareJid::new(text).ok())?;
    let rows_max = page_size(message.page_size).min(engine.settings().limits.page_items_max) as usize;
    let mut rows = engine.node_affiliations(actor, &node).await.map_err(|error| status(&error))?;
    rows.retain(|(jid, _)| after.as_ref().is_none_or(|after| jid > after));
    let has_more = rows.len() > rows_max;
    rows.truncate(rows_max);
    let last = rows.last().filter(|_| has_more).map(|(jid, _)| token(jid.as_str()));
    let entries = rows.iter().map(|(jid, affiliation)| v1::AffiliationEntry {
        jid: jid.to_string(),
        affiliation: affiliation_to_message(*affiliation).into(),
    });
    Ok(v1::ListAffiliationsResponse { entries: entries.collect(), next_page_token: last.unwrap_or_default() })
}

/// A page of subscriptions.
pub(crate) async fn list_subscribers(
    engine: &Engine,
    actor: &Actor,
    message: v1::ListSubscribersRequest,
) -> Result<v1::ListSubscribersResponse, Status> {
    let node = node_name("node", &message.node)?;
    let state = match v1::SubscriberState::try_from(message.state) {
        Ok(v1::SubscriberState::Unspecified | v1::SubscriberState::Subscribed) => {
            SubscriptionState::Subscribed
        }
        Ok(v1::SubscriberState::Pending) => SubscriptionState::Pending,
        Ok(v1::SubscriberState::None) | Err(_) => {
            return Err(invalid_field("state", "must be SUBSCRIBED or PENDING"));
        }
    };
    let after = page_token(&message.page_token, |text| text.parse().ok().map(SubscriptionId))?;
    let found = engine.node_subscriptions(actor, &node, state, after, page_size(message.page_size)).await;
    let found = found.map_err(|error| status(&error))?;
    let last = found.rows.last().filter(|_| found.has_more).map(|row| token(&row.id.0.to_string()));
    Ok(v1::ListSubscribersResponse {
        subscribers: found.rows.iter().map(subscriber).collect(),
        next_page_token: last.unwrap_or_default(),
    })
}

/// Approves, or ends.
pub(crate) async fn set_subscribers(
    engine: &Engine,
    actor: Actor,
    message: v1::SetSubscribersRequest,
) -> Result<v1::SetSubscribersResponse, Status> {
    let node = node_name("node", &message.node)?;
    if message.entries.is_empty() {
        return Err(invalid_field("entries", "must not be empty"));
    }
    let entries = message.entries.iter().enumerate();
    let entries = entries.map(|(index, entry)| wanted(&format!("entries[{index}]"), entry));
    let entries = entries.collect::<Result<_, _>>()?;
    let verb = Verb::ManageSubscriptions(Manage { entries, is_approval: false });
    let outcome = engine.execute(Command { actor, node, verb }).await.map_err(|error| status(&error))?;
    let Outcome::SubscriptionsManaged { rejected } = outcome else {
        return Err(status(&BusError::Internal));
    };
    let rejected = rejected.into_iter().map(|(jid, state)| v1::NodeSubscriber {
        jid: jid.to_string(),
        sub_id: String::new(),
        state: state.map_or(v1::SubscriberState::None, state_to_message).into(),
    });
    Ok(v1::SetSubscribersResponse { rejected: rejected.collect() })
}

fn wanted(field: &str, entry: &v1::NodeSubscriber) -> Result<Entry, Status> {
    let jid = Jid::new(&entry.jid)
        .map_err(|problem| invalid_field(&format!("{field}.jid"), format!("is not a JID: {problem}")))?;
    let wanted = match v1::SubscriberState::try_from(entry.state) {
        Ok(v1::SubscriberState::Subscribed) => Wanted::Subscribed,
        Ok(v1::SubscriberState::None) => Wanted::Ended,
        _ => return Err(invalid_field(&format!("{field}.state"), "must be SUBSCRIBED or NONE")),
    };
    let sub_id = (!entry.sub_id.is_empty()).then(|| entry.sub_id.clone());
    Ok(Entry { jid, sub_id, wanted })
}

fn subscriber(subscription: &Subscription) -> v1::NodeSubscriber {
    v1::NodeSubscriber {
        jid: subscription.jid.to_string(),
        sub_id: subscription.sub_id.map(|id| id.0.to_string()).unwrap_or_default(),
        state: state_to_message(subscription.state).into(),
    }
}

fn state_to_message(state: SubscriptionState) -> v1::SubscriberState {
    match state {
        SubscriptionState::Subscribed => v1::SubscriberState::Subscribed,
        SubscriptionState::Pending => v1::SubscriberState::Pending,
    }
}
