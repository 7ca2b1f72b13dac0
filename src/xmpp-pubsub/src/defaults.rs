use bus_domain::{BusError, NodeType};

use crate::errors::Refusal;
use crate::parts::{Context, Parts};
use crate::request::{Query, Request};

/// Reads a question for the configuration of new nodes (XEP-0060 §8.3). They are leaves, unless it asks for
/// collections (XEP-0248 §8.4).
pub(crate) fn parse(parts: &Parts<'_>, _: &Context<'_>) -> Result<Request, Refusal> {
    match parts.verb().attr("type") {
        None | Some("" | "leaf") => Ok(of(NodeType::Leaf)),
        Some("collection") => Ok(of(NodeType::Collection)),
        Some(_) => Err(BusError::bad_request("there is no such type of nodes").into()),
    }
}

fn of(node_type: NodeType) -> Request {
    Request::Query(Query::DefaultConfiguration { node_type })
}
