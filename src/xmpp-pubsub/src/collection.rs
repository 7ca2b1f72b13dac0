use bus_domain::collection::Placement;
use bus_domain::{BusError, NodeName};
use bus_engine::Verb;
use bus_xml::Element;

use crate::errors::Refusal;
use crate::form::Filled;
use crate::namespaces::PUBSUB_OWNER;
use crate::parts::{Context, Parts};
use crate::relation;
use crate::request::Request;

/// The collections above a node, in the form of its configuration (XEP-0248 §8.3.2).
pub(crate) const COLLECTIONS_FIELD: &str = "pubsub#collection";
/// The children of a collection, in the same form.
pub(crate) const CHILDREN_FIELD: &str = "pubsub#children";

/// Reads `<collection/>`: one more child, or one less (XEP-0248 §8.6, §8.7).
pub(crate) fn parse(parts: &Parts<'_>, _: &Context<'_>) -> Result<Request, Refusal> {
    let node = parts.node()?;
    let mut changes = parts.verb().children().filter(|child| child.ns() == PUBSUB_OWNER);
    let (Some(change), None) = (changes.next(), changes.next()) else {
        return Err(BusError::bad_request("<collection/> associates or dissociates one node").into());
    };
    let child = child_of(change)?;
    let verb = match change.name() {
        "associate" => Verb::Associate(child),
        // The schema of XEP-0060 calls it so.
        "dissociate" | "disassociate" => Verb::Dissociate(child),
        _ => return Err(BusError::bad_request("a node is associated or dissociated").into()),
    };
    Ok(Request::change(node, verb))
}

/// What a form says about the nodes that the node is to be among; `None` if it says nothing.
pub(crate) fn placement(filled: &Filled<'_>) -> Result<Option<Placement>, Refusal> {
    let names = |field| filled.values(field).map(|values| names(field, values)).transpose();
    let placement = Placement {
        collections: names(COLLECTIONS_FIELD)?,
        children: names(CHILDREN_FIELD)?,
        relation: relation::wish(filled)?,
    };
    Ok(Some(placement).filter(|placement| *placement != Placement::default()))
}

/// The empty name is the root collection, of which there is none: naming it names nothing.
pub(crate) fn names(field: &str, values: &[String]) -> Result<Vec<NodeName>, Refusal> {
    let name = |value: &String| {
        NodeName::new(value).map_err(|error| BusError::bad_request(format!("a node in {field} {error}")))
    };
    Ok(values.iter().filter(|value| !value.is_empty()).map(name).collect::<Result<_, _>>()?)
}

fn child_of(change: &Element) -> Result<NodeName, Refusal> {
    let named = change.attr("node").filter(|node| !node.is_empty());
    let named = named.ok_or_else(|| BusError::bad_request("the request names no child"))?;
    Ok(NodeName::new(named).map_err(|error| BusError::bad_request(format!("the child's id {error}")))?)
}
