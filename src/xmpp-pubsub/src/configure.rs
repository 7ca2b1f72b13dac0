use bus_domain::collection::{Neighbour, Neighbours, Placement};
use bus_domain::{Actor, BusError, NodeConfig, NodeName, NodeType, Setting};
use bus_engine::{Engine, Relatives, Verb};
use bus_xml::Element;

use crate::collection::{self, CHILDREN_FIELD, COLLECTIONS_FIELD};
use crate::errors::Refusal;
use crate::form::{self, Submission, Unknown};
use crate::namespaces::PUBSUB_OWNER;
use crate::node_form::{NODE_CONFIG, TABLE, offers, shown};
use crate::parts::{Context, Parts};
use crate::relation;
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
        Some(Submitted { settings, placement: None }) => Request::change(node, Verb::Configure(settings)),
        Some(Submitted { settings, placement: Some(placement) }) => {
            Request::change(node, Verb::ConfigureAmong(settings, Box::new(placement)))
        }
        None => Request::Query(Query::ConfigurationKept { node }),
    })
}

/// What a submitted form sets.
#[derive(Debug, Default)]
pub(crate) struct Submitted {
    /// Fields of the configuration.
    pub(crate) settings: Vec<Setting>,
    /// The nodes that the node is to be among.
    pub(crate) placement: Option<Placement>,
}

/// What a submitted form sets; `None` if it is cancelled. Fields that are not known are passed over.
pub(crate) fn settings(form: &Element) -> Result<Option<Submitted>, Refusal> {
    Ok(match form::read(form, NODE_CONFIG)? {
        Submission::Cancelled => None,
        Submission::Filled(filled) => Some(Submitted {
            settings: filled.settings(TABLE, Unknown::Ignored)?,
            placement: collection::placement(&filled)?,
        }),
    })
}

/// Writes the form with what the node has (§8.2.2).
pub(crate) async fn answer(
    engine: &Engine,
    actor: &Actor,
    node: &NodeName,
    out: &mut Xml,
) -> Result<(), Refusal> {
    let config = &engine.configuration(actor, node).await?;
    let neighbours = &engine.neighbours(actor, node).await?;
    let relatives = &engine.relatives(actor, node).await?;
    out.start_in("pubsub", PUBSUB_OWNER).start("configure").attribute("node", node.as_str());
    let offers = |var: &str, option: &str| offers(config, engine.rosters_are_readable(), var, option);
    let more = |out: &mut Xml| encode_neighbours(config, neighbours, relatives, out);
    form::encode_form(NODE_CONFIG, shown(config), config, offers, more, out);
    out.end().end();
    Ok(())
}

/// Writes the form with what a new node has (§8.3.2).
pub(crate) fn encode_default(node_type: NodeType, rosters_are_readable: bool, out: &mut Xml) {
    let config = NodeConfig { node_type, ..NodeConfig::default() }.settled();
    out.start_in("pubsub", PUBSUB_OWNER).start("default");
    let offers = |var: &str, option: &str| offers(&config, rosters_are_readable, var, option);
    let more = |out: &mut Xml| encode_neighbours(&config, &Neighbours::default(), &Relatives::default(), out);
    form::encode_form(NODE_CONFIG, shown(&config), &config, offers, more, out);
    out.end().end();
}

/// Which nodes the node is among, and to which it is related; only a collection has children.
fn encode_neighbours(config: &NodeConfig, neighbours: &Neighbours, relatives: &Relatives, out: &mut Xml) {
    let mut field = |var, neighbours: &[Neighbour]| {
        form::encode_field(var, "text-multi", neighbours.iter().map(|it| it.name.as_str()), out);
    };
    field(COLLECTIONS_FIELD, &neighbours.collections);
    if config.is_collection() {
        field(CHILDREN_FIELD, &neighbours.children);
    }
    relation::encode(relatives, out);
}
