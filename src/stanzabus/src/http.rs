//! `/metrics` for Prometheus, `/livez` and `/readyz` for probes.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use bus_admission::Departure;
use bus_engine::{Engine, Pushes};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use xmpp_component::{Link, LinkState};

use crate::metrics::Metrics;

/// How long a store may take to answer before the daemon counts as not ready.
const STORE_TIME: Duration = Duration::from_secs(2);

/// Silence after which a task counts as stuck. A healthy one is heard of each second.
pub(crate) const STUCK_TIME: Duration = Duration::from_secs(20);

/// What the endpoints look at.
pub(crate) struct Health {
    /// The store behind it must answer.
    pub(crate) engine: Engine,
    /// It must be up.
    pub(crate) link: Link,
    /// Their senders must make progress.
    pub(crate) pushes: Pushes,
    /// What is shown.
    pub(crate) metrics: Metrics,
    /// Once it is cancelled, the daemon is on its way out.
    pub(crate) stopping: CancellationToken,
    /// Once it has begun, clients of gRPC and of the HTTP API are sent away.
    pub(crate) departure: Departure,
}

/// Serves until `shutdown`.
pub(crate) async fn serve(
    listener: TcpListener,
    health: Health,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let router = Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(Arc::new(health));
    axum::serve(listener, router).with_graceful_shutdown(shutdown.cancelled_owned()).await
}

/// Alive as long as its tasks make progress; what is not is mended by a restart.
async fn livez(State(health): State<Arc<Health>>) -> impl IntoResponse {
    let mut stuck = health.engine.stuck_tasks(STUCK_TIME);
    stuck.extend(health.pushes.is_stuck(STUCK_TIME).then_some("the senders of pushes"));
    if stuck.is_empty() {
        return (StatusCode::OK, "ok\n".to_owned());
    }
    (StatusCode::SERVICE_UNAVAILABLE, format!("stuck: {}\n", stuck.join(", ")))
}

/// Ready when the main job can be done from end to end; otherwise one line for each reason.
async fn readyz(State(health): State<Arc<Health>>) -> impl IntoResponse {
    let reasons = reasons_against(&health).await;
    if reasons.is_empty() {
        return (StatusCode::OK, "ok\n".to_owned());
    }
    (StatusCode::SERVICE_UNAVAILABLE, reasons.join("\n") + "\n")
}

async fn reasons_against(health: &Health) -> Vec<String> {
    let mut reasons = Vec::new();
    if health.stopping.is_cancelled() {
        reasons.push("stopping: what was accepted is being finished".to_owned());
    } else if health.departure.has_begun() {
        reasons.push("draining: an admin has sent the clients away; a restart brings them back".to_owned());
    }
    if !tokio::time::timeout(STORE_TIME, health.engine.store_is_available()).await.unwrap_or(false) {
        reasons.push("store: it does not answer".to_owned());
    }
    if let LinkState::Down { last_error } = health.link.state() {
        reasons.push(match last_error {
            None => "xmpp: no link yet".to_owned(),
            Some(reason) => match reason.advice() {
                None => format!("xmpp: {reason}"),
                Some(advice) => format!("xmpp: {reason}; {advice}"),
            },
        });
    }
    if health.link.is_contested() {
        reasons.push(
            "xmpp: another connection is attached to the server as this domain, and gets a part of what users send; \
             stop the other one"
                .to_owned(),
        );
    }
    if let Some(unanswered) = health.link.proof_overdue() {
        reasons.push(format!(
            "xmpp: pings to the server's host domain have not been answered for {} s, so no delivery can be \
             confirmed; is xmpp.host right, and is this the only connection of the component?",
            unanswered.as_secs()
        ));
    }
    reasons
}

async fn metrics(State(health): State<Arc<Health>>) -> impl IntoResponse {
    match health.metrics.encode() {
        Ok(text) => (StatusCode::OK, [(CONTENT_TYPE, prometheus::TEXT_FORMAT)], text),
        Err(error) => {
            tracing::error!(%error, "the metrics cannot be written");
            (StatusCode::INTERNAL_SERVER_ERROR, [(CONTENT_TYPE, "text/plain")], "see the log\n".to_owned())
        }
    }
}
