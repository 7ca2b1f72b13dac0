//! XEP-0030 of the service, of its nodes and of their items (XEP-0060 §5).

use bus_domain::{Actor, BusError, Event, Feature, Limits, NodeFacts, NodeName, TypeFilter};
use bus_engine::Engine;
use bus_xml::Element;

use crate::errors::Refusal;
use crate::form::{self, Submission};
use crate::items::{self, FoundItems, ItemsRequest};
use crate::namespaces::{DISCO_INFO, DISCO_ITEMS, MAM, MAM_EXTENDED, PUBSUB, PUBSUB_FILTER, SHIM};
use crate::order_by::Order;
use crate::page::{Entries, Keep};
use crate::parts::{Context, Parts};
use crate::request::{Query, Request};
use crate::rsm::{self, ForwardPage, PageRequest, PageSummary};
use crate::service::ServiceSettings;
use crate::xml::Xml;
use crate::{Service, ad_hoc, meta_data};

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
    let types = parts.verb().get_child("filter", PUBSUB_FILTER).map(parse_filter).transpose()?.flatten();
    Ok(Request::Query(Query::DiscoItems { node: parts.node_if_given()?, types, page: parts.page()? }))
}

/// Reads which types of nodes are wanted (XEP-0462 §3.2).
fn parse_filter(filter: &Element) -> Result<Option<TypeFilter>, Refusal> {
    let form = form::form(filter).ok_or_else(|| BusError::bad_request("the filter has no form"))?;
    let Submission::Filled(filled) = form::read(form, PUBSUB_FILTER)? else {
        return Err(BusError::bad_request("the filter's form is cancelled").into());
    };
    let types = |var| filled.values(var).map(<[String]>::to_vec);
    let filter = match (types("included-types"), types("excluded-types")) {
        (None, None) => return Ok(None),
        (Some(types), None) => TypeFilter::only(types),
        (None, Some(types)) => TypeFilter::all_but(types),
        (Some(_), Some(_)) => {
            return Err(BusError::bad_request("types are either included or excluded").into());
        }
    };
    if filter.types().len() > TypeFilter::TYPES_MAX {
        let max = TypeFilter::TYPES_MAX;
        return Err(BusError::bad_request(format!("a filter names at most {max} types")).into());
    }
    Ok(Some(filter))
}

impl Service {
    /// Writes what the service is, or a node, or what is asked for as if it were one.
    pub(crate) async fn disco_info(
        &self,
        actor: &Actor,
        node: Option<&NodeName>,
        out: &mut Xml,
    ) -> Result<(), Refusal> {
        let Self { engine, settings, features, caps, .. } = self;
        let Some(node) = node.filter(|node| !caps.is_node(node.as_str())) else {
            encode_service(node, settings, features, out);
            return Ok(());
        };
        if node.as_str() == SHIM {
            encode_headers(out);
        } else if ad_hoc::is_command_node(node.as_str()) {
            ad_hoc::encode_info(engine, actor, node.as_str(), out).await?;
        } else {
            let view = engine.node(actor, node).await?;
            let subscribers = engine.count_subscribers(&view.facts).await?;
            encode_node(&view.facts, subscribers, &engine.settings().limits, out);
        }
        Ok(())
    }

    /// Writes the items of a node, or the commands.
    pub(crate) async fn disco_items(
        &self,
        actor: &Actor,
        node: &NodeName,
        page: Option<PageRequest>,
        answer_bytes_max: usize,
        out: &mut Xml,
    ) -> Result<(), Refusal> {
        let Self { engine, settings, .. } = self;
        let service = settings.domain.as_str();
        if ad_hoc::is_command_node(node.as_str()) {
            return ad_hoc::encode_items(engine, service, actor, node.as_str(), out).await;
        }
        let items = page.clone().map_or(ItemsRequest::Newest(None), ItemsRequest::Page);
        match items::find(engine, actor, node, items, Order::default()).await {
            // A collection has nodes instead (XEP-0248 §5.2).
            Err(Refusal::Bus(BusError::Unsupported(Feature::RetrieveItems))) => {
                let found = find_nodes(engine, actor, Listed::ChildrenOf(node), page).await?;
                encode_nodes(service, Some(node), &found, answer_bytes_max, out);
            }
            // An answer like that of a node without items: nothing is asked that it does not do.
            Err(Refusal::Bus(BusError::Unsupported(Feature::PersistentItems))) => encode_no_items(node, out),
            found => encode_items(engine, service, node, &found?, answer_bytes_max, out),
        }
        Ok(())
    }
}

