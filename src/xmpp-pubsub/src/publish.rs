use bus_domain::publish::{NewItem, Request as Publish};
use bus_domain::{BusError, Limits, NodeName, Setting};
use bus_engine::{Published, Verb, payload_from_element};
use bus_xml::Element;

use crate::errors::Refusal;
use crate::form::{self, Submission, Unknown};
use crate::namespaces::PUBSUB;
use crate::node_form::{PUBLISH_OPTIONS, TABLE};
use crate::parts::{Context, Parts, given, has_text, item_id};
use crate::request::Request;
use crate::xml::Xml;

/// Reads `<publish/>` (XEP-0060 §7.1) with any number of items (§12.11).
pub(crate) fn parse(parts: &Parts<'_>, context: &Context<'_>) -> Result<Request, Refusal> {
    let preconditions = parts.companion("publish-options").map(preconditions).transpose()?;
    let node = parts.node()?;
    if has_text(parts.verb()) || parts.verb().children().any(|child| !child.is("item", PUBSUB)) {
        return Err(BusError::bad_request("<publish/> holds items and nothing else").into());
    }
    let items = parts.verb().children().map(|item| parse_item(item, context.limits));
    let items = items.collect::<Result<_, _>>()?;
    let (preconditions, unmeetable) = preconditions.unwrap_or_default();
    let publish = Publish { items, preconditions, unmeetable, creates_node: true, ..Publish::default() };
    Ok(Request::change(node, Verb::Publish(publish)))
}

/// What must hold of the node (§7.1.5), or why it can hold of none. A field that is not known is refused; cancelling has
/// no meaning.
fn preconditions(options: &Element) -> Result<(Vec<Setting>, Option<BusError>), Refusal> {
    let Some(form) = form::form(options) else { return Ok((Vec::new(), None)) };
    match form::read(form, PUBLISH_OPTIONS)? {
        Submission::Filled(filled) => match filled.settings(TABLE, Unknown::Refused) {
            Ok(settings) => Ok((settings, None)),
            Err(Refusal::Bus(BusError::BadRequest(problem))) => Err(problem.into()),
            Err(Refusal::Bus(error)) => Ok((Vec::new(), Some(error))),
            Err(other) => Err(other),
        },
        Submission::Cancelled => Err(BusError::bad_request("a cancelled form publishes nothing").into()),
    }
}

/// Names the items, which a publisher that left the ids to us could not know.
pub(crate) fn encode(node: &NodeName, published: &Published, out: &mut Xml) {
    out.start_in("pubsub", PUBSUB).start("publish").attribute("node", node.as_str());
    for id in &published.item_ids {
        out.start("item").attribute("id", id.as_str()).end();
    }
    out.end().end();
}

/// One item: at most one payload. A `publisher` attribute is anybody's claim, and is not looked at.
fn parse_item(item: &Element, limits: &Limits) -> Result<NewItem, Refusal> {
    let id = given(item, "id").map(item_id).transpose()?;
    if has_text(item) {
        return Err(invalid("text beside the element").into());
    }
    let mut payloads = item.children();
    let payload = payloads.next().map(|element| payload_from_element(element, limits)).transpose()?;
    if payloads.next().is_some() {
        return Err(invalid("more than one element").into());
    }
    Ok(NewItem { id, payload })
}

fn invalid(reason: &str) -> BusError {
    BusError::InvalidPayload { reason: reason.to_owned() }
}
