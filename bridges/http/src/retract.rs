use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use bus_domain::retract;
use bus_engine::{Command, Verb};

use crate::auth::Authenticated;
use crate::path::{ItemPath, NodePath};
use crate::problem::Problem;
use crate::query::Query;
use crate::routes::Api;

const NOTIFY: &str = "notify";

/// `DELETE /v1/nodes/{node}/items/{item_id}`: takes an item back, which is an event of the log. Answered once what the node's
/// durability promises holds. Whether XMPP subscribers are told is the node's to say, unless the request says it.
pub(crate) async fn delete(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    NodePath(node): NodePath,
    ItemPath(item_id): ItemPath,
    query: Query,
) -> Result<StatusCode, Problem> {
    query.only(&[NOTIFY])?;
    let notify = query.get(NOTIFY).map(|_| query.flag(NOTIFY)).transpose()?;
    let verb = Verb::Retract(retract::Request { item_ids: vec![item_id], notify });
    let command = Command { actor: caller.actor().clone(), node, verb };
    api.engine.execute(command).await.map_err(|error| Problem::of(&error))?;
    Ok(StatusCode::NO_CONTENT)
}
