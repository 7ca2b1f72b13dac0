use std::fmt::Write as _;

use bus_domain::{BusError, Feature, NodeConfig, NodeName, Setting};
use bus_engine::{IdSource, Verb};
use bus_xml::Element;

use crate::configure;
use crate::errors::Refusal;
use crate::form::form;
use crate::namespaces::PUBSUB;
use crate::parts::{Context, Parts};
use crate::request::Request;
use crate::xml::Xml;

/// Reads `<create/>` (XEP-0060 §8.1). Without a node it asks for an instant node, whose name we make up.
pub(crate) fn parse(parts: &Parts<'_>, context: &Context<'_>) -> Result<Request, Refusal> {
    if parts.verb().attr("type") == Some("collection") {
        return Err(BusError::Unsupported(Feature::Collections).into());
    }
    let settings = parts.companion("configure").map(settings).transpose()?.unwrap_or_default();
    let node = match parts.node_if_given()? {
        Some(node) => node,
        None => instant_name(context.ids)?,
    };
    Ok(Request::Change { node, verb: Verb::Create(NodeConfig::default().with(&settings)) })
}

/// Names the node, which an instant node's creator could not know.
pub(crate) fn encode(node: &NodeName, out: &mut Xml) {
    out.start_in("pubsub", PUBSUB).start("create").attribute("node", node.as_str()).end().end();
}

/// How the node is to be from the start (§8.1.3): without a form as nodes are. Cancelling what is not there yet has no
/// meaning.
fn settings(configure: &Element) -> Result<Vec<Setting>, Refusal> {
    if configure.attr("node").is_some() {
        return Err(BusError::bad_request("<configure/> beside <create/> names no node").into());
    }
    let Some(form) = form(configure) else { return Ok(Vec::new()) };
    let settings = configure::settings(form)?;
    settings.ok_or_else(|| BusError::bad_request("a cancelled form creates no node").into())
}

/// 128 random bits: no name clashes, and none can be guessed.
fn instant_name(ids: &dyn IdSource) -> Result<NodeName, Refusal> {
    let mut name = String::with_capacity(32);
    for byte in ids.random_bytes() {
        write!(name, "{byte:02x}").map_err(|_| BusError::Internal)?;
    }
    Ok(NodeName::new(&name).map_err(|_| BusError::Internal)?)
}
