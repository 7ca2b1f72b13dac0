//! XEP-0030 of the service, of its nodes and of their items (XEP-0060 §5).

use bus_domain::{Actor, BusError, Event, NodeFacts, NodeName};
use bus_engine::Engine;

use crate::errors::Refusal;
use crate::items::FoundItems;
use crate::meta_data;
use crate::namespaces::{DISCO_INFO, DISCO_ITEMS, MAM, MAM_EXTENDED, PUBSUB, SHIM};
use crate::page::{Entries, Keep};
use crate::parts::{Context, Parts};
use crate::request::{Query, Request};
use crate::rsm::{self, ForwardPage, PageRequest, PageSummary};
use crate::xml::Xml;

/// Pages that are read to find nodes that the requester may see, before it is told to come back.
const PAGES_MAX: usize = 50;

/// Nodes that a requester may see.
#[derive(Debug)]
pub(crate) struct FoundNodes {
    nodes: Vec<NodeName>,
    is_paged: bool,
    is_from_start: bool,
    has_more: bool,
}

/// Reads a question for identity and features.
pub(crate) fn parse_info(parts: &Parts<'_>, _: &Context<'_>) -> Result<Request, Refusal> {
    Ok(Request::Query(Query::DiscoInfo { node: parts.node_if_given()? }))
}

/// Reads a question for nodes or items.
pub(crate) fn parse_items(parts: &Parts<'_>, _: &Context<'_>) -> Result<Request, Refusal> {
    Ok(Request::Query(Query::DiscoItems { node: parts.node_if_given()?, page: parts.page()? }))
}

/// Writes who the service is and what it can do (§5.1).
pub(crate) fn encode_service(name: &str, features: &[String], out: &mut Xml) {
    out.start_in("query", DISCO_INFO);
    out.start("identity").attribute("category", "pubsub").attribute("type", "service");
    out.attribute("name", name).end();
    encode_features(features.iter().map(String::as_str), out);
    out.end();
}

/// Writes which headers there are (XEP-0131 §5).
pub(crate) fn encode_headers(out: &mut Xml) {
    out.start_in("query", DISCO_INFO).attribute("node", SHIM);
    encode_features([format!("{SHIM}#SubID").as_str()].into_iter(), out);
    out.end();
}

/// Writes that this is a leaf node (§5.3), and what it is about (§5.4).
pub(crate) fn encode_node(node: &NodeFacts, subscriptions: Option<u64>, out: &mut Xml) {
    out.start_in("query", DISCO_INFO).attribute("node", node.name.as_str());
    out.start("identity").attribute("category", "pubsub").attribute("type", "leaf");
    if let Some(title) = &node.config.about.title {
        out.attribute("name", title);
    }
    out.end();
    encode_features([DISCO_INFO, DISCO_ITEMS, PUBSUB, MAM, MAM_EXTENDED].into_iter(), out);
    meta_data::encode(node, subscriptions, out);
    out.end();
}

/// Writes the ids of a node's items (§5.5): the name is the item's id, and there is no node.
pub(crate) fn encode_items(
    engine: &Engine,
    service: &str,
    node: &NodeName,
    found: &FoundItems,
    answer_bytes_max: usize,
    out: &mut Xml,
) {
    out.start_in("query", DISCO_ITEMS).attribute("node", node.as_str());
    let write = |event: &Event, out: &mut Xml| {
        let Some(id) = event.kind.item_id() else { return };
        out.start("item").attribute("jid", service).attribute("name", id.as_str()).end();
    };
    if let Some(page) = found.encode_entries(engine, answer_bytes_max, out, write) {
        rsm::encode(&page, out);
    }
    out.end();
}

/// Writes that a node has no items that one could ask for (§5.5).
pub(crate) fn encode_no_items(node: &NodeName, out: &mut Xml) {
    out.start_in("query", DISCO_ITEMS).attribute("node", node.as_str()).end();
}

/// Looks for nodes (§5.2). Pages go forward by name; how many nodes there are is not counted.
pub(crate) async fn find_nodes(
    engine: &Engine,
    actor: &Actor,
    page: Option<PageRequest>,
) -> Result<FoundNodes, Refusal> {
    let ForwardPage { is_paged, after, entries_max: nodes_max } =
        ForwardPage::of(page, engine.settings().limits.page_items_max)?;
    let mut after =
        after.map(|name| NodeName::new(&name).map_err(|_| BusError::UnknownPosition)).transpose()?;
    let is_from_start = after.is_none();
    let mut nodes = Vec::new();
    for _ in 0..PAGES_MAX {
        let list = engine.nodes(actor, after, nodes_max).await?;
        nodes.extend(list.nodes.into_iter().map(|node| node.name));
        after = list.next_after;
        if after.is_none() || nodes.len() >= nodes_max as usize {
            break;
        }
    }
    if nodes.is_empty() && after.is_some() {
        return Err(BusError::Busy.into());
    }
    let has_more = after.is_some() || nodes.len() > nodes_max as usize;
    nodes.truncate(nodes_max as usize);
    Ok(FoundNodes { nodes, is_paged, is_from_start, has_more })
}

/// Writes nodes.
pub(crate) fn encode_nodes(service: &str, found: &FoundNodes, answer_bytes_max: usize, out: &mut Xml) {
    out.start_in("query", DISCO_ITEMS);
    let entries = Entries::new(&found.nodes, |node, out| {
        out.start("item").attribute("jid", service).attribute("node", node.as_str()).end();
    });
    let written = entries.append(Keep::First, answer_bytes_max, out);
    if found.is_paged || found.has_more || written.len() < found.nodes.len() {
        let nodes = &found.nodes[written];
        let uid = NodeName::to_string;
        let ends = nodes.first().zip(nodes.last()).map(|(first, last)| (uid(first), uid(last)));
        let first_index = found.is_from_start.then_some(0);
        rsm::encode(&PageSummary { ends, first_index, count: None }, out);
    }
    out.end();
}

fn encode_features<'a>(features: impl Iterator<Item = &'a str>, out: &mut Xml) {
    for feature in features {
        out.start("feature").attribute("var", feature).end();
    }
}
