use std::fmt::Write as _;

use bus_domain::{BusError, Feature, NodeConfig, NodeName};
use bus_engine::{IdSource, Verb};
use bus_xml::Element;

use crate::errors::Refusal;
use crate::form::{form, has_fields};
use crate::namespaces::PUBSUB;
use crate::parts::{Context, Parts};
use crate::request::Request;
use crate::xml::Xml;

/// Reads `<create/>` (XEP-0060 §8.1). Without a node it asks for an instant node, whose name we make up.
pub(crate) fn parse(parts: &Parts<'_>, context: &Context<'_>) -> Result<Request, Refusal> {
    if parts.verb().attr("type") == Some("collection") {
        return Err(BusError::Unsupported(Feature::Collections).into());
    }
    if let Some(configure) = parts.companion("configure") {
        check_configure(configure)?;
    }
    let node = match parts.node_if_given()? {
        Some(node) => node,
        None => instant_name(context.ids)?,
    };
    Ok(Request::Change { node, verb: Verb::Create(NodeConfig::default()) })
}

/// Names the node, which an instant node's creator could not know.
pub(crate) fn encode(node: &NodeName, out: &mut Xml) {
    out.start_in("pubsub", PUBSUB).start("create").attribute("node", node.as_str()).end().end();
}

/// No configuration is taken yet, so a form that asks for some is refused rather than ignored.
fn check_configure(configure: &Element) -> Result<(), Refusal> {
    if configure.attr("node").is_some() {
        return Err(BusError::bad_request("<configure/> beside <create/> names no node").into());
    }
    let Some(form) = form(configure) else { return Ok(()) };
    if form.attr("type") == Some("cancel") {
        return Err(BusError::bad_request("a cancelled form creates no node").into());
    }
    if has_fields(form) {
        return Err(BusError::Unsupported(Feature::CreateAndConfigure).into());
    }
    Ok(())
}

/// 128 random bits: no name clashes, and none can be guessed.
fn instant_name(ids: &dyn IdSource) -> Result<NodeName, Refusal> {
    let mut name = String::with_capacity(32);
    for byte in ids.random_bytes() {
        write!(name, "{byte:02x}").map_err(|_| BusError::Internal)?;
    }
    Ok(NodeName::new(&name).map_err(|_| BusError::Internal)?)
}
