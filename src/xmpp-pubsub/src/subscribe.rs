use bus_domain::{BadRequest, BusError, Feature, Jid, NodeName, Subscription};
use bus_engine::Verb;
use bus_xml::Element;

use crate::errors::Refusal;
use crate::form::{form, has_fields};
use crate::namespaces::PUBSUB;
use crate::parts::{Context, Parts, given};
use crate::request::Request;
use crate::xml::Xml;

/// Reads `<subscribe/>` (XEP-0060 §6.1).
pub(crate) fn parse(parts: &Parts<'_>, _: &Context<'_>) -> Result<Request, Refusal> {
    if let Some(options) = parts.companion("options") {
        check_options(options)?;
    }
    Ok(Request::Change { node: parts.node()?, verb: Verb::Subscribe(subscriber(parts.verb())?) })
}

/// Says how the address is subscribed.
pub(crate) fn encode(node: &NodeName, subscription: &Subscription, out: &mut Xml) {
    encode_state(node, subscription, subscription.state.as_str(), out);
}

/// Writes `<subscription/>` with a state.
pub(crate) fn encode_state(node: &NodeName, subscription: &Subscription, state: &str, out: &mut Xml) {
    out.start_in("pubsub", PUBSUB).start("subscription");
    out.attribute("node", node.as_str());
    out.attribute("jid", subscription.jid.as_str());
    out.attribute("subscription", state);
    out.end().end();
}

/// The address that a request is about, normalised.
pub(crate) fn subscriber(verb: &Element) -> Result<Jid, Refusal> {
    let text = given(verb, "jid").ok_or(BadRequest::JidRequired)?;
    Ok(Jid::new(text).map_err(|_| BadRequest::InvalidJid)?)
}

/// No options are taken yet, so a form with some is refused rather than ignored (XEP-0060 §6.3.7).
fn check_options(options: &Element) -> Result<(), Refusal> {
    if options.attr("node").is_some() || options.attr("jid").is_some() {
        return Err(BusError::bad_request("<options/> beside <subscribe/> names neither node nor jid").into());
    }
    if form(options).is_some_and(has_fields) {
        return Err(BusError::Unsupported(Feature::SubscriptionOptions).into());
    }
    Ok(())
}
