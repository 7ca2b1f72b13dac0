use bus_domain::collection::{Neighbour, Neighbours, Placement};
use bus_domain::{NodeName, RelationWish};
use bus_engine::Relatives;
use tonic::Status;

use super::node_name;
use crate::v1;

/// Which nodes a request wants a node to be among; `None` if it says nothing of that.
pub(crate) fn placement_from_message(
    field: &str,
    message: Option<v1::Placement>,
) -> Result<Option<Placement>, Status> {
    let Some(v1::Placement { collections, children, link, parent }) = message else { return Ok(None) };
    let relation = RelationWish {
        link: link.map(|name| related(&format!("{field}.link"), &name)).transpose()?,
        parent: parent.map(|name| related(&format!("{field}.parent"), &name)).transpose()?,
    };
    Ok(Some(Placement {
        collections: names(&format!("{field}.collections"), collections)?,
        children: names(&format!("{field}.children"), children)?,
        relation,
    }))
}

/// Which nodes a node is among; only a collection has children.
pub(crate) fn placement_to_message(
    is_collection: bool,
    neighbours: &Neighbours,
    relatives: &Relatives,
) -> v1::Placement {
    let names = |neighbours: &[Neighbour]| {
        let names = neighbours.iter().map(|neighbour| neighbour.name.as_str().to_owned());
        Some(v1::NodeNames { names: names.collect() })
    };
    let name = |node: &Option<NodeName>| Some(node.as_ref().map_or("", NodeName::as_str).to_owned());
    v1::Placement {
        collections: names(&neighbours.collections),
        children: is_collection.then(|| names(&neighbours.children)).flatten(),
        link: name(&relatives.link),
        parent: name(&relatives.parent),
    }
}

fn names(field: &str, message: Option<v1::NodeNames>) -> Result<Option<Vec<NodeName>>, Status> {
    let Some(v1::NodeNames { names }) = message else { return Ok(None) };
    let names = names.iter().enumerate();
    names
        .map(|(index, name)| node_name(&format!("{field}.names[{index}]"), name))
        .collect::<Result<_, _>>()
        .map(Some)
}

/// An empty name ends the relation.
fn related(field: &str, name: &str) -> Result<Option<NodeName>, Status> {
    if name.is_empty() { Ok(None) } else { node_name(field, name).map(Some) }
}
