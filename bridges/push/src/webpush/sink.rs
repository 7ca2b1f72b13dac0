use std::sync::Arc;

use async_trait::async_trait;
use bus_domain::push::{PushAddress, PushMessage, PushProvider};
use bus_engine::{Clock, IdSource};
use outbound_http::{Client, Target};
use p256::{PublicKey, SecretKey};
use serde_json::{Map, Value, json};

use super::client::{Encrypted, WebPushClient};
use super::encryption::{Fresh, OVERHEAD_BYTES, Receiver, encrypt};
use super::error;
use super::vapid::Vapid;
use super::{WebPushSettings, WebPushSettingsError};
use crate::decision::without_answer;
use crate::{Outcome, Push, Sink, Unfit};

/// Sends to push services of browsers and of `UnifiedPush`.
pub struct WebPushSink {
    client: WebPushClient,
    body_bytes_max: usize,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
}

impl WebPushSink {
    /// Opens no connection.
    ///
    /// # Errors
    /// When the settings cannot be used.
    pub fn new(
        settings: &WebPushSettings,
        http: Client,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
    ) -> Result<Self, WebPushSettingsError> {
        settings.check()?;
        let vapid = Vapid::new(settings, Arc::clone(&clock))?;
        let client = WebPushClient { http, vapid };
        Ok(Self { client, body_bytes_max: settings.body_bytes_max, clock, ids })
    }

    /// What apps subscribe with (`applicationServerKey`), in base64url.
    pub fn public_key(&self) -> &str {
        self.client.vapid.public_key()
    }

    fn prepare<'a>(&self, address: &'a PushAddress, message: &PushMessage) -> Result<Prepared<'a>, Unfit> {
        let PushAddress::WebPush { endpoint, public_key, auth_secret } = address else {
            return Err(Unfit::Address("the device is not one of Web Push".to_owned()));
        };
        let target = self.client.target(endpoint).map_err(|refused| Unfit::Address(refused.to_string()))?;
        let public_key = PublicKey::from_sec1_bytes(public_key)
            .map_err(|_| Unfit::Address("the public key (p256dh) is not a point on P-256".to_owned()))?;
        let plaintext = plaintext(message);
        let bytes = plaintext.len() + OVERHEAD_BYTES;
        if bytes > self.body_bytes_max {
            return Err(Unfit::PayloadTooLarge { bytes, bytes_max: self.body_bytes_max });
        }
        Ok(Prepared { target, public_key, auth_secret, plaintext })
    }

    fn fresh(&self) -> Fresh {
        Fresh { private_key: self.private_key(), salt: self.ids.random_bytes() }
    }

    /// One number in four thousand million is no key: it is 0, or not below the order of the curve.
    fn private_key(&self) -> SecretKey {
        loop {
            let bytes = [self.ids.random_bytes(), self.ids.random_bytes()].concat();
            if let Ok(key) = SecretKey::from_slice(&bytes) {
                return key;
            }
        }
    }
}

#[async_trait]
impl Sink for WebPushSink {
    fn provider(&self) -> PushProvider {
        PushProvider::WebPush
    }

    fn check(&self, address: &PushAddress, message: &PushMessage) -> Result<(), Unfit> {
        self.prepare(address, message).map(drop)
    }

    fn subscription_key(&self) -> Option<String> {
        Some(self.public_key().to_owned())
    }

    async fn send(&self, push: &Push<'_>) -> Outcome {
        let Prepared { target, public_key, auth_secret, plaintext } =
            match self.prepare(push.address, push.message) {
                Ok(prepared) => prepared,
                Err(unfit) => return unfit.into(),
            };
        let receiver = Receiver { public_key: &public_key, auth_secret };
        let message = Encrypted {
            body: encrypt(&plaintext, &receiver, &self.fresh()),
            ttl_s: push.ttl_left_s(self.clock.now_ms()),
            urgency: push.message.urgency,
            topic: push.message.collapse_key.as_deref(),
        };
        match self.client.post(target, message).await {
            Ok(response) => error::outcome(&response, self.clock.now_ms()),
            Err(error) => without_answer(&error),
        }
    }
}

struct Prepared<'a> {
    target: Target,
    public_key: PublicKey,
    auth_secret: &'a [u8],
    plaintext: Vec<u8>,
}

/// What the app reads: its own payload, or a JSON object of what the message has.
fn plaintext(message: &PushMessage) -> Vec<u8> {
    if let Some(payload) = &message.webpush_payload {
        return payload.clone();
    }
    let mut object = Map::new();
    for (name, text) in [("title", &message.title), ("body", &message.body)] {
        if let Some(text) = text {
            object.insert(name.to_owned(), json!(text));
        }
    }
    if !message.data.is_empty() {
        object.insert("data".to_owned(), json!(message.data));
    }
    Value::Object(object).to_string().into_bytes()
}