/// Writes who the service is and what it can do (§5.1), and whom to ask about it. The node is that of capabilities, if it
/// was asked for what they are.
fn encode_service(node: Option<&NodeName>, settings: &ServiceSettings, features: &[String], out: &mut Xml) {
    out.start_in("query", DISCO_INFO);
    if let Some(node) = node {
        out.attribute("node", node.as_str());
    }
    out.start("identity").attribute("category", "pubsub").attribute("type", "service");
    out.attribute("name", &settings.name).end();
    encode_features(features.iter().map(String::as_str), out);
    settings.contacts.encode(out);
    out.end();
}

/// Writes which headers there are (XEP-0131 §5).
fn encode_headers(out: &mut Xml) {
    out.start_in("query", DISCO_INFO).attribute("node", SHIM);
    let headers = ["SubID", "Collection"].map(|header| format!("{SHIM}#{header}"));
    encode_features(headers.iter().map(String::as_str), out);
    out.end();
}

/// Writes whether this is a leaf or a collection (§5.3), and what it is about (§5.4).
fn encode_node(node: &NodeFacts, subscribers: u64, limits: &Limits, out: &mut Xml) {
    out.start_in("query", DISCO_INFO).attribute("node", node.name.as_str());
    out.start("identity").attribute("category", "pubsub").attribute("type", node.config.node_type.as_str());
    if let Some(title) = &node.config.about.title {
        out.attribute("name", title);
    }
    out.end();
    let archive = if node.config.is_collection() { &[][..] } else { &[MAM, MAM_EXTENDED] };
    encode_features([DISCO_INFO, DISCO_ITEMS, PUBSUB].iter().chain(archive).copied(), out);
    meta_data::encode(node, subscribers, limits, out);
    out.end();
}

/// Writes the ids of a node's items (§5.5): the name is the item's id, and there is no node.
fn encode_items(
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
fn encode_no_items(node: &NodeName, out: &mut Xml) {
    out.start_in("query", DISCO_ITEMS).attribute("node", node.as_str()).end();
}

/// Which nodes are looked for.
pub(crate) enum Listed<'a> {
    /// All of the service, or those of some types.
    OfTypes(Option<TypeFilter>),
    /// Those of a collection.
    ChildrenOf(&'a NodeName),
}

/// Looks for nodes (§5.2). Pages go forward by name; how many nodes there are is not counted.
pub(crate) async fn find_nodes(
    engine: &Engine,
    actor: &Actor,
    listed: Listed<'_>,
    page: Option<PageRequest>,
) -> Result<FoundNodes, Refusal> {
    let ForwardPage { is_paged, after, entries_max: nodes_max } =
        ForwardPage::of(page, engine.settings().limits.page_items_max)?;
    let mut after =
        after.map(|name| NodeName::new(&name).map_err(|_| BusError::UnknownPosition)).transpose()?;
    let is_from_start = after.is_none();
    let mut nodes = Vec::new();
    for _ in 0..PAGES_MAX {
        let list = match &listed {
            Listed::OfTypes(types) => engine.nodes_of_types(actor, types.clone(), after, nodes_max).await?,
            Listed::ChildrenOf(collection) => engine.children(actor, collection, after, nodes_max).await?,
        };
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

/// Writes nodes, those of a collection or of the service.
pub(crate) fn encode_nodes(
    service: &str,
    collection: Option<&NodeName>,
    found: &FoundNodes,
    answer_bytes_max: usize,
    out: &mut Xml,
) {
    out.start_in("query", DISCO_ITEMS);
    if let Some(collection) = collection {
        out.attribute("node", collection.as_str());
    }
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
