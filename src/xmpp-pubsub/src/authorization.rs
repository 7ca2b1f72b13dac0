//! Approvals of subscriptions (XEP-0060 §8.6): a form in a message to an owner, and the one that comes back.

use bus_domain::manage_subscriptions::{Entry, Request as Manage, Wanted};
use bus_domain::{Jid, NodeName, Subscription};
use bus_engine::Verb;
use bus_xml::Element;

use crate::form::{self, Submission, encode_field};
use crate::namespaces::DATA_FORMS;
use crate::xml::Xml;

/// XEP-0060 §16.4.1.
const SUBSCRIBE_AUTHORIZATION: &str = "http://jabber.org/protocol/pubsub#subscribe_authorization";

/// Reads an owner's answer out of a message. Nobody can be told what is wrong with one, so what is not an answer is
/// nothing; one that is cancelled, or does not say what it allows, leaves everything as it is.
pub(crate) fn parse(message: &Element) -> Option<(NodeName, Verb)> {
    if message.attr("type") == Some("error") {
        return None;
    }
    let form = message.get_child("x", DATA_FORMS)?;
    let Submission::Filled(filled) = form::read(form, SUBSCRIBE_AUTHORIZATION).ok()? else { return None };
    let node = NodeName::new(filled.value("pubsub#node")?).ok()?;
    let jid = Jid::new(filled.value("pubsub#subscriber_jid")?).ok()?;
    let sub_id = filled.value("pubsub#subid").filter(|it| !it.is_empty()).map(str::to_owned);
    let wanted = match filled.value("pubsub#allow")? {
        "1" | "true" => Wanted::Subscribed,
        "0" | "false" => Wanted::Ended,
        _ => return None,
    };
    Some((
        node,
        Verb::ManageSubscriptions(Manage { entries: vec![Entry { jid, sub_id, wanted }], is_approval: true }),
    ))
}

/// Writes the form that asks for an answer.
pub(crate) fn encode(node: &NodeName, pending: &Subscription, out: &mut Xml) {
    out.start_in("x", DATA_FORMS).attribute("type", "form");
    out.start("title").text("Somebody asks to subscribe").end();
    out.start("instructions").text("Say whether this address may subscribe to this node.").end();
    encode_field("FORM_TYPE", "hidden", [SUBSCRIBE_AUTHORIZATION], out);
    if let Some(sub_id) = pending.sub_id {
        encode_field("pubsub#subid", "hidden", [sub_id.0.to_string()], out);
    }
    encode_field("pubsub#node", "text-single", [node.as_str()], out);
    encode_field("pubsub#subscriber_jid", "jid-single", [pending.jid.as_str()], out);
    encode_field("pubsub#allow", "boolean", ["0"], out);
    out.end();
}
