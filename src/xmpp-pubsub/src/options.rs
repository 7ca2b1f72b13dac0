use bus_domain::options::Request as SetOptions;
use bus_domain::{Actor, BusError, NodeFacts, NodeName, Subscription, SubscriptionOptions};
use bus_engine::{Engine, Verb};

use crate::errors::Refusal;
use crate::form::{self, form};
use crate::namespaces::PUBSUB;
use crate::options_form::{self, SUBSCRIBE_OPTIONS, shown};
use crate::parts::{Context, Parts};
use crate::request::{Query, Request};
use crate::subscribe::{encode_name, sub_id, subscriber};
use crate::xml::Xml;

/// Reads a question for the options of a subscription (XEP-0060 §6.3.2).
pub(crate) fn parse_get(parts: &Parts<'_>, _: &Context<'_>) -> Result<Request, Refusal> {
    let jid = subscriber(parts.verb())?;
    Ok(Request::Query(Query::Options { node: parts.node()?, jid, sub_id: sub_id(parts.verb()) }))
}

/// Reads options to be set (§6.3.5).
pub(crate) fn parse_set(parts: &Parts<'_>, _: &Context<'_>) -> Result<Request, Refusal> {
    let jid = subscriber(parts.verb())?;
    let node = parts.node()?;
    let form = form(parts.verb()).ok_or_else(|| BusError::bad_request("<options/> holds no form"))?;
    let settings = options_form::read(form)?;
    let verb = Verb::SetOptions(SetOptions { jid, sub_id: sub_id(parts.verb()), settings });
    Ok(Request::change(node, verb))
}

/// Reads a question for the options of new subscriptions, on all nodes or on one (§6.4).
pub(crate) fn parse_default(parts: &Parts<'_>, _: &Context<'_>) -> Result<Request, Refusal> {
    Ok(Request::Query(Query::DefaultOptions { node: parts.node_if_given()? }))
}

/// Writes the form with the options as they are (§6.3.3).
pub(crate) fn encode(node: &NodeFacts, subscription: &Subscription, out: &mut Xml) {
    out.start_in("pubsub", PUBSUB).start("options").attribute("node", node.name.as_str());
    encode_name(&subscription.jid, subscription.sub_id, out);
    let fields = shown(node.config.is_collection());
    form::encode_form(SUBSCRIBE_OPTIONS, fields, &subscription.options, |_, _| true, |_| {}, out);
    out.end().end();
}

/// Writes the options of new subscriptions, on a certain node or on any.
pub(crate) async fn answer_default(
    engine: &Engine,
    actor: &Actor,
    node: Option<&NodeName>,
    out: &mut Xml,
) -> Result<(), Refusal> {
    let is_to_collection = match node {
        Some(node) => engine.node(actor, node).await?.facts.config.is_collection(),
        None => true,
    };
    out.start_in("pubsub", PUBSUB).start("default");
    if let Some(node) = node {
        out.attribute("node", node.as_str());
    }
    let fields = shown(is_to_collection);
    form::encode_result(SUBSCRIBE_OPTIONS, fields, &SubscriptionOptions::default(), |_| {}, out);
    out.end().end();
    Ok(())
}
