use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use bus_admission::Authentication;
use bus_engine::Engine;

use crate::problem::Problem;
use crate::{HttpSettings, events, items, publish, retract, web_push, webhook};

/// What requests are answered with.
pub(crate) struct Api {
    pub(crate) engine: Engine,
    pub(crate) authentication: Authentication,
    pub(crate) settings: HttpSettings,
}

/// The table of what there is.
pub(crate) fn router(api: Api) -> Router {
    Router::new()
        .route("/v1/nodes/{node}/events", get(events::get).post(publish::post))
        .route("/v1/nodes/{node}/items/{item_id}", get(items::get).delete(retract::delete))
        .route(
            "/v1/webhooks/{subscription}/agreement",
            get(webhook::agreement::take).post(webhook::agreement::take),
        )
        .route("/v1/push/{token}", get(web_push::get).post(web_push::post))
        .fallback(async || {
            Problem::new(StatusCode::NOT_FOUND, "ROUTE_NOT_FOUND", "there is nothing at this path")
        })
        .method_not_allowed_fallback(async || {
            Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "METHOD_NOT_ALLOWED",
                "this path does not take this method",
            )
        })
        .with_state(Arc::new(api))
}
