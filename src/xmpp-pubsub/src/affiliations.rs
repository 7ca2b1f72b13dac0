use bus_domain::{Actor, BusError, NodeId, NodeName};
use bus_engine::{Engine, EntityAffiliation, EntityPage};

use crate::errors::Refusal;
use crate::namespaces::PUBSUB;
use crate::page::encode_forward;
use crate::parts::{Context, Parts};
use crate::request::{Query, Request};
use crate::rsm::{ForwardPage, PageRequest};
use crate::xml::Xml;

/// Reads a question for the requester's affiliations (XEP-0060 §5.7), on all nodes or on one.
pub(crate) fn parse(parts: &Parts<'_>, _: &Context<'_>) -> Result<Request, Refusal> {
    Ok(Request::Query(Query::Affiliations { node: parts.node_if_given()?, page: parts.page()? }))
}

/// Reads a page of them.
pub(crate) async fn find(
    engine: &Engine,
    actor: &Actor,
    node: Option<&NodeName>,
    page: Option<PageRequest>,
) -> Result<(ForwardPage, EntityPage<EntityAffiliation>), Refusal> {
    let page = ForwardPage::of(page, engine.settings().limits.page_items_max)?;
    let after = page.after.as_deref().map(|uid| uid.parse().map(NodeId)).transpose();
    let after = after.map_err(|_| BusError::UnknownPosition)?;
    let found = engine.affiliations_of(actor, node, after, page.entries_max).await?;
    Ok((page, found))
}

/// Writes them.
pub(crate) fn encode(
    node: Option<&NodeName>,
    (page, found): &(ForwardPage, EntityPage<EntityAffiliation>),
    answer_bytes_max: usize,
    out: &mut Xml,
) {
    out.start_in("pubsub", PUBSUB).start("affiliations");
    if let Some(node) = node {
        out.attribute("node", node.as_str());
    }
    let write = |entry: &EntityAffiliation, out: &mut Xml| {
        out.start("affiliation").attribute("node", entry.name.as_str());
        out.attribute("affiliation", entry.affiliation.as_str()).end();
    };
    let uid = |entry: &EntityAffiliation| entry.node.0.to_string();
    encode_forward(page, found, write, uid, answer_bytes_max, out);
    out.end();
}
