use bus_domain::{BusError, NodeName, RelationWish};
use bus_engine::Relatives;

use crate::collection::names;
use crate::errors::Refusal;
use crate::form::{self, Filled};
use crate::xml::Xml;

/// The node that a node is linked to, in the form of its configuration (XEP-0496 §4.1).
pub(crate) const LINK_FIELD: &str = "{urn:xmpp:pubsub-relationships:0}link";
/// The node's parent, in the same form.
pub(crate) const PARENT_FIELD: &str = "{urn:xmpp:pubsub-relationships:0}parent";

/// What a form says about the nodes that the node is to be related to.
pub(crate) fn wish(filled: &Filled<'_>) -> Result<RelationWish, Refusal> {
    let node = |field| filled.values(field).map(|values| node(field, values)).transpose();
    Ok(RelationWish { link: node(LINK_FIELD)?, parent: node(PARENT_FIELD)? })
}

/// Writes what the node is related to.
pub(crate) fn encode(relatives: &Relatives, out: &mut Xml) {
    for (field, node) in [(LINK_FIELD, &relatives.link), (PARENT_FIELD, &relatives.parent)] {
        form::encode_field(field, "text-single", node.iter().map(NodeName::as_str), out);
    }
}

fn node(field: &str, values: &[String]) -> Result<Option<NodeName>, Refusal> {
    let mut named = names(field, values)?;
    let node = named.pop();
    if named.is_empty() {
        return Ok(node);
    }
    Err(BusError::bad_request(format!("{field} names one node at most")).into())
}
