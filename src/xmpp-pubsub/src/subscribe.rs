use bus_domain::subscribe::Request as Subscribe;
use bus_domain::unsubscribe::SubIdGiven;
use bus_domain::{
    BadRequest, BusError, Jid, NodeName, OptionSetting, Subscription, SubscriptionId, SubscriptionOptions,
};
use bus_engine::Verb;
use bus_xml::Element;

use crate::errors::Refusal;
use crate::form::{self, form};
use crate::namespaces::PUBSUB;
use crate::options_form::{self, SUBSCRIBE_OPTIONS, TABLE};
use crate::parts::{Context, Parts, given};
use crate::request::Request;
use crate::xml::Xml;

/// Reads `<subscribe/>` (XEP-0060 §6.1).
pub(crate) fn parse(parts: &Parts<'_>, _: &Context<'_>) -> Result<Request, Refusal> {
    let options = parts.companion("options").map(options).transpose()?.unwrap_or_default();
    let jid = subscriber(parts.verb())?;
    Ok(Request::change(parts.node()?, Verb::Subscribe(Subscribe { jid, options })))
}

/// Says how the address is subscribed, and with which options if they are not the defaults (§6.3.7).
pub(crate) fn encode(node: &NodeName, subscription: &Subscription, out: &mut Xml) {
    out.start_in("pubsub", PUBSUB);
    encode_state(Some(node), subscription, subscription.state.as_str(), out);
    if subscription.options != SubscriptionOptions::default() {
        out.start("options");
        form::encode_result(SUBSCRIBE_OPTIONS, TABLE, &subscription.options, |_| {}, out);
        out.end();
    }
    out.end();
}

/// Writes `<subscription/>` with a state.
pub(crate) fn encode_state(node: Option<&NodeName>, subscription: &Subscription, state: &str, out: &mut Xml) {
    out.start("subscription");
    if let Some(node) = node {
        out.attribute("node", node.as_str());
    }
    encode_name(&subscription.jid, subscription.sub_id, out);
    out.attribute("subscription", state).end();
}

/// Writes what tells the subscription from others: its address, and its SubID if it has one.
pub(crate) fn encode_name(jid: &Jid, sub_id: Option<SubscriptionId>, out: &mut Xml) {
    out.attribute("jid", jid.as_str());
    if let Some(sub_id) = sub_id {
        out.attribute("subid", &sub_id.0.to_string());
    }
}

/// The address that a request is about, normalised.
pub(crate) fn subscriber(verb: &Element) -> Result<Jid, Refusal> {
    let text = given(verb, "jid").ok_or(BadRequest::JidRequired)?;
    Ok(Jid::new(text).map_err(|_| BadRequest::InvalidJid)?)
}

/// The SubID that a request names.
pub(crate) fn sub_id(verb: &Element) -> SubIdGiven {
    given(verb, "subid").map(str::to_owned)
}

/// The options beside a request to subscribe (§6.3.7).
fn options(options: &Element) -> Result<Vec<OptionSetting>, Refusal> {
    if options.attr("node").is_some() || options.attr("jid").is_some() {
        return Err(BusError::bad_request("<options/> beside <subscribe/> names neither node nor jid").into());
    }
    form(options).map_or(Ok(Vec::new()), options_form::read)
}
