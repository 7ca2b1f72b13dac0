use bus_domain::{BusError, NodeConfig, NodeName, Setting};
use bus_engine::Verb;
use bus_xml::Element;

use crate::errors::Refusal;
use crate::form::{self, Submission, Unknown};
use crate::namespaces::PUBSUB_OWNER;
use crate::node_form::{NODE_CONFIG, TABLE, offers};
use crate::parts::{Context, Parts};
use crate::request::{Query, Request};
use crate::xml::Xml;

/// Reads a question for a node's configuration (XEP-0060 §8.2.1).
pub(crate) fn parse_get(parts: &Parts<'_>, _: &Context<'_>) -> Result<Request, Refusal> {
    Ok(Request::Query(Query::Configuration { node: parts.node()? }))
}

/// Reads a form that changes a node's configuration (§8.2.4). One that is cancelled changes nothing, which is a question
/// to which nothing is answered.
pub(crate) fn parse_set(parts: &Parts<'_>, _: &Context<'_>) -> Result<Request, Refusal> {
    let node = parts.node()?;
    let form = form::form(parts.verb()).ok_or_else(|| BusError::bad_request("there is no form"))?;
    Ok(match settings(form)? {
        Some(settings) => Request::Change { node, verb: Verb::Configure(settings) },
        None => Request::Query(Query::ConfigurationKept { node }),
    })
}

/// What a submitted form sets; `None` if it is cancelled. Fields that are not known are passed over.
pub(crate) fn settings(form: &Element) -> Result<Option<Vec<Setting>>, Refusal> {
    Ok(match form::read(form, NODE_CONFIG)? {
        Submission::Cancelled => None,
        Submission::Filled(filled) => Some(filled.settings(TABLE, Unknown::Ignored)?),
    })
}

/// Writes the form with what the node has (§8.2.2).
pub(crate) fn encode(node: &NodeName, config: &NodeConfig, rosters_are_readable: bool, out: &mut Xml) {
    out.start_in("pubsub", PUBSUB_OWNER).start("configure").attribute("node", node.as_str());
    let offers = |var: &str, option: &str| offers(config, rosters_are_readable, var, option);
    form::encode_form(NODE_CONFIG, TABLE, config, offers, out);
    out.end().end();
}

/// Writes the form with what a new node has (§8.3.2).
pub(crate) fn encode_default(rosters_are_readable: bool, out: &mut Xml) {
    let config = NodeConfig::default();
    out.start_in("pubsub", PUBSUB_OWNER).start("default");
    let offers = |var: &str, option: &str| offers(&config, rosters_are_readable, var, option);
    form::encode_form(NODE_CONFIG, TABLE, &config, offers, out);
    out.end().end();
}
