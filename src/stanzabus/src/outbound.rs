//! What the daemon sends to addresses that its callers name, and what it reads there.

use std::sync::Arc;
use std::time::Duration;

use bridge_grpc::{GrpcSourceReader, SinkCarrier};
use bridge_http::{WebhookCarrier, WebhookSettings};
use bus_engine::Engine;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::Loaded;
use crate::failure::Failure;

/// Begins to bring events to destinations, and to read sources. What is under way has `grace` to end once it is to stop.
pub(crate) fn start(
    loaded: &Loaded,
    engine: &Engine,
    grace: Duration,
    shutdown: &CancellationToken,
) -> Result<JoinHandle<()>, Failure> {
    let (config, domain) = (&loaded.config.outbound, loaded.config.xmpp.domain()?);
    let dialer = config.dialer(&loaded.folder)?;
    let ids = engine.event_ids().clone();
    let sinks = Arc::new(SinkCarrier::new(domain.clone(), ids, dialer.clone()));
    let sources = Arc::new(GrpcSourceReader::new(dialer, engine.settings().limits.clone()));
    let settings = WebhookSettings {
        client: config.client(&loaded.folder)?,
        origin: config.origin(&domain)?,
        callback_url: config.callback_url()?,
        service: domain,
    };
    let webhooks = Arc::new(WebhookCarrier::new(engine.clone(), settings));
    let (engine, shutdown) = (engine.clone(), shutdown.clone());
    Ok(tokio::spawn(async move {
        tokio::join!(
            engine.carry(webhooks, grace, shutdown.clone()),
            engine.carry(sinks, grace, shutdown.clone()),
            engine.read_sources(sources, grace, shutdown),
        );
    }))
}
