use std::path::Path;

use bridge_grpc::v1;

use crate::cli::PlaceArguments;
use crate::client::{connect_grpc, output};
use crate::failure::Failure;

/// `stanzabus node place`
pub(super) async fn run(config: &Path, arguments: PlaceArguments) -> Result<(), Failure> {
    let PlaceArguments { node, collections, children, link, parent } = arguments;
    let placement =
        v1::Placement { collections: collections.map(names), children: children.map(names), link, parent };
    let request = v1::ConfigureNodeRequest {
        name: node.clone(),
        placement: Some(placement),
        ..v1::ConfigureNodeRequest::default()
    };
    connect_grpc(config).await?.configure(request).await?;
    output::status(&format!("placed {node}"));
    Ok(())
}

/// An empty name stands for no node.
fn names(names: Vec<String>) -> v1::NodeNames {
    v1::NodeNames { names: names.into_iter().filter(|name| !name.is_empty()).collect() }
}
