use std::fmt::Write as _;

use bus_domain::{BusError, NodeConfig, NodeName, NodeType, Setting};
use bus_engine::{IdSource, Verb};
use bus_xml::Element;

use crate::configure::{self, Submitted};
use crate::errors::Refusal;
use crate::form::form;
use crate::namespaces::PUBSUB;
use crate::parts::{Context, Parts};
use crate::request::Request;
use crate::xml::Xml;

/// Reads `<create/>` (XEP-0060 §8.1). Without a node it asks for an instant node, whose name we make up.
pub(crate) fn parse(parts: &Parts<'_>, context: &Context<'_>) -> Result<Request, Refusal> {
    let submitted = parts.companion("configure").map(settings).transpose()?;
    let Submitted { settings, placement } = submitted.unwrap_or_default();
    // An older way to say it, which the form may repeat.
    let of_type = parts.verb().attr("type") == Some("collection");
    let collection = of_type.then_some(Setting::NodeType(NodeType::Collection));
    let config = NodeConfig::default().with(collection.as_slice()).with(&settings);
    let node = match parts.node_if_given()? {
        Some(node) => node,
        None => instant_name(context.ids)?,
    };
    let verb = match placement {
        None => Verb::Create(config),
        Some(placement) => Verb::CreateAmong(config, Box::new(placement)),
    };
    Ok(Request::change(node, verb))
}

/// Names the node, which an instant node's creator could not know.
pub(crate) fn encode(node: &NodeName, out: &mut Xml) {
    out.start_in("pubsub", PUBSUB).start("create").attribute("node", node.as_str()).end().end();
}

/// How the node is to be from the start (§8.1.3): without a form as nodes are. Cancelling what is not there yet has no
/// meaning.
fn settings(configure: &Element) -> Result<Submitted, Refusal> {
    if configure.attr("node").is_some() {
        return Err(BusError::bad_request("<configure/> beside <create/> names no node").into());
    }
    let Some(form) = form(configure) else { return Ok(Submitted::default()) };
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
