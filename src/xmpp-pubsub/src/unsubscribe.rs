use bus_domain::unsubscribe::Unsubscribing;
use bus_domain::{NodeName, Subscription};
use bus_engine::Verb;

use crate::errors::Refusal;
use crate::namespaces::PUBSUB;
use crate::parts::{Context, Parts};
use crate::request::Request;
use crate::subscribe::{encode_state, sub_id, subscriber};
use crate::xml::Xml;

/// Reads `<unsubscribe/>` (XEP-0060 §6.2).
pub(crate) fn parse(parts: &Parts<'_>, _: &Context<'_>) -> Result<Request, Refusal> {
    let unsubscribing = Unsubscribing { jid: subscriber(parts.verb())?, sub_id: sub_id(parts.verb()) };
    Ok(Request::change(parts.node()?, Verb::Unsubscribe(unsubscribing)))
}

/// Says that the address is subscribed no longer.
pub(crate) fn encode(node: &NodeName, subscription: &Subscription, out: &mut Xml) {
    out.start_in("pubsub", PUBSUB);
    encode_state(Some(node), subscription, "none", out);
    out.end();
}
