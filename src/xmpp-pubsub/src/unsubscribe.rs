use bus_domain::{NodeName, Subscription};
use bus_engine::Verb;

use crate::errors::Refusal;
use crate::parts::{Context, Parts};
use crate::request::Request;
use crate::subscribe::{encode_state, subscriber};
use crate::xml::Xml;

/// Reads `<unsubscribe/>` (XEP-0060 §6.2). No subscription has a SubID, so a `subid` is superfluous and not looked at
/// (§6.2.3.5).
pub(crate) fn parse(parts: &Parts<'_>, _: &Context<'_>) -> Result<Request, Refusal> {
    Ok(Request::Change { node: parts.node()?, verb: Verb::Unsubscribe(subscriber(parts.verb())?) })
}

/// Says that the address is subscribed no longer.
pub(crate) fn encode(node: &NodeName, subscription: &Subscription, out: &mut Xml) {
    encode_state(node, subscription, "none", out);
}
