//! Webhooks: events of durable subscriptions, brought to HTTP servers by POST, as the CloudEvents specification of webhooks
//! has it. Who is served, when, and what follows, is the engine's ([`bus_engine::Carrier`]); here is what is said over HTTP.

pub(crate) mod agreement;
mod answer;
mod handshake;
mod request;
mod signature;

use std::time::Duration;

use async_trait::async_trait;
use bus_cloudevents::arrived;
use bus_cloudevents::hops::count_hop;
use bus_domain::BareJid;
use bus_domain::consumer::destination::Webhook;
use bus_domain::consumer::{Consumer, Destination};
use bus_engine::{Agreement, Brought, Carrier, Condition, Delivered, Engine, EventRef, Verdict};
use outbound_http::{Client, Target};
use url::Url;

use self::request::Delivery;

/// What webhooks are brought with.
#[derive(Clone)]
pub struct WebhookSettings {
    /// Where the nodes are on XMPP: the component's domain, for the URIs of nodes.
    pub service: BareJid,
    /// Sends requests, where its guard lets it.
    pub client: Client,
    /// Who we are to the servers that are asked: a DNS name (`WebHook-Request-Origin`).
    pub origin: String,
    /// Where this bridge's API is reached from outside; with it, servers may agree later (`WebHook-Request-Callback`).
    pub callback_url: Option<Url>,
}

/// Brings events to webhooks.
pub struct WebhookCarrier {
    engine: Engine,
    settings: WebhookSettings,
}

impl WebhookCarrier {
    /// With these settings.
    pub fn new(engine: Engine, settings: WebhookSettings) -> Self {
        Self { engine, settings }
    }

    fn target(&self, webhook: &Webhook) -> Result<Target, String> {
        // What the operator allows may have changed since the webhook was named.
        self.settings.client.guard().check_url(&webhook.uri).map_err(|refused| refused.to_string())
    }

    async fn post(
        &self,
        webhook: &Webhook,
        events: &[Delivered],
        patience: Duration,
    ) -> Result<Brought, String> {
        let leaving = |it: &Delivered| {
            let mut event = arrived(&self.settings.service, &it.facts, &it.event);
            count_hop(&mut event);
            event
        };
        let arrived: Vec<_> = events.iter().map(leaving).collect();
        let ids =
            events.iter().map(|it| EventRef { node: it.facts.id, epoch: it.facts.epoch, seq: it.event.seq });
        let ids: Vec<String> = ids.map(|event| self.engine.event_ids().event_id(event)).collect();
        let now_ms = self.engine.now_ms();
        let delivery = Delivery {
            webhook,
            target: self.target(webhook)?,
            origin: &self.settings.origin,
            events: &arrived,
            ids: &ids,
            now_ms,
        };
        let request = delivery.request()?;
        let sent = tokio::time::timeout(patience, self.settings.client.send(&request)).await;
        let response = sent
            .map_err(|_| format!("no answer within {} s", patience.as_secs()))?
            .map_err(|error| error.to_string())?;
        let (verdict, condition) = answer::judge(&response, self.engine.now_ms());
        Ok(Brought::all(events.len(), verdict, condition))
    }
}

#[async_trait]
impl Carrier for WebhookCarrier {
    fn serves(&self, destination: &Destination) -> bool {
        matches!(destination, Destination::Webhook(_))
    }

    async fn ask(&self, consumer: &Consumer) -> Agreement {
        let Some(Destination::Webhook(webhook)) = &consumer.config.destination else {
            return Agreement::Refused { reason: "it is no webhook".to_owned() };
        };
        let target = match self.target(webhook) {
            Ok(target) => target,
            Err(reason) => return Agreement::Refused { reason },
        };
        let callback =
            self.settings.callback_url.as_ref().map(|base| {
                agreement::callback_url(base, &consumer.name, &self.engine.agreement_key(consumer))
            });
        let asked = handshake::Handshake {
            target,
            origin: &self.settings.origin,
            requests_per_minute: webhook.pace.requests_per_minute,
            callback,
        };
        asked.ask(&self.settings.client).await
    }

    async fn bring(&self, consumer: &Consumer, events: &[Delivered], patience: Duration) -> Brought {
        let brought = match &consumer.config.destination {
            Some(Destination::Webhook(webhook)) => self.post(webhook, events, patience).await,
            _ => Err("it is no webhook".to_owned()),
        };
        brought.unwrap_or_else(|reason| {
            Brought::all(events.len(), Verdict::Later { delay_ms: None }, Condition::Failing { reason })
        })
    }
}
