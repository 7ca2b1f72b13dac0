use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Path};
use axum::http::StatusCode;
use axum::http::request::Parts;
use bus_domain::consumer::ConsumerName;
use bus_domain::{ItemId, NodeName};

use crate::problem::Problem;
use crate::routes::Api;

/// The node that a path names, percent-encoded in UTF-8.
pub(crate) struct NodePath(pub(crate) NodeName);

/// The item that a path names.
pub(crate) struct ItemPath(pub(crate) ItemId);

/// The durable subscription that a path names.
pub(crate) struct SubscriptionPath(pub(crate) ConsumerName);

impl FromRequestParts<Arc<Api>> for NodePath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Problem> {
        let text = parameter("node", parts, api).await?;
        NodeName::new(&text).map(Self).map_err(|problem| Problem::invalid("node", problem))
    }
}

impl FromRequestParts<Arc<Api>> for ItemPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Problem> {
        let text = parameter("item_id", parts, api).await?;
        ItemId::new(&text).map(Self).map_err(|problem| Problem::invalid("item_id", problem))
    }
}

impl FromRequestParts<Arc<Api>> for SubscriptionPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Problem> {
        let text = parameter("subscription", parts, api).await?;
        ConsumerName::new(&text).map(Self).map_err(|problem| Problem::invalid("subscription", problem))
    }
}

async fn parameter(name: &'static str, parts: &mut Parts, api: &Arc<Api>) -> Result<String, Problem> {
    let found = Path::<HashMap<String, String>>::from_request_parts(parts, api).await;
    let Path(mut parameters) = found.map_err(|_| Problem::invalid(name, "is not percent-encoded UTF-8"))?;
    let none = || Problem::new(StatusCode::NOT_FOUND, "ROUTE_NOT_FOUND", "there is nothing at this path");
    parameters.remove(name).ok_or_else(none)
}
