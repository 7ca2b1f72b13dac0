use bus_domain::{Actor, BusError, NodeId, NodeName, SubscriptionId};
use bus_engine::{Engine, EntityPage, EntitySubscription, SubscriptionKey};

use crate::errors::Refusal;
use crate::namespaces::PUBSUB;
use crate::page::encode_forward;
use crate::parts::{Context, Parts};
use crate::request::{Query, Request};
use crate::rsm::{ForwardPage, PageRequest};
use crate::subscribe::encode_state;
use crate::xml::Xml;

/// Reads a question for the requester's subscriptions (XEP-0060 §5.6), on all nodes or on one.
pub(crate) fn parse(parts: &Parts<'_>, _: &Context<'_>) -> Result<Request, Refusal> {
    Ok(Request::Query(Query::Subscriptions { node: parts.node_if_given()?, page: parts.page()? }))
}

/// Reads a page of them.
pub(crate) async fn find(
    engine: &Engine,
    actor: &Actor,
    node: Option<&NodeName>,
    page: Option<PageRequest>,
) -> Result<(ForwardPage, EntityPage<EntitySubscription>), Refusal> {
    let page = ForwardPage::of(page, engine.settings().limits.page_items_max)?;
    let after = page.after.as_deref().map(key).transpose()?;
    let found = engine.subscriptions_of(actor, node, after, page.entries_max).await?;
    Ok((page, found))
}

/// Writes them.
pub(crate) fn encode(
    node: Option<&NodeName>,
    (page, found): &(ForwardPage, EntityPage<EntitySubscription>),
    answer_bytes_max: usize,
    out: &mut Xml,
) {
    out.start_in("pubsub", PUBSUB).start("subscriptions");
    if let Some(node) = node {
        out.attribute("node", node.as_str());
    }
    let write = |entry: &EntitySubscription, out: &mut Xml| {
        let EntitySubscription { name, subscription, .. } = entry;
        encode_state(Some(name), subscription, subscription.state.as_str(), out);
    };
    encode_forward(page, found, write, uid, answer_bytes_max, out);
    out.end();
}

fn uid(entry: &EntitySubscription) -> String {
    format!("{}-{}", entry.node.0, entry.subscription.id.0)
}

fn key(uid: &str) -> Result<SubscriptionKey, BusError> {
    let ids = uid
        .split_once('-')
        .and_then(|(node, subscription)| Some((node.parse().ok()?, subscription.parse().ok()?)));
    let (node, subscription) = ids.ok_or(BusError::UnknownPosition)?;
    Ok(SubscriptionKey { node: NodeId(node), subscription: SubscriptionId(subscription) })
}
