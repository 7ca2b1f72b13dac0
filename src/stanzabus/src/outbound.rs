//! What the daemon sends to addresses that its callers name.

use std::sync::Arc;
use std::time::Duration;

use bridge_http::{WebhookCarrier, WebhookSettings};
use bus_engine::Engine;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::Loaded;
use crate::failure::Failure;

/// Begins to bring events to destinations. Requests under way have `grace` to end once it is to stop.
pub(crate) fn start(
    loaded: &Loaded,
    engine: &Engine,
    grace: Duration,
    shutdown: &CancellationToken,
) -> Result<JoinHandle<()>, Failure> {
    let (config, domain) = (&loaded.config.outbound, loaded.config.xmpp.domain()?);
    let settings = WebhookSettings {
        client: config.client(&loaded.folder)?,
        origin: config.origin(&domain)?,
        callback_url: config.callback_url()?,
        service: domain,
    };
    let carrier = Arc::new(WebhookCarrier::new(engine.clone(), settings));
    let (engine, shutdown) = (engine.clone(), shutdown.clone());
    Ok(tokio::spawn(async move { engine.carry(carrier, grace, shutdown).await }))
}
