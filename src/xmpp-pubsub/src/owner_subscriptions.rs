use bus_domain::manage_subscriptions::{Entry, Request as Manage, Wanted};
use bus_domain::{
    Actor, BadRequest, BusError, Jid, NodeName, Subscription, SubscriptionId, SubscriptionState,
};
use bus_engine::{Engine, EntityPage, Verb};
use bus_xml::Element;

use crate::errors::Refusal;
use crate::namespaces::PUBSUB_OWNER;
use crate::page::encode_forward;
use crate::parts::{Context, Parts, given};
use crate::request::{Query, Request};
use crate::rsm::{ForwardPage, PageRequest};
use crate::subscribe::{encode_state, sub_id};
use crate::xml::Xml;

/// Reads an owner's question for the subscriptions to a node (XEP-0060 §8.8.1).
pub(crate) fn parse_get(parts: &Parts<'_>, _: &Context<'_>) -> Result<Request, Refusal> {
    Ok(Request::Query(Query::NodeSubscriptions { node: parts.node()?, page: parts.page()? }))
}

/// Reads changes of subscriptions (§8.8.2). An entry that names no state changes nothing.
pub(crate) fn parse_set(parts: &Parts<'_>, _: &Context<'_>) -> Result<Request, Refusal> {
    let entries = parts.verb().children().map(parse_entry).filter_map(Result::transpose);
    let entries = entries.collect::<Result<_, _>>()?;
    let verb = Verb::ManageSubscriptions(Manage { entries, is_approval: false });
    Ok(Request::change(parts.node()?, verb))
}

fn parse_entry(entry: &Element) -> Result<Option<Entry>, Refusal> {
    if !entry.is("subscription", PUBSUB_OWNER) {
        return Err(BusError::bad_request("<subscriptions/> holds subscriptions and nothing else").into());
    }
    let jid = given(entry, "jid").ok_or(BadRequest::JidRequired)?;
    let jid = Jid::new(jid).map_err(|_| BadRequest::InvalidJid)?;
    let wanted = match entry.attr("subscription") {
        None => return Ok(None),
        Some("subscribed") => Wanted::Subscribed,
        Some("none") => Wanted::Ended,
        Some(_) => Wanted::Impossible,
    };
    Ok(Some(Entry { jid, sub_id: sub_id(entry), wanted }))
}

/// Reads a page of those that are subscribed; who waits for approval is asked for otherwise (§8.7).
pub(crate) async fn find(
    engine: &Engine,
    actor: &Actor,
    node: &NodeName,
    page: Option<PageRequest>,
) -> Result<(ForwardPage, EntityPage<Subscription>), Refusal> {
    let page = ForwardPage::of(page, engine.settings().limits.page_items_max)?;
    let after = page.after.as_deref().map(str::parse).transpose();
    let after = after.map_err(|_| BusError::UnknownPosition)?.map(SubscriptionId);
    let state = SubscriptionState::Subscribed;
    let found = engine.node_subscriptions(actor, node, state, after, page.entries_max).await?;
    Ok((page, found))
}

/// Writes them.
pub(crate) fn encode(
    node: &NodeName,
    (page, found): &(ForwardPage, EntityPage<Subscription>),
    answer_bytes_max: usize,
    out: &mut Xml,
) {
    out.start_in("pubsub", PUBSUB_OWNER).start("subscriptions").attribute("node", node.as_str());
    let write = |entry: &Subscription, out: &mut Xml| encode_state(None, entry, entry.state.as_str(), out);
    let uid = |entry: &Subscription| entry.id.0.to_string();
    encode_forward(page, found, write, uid, answer_bytes_max, out);
    out.end();
}

/// Writes the entries that cannot be as wanted, with what holds (§8.8.2.4).
pub(crate) fn encode_rejected(node: &NodeName, rejected: &[(Jid, Option<SubscriptionState>)], out: &mut Xml) {
    out.start_in("pubsub", PUBSUB_OWNER).start("subscriptions").attribute("node", node.as_str());
    for (jid, state) in rejected {
        out.start("subscription").attribute("jid", jid.as_str());
        out.attribute("subscription", state.map_or("none", SubscriptionState::as_str)).end();
    }
    out.end().end();
}
